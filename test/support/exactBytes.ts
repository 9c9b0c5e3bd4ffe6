import type { Dtype } from "../../src/core/dtype.js";
import { DTYPE_INFO } from "../../src/core/dtype.js";
import type { ExactValue } from "../../src/opcodes/evaluate.js";

/** Row-major little-endian bytes of exact integers. */
export function bytesOf({ dtype, values }: ExactValue): Uint8Array {
  const size = DTYPE_INFO[dtype].bytes;
  const view = new DataView(new ArrayBuffer(values.length * size));
  values.forEach((value, i) => {
    if (size === 8) view.setBigInt64(i * 8, value, true);
    else if (size === 4) view.setInt32(i * 4, Number(value), true);
    else if (size === 2) view.setInt16(i * 2, Number(value), true);
    else view.setUint8(i, Number(value));
  });
  return new Uint8Array(view.buffer);
}

/** Exact integers of row-major little-endian bytes. */
export function valuesOf(dtype: Dtype, bytes: Uint8Array): bigint[] {
  const { bytes: size, signed } = DTYPE_INFO[dtype];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / size }, (_, i) => {
    if (size === 8) return view.getBigInt64(i * 8, true);
    if (size === 4) return BigInt(view.getInt32(i * 4, true));
    if (size === 2) return BigInt(view.getInt16(i * 2, true));
    return BigInt(signed ? view.getInt8(i) : view.getUint8(i));
  });
}
