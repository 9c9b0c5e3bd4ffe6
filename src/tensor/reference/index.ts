import type { Backend, Kernels } from "../backend.js";
import { conv, matmul, mulWide } from "./contraction.js";
import { binary, cast, clamp, compare, normalize, select, unary } from "./elementwise.js";
import type { HostTensor } from "./hostTensor.js";
import { hostBackend } from "./hostBackend.js";
import * as indexing from "./indexing.js";
import { lut, lutInterpolate } from "./lut.js";
import * as movement from "./movement.js";
import { arg, pool, reduce } from "./reduction.js";
import { rescale, rescaleAdd, rescaleBy } from "./rescale.js";

/** The kernels of the reference backend: pure functions of host tensors. */
export const referenceKernels: Kernels<HostTensor> = {
  matmul,
  conv,
  mulWide,
  rescale,
  rescaleBy,
  rescaleAdd,
  lut,
  lutInterpolate,
  binary,
  compare,
  select,
  unary,
  clamp,
  cast,
  normalize,
  reduce,
  arg,
  pool,
  ...movement,
  ...indexing,
};

/**
 * The engine that the others are held to: plain TypeScript, tensors in typed arrays of the host.
 * @example
 * ```ts
 * import { createReferenceBackend } from "aivm/tensor/reference";
 *
 * console.log(createReferenceBackend().name); // reference
 * ```
 */
export function createReferenceBackend(): Backend<HostTensor> {
  return hostBackend("reference", referenceKernels);
}
