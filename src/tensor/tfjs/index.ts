import type { Backend, Kernels } from "../backend.js";
import { contractionMacs, hostBackend } from "../reference/hostBackend.js";
import type { HostTensor } from "../reference/hostTensor.js";
import { referenceKernels } from "../reference/index.js";
import { contractionKernels } from "./contraction.js";
import { elementwiseKernels } from "./elementwise.js";
import { reductionKernels } from "./reduction.js";
import { WeightCache } from "./weightCache.js";
import { WasmEngine } from "./wasmEngine.js";

/** Where the `tfjs` engine finds what it needs. */
export interface TfjsOptions {
  /**
   * Directory or URL, ending in a slash, of the `.wasm` files of `@tensorflow/tfjs-backend-wasm`.
   * Node.js finds them without it; a browser's bundler does not.
   */
  readonly wasmPath?: string;
}

/**
 * The engine of other people's kernels: tfjs-core on tfjs-backend-wasm, in one thread. It does
 * contractions, elementwise operations, reductions and pooling in float32 or int32 where those are
 * exact, and inherits the reference backend for the rest.
 * @throws HostError `TfjsUnavailable` when tfjs's WebAssembly does not start
 * @example
 * ```ts
 * import { createTfjsBackend } from "aivm/tensor/tfjs";
 *
 * const backend = await createTfjsBackend();
 * console.log(backend.name); // tfjs
 * backend.dispose();
 * ```
 */
export async function createTfjsBackend(options: TfjsOptions = {}): Promise<Backend<HostTensor>> {
  const engine = await WasmEngine.load(options.wasmPath);
  const cache = new WeightCache(engine);
  let inheritedMacs = 0;
  const inherited: Kernels<HostTensor> = {
    ...referenceKernels,
    matmul(a, b, attributes, shape) {
      inheritedMacs += contractionMacs("matmul", b.shape, shape);
      return referenceKernels.matmul(a, b, attributes, shape);
    },
    conv(a, b, attributes, shape) {
      inheritedMacs += contractionMacs("conv", b.shape, shape);
      return referenceKernels.conv(a, b, attributes, shape);
    },
  };
  const kernels: Kernels<HostTensor> = {
    ...inherited,
    ...contractionKernels(engine, cache, inherited),
    ...elementwiseKernels(engine, inherited),
    ...reductionKernels(engine, cache, inherited),
  };
  return hostBackend("tfjs", kernels, {
    inheritedMacs: () => inheritedMacs,
    packedBytes: () => cache.bytes,
    onStorageReleased: (data) => cache.release(data),
    onDispose: () => cache.clear(),
  });
}
