import { InputError } from "../core/errors.js";
import type { Trap } from "../core/errors.js";
import { tensorHash, tensorsHash } from "../module/hash.js";
import { toHex } from "../module/hex.js";
import type { EntryPoint } from "../module/module.js";
import { GAS_VERSION, ISA_VERSION } from "../opcodes/index.js";
import type { DimensionBindings } from "./dimensions.js";
import type { ExecutionOptions, Progress } from "./execution.js";
import { Execution } from "./execution.js";
import { fromHex } from "./hex.js";
import type { Limits } from "./limits.js";
import { resolveLimits } from "./limits.js";
import { OutputTensor } from "./outputTensor.js";
import type { Plans } from "./plans.js";
import type { Program } from "./program.js";
import type { RawTensor } from "./rawTensor.js";
import type { Receipt } from "./receipt.js";
import { receiptLimits } from "./receipt.js";
import type { OnStep } from "./trace.js";
import { advanceTraced } from "./trace.js";

/** What a run may use and who watches it. */
export interface RunOptions {
  /** Gas limit; the same as `limits.gas`, which it overrides. */
  readonly gas?: bigint | number | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** 32 bytes, or 64 hexadecimal digits; zeros when absent. */
  readonly seed?: Uint8Array | string | undefined;
  readonly onStep?: OnStep | undefined;
}

/** What a run did, for people and tools; no part of its receipt. */
export interface RunStatistics {
  /** Instructions done. */
  readonly instructions: number;
  /** The most bytes of live tensors at once, as the memory limit counts them. */
  readonly peakMemoryBytes: number;
  /** How many reals of each input were beyond its dtype; inputs that had none are left out. */
  readonly saturated: Readonly<Record<string, number>>;
}

/** What every run has, however it ended. */
export interface RunReport {
  readonly receipt: Receipt;
  readonly statistics: RunStatistics;
}

/** A run that trapped has a receipt too, but no outputs. */
export type RunResult = RunReport &
  (
    | {
        /** By name. */
        readonly outputs: Readonly<Record<string, OutputTensor>>;
        readonly trap: undefined;
      }
    | {
        readonly outputs: undefined;
        /** What stopped the run, in words too. */
        readonly trap: Trap;
      }
  );

/** What to run: code of one part of a module on tensors that fit it. */
export interface RunTarget {
  readonly part: Receipt["part"];
  readonly entry: EntryPoint;
  /** Index of the function in its part. */
  readonly function: number;
  readonly inputs: readonly RawTensor[];
  readonly dimensions: DimensionBindings;
  readonly saturated: RunStatistics["saturated"];
}

/**
 * One run that the caller drives: `step` or `advance` until it is `done`, then `result`; between
 * calls it rests. `dispose` ends one that is no longer wanted.
 */
export class Run {
  readonly #program: Program;
  readonly #target: RunTarget;
  readonly #limits: Limits;
  readonly #seed: Uint8Array;
  readonly #inputHash: string;
  readonly #onStep: OnStep | undefined;
  readonly #execution: Progress;
  #onEnd: (() => void) | undefined;
  #result: RunResult | undefined;

  /**
   * @param onEnd called once when the run has given its tensors back
   * @param plans by which it may run, if nobody looks at single instructions
   * @throws InputError for options that cannot be, HostError when there is no memory for the inputs
   */
  constructor(
    program: Program,
    target: RunTarget,
    options: RunOptions,
    onEnd: () => void,
    plans?: Plans,
  ) {
    const { entry, inputs, part } = target;
    const { gas, limits, onStep } = options;
    this.#program = program;
    this.#target = target;
    this.#limits = resolveLimits({
      ...limits,
      ...(gas === undefined ? {} : { gas: gas as bigint }),
    });
    this.#seed = readSeed(options.seed);
    this.#onStep = onStep;
    this.#inputHash = hashOf(inputs);
    const functions = program[part];
    const execution: ExecutionOptions = {
      functions,
      entry: functions[target.function]!,
      backend: program.backend,
      constants: program.constants,
      limits: this.#limits,
      seed: this.#seed,
      checkResults: (results) => {
        const declared = entry.outputs.map((port) => port.shape);
        const misfit = target.dimensions.bind(
          declared,
          results.map(({ shape }) => shape),
        );
        if (misfit === undefined) return undefined;
        return `output "${entry.outputs[misfit.port]!.name}" does not fit its declaration: ${misfit.reason}`;
      },
    };
    this.#execution =
      onStep === undefined && plans !== undefined
        ? plans.begin(execution, inputs)
        : new Execution(execution, inputs);
    this.#onEnd = onEnd;
  }

  /** Whether it finished or trapped. */
  get done(): boolean {
    return this.#execution.outcome !== undefined;
  }

  get gasUsed(): bigint {
    return this.#execution.gasUsed;
  }

  /** The instruction that comes next; undefined when the run is done. */
  get position(): { readonly function: number; readonly pc: number } | undefined {
    const next = this.#execution instanceof Execution ? this.#execution.next : undefined;
    return next === undefined ? undefined : { function: next.function, pc: next.pc };
  }

  /**
   * Does one instruction.
   * @throws HostError when the host fails; the run is over then
   */
  step(): void {
    this.advance(0n);
  }

  /**
   * Does instructions until that much more gas is used, at least one.
   * @throws HostError when the host fails; the run is over then
   */
  advance(gas: bigint): void {
    if (this.done) return;
    if (this.#onEnd === undefined) {
      throw new InputError("Disposed", "the run has been disposed of; start another");
    }
    try {
      if (this.#onStep !== undefined && this.#execution instanceof Execution) {
        advanceTraced(this.#execution, gas, this.#onStep);
      } else this.#execution.advance(gas);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Does all that is left and gives the result. */
  finish(): RunResult {
    try {
      while (!this.done) this.advance(this.#limits.gas);
      return this.result();
    } finally {
      this.dispose();
    }
  }

  /**
   * The result of a run that is done; gives its tensors back.
   * @throws InputError `NotDone`
   */
  result(): RunResult {
    if (this.#result !== undefined) return this.#result;
    const { outcome } = this.#execution;
    if (outcome === undefined) {
      throw new InputError(
        "NotDone",
        "the run is not done; call advance or step until done is true",
      );
    }
    try {
      this.#result = this.#makeResult(outcome === "finished" ? undefined : outcome);
    } finally {
      this.dispose();
    }
    return this.#result;
  }

  /** Gives the tensors of the run back; it cannot go on afterwards. */
  dispose(): void {
    if (this.#onEnd === undefined) return;
    this.#execution.dispose();
    this.#onEnd();
    this.#onEnd = undefined;
  }

  #makeResult(trap: Trap | undefined): RunResult {
    const { entry, part, saturated } = this.#target;
    const execution = this.#execution;
    const outputs = trap === undefined ? execution.outputs() : [];
    const receipt: Receipt = {
      moduleId: this.#program.moduleId,
      entry: entry.name,
      part,
      seed: toHex(this.#seed),
      limits: receiptLimits(this.#limits),
      inputHash: this.#inputHash,
      status: trap === undefined ? "finished" : trapStatus(trap),
      ...(trap === undefined ? { outputHash: hashOf(outputs) } : {}),
      gasUsed: execution.gasUsed.toString(),
      isaVersion: ISA_VERSION,
      gasVersion: GAS_VERSION,
    };
    const statistics: RunStatistics = {
      instructions: execution.instructions,
      peakMemoryBytes: execution.peakBytes,
      saturated,
    };
    if (trap !== undefined) return { receipt, outputs: undefined, trap, statistics };
    const named = entry.outputs.map((port, i) => [port.name, new OutputTensor(port, outputs[i]!)]);
    return { receipt, outputs: Object.fromEntries(named), trap, statistics };
  }
}

/** Hash of tensors in the order of the ports, in hexadecimal. */
export function hashOf(tensors: readonly RawTensor[]): string {
  return toHex(tensorsHash(tensors.map((tensor) => tensorHash(tensor, tensor.bytes))));
}

function trapStatus({ code, detail, place }: Trap): Receipt["status"] {
  return {
    trap: code,
    ...(detail === undefined ? {} : { detail }),
    function: place.function ?? 0,
    pc: place.pc ?? 0,
  };
}

function readSeed(seed: RunOptions["seed"]): Uint8Array {
  if (seed === undefined) return new Uint8Array(32);
  const bytes = typeof seed === "string" ? fromHex(seed, 32) : seed;
  if (bytes instanceof Uint8Array && bytes.length === 32) return bytes.slice();
  throw new InputError(
    "Seed",
    `a seed is 32 bytes or 64 hexadecimal digits, this is ${String(seed)}`,
  );
}
