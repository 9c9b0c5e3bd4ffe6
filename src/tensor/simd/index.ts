import { equalBytes } from "../../core/bytes.js";
import type { Dtype } from "../../core/dtype.js";
import { InputError } from "../../core/errors.js";
import type { Shape } from "../../core/shape.js";
import type { Backend } from "../backend.js";
import { compute } from "./compute.js";
import { Engine } from "./engine.js";
import { Heap, MAX_PAGES, PAGE_BYTES } from "./heap.js";
import { DTYPE_INTERVAL } from "./interval.js";
import type { Kernels } from "./kernels.js";
import { compileKernels, instantiateKernels } from "./kernels.js";
import { kernelSet } from "./kernelSet.js";
import { SimdRecorder } from "./recorder.js";
import { Storage } from "./storage.js";
import { SimdTensor } from "./tensor.js";
import { openWorkers, sharesMemory } from "./threads/openWorkers.js";
import type { KernelCall } from "./threads/parts.js";
import type { SplitOptions } from "./threads/splitKernels.js";
import { splitKernels } from "./threads/splitKernels.js";
import { ThreadPool } from "./threads/threadPool.js";
import { isWithin } from "./values.js";

/** What the `simd` engine may take from its host. */
export interface SimdOptions {
  /** How far the memory may grow, in bytes; 4 GiB, what its addresses reach, unless said. */
  readonly maxMemoryBytes?: number;
  /** Bytes of packed weights that are kept, the least recently used going first; 1 GiB unless said. */
  readonly maxPackedBytes?: number;
}

export interface ThreadOptions extends SimdOptions, SplitOptions {
  /**
   * Threads that share the work, this one among them; 1 unless said. Results are the same bits. A
   * host that has no shared memory (a page that is not cross-origin isolated) or no workers uses fewer:
   * see `threads` of the backend.
   */
  readonly threads?: number;
}

export interface SimdBackend extends Backend<SimdTensor> {
  /** How many threads it has, this one among them. */
  readonly threads: number;
}

/** Addresses below are nobody's, so that 0 can mean none; threads meet there. */
const FIRST_ADDRESS = 1024;
const INITIAL_PAGES = 16;
/** More would split work into parts that are not worth it. */
const MAX_THREADS = 32;

/**
 * The default engine: our WebAssembly SIMD kernels over one memory of its own, on this thread.
 * @throws HostError `NoSimd` where the host cannot compile WebAssembly SIMD
 * @throws HostError `OutOfMemory` where it has no memory to begin with
 */
export function createSimdBackendSync(options: SimdOptions = {}): SimdBackend {
  const maxPages = maxPagesOf(options);
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: maxPages });
  return backendOn(new Heap(memory, FIRST_ADDRESS, maxPages), instantiateKernels(memory), options);
}

/**
 * As `createSimdBackendSync`, on as many threads as `options` say and the host has. Workers do not
 * keep a Node process alive; `dispose` ends them.
 * @throws InputError `Threads` for a number of threads that cannot be
 * @example
 * ```ts
 * import { createSimdBackend } from "aivm/tensor/simd";
 *
 * const backend = await createSimdBackend({ threads: 2 });
 * console.log(backend.name, backend.threads); // simd 2
 * backend.dispose();
 * ```
 */
export async function createSimdBackend(options: ThreadOptions = {}): Promise<SimdBackend> {
  const { threads = 1 } = options;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError("Threads", `threads is ${threads}; it must be a whole number from 1`);
  }
  const own = (): Promise<SimdBackend> =>
    Promise.resolve().then(() => createSimdBackendSync(options));
  if (threads === 1 || !sharesMemory()) return own();

  const maxPages = maxPagesOf(options);
  const memory = sharedMemory(maxPages);
  if (memory === undefined) return own();
  const module = compileKernels(true);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  const count = Math.min(threads, MAX_THREADS) - 1;
  const workers = await openWorkers(count, { module, memory, names });
  if (workers.length === 0) return own();

  const kernels = instantiateKernels(memory, module);
  const calls = names.map((name) => kernels[name as keyof Kernels] as KernelCall);
  const pool = new ThreadPool(memory, calls, workers);
  const heap = new Heap(memory, FIRST_ADDRESS, maxPages);
  const split = splitKernels(memory, kernels, names, pool, options);
  return backendOn(heap, split, options, pool);
}

function maxPagesOf({ maxMemoryBytes = Infinity }: SimdOptions): number {
  const asked = Math.floor(maxMemoryBytes / PAGE_BYTES);
  return Math.min(MAX_PAGES, Math.max(INITIAL_PAGES, asked));
}

/** Undefined where the host does not share that much, or at all. */
function sharedMemory(maximum: number): WebAssembly.Memory | undefined {
  try {
    return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true });
  } catch {
    return undefined;
  }
}

function backendOn(
  heap: Heap,
  kernels: Kernels,
  { maxPackedBytes = 2 ** 30 }: SimdOptions,
  pool?: ThreadPool,
): SimdBackend {
  const engine = new Engine(heap, kernels, maxPackedBytes, compute, pool);
  return {
    name: "simd",
    threads: pool?.threads ?? 1,
    kernels: kernelSet(engine),
    upload(dtype, shape, bytes, again) {
      const make = (): SimdTensor => upload(engine, dtype, shape, bytes, again);
      return engine.recorder?.constant(make) ?? make();
    },
    download(x) {
      const address = engine.addressOf(x);
      const read = (): Uint8Array => heap.u8.slice(address, address + x.bytes);
      const { recorder } = engine;
      if (recorder === undefined) return read();
      return recorder.isOwn(x) ? recorder.decide(read, equalBytes) : recorder.aside(read);
    },
    record: () => new SimdRecorder(engine),
    within: (x, lo, hi) => isWithin(engine, x, lo, hi),
    release: (x) => engine.release(x),
    statistics: () => ({
      macs: engine.macs,
      ownMacs: engine.macs,
      residentBytes: engine.residentBytes,
    }),
    dispose: () => engine.dispose(),
  };
}

function upload(
  engine: Engine,
  dtype: Dtype,
  shape: Shape,
  bytes: Uint8Array,
  again: (() => Uint8Array) | undefined,
): SimdTensor {
  const write = (from: Uint8Array, pointer: number): void => {
    const copy = (): void => engine.heap.u8.set(from, pointer);
    if (engine.recorder === undefined) copy();
    else engine.recorder.aside(copy);
  };
  const origin = again === undefined ? undefined : { read: again, write };
  const storage = new Storage(engine.heap, bytes.length, origin);
  write(bytes, storage.briefly);
  return new SimdTensor(dtype, shape, DTYPE_INTERVAL[dtype], storage);
}
