import type { TrapCode } from "../core/errors.js";
import { TRAP_CODES } from "../core/errors.js";
import type { OpRecord, TensorOp } from "./record.js";

/** When each trap occurs, in the words of spec/execution.md. */
export const TRAP_DOCS: Readonly<Record<TrapCode, string>> = {
  Unreachable: "a `trap` instruction; its immediate is the detail",
  ShapeMismatch: "shapes do not fit",
  OperandRange: "a value is outside the bits or the interval that the instruction states",
  AccumulatorBound: "K · A · B exceeds the accumulator",
  IndexOutOfRange: "an index is negative or not below the dimension of its axis",
  OutOfGas: "the gas is used up",
  MemoryLimit: "too many bytes of live tensors",
  StackLimit: "too many operands and locals",
  CallDepth: "too many frames",
  ElementLimit: "a tensor of too many elements",
};

/** The limits of a run, by their names in receipts, and the trap of each. */
export const LIMIT_TRAPS = {
  gas: "OutOfGas",
  memoryBytes: "MemoryLimit",
  stackDepth: "StackLimit",
  callDepth: "CallDepth",
  elements: "ElementLimit",
} as const satisfies Readonly<Record<string, TrapCode>>;

/** Traps that any instruction on tensors may raise, by the limits of the run. */
const LIMITS: readonly TrapCode[] = ["OutOfGas", "ElementLimit", "MemoryLimit"];

/** All traps that an instruction can raise, those of the limits of the run among them, by number. */
export function trapsOf(record: OpRecord): readonly TrapCode[] {
  const limits: readonly TrapCode[] =
    record.kind === "machine"
      ? ["OutOfGas"]
      : growsStack(record)
        ? [...LIMITS, "StackLimit"]
        : LIMITS;
  return [...new Set([...record.traps, ...limits])].sort((a, b) => TRAP_CODES[a] - TRAP_CODES[b]);
}

/** Whether it may push more than it pops: the others leave the stack no higher than they found it. */
function growsStack({ operands, results }: TensorOp): boolean {
  const fewest = operands.filter(({ when }) => when === undefined).length;
  return results.length > fewest;
}
