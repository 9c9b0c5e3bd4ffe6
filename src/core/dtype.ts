import { clampExact } from "./fixedPoint.js";

/** Element types of tensors, in the order of their codes in the module format. */
export const DTYPES = ["bool", "u8", "i8", "i16", "i32", "i64"] as const;

/** Element type of a tensor. `bool` is one byte, 0 or 1 and nothing else. */
export type Dtype = (typeof DTYPES)[number];

/** The dtypes that arithmetic is defined on. */
export const INTEGER_DTYPES = ["u8", "i8", "i16", "i32", "i64"] as const satisfies readonly Dtype[];

export interface DtypeInfo {
  /** Code in the module format and in tensor hashes. */
  readonly code: number;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly bits: number;
  readonly signed: boolean;
  readonly min: bigint;
  readonly max: bigint;
}

function signed(code: number, bytes: 1 | 2 | 4 | 8): DtypeInfo {
  const bits = bytes * 8;
  const half = 1n << BigInt(bits - 1);
  return { code, bytes, bits, signed: true, min: -half, max: half - 1n };
}

/** Size and range of each dtype. */
export const DTYPE_INFO: Readonly<Record<Dtype, DtypeInfo>> = {
  bool: { code: 0, bytes: 1, bits: 1, signed: false, min: 0n, max: 1n },
  u8: { code: 1, bytes: 1, bits: 8, signed: false, min: 0n, max: 255n },
  i8: signed(2, 1),
  i16: signed(3, 2),
  i32: signed(4, 4),
  i64: signed(5, 8),
};

/** The nearest value of `dtype` to the exact integer `value`. */
export function saturate(value: bigint, dtype: Dtype): bigint {
  const { min, max } = DTYPE_INFO[dtype];
  return clampExact(value, min, max);
}

/** Host array that holds elements of each dtype (`bool` as bytes 0 and 1). */
export interface DtypeArrays {
  bool: Uint8Array;
  u8: Uint8Array;
  i8: Int8Array;
  i16: Int16Array;
  i32: Int32Array;
  i64: BigInt64Array;
}

/** A typed array of the host that holds the integers of some dtype; `BigInt64Array` for `i64`. */
export type IntegerArray = DtypeArrays[Dtype];

/** A zero-filled host array of `length` elements of `dtype`. */
export function newArray<D extends Dtype>(dtype: D, length: number): DtypeArrays[D];
export function newArray(dtype: Dtype, length: number): IntegerArray {
  return viewArray(dtype, new ArrayBuffer(length * DTYPE_INFO[dtype].bytes), 0, length);
}

/** A host array over `length` elements of `buffer` from `byteOffset`, which must be aligned. */
export function viewArray(
  dtype: Dtype,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): IntegerArray {
  const b = buffer as ArrayBuffer;
  switch (dtype) {
    case "bool":
    case "u8":
      return new Uint8Array(b, byteOffset, length);
    case "i8":
      return new Int8Array(b, byteOffset, length);
    case "i16":
      return new Int16Array(b, byteOffset, length);
    case "i32":
      return new Int32Array(b, byteOffset, length);
    case "i64":
      return new BigInt64Array(b, byteOffset, length);
  }
}
