// Element types, and loads and stores of four or eight elements as 32-bit lanes.

/** Codes of dtypes, as in `src/core/dtype.ts`. */
export const BOOL: i32 = 0;
export const U8: i32 = 1;
export const I8: i32 = 2;
export const I16: i32 = 3;
export const I32: i32 = 4;
export const I64: i32 = 5;

@inline
export function byteSize(type: i32): usize {
  return type < I16 ? 1 : <usize>1 << (type - 2);
}

/** Four elements, widened to i32 lanes. Reads nothing beyond them. */
@inline
export function load4<T>(p: usize): v128 {
  if (sizeof<T>() == 4) return v128.load(p);
  if (sizeof<T>() == 2) return v128.load16x4_s(p);
  const bytes = v128.load32_zero(p);
  if (isSigned<T>()) return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes));
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
}

/** Stores eight i32 lanes as elements of T, saturated. */
@inline
export function store8<T>(p: usize, low: v128, high: v128): void {
  if (sizeof<T>() == 8) {
    v128.store(p, i64x2.extend_low_i32x4_s(low));
    v128.store(p, i64x2.extend_high_i32x4_s(low), 16);
    v128.store(p, i64x2.extend_low_i32x4_s(high), 32);
    v128.store(p, i64x2.extend_high_i32x4_s(high), 48);
  } else if (sizeof<T>() == 4) {
    v128.store(p, low);
    v128.store(p, high, 16);
  } else {
    const half = i16x8.narrow_i32x4_s(low, high);
    if (sizeof<T>() == 2) v128.store(p, half);
    else if (isSigned<T>()) v128.store64_lane(p, i8x16.narrow_i16x8_s(half, half), 0);
    else v128.store64_lane(p, i8x16.narrow_i16x8_u(half, half), 0);
  }
}

/** Lanes 0 and 2 of a, then of b: the low words of four i64. */
@inline
export function lowWords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 2, 4, 6);
}

/** Lanes 1 and 3 of a, then of b: the high words of four i64. */
@inline
export function highWords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 1, 3, 5, 7);
}

@inline
export function clampI64(x: i64, lo: i64, hi: i64): i64 {
  // Not by branches, which are mispredicted for counts of shifts and sums that saturate now and then.
  x = select<i64>(lo, x, x < lo);
  return select<i64>(hi, x, x > hi);
}

/** Two i64 lanes within bounds. */
@inline
export function boundedI64(x: v128, lo: v128, hi: v128): v128 {
  x = v128.bitselect(lo, x, i64x2.gt_s(lo, x));
  return v128.bitselect(hi, x, i64x2.gt_s(x, hi));
}

@inline
export function minOf<T>(): i64 {
  return isSigned<T>() ? i64.MIN_VALUE >> (64 - 8 * sizeof<T>()) : 0;
}

@inline
export function maxOf<T>(): i64 {
  return <i64>(<u64>-1 >> (64 - 8 * sizeof<T>() + (isSigned<T>() ? 1 : 0)));
}

/** `x` as T, saturated. */
@inline
export function saturate<T>(x: i64): T {
  if (sizeof<T>() == 8) return <T>x;
  return <T>clampI64(x, minOf<T>(), maxOf<T>());
}
