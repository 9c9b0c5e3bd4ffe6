// Functions of one variable as tables: direct, or linear interpolation between 2^k + 1 entries.

import { I16, I32, I8, U8, highWords, lowWords, minOf, saturate, store8 } from "./types";

function direct<X, E>(src: usize, n: usize, table: usize, dst: usize): void {
  table -= <usize>(<i32>minOf<X>() * <i32>sizeof<E>());
  const end = dst + n * sizeof<E>();
  for (; dst < end; src += sizeof<X>(), dst += sizeof<E>()) {
    store<E>(dst, load<E>(table + <usize>(<i32>load<X>(src) * <i32>sizeof<E>())));
  }
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

function interpolate<T>(src: usize, n: usize, table: usize, k: i32, guard: i32, dst: usize): void {
  const f = 16 - k;
  const mask = (1 << f) - 1;
  const shift = <i64>(f + guard);
  const half = <i64>1 << (shift - 1);
  const end = src + (n << 1);
  if (guard >= 2) {
    const masks = i32x4.splat(mask), whole = i32x4.splat(1 << (32 - guard));
    const up = 32 - f - guard;
    for (const last = src + ((n & ~7) << 1); src < last; src += 16, dst += 8 * sizeof<T>()) {
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
 */
export function lutInterpolate(
  src: usize, n: usize, table: usize, k: i32, guard: i32, type: i32, dst: usize,
): void {
  if (type == I16) interpolate<i16>(src, n, table, k, guard, dst);
  else if (type == I8) interpolate<i8>(src, n, table, k, guard, dst);
  else if (type == U8) interpolate<u8>(src, n, table, k, guard, dst);
  else if (type == I32) interpolate<i32>(src, n, table, k, guard, dst);
  else interpolate<i64>(src, n, table, k, guard, dst);
}
