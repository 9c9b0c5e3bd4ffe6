/** Step hooks: a loop of their own around the interpreter's, so that they cost nothing when off. */
import type { TensorSpec } from "../core/shape.js";
import type { OpName } from "../opcodes/index.js";
import type { Execution } from "./execution.js";
import type { RawTensor } from "./rawTensor.js";

/** An instruction that has just had its effect. */
export interface StepEvent {
  /** Index of its function in the part that runs. */
  readonly function: number;
  readonly pc: number;
  readonly op: OpName;
  /** Frames, the entry's included, when it began. */
  readonly depth: number;
  readonly operands: readonly TensorSpec[];
  readonly results: readonly TensorSpec[];
  /** Gas of this instruction. */
  readonly gas: bigint;
  /** Gas of the run with it. */
  readonly gasUsed: bigint;
  /** A copy of one of the results; only while the hook runs. */
  readonly read: (result: number) => RawTensor;
}

/** Called after each instruction, in order; not for one that traps, which the receipt names. */
export type OnStep = (event: StepEvent) => void;

/** `execution.advance(gas)` with a hook. */
export function advanceTraced(execution: Execution, gas: bigint, onStep: OnStep): void {
  const until = execution.gasUsed + gas;
  do {
    const { next, depth, gasUsed: before } = execution;
    if (next === undefined) return;
    const { op, pops, pushes } = next.step;
    const operands = top(execution, pops);
    execution.step();
    const { gasUsed, outcome } = execution;
    if (outcome !== undefined && outcome !== "finished") return;
    onStep({
      function: next.function,
      pc: next.pc,
      op,
      depth,
      operands,
      results: top(execution, pushes),
      gas: gasUsed - before,
      gasUsed,
      read(result) {
        const tensor = execution.stack[execution.stack.length - pushes + result]!;
        const { dtype, shape } = tensor;
        return { dtype, shape, bytes: execution.backend.download(tensor) };
      },
    });
  } while (execution.gasUsed < until);
}

function top({ stack }: Execution, count: number): TensorSpec[] {
  return stack.slice(stack.length - count).map(({ dtype, shape }) => ({ dtype, shape }));
}
