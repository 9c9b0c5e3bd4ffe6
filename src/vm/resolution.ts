/** What one execution of a tensor instruction comes to, from shapes alone. */
import { DTYPE_INFO } from "../core/dtype.js";
import type { Shape, TensorSpec } from "../core/shape.js";
import { chargedCount, sameShape } from "../core/shape.js";
import { checkInterval } from "../opcodes/evaluate.js";
import { gasOf } from "../opcodes/gas.js";
import type { TensorOpName } from "../opcodes/index.js";
import { tensorRecordOf } from "../opcodes/index.js";
import type { AnyImmediates, OperandRule, TensorOp } from "../opcodes/record.js";
import { operandRulesOf, resultDtypesOf, shapeOperandOf } from "../opcodes/signature.js";
import { chargedBytes } from "./rawTensor.js";

/** Values of one operand that the instruction takes, where its dtype has others. */
export interface Interval {
  /** Position among the popped operands. */
  readonly operand: number;
  readonly lo: bigint;
  readonly hi: bigint;
  readonly trap: "OperandRange" | "IndexOutOfRange";
}

export interface Resolution {
  readonly results: readonly TensorSpec[];
  readonly gas: bigint;
  /** Elements of the largest result, as the limit counts them. */
  readonly elements: number;
  /** Bytes of all results, as the limit counts them. */
  readonly bytes: number;
  readonly intervals: readonly Interval[];
}

/** An instruction on tensors with all that is known before it runs. */
export interface TensorInstruction {
  readonly op: TensorOpName;
  readonly imm: AnyImmediates;
  readonly record: TensorOp;
  /** One for each popped operand. */
  readonly rules: readonly OperandRule[];
  /** Position of the shape operand, or −1. */
  readonly shapeOperand: number;
}

export function tensorInstruction(op: TensorOpName, imm: AnyImmediates): TensorInstruction {
  const record = tensorRecordOf(op);
  const rules = operandRulesOf(record, imm);
  return { op, imm, record, rules, shapeOperand: shapeOperandOf(rules) };
}

/**
 * Shapes, gas and limits of one execution.
 * @param dims values of the shape operand, where there is one
 * @throws Trap `ShapeMismatch` or `AccumulatorBound`
 */
export function resolve(
  { imm, record, rules }: TensorInstruction,
  operands: readonly TensorSpec[],
  dims: readonly bigint[],
): Resolution {
  const shapes = record.shape(imm as never, operands, dims);
  const dtypes = resultDtypesOf(record, imm, rules, operands);
  const results = shapes.map((shape, i) => ({ dtype: dtypes[i]!, shape }));
  return {
    results,
    gas: gasOf(record.gas, rules, { imm, operands, results }),
    elements: Math.max(...shapes.map(chargedCount)),
    bytes: results.reduce((sum, result) => sum + chargedBytes(result), 0),
    intervals: record.checks
      .map((check) => checkInterval(check, imm, rules, operands))
      .filter(({ operand, lo, hi }) => !holdsAll(operands[operand]!, lo, hi)),
  };
}

/** Whether every value of the tensor's dtype lies in [lo, hi], so that there is nothing to check. */
function holdsAll({ dtype }: TensorSpec, lo: bigint, hi: bigint): boolean {
  const { min, max } = DTYPE_INFO[dtype];
  return lo <= min && max <= hi;
}

/**
 * `resolve` that remembers the last shapes of its instruction, which are nearly always the next.
 * It keeps one resolution, so its memory is bounded by the code.
 */
export class Resolver {
  readonly #instruction: TensorInstruction;
  #shapes: readonly Shape[] = [];
  #last: Resolution | undefined;

  constructor(instruction: TensorInstruction) {
    this.#instruction = instruction;
  }

  /** @throws Trap as `resolve` */
  resolve(operands: readonly TensorSpec[]): Resolution {
    if (this.#last !== undefined && this.#matches(operands)) return this.#last;
    const resolution = resolve(this.#instruction, operands, []);
    this.#shapes = operands.map(({ shape }) => shape);
    this.#last = resolution;
    return resolution;
  }

  #matches(operands: readonly TensorSpec[]): boolean {
    for (let i = 0; i < operands.length; i++) {
      if (!sameShape(this.#shapes[i]!, operands[i]!.shape)) return false;
    }
    return true;
  }
}
