import { HostError } from "../../../core/errors.js";
import type { Control, KernelCall } from "./parts.js";
import {
  JOB,
  MAX_ARGUMENTS,
  MAX_PARTS,
  WORD,
  newState,
  openControl,
  spin,
  takeParts,
} from "./parts.js";

/** A kernel call in units (rows, or elements) that threads share out. */
export interface Job {
  /** Index of the kernel. */
  readonly kernel: number;
  /** Arguments of the whole call. */
  readonly args: readonly (number | bigint)[];
  /** What arguments grow by with each unit; those that are not named stay. */
  readonly steps: Readonly<Record<number, number>>;
  readonly units: number;
  readonly unitsPerPart: number;
  /** Which argument is the number of units. */
  readonly countArgument: number;
  /** Which argument is scratch, if one is, and the bytes of it that each thread has. */
  readonly scratchArgument?: number;
  readonly scratchBytes?: number;
}

/** What the pool needs of a worker. */
export interface WorkerHandle {
  terminate(): unknown;
}

/** A wait ends at least that often, to see whether it has lasted too long. */
const WAIT_MS = 100;
/** How long a part may take: by far more than any that is cut as `splitKernels` cuts it. */
const PATIENCE_MS = 60_000;
/** Rounds of `spin` that pass for a wait where the host forbids to wait. */
const SPINS = 1000;

/**
 * Workers that share the memory with this thread. This one does its part of every job, and all of it
 * where no worker comes in time; so nothing depends on workers but speed, unless one dies in a part.
 */
export class ThreadPool {
  private readonly control: Control;
  private readonly kernels: readonly KernelCall[];
  private readonly patience: number;
  private readonly mayWait: boolean;
  private workers: readonly WorkerHandle[];
  private broken = false;

  /**
   * @param memory shared
   * @param kernels as the workers number them
   */
  constructor(
    memory: WebAssembly.Memory,
    kernels: readonly KernelCall[],
    workers: readonly WorkerHandle[],
    patienceMs = PATIENCE_MS,
  ) {
    this.control = openControl(memory);
    this.kernels = kernels;
    this.workers = workers;
    this.patience = Math.ceil(patienceMs / WAIT_MS);
    this.mayWait = mayWait(this.control.words);
  }

  /** Threads, this one among them. */
  get threads(): number {
    return 1 + this.workers.length;
  }

  /**
   * Runs a job, all of it.
   * @throws HostError `WorkerFailed` when a worker did not do its part
   */
  run(job: Job): void {
    if (this.broken) throw workerFailed("has not answered before");
    const { control, kernels } = this;
    const { words } = control;
    const parts = Math.ceil(job.units / job.unitsPerPart);
    this.write(job);
    Atomics.store(words, WORD.done, 0);
    Atomics.store(words, WORD.state, newState(parts));
    if (Atomics.load(words, WORD.sleepers) > 0) Atomics.notify(words, WORD.state);

    let own = 0;
    let failure: unknown;
    takeParts(control, kernels, 0, (error) => {
      own++;
      failure ??= error;
    });
    this.awaitWorkers(parts - own);
    if (failure !== undefined) throw failure;
    const failed = Atomics.exchange(words, WORD.failed, 0);
    if (failed !== 0) throw workerFailed("failed in a kernel");
  }

  /** Ends the workers; nothing here is used afterwards. */
  dispose(): void {
    for (const worker of this.workers) worker.terminate();
    this.workers = [];
    this.broken = true;
  }

  private write({ kernel, args, steps, units, unitsPerPart, ...which }: Job): void {
    const { job, wide } = this.control;
    job.fill(0, JOB.steps, JOB.steps + MAX_ARGUMENTS);
    let bigints = 0;
    args.forEach((arg, i) => {
      if (typeof arg === "bigint") {
        bigints |= 1 << i;
        wide[JOB.arguments + i] = arg;
      } else {
        job[JOB.arguments + i] = arg;
        job[JOB.steps + i] = steps[i] ?? 0;
      }
    });
    job[JOB.kernel] = kernel;
    job[JOB.argumentCount] = args.length;
    job[JOB.units] = units;
    job[JOB.unitsPerPart] = unitsPerPart;
    job[JOB.countArgument] = which.countArgument;
    job[JOB.scratchArgument] = which.scratchArgument ?? -1;
    job[JOB.scratchBytes] = which.scratchBytes ?? 0;
    job[JOB.bigints] = bigints;
  }

  /** Returns once the workers have done that many parts: those that they have taken. */
  private awaitWorkers(parts: number): void {
    const { words } = this.control;
    let rounds = 0;
    for (;;) {
      const done = Atomics.load(words, WORD.done);
      if (done >= parts) return;
      if (spin(words, WORD.done, done)) {
        rounds = 0;
        continue;
      }
      if (this.mayWait) {
        Atomics.store(words, WORD.mainSleeps, 1);
        const outcome = Atomics.wait(words, WORD.done, done, WAIT_MS);
        Atomics.store(words, WORD.mainSleeps, 0);
        if (outcome === "timed-out") rounds++;
      } else rounds += 1 / SPINS;
      if (rounds >= this.patience) {
        this.broken = true;
        throw workerFailed("took a part of the work and does not come back");
      }
    }
  }
}

/** How many units a part has if there are to be `parts`, `align` units being one. */
export function partSize(units: number, parts: number, align: number): number {
  const wanted = Math.ceil(units / Math.min(Math.max(parts, 1), MAX_PARTS) / align);
  return wanted * align;
}

/** The main thread of a browser may not. */
function mayWait(words: Int32Array): boolean {
  try {
    Atomics.wait(words, WORD.done, Atomics.load(words, WORD.done) + 1, 0);
    return true;
  } catch {
    return false;
  }
}

function workerFailed(what: string): HostError {
  return new HostError(
    "WorkerFailed",
    `a worker thread of the simd backend ${what}; make a new backend, with one thread if it comes again`,
  );
}
