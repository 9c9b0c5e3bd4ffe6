/** What an instruction pops and pushes once its immediates are known. */
import type { Dtype } from "../core/dtype.js";
import type { AnyImmediates, OperandRule, TensorOp } from "./record.js";

/**
 * The rules of the operands, one for each that is popped, the first pushed in front: `repeat` is
 * unrolled and `when` is decided.
 */
export function operandRulesOf(record: TensorOp, imm: AnyImmediates): readonly OperandRule[] {
  if (record.operands.every((rule) => rule.repeat === undefined && rule.when === undefined)) {
    return record.operands;
  }
  return record.operands.flatMap((rule) => {
    if (rule.when !== undefined) {
      const list = imm[rule.when.immediate] as readonly number[];
      return list.includes(rule.when.holds) ? [rule] : [];
    }
    if (rule.repeat === undefined) return [rule];
    return new Array<OperandRule>(imm[rule.repeat] as number).fill(rule);
  });
}

/** Position among the popped operands of the shape operand (`dims` taken from data), or −1. */
export function shapeOperandOf(rules: readonly OperandRule[]): number {
  return rules.findIndex((rule) => rule.when !== undefined);
}

/** Dtypes of the results, given the rules and the dtypes of the popped operands. */
export function resultDtypesOf(
  record: TensorOp,
  imm: AnyImmediates,
  rules: readonly OperandRule[],
  operands: readonly { readonly dtype: Dtype }[],
): readonly Dtype[] {
  return record.results.map(({ dtype }) => {
    if (typeof dtype === "string") return dtype;
    if ("immediate" in dtype) return imm[dtype.immediate] as Dtype;
    return operands[rules.findIndex((rule) => rule.name === dtype.of)]!.dtype;
  });
}
