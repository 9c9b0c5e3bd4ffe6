// Functions of one variable as tables: direct, or linear interpolation between 2^k + 1 entries.

import { I16, I32, I8, U8, highWords, lowWords, minOf, saturate, store8 } from "./types";

/** Entry of the element at `src`; `table` is the address of the entry for 0. */
@inline
function entryOf<X, E>(table: usize, src: usize): E {
  return load<E>(table + <usize>(<i32>load<X>(src) * <i32>sizeof<E>()));
}

/** Eight at a time: 0.53 ns an element in a table of 128 KiB; with the ado of a loop for each, 0.62. */
function direct<X, E>(src: usize, n: usize, table: usize, dst: usize): void {
  table -= <usize>(<i32>minOf<X>() * <i32>sizeof<E>());
  const x: usize = sizeof<X>(), e: usize = sizeof<E>();
  for (; n >= 8; n -= 8, src += 8 * sizeof<X>(), dst += 8 * sizeof<E>()) {
    const y0 = entryOf<X, E>(table, src), y1 = entryOf<X, E>(table, src + x);
    const y2 = entryOf<X, E>(table, src + 2 * x), y3 = entryOf<X, E>(table, src + 3 * x);
    store<E>(dst, y0); store<E>(dst + e, y1); store<E>(dst + 2 * e, y2); store<E>(dst + 3 * e, y3);
    const y4 = entryOf<X, E>(table, src + 4 * x), y5 = entryOf<X, E>(table, src + 5 * x);
    const y6 = entryOf<X, E>(table, src + 6 * x), y7 = entryOf<X, E>(table, src + 7 * x);
    store<E>(dst + 4 * e, y4); store<E>(dst + 5 * e, y5); store<E>(dst + 6 * e, y6); store<E>(dst + 7 * e, y7);
  }
  for (; n > 0; --n, src += x, dst += e) store<E>(dst, entryOf<X, E>(table, src));
}

function directOf<X>(src: usize, n: usize, table: usize, entryBytes: usize, dst: usize): void {
  if (entryBytes == 1) direct<X, u8>(src, n, table, dst);
  else if (entryBytes == 2) direct<X, u16>(src, n, table, dst);
  else if (entryBytes == 4) direct<X, u32>(src, n, table, dst);
  else direct<X, u64>(src, n, table, dst);
}

/** `dst[i] = table[src[i] − MIN]` for a source of u8, i8 or i16 and entries of 1, 2, 4 or 8 bytes. */
export function lutDirect(
  type: i32, src: usize, n: usize, table: usize, entryBytes: usize, dst: usize,
): void {
  if (type == U8) directOf<u8>(src, n, table, entryBytes, dst);
  else if (type == I8) directOf<i8>(src, n, table, entryBytes, dst);
  else directOf<i16>(src, n, table, entryBytes, dst);
}

/**
 * Four interpolations. Weights are scaled by 2^(32 − f − guard), so that the result is the high word of
 * a 64-bit sum: they sum to 2^(32 − guard), which with two guard bits or more fits i32.
 */
@inline
function interpolate4(x: v128, table: usize, f: i32, mask: v128, up: i32, whole: v128): v128 {
  const u = i32x4.add(x, i32x4.splat(0x8000));
  const at = i32x4.shl(i32x4.shr_u(u, f), 2);
  let p = v128.load64_zero(table + <usize>i32x4.extract_lane(at, 0));
  let q = v128.load64_zero(table + <usize>i32x4.extract_lane(at, 2));
  p = v128.load64_lane(table + <usize>i32x4.extract_lane(at, 1), p, 1);
  q = v128.load64_lane(table + <usize>i32x4.extract_lane(at, 3), q, 1);
  const right = i32x4.shl(v128.and(u, mask), up), left = i32x4.sub(whole, right);
  const t0 = lowWords(p, q), t1 = highWords(p, q);
  const half = i64x2.splat(0x80000000);
  return highWords(
    i64x2.add(i64x2.add(i64x2.extmul_low_i32x4_s(t0, left), i64x2.extmul_low_i32x4_s(t1, right)), half),
    i64x2.add(i64x2.add(i64x2.extmul_high_i32x4_s(t0, left), i64x2.extmul_high_i32x4_s(t1, right)), half),
  );
}

/** Address of the entry that x, an i16 at `src`, is in the segment of. */
@inline
function entryAt(src: usize, middle: usize, f: i32): usize {
  return middle + <usize>((<i32>load<i16>(src) >> f) << 2);
}

/**
 * Four interpolations as `((t0 << f) + (t1 − t0)·r + half) >> shift` in 32 bits. `middle` is the address
 * of the entry for x = 0: x >> f counts from there, and the low f bits of x are those of x + 32768.
 * Indices are loaded one by one: taking lanes out of a vector keeps the unit busy that shuffles.
 *
 * The terms may wrap, but their sum is a weighted mean, max|t|·2^f + half in magnitude at most. Where
 * that is below 2^31, the sum mod 2^32 is the sum, and shifting it is exact.
 */
@inline
function interpolateShort4(src: usize, middle: usize, f: i32, mask: v128, half: v128, shift: i32): v128 {
  let p = v128.load64_zero(entryAt(src, middle, f));
  let q = v128.load64_zero(entryAt(src + 4, middle, f));
  p = v128.load64_lane(entryAt(src + 2, middle, f), p, 1);
  q = v128.load64_lane(entryAt(src + 6, middle, f), q, 1);
  const t0 = lowWords(p, q), step = i32x4.sub(highWords(p, q), t0);
  const r = v128.and(v128.load16x4_s(src), mask);
  return i32x4.shr_s(i32x4.add(i32x4.add(i32x4.shl(t0, f), i32x4.mul(step, r)), half), shift);
}

/** Eights by `interpolateShort4`. Called with constants, which take fewer instructions to shift by. */
@inline
function interpolateShort<T>(src: usize, last: usize, table: usize, f: i32, shift: i32, dst: usize): void {
  const middle = table + <usize>(4 << (15 - f));
  const masks = i32x4.splat((1 << f) - 1), half = i32x4.splat(1 << (shift - 1));
  for (; src < last; src += 16, dst += 8 * sizeof<T>()) {
    store8<T>(
      dst,
      interpolateShort4(src, middle, f, masks, half, shift),
      interpolateShort4(src + 8, middle, f, masks, half, shift),
    );
  }
}

/** What the shift is where guard bits are one fewer than `k`, which leaves i16 the most precise entries. */
const USUAL_SHIFT: i64 = 15;

function interpolate<T>(
  src: usize, n: usize, table: usize, k: i32, guard: i32, short: i32, dst: usize,
): void {
  const f = 16 - k;
  const mask = (1 << f) - 1;
  const shift = <i64>(f + guard);
  const half = <i64>1 << (shift - 1);
  const end = src + (n << 1), last = src + ((n & ~7) << 1);
  if (short) {
    const usual = sizeof<T>() <= 2 && shift == USUAL_SHIFT;
    if (usual && f == 6) interpolateShort<T>(src, last, table, 6, 15, dst);
    else if (usual && f == 9) interpolateShort<T>(src, last, table, 9, 15, dst);
    else if (usual && f == 7) interpolateShort<T>(src, last, table, 7, 15, dst);
    else interpolateShort<T>(src, last, table, f, <i32>shift, dst);
    dst += ((last - src) >> 1) * sizeof<T>();
    src = last;
  } else if (guard >= 2) {
    const masks = i32x4.splat(mask), whole = i32x4.splat(1 << (32 - guard));
    const up = 32 - f - guard;
    for (; src < last; src += 16, dst += 8 * sizeof<T>()) {
      const low = interpolate4(v128.load16x4_s(src), table, f, masks, up, whole);
      const high = interpolate4(v128.load16x4_s(src, 8), table, f, masks, up, whole);
      store8<T>(dst, low, high);
    }
  }
  for (; src < end; src += 2, dst += sizeof<T>()) {
    const u = <i32>load<i16>(src) + 0x8000;
    const entry = table + (<usize>(u >> f) << 2);
    const low = <i64>load<i32>(entry);
    const step = <i64>load<i32>(entry, 4) - low;
    // t[i]·(2^f − r) + t[i+1]·r = (t[i] << f) + (t[i+1] − t[i])·r
    store<T>(dst, saturate<T>(((low << f) + step * <i64>(u & mask) + half) >> shift));
  }
}

/**
 * `y = (t[i]·(2^f − r) + t[i+1]·r + 2^(f+guard−1)) >> (f + guard)`, saturated to `type`, with
 * u = x + 32768, f = 16 − k, i = u >> f, r = u mod 2^f: x is i16, t is i32 with 2^k + 1 entries.
 * `short` states that max|t|·2^f + 2^(f+guard−1) < 2^31, which is faster.
 */
export function lutInterpolate(
  src: usize, n: usize, table: usize, k: i32, guard: i32, short: i32, type: i32, dst: usize,
): void {
  if (type == I16) interpolate<i16>(src, n, table, k, guard, short, dst);
  else if (type == I8) interpolate<i8>(src, n, table, k, guard, short, dst);
  else if (type == U8) interpolate<u8>(src, n, table, k, guard, short, dst);
  else if (type == I32) interpolate<i32>(src, n, table, k, guard, short, dst);
  else interpolate<i64>(src, n, table, k, guard, short, dst);
}
