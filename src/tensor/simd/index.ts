import type { Backend } from "../backend.js";
import { compute } from "./compute.js";
import { Engine } from "./engine.js";
import { Heap, MAX_PAGES, PAGE_BYTES } from "./heap.js";
import { DTYPE_INTERVAL } from "./interval.js";
import { instantiateKernels } from "./kernels.js";
import { kernelSet } from "./kernelSet.js";
import type { SimdTensor } from "./tensor.js";
import { isWithin } from "./values.js";

/** What the `simd` engine may take from its host. */
export interface SimdOptions {
  /** How far the memory may grow, in bytes; 4 GiB, what its addresses reach, unless said. */
  readonly maxMemoryBytes?: number;
  /** Bytes of packed weights that are kept, the least recently used going first; 1 GiB unless said. */
  readonly maxPackedBytes?: number;
}

/** Addresses below are nobody's, so that 0 can mean none. */
const FIRST_ADDRESS = 1024;
const INITIAL_PAGES = 16;

/**
 * The default engine: our WebAssembly SIMD kernels over one memory of its own.
 * @throws HostError `NoSimd` where the host cannot compile WebAssembly SIMD
 * @throws HostError `OutOfMemory` where it has no memory to begin with
 */
export function createSimdBackendSync(options: SimdOptions = {}): Backend<SimdTensor> {
  const maxPages = Math.min(
    MAX_PAGES,
    Math.max(INITIAL_PAGES, Math.floor((options.maxMemoryBytes ?? Infinity) / PAGE_BYTES)),
  );
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: maxPages });
  const heap = new Heap(memory, FIRST_ADDRESS, maxPages);
  const engine = new Engine(
    heap,
    instantiateKernels(memory),
    options.maxPackedBytes ?? 2 ** 30,
    compute,
  );
  return {
    name: "simd",
    kernels: kernelSet(engine),
    upload(dtype, shape, bytes) {
      const x = engine.make(dtype, shape, DTYPE_INTERVAL[dtype]);
      heap.u8.set(bytes, engine.addressOf(x));
      return x;
    },
    download(x) {
      const address = engine.addressOf(x);
      return heap.u8.slice(address, address + x.bytes);
    },
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

/** As `createSimdBackendSync`; asynchronous like the making of every backend. */
export function createSimdBackend(options: SimdOptions = {}): Promise<Backend<SimdTensor>> {
  return Promise.resolve().then(() => createSimdBackendSync(options));
}
