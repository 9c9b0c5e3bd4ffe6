import type { Dtype, IntegerArray } from "../../core/dtype.js";
import { DTYPE_INFO, newArray } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import type { Tensor } from "../backend.js";

/** A tensor in a typed array of the host. */
export interface HostTensor extends Tensor {
  readonly data: IntegerArray;
}

export function hostTensor(dtype: Dtype, shape: Shape, data: IntegerArray): HostTensor {
  return { dtype, shape, data, refs: 1 };
}

/** Integers of up to this magnitude, and sums and products that stay below it, are exact in a double. */
export const EXACT = 2 ** 53;
const HIGH = 2 ** 32;

/** 2^k for k in 0 … 63. */
export const POWERS_OF_TWO: readonly number[] = Array.from({ length: 64 }, (_, k) =>
  Number(1n << BigInt(k)),
);

/** Least and greatest value of `dtype` as doubles; those of i64 are rounded outwards. */
export function numberRange(dtype: Dtype): readonly [number, number] {
  const { min, max } = DTYPE_INFO[dtype];
  return [Number(min), Number(max)];
}

/** The elements of an i64 tensor as doubles, rounded where they exceed 2^53. */
function roundedDoubles(data: BigInt64Array): Float64Array {
  const words = new Int32Array(data.buffer, data.byteOffset, data.length * 2);
  const values = new Float64Array(data.length);
  for (let i = 0; i < values.length; i++) {
    values[i] = words[2 * i + 1]! * HIGH + (words[2 * i]! >>> 0);
  }
  return values;
}

/** The elements as doubles; rounding (of i64 beyond 2^53) keeps their order. */
export function doublesOf(x: HostTensor): Float64Array {
  return x.data instanceof BigInt64Array ? roundedDoubles(x.data) : new Float64Array(x.data);
}

/** The elements as doubles, or undefined if that would round one. */
export function exactDoublesOf(x: HostTensor): Float64Array | undefined {
  const values = doublesOf(x);
  return x.dtype === "i64" && !allSafe(values) ? undefined : values;
}

/** Whether every value is an integer below 2^53 in magnitude: then no rounding has touched it. */
export function allSafe(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (!(v < EXACT && v > -EXACT)) return false;
  }
  return true;
}

/** The elements as bigints. */
export function bigintsOf(x: HostTensor): BigInt64Array {
  return x.data instanceof BigInt64Array ? x.data : BigInt64Array.from(x.data, BigInt);
}

/** A tensor of integer doubles that are values of `dtype`. */
export function fromDoubles(dtype: Dtype, shape: Shape, values: Float64Array): HostTensor {
  const data = newArray(dtype, values.length);
  if (data instanceof BigInt64Array) {
    const words = new Int32Array(data.buffer);
    for (let i = 0; i < values.length; i++) {
      const v = values[i]!;
      words[2 * i] = v; // conversion to 32 bits is modulo 2^32
      words[2 * i + 1] = Math.floor(v / HIGH);
    }
  } else {
    data.set(values);
  }
  return hostTensor(dtype, shape, data);
}

/** A tensor of doubles that are integers or infinite, each saturated to `dtype`, which is not i64. */
export function saturateDoubles(dtype: Dtype, shape: Shape, values: Float64Array): HostTensor {
  const [lo, hi] = numberRange(dtype);
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    values[i] = v < lo ? lo : v > hi ? hi : v;
  }
  return fromDoubles(dtype, shape, values);
}

/** A tensor of bigints that are values of `dtype`. */
export function fromBigints(dtype: Dtype, shape: Shape, values: ArrayLike<bigint>): HostTensor {
  const data = newArray(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    if (data instanceof BigInt64Array) data[i] = values[i]!;
    else data[i] = Number(values[i]);
  }
  return hostTensor(dtype, shape, data);
}
