/**
 * What the main thread and the workers do alike: they take parts of a kernel call, until none is
 * left. The build embeds this file as the program of the workers, hence it imports nothing.
 */

/** A kernel; its arguments are addresses, numbers, and bigints where WebAssembly has an i64. */
export type KernelCall = (...args: (number | bigint)[]) => unknown;

/** Where threads meet, in the memory below the first address that is anybody's. */
export interface Control {
  readonly words: Int32Array;
  readonly job: Float64Array;
  /** The same bytes as `job`. */
  readonly wide: BigInt64Array;
}

/** Indices into `words`, each on a cache line of its own. */
export const WORD = {
  /** Parts of the job, and how many of them are taken: see `takeParts`. */
  state: 16,
  /** Parts of the job that workers have done. */
  done: 32,
  /** Workers that wait to be woken. */
  sleepers: 48,
  /** 1 while the main thread waits to be woken. */
  mainSleeps: 64,
  /** 1 + the number of a thread whose kernel failed; 0 for none. */
  failed: 80,
} as const;
export const MAX_PARTS = 255;

const JOB_ADDRESS = 384;
export const MAX_ARGUMENTS = 16;
/** Indices into `job`: numbers of the call, then its arguments and what each grows by with a unit. */
export const JOB = {
  kernel: 0,
  argumentCount: 1,
  /** Units of the call (rows, or elements), and of each part but the last. */
  units: 2,
  unitsPerPart: 3,
  /** Which argument is how many units; which is scratch (or −1), and its bytes for a thread. */
  countArgument: 4,
  scratchArgument: 5,
  scratchBytes: 6,
  /** Bit i is set if argument i is a bigint, held in `wide`. */
  bigints: 7,
  arguments: 8,
  steps: 8 + MAX_ARGUMENTS,
} as const;
const JOB_LENGTH = 8 + 2 * MAX_ARGUMENTS;
export const CONTROL_BYTES = JOB_ADDRESS + 8 * JOB_LENGTH;

/** What a worker is given to begin with. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Names of exports: kernels are called by their index. */
  readonly names: readonly string[];
  /** 1, 2, … */
  readonly thread: number;
}

export function openControl(memory: WebAssembly.Memory): Control {
  const { buffer } = memory;
  return {
    words: new Int32Array(buffer, 0, JOB_ADDRESS / 4),
    job: new Float64Array(buffer, JOB_ADDRESS, JOB_LENGTH),
    wide: new BigInt64Array(buffer, JOB_ADDRESS, JOB_LENGTH),
  };
}

/** Does one part of the job. */
function runPart(
  { job, wide }: Control,
  kernels: readonly KernelCall[],
  thread: number,
  part: number,
): void {
  const perPart = job[JOB.unitsPerPart]!;
  const first = part * perPart;
  const bigints = job[JOB.bigints]!;
  const args: (number | bigint)[] = [];
  for (let i = 0, count = job[JOB.argumentCount]!; i < count; i++) {
    const at = JOB.arguments + i;
    args.push((bigints >> i) & 1 ? wide[at]! : job[at]! + first * job[JOB.steps + i]!);
  }
  args[job[JOB.countArgument]!] = Math.min(perPart, job[JOB.units]! - first);
  const scratch = job[JOB.scratchArgument]!;
  if (scratch >= 0) args[scratch] = job[JOB.arguments + scratch]! + thread * job[JOB.scratchBytes]!;
  kernels[job[JOB.kernel]!]!(...args);
}

/** A job of that many parts, none of them taken. */
export function newState(parts: number): number {
  return parts << 16;
}

function isTaken(state: number): boolean {
  return (state & 255) + ((state >> 8) & 255) >= state >> 16;
}

/**
 * Takes parts until none is left, and calls `did` after each, with what its kernel threw if it did.
 * Threads of even number take the first ones and go up, those of odd number the last ones and go
 * down: so what one has written, it tends to find in its own cache when it reads it in the next job. What
 * a part is, is read once it is taken: until it is done, the job stays.
 */
export function takeParts(
  control: Control,
  kernels: readonly KernelCall[],
  thread: number,
  did: (failure: unknown) => void,
): void {
  const { words } = control;
  for (;;) {
    const state = Atomics.load(words, WORD.state);
    if (isTaken(state)) return;
    const down = thread & 1;
    const next = state + (down ? 256 : 1);
    if (Atomics.compareExchange(words, WORD.state, state, next) !== state) continue;
    const part = down ? (state >> 16) - 1 - ((state >> 8) & 255) : state & 255;
    let failure: unknown;
    try {
      runPart(control, kernels, thread, part);
    } catch (error) {
      failure = error;
    }
    did(failure);
  }
}

/**
 * Looks at a word until it is no longer `value`, for some tens of microseconds: about as long as the
 * main thread needs from one instruction to the next.
 */
export function spin(words: Int32Array, index: number, value: number): boolean {
  for (let i = 0; i < 20_000; i++) if (Atomics.load(words, index) !== value) return true;
  return false;
}

/** A worker: does parts of jobs until it is terminated. */
function work(control: Control, kernels: readonly KernelCall[], thread: number): never {
  const { words } = control;
  const did = (failure: unknown): void => {
    if (failure !== undefined) Atomics.store(words, WORD.failed, 1 + thread);
    Atomics.add(words, WORD.done, 1);
    if (Atomics.load(words, WORD.mainSleeps) !== 0) Atomics.notify(words, WORD.done);
  };
  for (;;) {
    takeParts(control, kernels, thread, did);
    const state = Atomics.load(words, WORD.state);
    if (!isTaken(state) || spin(words, WORD.state, state)) continue;
    Atomics.add(words, WORD.sleepers, 1);
    Atomics.wait(words, WORD.state, state);
    Atomics.sub(words, WORD.sleepers, 1);
  }
}

interface Port {
  onmessage: ((event: { data: WorkerStart }) => void) | null;
  postMessage(message: string): void;
}
interface WorkerHost {
  process?: {
    getBuiltinModule?: (id: "node:worker_threads") => { parentPort?: Port } | undefined;
  };
}

/** The program of a worker: waits for its `WorkerStart`, says that it is ready, and works. */
export function serve(): void {
  const host = globalThis as WorkerHost;
  const node = host.process?.getBuiltinModule?.("node:worker_threads");
  const port = node?.parentPort ?? (globalThis as unknown as Port);
  port.onmessage = ({ data: { module, memory, names, thread } }) => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const kernels = names.map((name) => exports[name] as KernelCall);
    port.postMessage("ready");
    work(openControl(memory), kernels, thread);
  };
}
