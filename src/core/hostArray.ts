/** Typed array that holds elements of each type a host hands in or gets back. */
export interface HostArrayTypes {
  /** Bytes 0 and 1. */
  bool: Uint8Array;
  uint8: Uint8Array;
  int8: Int8Array;
  uint16: Uint16Array;
  int16: Int16Array;
  uint32: Uint32Array;
  int32: Int32Array;
  uint64: BigUint64Array;
  int64: BigInt64Array;
  /** Every float16 is a float32, and JavaScript has no array of float16 everywhere yet. */
  float16: Float32Array;
  float32: Float32Array;
  float64: Float64Array;
}

/** Element types that samples and float outputs have: ONNX's names. */
export type HostElementType = keyof HostArrayTypes;
/** Elements of a tensor of the host, in the array that fits their type. */
export type HostData = HostArrayTypes[HostElementType];

/** A tensor as the host sees it: real numbers or integers, row-major. */
export interface HostArray {
  readonly elementType: HostElementType;
  /** Sizes of the dimensions; their product is the length of `data`. */
  readonly dims: readonly number[];
  /** Elements in row-major order, in the array that `HostArrayTypes` names for `elementType`. */
  readonly data: HostData;
}
