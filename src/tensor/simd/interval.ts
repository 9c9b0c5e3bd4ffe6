import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";

/**
 * Bounds of the values of a tensor, both included: what is known without looking. Numbers, so
 * beyond 2^53 they are rounded outwards.
 */
export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

const EXACT = BigInt(Number.MAX_SAFE_INTEGER);
/** Beyond this, bounds say no more than the dtype does. */
const WHOLE: Interval = { lo: -(2 ** 63), hi: 2 ** 63 };

export function interval(lo: bigint, hi: bigint): Interval {
  return {
    lo: lo < -EXACT ? WHOLE.lo : Number(lo),
    hi: hi > EXACT ? WHOLE.hi : Number(hi),
  };
}

function intervalOf(dtype: Dtype): Interval {
  return interval(DTYPE_INFO[dtype].min, DTYPE_INFO[dtype].max);
}

/** All values of a dtype. */
export const DTYPE_INTERVAL: Readonly<Record<Dtype, Interval>> = {
  bool: intervalOf("bool"),
  u8: intervalOf("u8"),
  i8: intervalOf("i8"),
  i16: intervalOf("i16"),
  i32: intervalOf("i32"),
  i64: intervalOf("i64"),
};

/** What is left of bounds once values are saturated to `dtype`. */
export function saturated({ lo, hi }: Interval, dtype: Dtype): Interval {
  return clamped({ lo: outward(lo, -1), hi: outward(hi, 1) }, DTYPE_INTERVAL[dtype]);
}

export function clamped({ lo, hi }: Interval, bounds: Interval): Interval {
  return {
    lo: Math.min(Math.max(lo, bounds.lo), bounds.hi),
    hi: Math.min(Math.max(hi, bounds.lo), bounds.hi),
  };
}

export function union(a: Interval, b: Interval): Interval {
  return { lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
}

/** The greatest magnitude. */
export function magnitude({ lo, hi }: Interval): number {
  return Math.max(-lo, hi);
}

/** Sums and products of bounds are rounded: where that could matter they become unbounded. */
function outward(bound: number, sign: number): number {
  if (Number.isNaN(bound)) return sign * Infinity;
  return Math.abs(bound) > Number.MAX_SAFE_INTEGER ? sign * Infinity : bound;
}
