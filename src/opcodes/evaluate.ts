/** The exact meaning of an instruction over whole tensors: the oracle that engines are held to. */
import { DTYPE_INFO, saturate } from "../core/dtype.js";
import { InputError, Trap } from "../core/errors.js";
import type { TensorSpec } from "../core/shape.js";
import { elementCount, stridesOf } from "../core/shape.js";
import { bitsInterval, forEachIndex } from "./contraction.js";
import type { TensorOpName } from "./index.js";
import { tensorRecordOf } from "./index.js";
import type { AnyImmediates, ExactTensor, OperandRule, ValueCheck } from "./record.js";
import { operandRulesOf, resultDtypesOf, shapeOperandOf } from "./signature.js";

/** A tensor as row-major exact integers. */
export interface ExactValue extends TensorSpec {
  readonly values: readonly bigint[];
}

/**
 * Runs one instruction by its record: shapes, then value checks, then the meaning at every index,
 * saturated to the dtype of the result. Slow, exact, obvious. Types and immediates are taken to be
 * valid, gas and limits are the VM's.
 * @param operands in the order they were pushed, the shape operand included where there is one
 * @throws Trap `ShapeMismatch`, `AccumulatorBound`, `OperandRange` or `IndexOutOfRange`
 * @throws InputError `Operand` when the operands are not tensors that the instruction pops
 */
export function evaluateExact(
  op: TensorOpName,
  imm: AnyImmediates,
  operands: readonly ExactValue[],
): readonly ExactValue[] {
  const record = tensorRecordOf(op);
  const rules = operandRulesOf(record, imm);
  if (operands.length !== rules.length) {
    throw new InputError(
      "Operand",
      `${op} pops ${rules.length} operands, ${operands.length} were given`,
      { op },
    );
  }
  operands.forEach((operand, i) => checkOperand(op, rules[i]!.name, operand));

  const dims = operands[shapeOperandOf(rules)]?.values ?? [];
  const largest = record.shape(imm as never, operands, dims);
  for (const check of record.checks) runCheck(op, check, imm, rules, operands);

  const exact = operands.map(exactTensor);
  const shapes = record.valueShape?.(imm as never, exact) ?? largest;
  const results = record.meaning(imm as never, exact, shapes);
  return resultDtypesOf(record, imm, rules, operands).map((dtype, i) => {
    const values: bigint[] = [];
    forEachIndex(shapes[i]!, (index) => values.push(saturate(results[i]!(index), dtype)));
    return { dtype, shape: shapes[i]!, values };
  });
}

function checkOperand(op: TensorOpName, name: string, { dtype, shape, values }: ExactValue): void {
  if (values.length !== elementCount(shape)) {
    throw new InputError(
      "Operand",
      `${name} of ${op} has ${values.length} values for shape [${shape.join(",")}]`,
      { op, name },
    );
  }
  const { min, max } = DTYPE_INFO[dtype];
  const bad = values.find((value) => value < min || value > max);
  if (bad !== undefined)
    throw new InputError("Operand", `${bad} in ${name} of ${op} is not a value of ${dtype}`, {
      op,
      name,
    });
}

function exactTensor({ dtype, shape, values }: ExactValue): ExactTensor {
  const strides = stridesOf(shape);
  const at = (index: readonly number[]): bigint =>
    values[index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0)]!;
  return { dtype, shape, at };
}

/** The values that a check allows, `[least, greatest]`, and the trap where there are others. */
export function checkInterval(
  check: ValueCheck,
  imm: AnyImmediates,
  rules: readonly OperandRule[],
  operands: readonly TensorSpec[],
): {
  readonly operand: number;
  readonly lo: bigint;
  readonly hi: bigint;
  readonly trap: "OperandRange" | "IndexOutOfRange";
} {
  const indexOf = (name: string): number => rules.findIndex((rule) => rule.name === name);
  const operand = indexOf(check.operand);
  switch (check.check) {
    case "bits": {
      const [lo, hi] = bitsInterval(operands[operand]!.dtype, imm[check.immediate] as number);
      return { operand, lo, hi, trap: "OperandRange" };
    }
    case "interval":
      return { operand, lo: check.lo, hi: check.hi, trap: "OperandRange" };
    case "index": {
      const axis = operands[indexOf(check.of)]!.shape[imm[check.axis] as number]!;
      return { operand, lo: 0n, hi: BigInt(axis) - 1n, trap: "IndexOutOfRange" };
    }
  }
}

function runCheck(
  op: TensorOpName,
  check: ValueCheck,
  imm: AnyImmediates,
  rules: readonly OperandRule[],
  operands: readonly ExactValue[],
): void {
  const { operand, lo, hi, trap } = checkInterval(check, imm, rules, operands);
  const bad = operands[operand]!.values.find((value) => value < lo || value > hi);
  if (bad !== undefined) {
    throw new Trap(trap, `${bad} in ${check.operand} of ${op} is outside [${lo}, ${hi}]`, {
      op,
      name: check.operand,
    });
  }
}
