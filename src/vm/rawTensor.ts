import type { Dtype, IntegerArray } from "../core/dtype.js";
import { DTYPE_INFO, viewArray } from "../core/dtype.js";
import type { Shape, TensorSpec } from "../core/shape.js";
import { chargedCount } from "../core/shape.js";

/** A tensor outside any engine: row-major, little-endian. */
export interface RawTensor extends TensorSpec {
  readonly bytes: Uint8Array;
}

/** Bytes as the memory limit counts them. */
export function chargedBytes(x: TensorSpec): number {
  return chargedCount(x.shape) * DTYPE_INFO[x.dtype].bytes;
}

/** The elements of a tensor; they share its bytes where these are aligned. */
export function integersOf({ dtype, bytes }: RawTensor): IntegerArray {
  const size = DTYPE_INFO[dtype].bytes;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return viewArray(dtype, aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

/** A tensor over the bytes of a host array. */
export function rawTensor(dtype: Dtype, shape: Shape, integers: IntegerArray): RawTensor {
  return {
    dtype,
    shape,
    bytes: new Uint8Array(integers.buffer, integers.byteOffset, integers.byteLength),
  };
}
