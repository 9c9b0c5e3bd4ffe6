import { HostError, InputError } from "../core/errors.js";
import type { ParameterStore } from "../module/parameterStore.js";
import type { Module } from "../module/module.js";
import type { Backend } from "../tensor/backend.js";
import type { AggregateOptions, AggregateRun } from "./aggregate.js";
import { aggregationTarget } from "./aggregate.js";
import type { GasEstimate } from "./estimateGas.js";
import { estimateProgramGas } from "./estimateGas.js";
import type { HostValue } from "./hostValues.js";
import { readInputs } from "./hostValues.js";
import { macrotask } from "./macrotask.js";
import { Plans, SEGMENT_GAS } from "./plans.js";
import type { Program } from "./program.js";
import { findEntry, linkProgram } from "./program.js";
import type { RunOptions, RunResult, RunTarget } from "./run.js";
import { Run } from "./run.js";

/** On which engine, and with which parameters, an instance runs. */
export interface InstantiateOptions {
  readonly backend: Backend;
  /** Whether the instance disposes of the backend when it has ended; else the caller does. */
  readonly ownsBackend?: boolean | undefined;
  /** Where parameters are that the module does not carry, by root. */
  readonly parameters?: ParameterStore | undefined;
}

export interface RunRequest extends RunOptions {
  /** The first entry when absent. */
  readonly entry?: string | undefined;
  /** By the names of the entry's inputs. */
  readonly inputs?: Readonly<Record<string, HostValue>> | undefined;
}

export interface AsyncRunRequest extends RunRequest {
  /** Ends the run with HostError `Aborted`. */
  readonly signal?: AbortSignal | undefined;
  /** How much gas to use between two turns of the host's event loop; some 5 ms when absent. */
  readonly yieldGas?: bigint | undefined;
}

/** A unit of gas is about a picosecond. */
const YIELD_GAS = 5_000_000_000n;

/**
 * Makes a module ready to run.
 * @param source the bytes of a module, or a decoded one
 * @throws MalformedError, InvalidError, LinkError
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { parseAssembly } from "aivm/module";
 * import { createReferenceBackend } from "aivm/tensor/reference";
 * import { instantiate } from "aivm/vm";
 *
 * const module = parseAssembly(await readFile("examples/embed.aivmt", "utf8")); // relu(x · W + b)
 * const instance = instantiate(module, { backend: createReferenceBackend() });
 * const x = { integers: Int16Array.of(256, 512, 768), dims: [1, 3] };
 * console.log(instance.runSync({ inputs: { x } }).outputs?.["y"]?.integers.join(" ")); // 2080 0
 * ```
 */
export function instantiate(source: Uint8Array | Module, options: InstantiateOptions): Instance {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
    throw new HostError("BigEndian", "AIVM runs on little-endian hosts only");
  }
  const program = linkProgram(source, options.backend, options.parameters);
  return new Instance(program, options.ownsBackend ?? false);
}

/**
 * A module on an engine. It holds the parameters, uploaded when first used; all state of a run is
 * the run's own, so that any number of runs may be under way at once.
 */
export class Instance {
  readonly #program: Program;
  readonly #ownsBackend: boolean;
  /** None where runs of the same shapes may differ: what `random` draws follows from the seed. */
  readonly #plans: Plans | undefined;
  #active = 0;
  #disposed = false;

  constructor(program: Program, ownsBackend: boolean) {
    this.#program = program;
    this.#ownsBackend = ownsBackend;
    const draws = program.inference.some(({ code }) => code.some(({ op }) => op === "random"));
    this.#plans = draws ? undefined : new Plans();
  }

  get module(): Module {
    return this.#program.module;
  }

  /** The engine; for its name and statistics. */
  get backend(): Backend {
    return this.#program.backend;
  }

  /** Identity of the module: 64 lower-case hexadecimal digits. */
  get moduleId(): string {
    return this.#program.moduleId;
  }

  /**
   * Runs an entry point, with pauses for the host's other work. A trap is a result, not an error.
   * @throws InputError when the request does not fit the entry, HostError when the host lacks
   * memory or the signal was given
   */
  async run(request: AsyncRunRequest = {}): Promise<RunResult> {
    const { signal, yieldGas = YIELD_GAS } = request;
    checkSignal(signal);
    if (typeof yieldGas !== "bigint") {
      throw new InputError("Limit", `yieldGas is ${String(yieldGas)}; it must be a bigint`);
    }
    const run = this.#startEntry(request, yieldGas < SEGMENT_GAS ? undefined : this.#plans);
    try {
      run.advance(yieldGas);
      while (!run.done) {
        await macrotask();
        checkSignal(signal);
        run.advance(yieldGas);
      }
      return run.result();
    } finally {
      run.dispose();
    }
  }

  /** `run` without pauses. */
  runSync(request: RunRequest = {}): RunResult {
    return this.#startEntry(request, this.#plans).finish();
  }

  /** A run for the caller to drive, instruction by instruction if need be. */
  start(request: RunRequest = {}): Run {
    return this.#startEntry(request, undefined);
  }

  #startEntry(request: RunRequest, plans: Plans | undefined): Run {
    const { configuration } = this.#program.module;
    const entry = findEntry(configuration, request.entry);
    const { tensors, ...rest } = readInputs(entry, configuration.dimensions, request.inputs ?? {});
    const target = { part: "inference", entry, function: entry.function, inputs: tensors, ...rest };
    return this.#start(target as RunTarget, request, plans);
  }

  /**
   * Runs the code that turns the outputs of several runs of an entry into one
   * (`spec/execution.md`, aggregation).
   * @param runs results of `run`, here or elsewhere: of one module, entry, seed and input
   * @throws InputError when the runs are not of one kind, or none finished
   */
  aggregate(runs: readonly AggregateRun[], options: AggregateOptions = {}): RunResult {
    return this.#start(aggregationTarget(this.#program, runs, options.entry), options).finish();
  }

  /**
   * Gas of a run on inputs of these shapes, without running.
   * @throws InputError when the shapes do not fit the entry
   */
  estimateGas(
    shapes: Readonly<Record<string, readonly number[]>>,
    options: { readonly entry?: string | undefined } = {},
  ): GasEstimate {
    return estimateProgramGas(this.#program, options.entry, shapes);
  }

  /** Gives back what the instance holds, at once or when its last run has ended. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#active === 0) this.#end();
  }

  #end(): void {
    this.#plans?.dispose();
    this.#program.constants.dispose();
    if (this.#ownsBackend) this.#program.backend.dispose();
  }

  #start(target: RunTarget, options: RunOptions, plans?: Plans): Run {
    if (this.#disposed) throw new InputError("Disposed", "the instance has been disposed of");
    const onEnd = (): void => {
      this.#active--;
      if (this.#disposed && this.#active === 0) this.#end();
    };
    const run = new Run(this.#program, target, options, onEnd, plans);
    this.#active++;
    return run;
  }
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new HostError("Aborted", "the run was aborted by its signal", {}, signal.reason);
}
