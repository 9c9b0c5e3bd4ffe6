// Functions of one variable as tables: direct, or linear interpolation between 2^k + 1 entries.

import { I16, I32, I8, U8, minOf, saturate } from "./types";

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

function interpolate<T>(src: usize, n: usize, table: usize, k: i32, guard: i32, dst: usize): void {
  const f = 16 - k;
  const mask = (1 << f) - 1;
  const shift = <i64>(f + guard);
  const half = <i64>1 << (shift - 1);
  const end = src + (n << 1);
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
