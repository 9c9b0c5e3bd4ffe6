/** Runs that were recorded, to be done again on other inputs of the same shapes. */
import type { TensorSpec } from "../core/shape.js";
import { sameShape } from "../core/shape.js";
import type { Recorder, Recording } from "../tensor/backend.js";
import type { ExecutionOptions, Outcome, Progress, Upload } from "./execution.js";
import { Execution } from "./execution.js";
import type { Limits } from "./limits.js";
import type { RawTensor } from "./rawTensor.js";

/** Sets of shapes that are kept, the least recently used going first. */
const MAX_PLANS = 8;
/** A recording that did not hold so often, one time after the other, goes and is not made again. */
const MAX_MISSES = 8;
/** Gas between two places where a recorded run can pause. */
export const SEGMENT_GAS = 1_000_000_000n;

/** Where a run was after some of its steps. */
interface Mark {
  readonly steps: number;
  readonly gas: bigint;
}

interface Recorded {
  readonly recording: Recording;
  readonly marks: readonly Mark[];
  /** It fits all limits that are no tighter than these, and what it takes of gas. */
  readonly limits: Limits;
  readonly gas: bigint;
  readonly instructions: number;
  readonly peakBytes: number;
  readonly results: readonly TensorSpec[];
}

/** What is known of runs of one function on inputs of certain shapes. */
interface Plan {
  readonly function: number;
  readonly inputs: readonly TensorSpec[];
  recorded: Recorded | undefined;
  /** Whether a run records it, or does it. */
  busy: boolean;
  /** How often in a row the recording did not hold. */
  misses: number;
}

/** The plans of an instance. */
export class Plans {
  /** Most recently used first. */
  readonly #plans: Plan[] = [];

  /** Begins a run: by a plan where there is one that is free, else one instruction after the other. */
  begin(options: ExecutionOptions, inputs: readonly RawTensor[]): Progress {
    const plan = this.#find(options.entry.index, inputs);
    const plain = (): Execution => new Execution(options, inputs);
    if (plan.recorded?.recording.disposed === true) plan.recorded = undefined;
    const { busy, recorded, misses } = plan;
    if (busy || misses >= MAX_MISSES) return plain();
    if (recorded === undefined) {
      const recorder = options.backend.record?.();
      return recorder === undefined
        ? plain()
        : new RecordedExecution(options, inputs, plan, recorder);
    }
    return fits(recorded, options.limits) ? new Replay(plan, recorded, inputs, plain) : plain();
  }

  dispose(): void {
    for (const { recorded } of this.#plans) recorded?.recording.dispose();
    this.#plans.length = 0;
  }

  #find(index: number, inputs: readonly RawTensor[]): Plan {
    const plans = this.#plans;
    const at = plans.findIndex(
      (plan) =>
        plan.function === index &&
        plan.inputs.every((x, i) => sameShape(x.shape, inputs[i]!.shape)),
    );
    if (at === 0) return plans[0]!;
    const specs = inputs.map(({ dtype, shape }) => ({ dtype, shape }));
    const plan =
      at > 0
        ? plans.splice(at, 1)[0]!
        : { function: index, inputs: specs, recorded: undefined, busy: false, misses: 0 };
    plans.unshift(plan);
    if (plans.length > MAX_PLANS) {
      const oldest = plans.findLastIndex(({ busy }) => !busy);
      if (oldest > 0) plans.splice(oldest, 1)[0]!.recorded?.recording.dispose();
    }
    return plan;
  }
}

/** Gas is the same in each run; of the rest of a run's needs it is known that the limits sufficed. */
function fits({ gas, limits: known }: Recorded, limits: Limits): boolean {
  return (
    gas <= limits.gas &&
    known.memoryBytes <= limits.memoryBytes &&
    known.stackDepth <= limits.stackDepth &&
    known.callDepth <= limits.callDepth &&
    known.elements <= limits.elements
  );
}

/** A run that is recorded on its way. */
class RecordedExecution implements Progress {
  readonly #plan: Plan;
  readonly #recorder: Recorder;
  readonly #execution: Execution;
  readonly #limits: Limits;
  readonly #marks: Mark[] = [];
  #kept = false;

  constructor(
    options: ExecutionOptions,
    inputs: readonly RawTensor[],
    plan: Plan,
    recorder: Recorder,
  ) {
    this.#plan = plan;
    this.#recorder = recorder;
    this.#limits = options.limits;
    const upload: Upload = ({ dtype, shape, bytes }) => recorder.input(dtype, shape, bytes);
    try {
      this.#execution = new Execution({ ...options, upload }, inputs);
    } catch (error) {
      recorder.discard();
      throw error;
    }
    plan.busy = true;
  }

  get outcome(): Outcome | undefined {
    return this.#execution.outcome;
  }

  get gasUsed(): bigint {
    return this.#execution.gasUsed;
  }

  get instructions(): number {
    return this.#execution.instructions;
  }

  get peakBytes(): number {
    return this.#execution.peakBytes;
  }

  advance(gas: bigint): void {
    const execution = this.#execution;
    const recorder = this.#recorder;
    const until = execution.gasUsed + gas;
    recorder.during(() => {
      do {
        execution.advance(SEGMENT_GAS);
        this.#marks.push({ steps: recorder.steps, gas: execution.gasUsed });
      } while (execution.outcome === undefined && execution.gasUsed < until);
    });
    if (execution.outcome === "finished") this.#keep();
  }

  outputs(): RawTensor[] {
    return this.#execution.outputs();
  }

  dispose(): void {
    this.#execution.dispose();
    if (!this.#kept) this.#recorder.discard();
    this.#plan.busy = false;
  }

  #keep(): void {
    const { results, gasUsed, instructions, peakBytes } = this.#execution;
    const recording = this.#recorder.finish(results);
    if (recording === undefined) {
      this.#plan.misses = MAX_MISSES;
      return;
    }
    this.#kept = true;
    this.#marks.push({ steps: recording.steps, gas: gasUsed });
    this.#plan.recorded = {
      recording,
      marks: this.#marks,
      limits: this.#limits,
      gas: gasUsed,
      instructions,
      peakBytes,
      results: results.map(({ dtype, shape }) => ({ dtype, shape })),
    };
  }
}

/** A run by a recording; where it turns out not to hold, instruction by instruction after all. */
class Replay implements Progress {
  readonly #plan: Plan;
  readonly #recorded: Recorded;
  readonly #startPlain: () => Execution;
  /** Once the recording did not hold. */
  #plain: Execution | undefined;
  #next = 0;
  #disposed = false;

  constructor(
    plan: Plan,
    recorded: Recorded,
    inputs: readonly RawTensor[],
    startPlain: () => Execution,
  ) {
    this.#plan = plan;
    this.#recorded = recorded;
    this.#startPlain = startPlain;
    plan.busy = true;
    recorded.recording.begin(inputs.map(({ bytes }) => bytes));
  }

  get outcome(): Outcome | undefined {
    if (this.#plain !== undefined) return this.#plain.outcome;
    return this.#next === this.#recorded.marks.length ? "finished" : undefined;
  }

  get gasUsed(): bigint {
    if (this.#plain !== undefined) return this.#plain.gasUsed;
    return this.#recorded.marks[this.#next - 1]?.gas ?? 0n;
  }

  get instructions(): number {
    return this.#plain?.instructions ?? this.#recorded.instructions;
  }

  get peakBytes(): number {
    return this.#plain?.peakBytes ?? this.#recorded.peakBytes;
  }

  advance(gas: bigint): void {
    if (this.#plain !== undefined) {
      this.#plain.advance(gas);
      return;
    }
    const { marks, recording } = this.#recorded;
    const until = this.gasUsed + gas;
    do {
      const from = marks[this.#next - 1]?.steps ?? 0;
      if (!recording.play(from, marks[this.#next]!.steps)) {
        this.#giveUp();
        this.#plain!.advance(gas);
        return;
      }
      this.#next++;
    } while (this.#next < marks.length && this.gasUsed < until);
    if (this.#next === marks.length) this.#plan.misses = 0;
  }

  outputs(): RawTensor[] {
    if (this.#plain !== undefined) return this.#plain.outputs();
    const { results, recording } = this.#recorded;
    return results.map((spec, i) => ({ ...spec, bytes: recording.result(i) }));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#plain === undefined) this.#end();
    else this.#plain.dispose();
  }

  #giveUp(): void {
    this.#end();
    if (++this.#plan.misses >= MAX_MISSES) {
      this.#recorded.recording.dispose();
      this.#plan.recorded = undefined;
    }
    this.#plain = this.#startPlain();
  }

  #end(): void {
    this.#recorded.recording.end();
    this.#plan.busy = false;
  }
}
