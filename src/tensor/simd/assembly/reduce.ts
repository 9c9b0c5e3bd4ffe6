// Reductions of [outer, n, inner] over n.

import { I16, I32, I64, I8, load4, maxOf, minOf, saturate } from "./types";

const SUM: i32 = 0;
const PROD: i32 = 1;
const MAX: i32 = 2;

/** Vectors of 16-bit elements whose sums surely fit the i32 lanes that take them by pairs. */
const SUM_BLOCK: usize = 1 << 14;

@inline
export function storeSum(to: i32, dst: usize, sum: i64): usize {
  if (to == I32) {
    store<i32>(dst, saturate<i32>(sum));
    return dst + 4;
  }
  store<i64>(dst, sum);
  return dst + 8;
}

/** Elements that are next to each other, of at most 32 bits. */
function sumRun<T>(src: usize, n: usize): i64 {
  const lanes: usize = 16 / sizeof<T>();
  let sum: i64 = 0;
  for (let left = n / lanes; left > 0; ) {
    const block = min(left, SUM_BLOCK);
    let s = i64x2.splat(0);
    for (let i = block; i > 0; --i, src += 16) {
      const x = v128.load(src);
      if (sizeof<T>() == 4) {
        s = i64x2.add(s, i64x2.add(i64x2.extend_low_i32x4_s(x), i64x2.extend_high_i32x4_s(x)));
      } else if (sizeof<T>() == 2) {
        s = i32x4.add(s, i32x4.extadd_pairwise_i16x8_s(x));
      } else if (isSigned<T>()) {
        s = i32x4.add(s, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(x)));
      } else {
        s = i32x4.add(s, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(x)));
      }
    }
    if (sizeof<T>() < 4) s = i64x2.add(i64x2.extend_low_i32x4_s(s), i64x2.extend_high_i32x4_s(s));
    sum += i64x2.extract_lane(s, 0) + i64x2.extract_lane(s, 1);
    left -= block;
  }
  for (let i = n & (lanes - 1); i > 0; --i, src += sizeof<T>()) sum += <i64>load<T>(src);
  return sum;
}

/** Elements that are `step` bytes apart. i64 sums are taken in 128 bits. */
function sumStrided<T>(src: usize, n: usize, step: usize): i64 {
  let low: i64 = 0, high: i64 = 0;
  for (; n > 0; --n, src += step) {
    const x = <i64>load<T>(src);
    low += x;
    if (sizeof<T>() == 8) high += (x >> 63) + <i64>(<u64>low < <u64>x);
  }
  if (sizeof<T>() < 8 || high == low >> 63) return low;
  return high < 0 ? i64.MIN_VALUE : i64.MAX_VALUE;
}

/** i64 within ±2^48, of which `SUM_BLOCK` are summed in 64 bits. */
const SMALL_BITS: i32 = 48;

/** i64 next to each other, in 128 bits: blocks of small ones in lanes. */
function sumRunI64(src: usize, n: usize): i64 {
  const offset = i64x2.splat(<i64>1 << SMALL_BITS);
  let low: i64 = 0, high: i64 = 0;
  while (n > 0) {
    const block = min(n, SUM_BLOCK), even = block & ~1;
    let s = i64x2.splat(0), any = s;
    for (let p = src, end = src + (even << 3); p < end; p += 16) {
      const x = v128.load(p);
      s = i64x2.add(s, x);
      any = v128.or(any, i64x2.add(x, offset));
    }
    const small = !v128.any_true(i64x2.shr_u(any, SMALL_BITS + 1));
    let x = i64x2.extract_lane(s, 0) + i64x2.extract_lane(s, 1);
    if (small) {
      low += x;
      high += (x >> 63) + <i64>(<u64>low < <u64>x);
    }
    for (let i = small ? even : 0; i < block; ++i) {
      x = load<i64>(src + (i << 3));
      low += x;
      high += (x >> 63) + <i64>(<u64>low < <u64>x);
    }
    n -= block;
    src += block << 3;
  }
  if (high == low >> 63) return low;
  return high < 0 ? i64.MIN_VALUE : i64.MAX_VALUE;
}

/** Four columns of at most 32 bits, `step` bytes from row to row. */
function sumColumns4<T>(to: i32, src: usize, n: usize, step: usize, dst: usize): usize {
  let low = i64x2.splat(0), high = low;
  if (sizeof<T>() == 4) {
    for (; n > 0; --n, src += step) {
      const x = v128.load(src);
      low = i64x2.add(low, i64x2.extend_low_i32x4_s(x));
      high = i64x2.add(high, i64x2.extend_high_i32x4_s(x));
    }
  } else {
    while (n > 0) {
      const block = min(n, SUM_BLOCK);
      let s = i32x4.splat(0);
      for (let i = block; i > 0; --i, src += step) s = i32x4.add(s, load4<T>(src));
      low = i64x2.add(low, i64x2.extend_low_i32x4_s(s));
      high = i64x2.add(high, i64x2.extend_high_i32x4_s(s));
      n -= block;
    }
  }
  dst = storeSum(to, dst, i64x2.extract_lane(low, 0));
  dst = storeSum(to, dst, i64x2.extract_lane(low, 1));
  dst = storeSum(to, dst, i64x2.extract_lane(high, 0));
  return storeSum(to, dst, i64x2.extract_lane(high, 1));
}

/** The exact product, saturated once: a zero anywhere makes it zero. */
function productStrided<T>(src: usize, n: usize, step: usize): i64 {
  let magnitude: u64 = 1;
  let negative = false, over = false;
  for (; n > 0; --n, src += step) {
    const x = <i64>load<T>(src);
    if (x == 0) return 0;
    const factor = x < 0 ? <u64>0 - <u64>x : <u64>x;
    if (x < 0) negative = !negative;
    over = over || magnitude > <u64>0x8000000000000000 / factor;
    magnitude = over ? 1 : magnitude * factor;
  }
  if (over || magnitude > <u64>i64.MAX_VALUE) return negative ? i64.MIN_VALUE : i64.MAX_VALUE;
  return negative ? -<i64>magnitude : <i64>magnitude;
}

@inline
export function bestLanes<T>(largest: bool, x: v128, y: v128): v128 {
  return largest ? v128.max<T>(x, y) : v128.min<T>(x, y);
}

@inline
export function best<T>(largest: bool, x: T, y: T): T {
  return largest ? max(x, y) : min(x, y);
}

@inline
export function worst<T>(largest: bool): T {
  return <T>(largest ? minOf<T>() : maxOf<T>());
}

@inline
function extremeRun<T>(largest: bool, src: usize, n: usize): T {
  const lanes: usize = 16 / sizeof<T>();
  let result = worst<T>(largest);
  if (sizeof<T>() < 8 && n >= lanes) {
    let x = v128.load(src);
    src += 16;
    for (let i = n / lanes - 1; i > 0; --i, src += 16) x = bestLanes<T>(largest, x, v128.load(src));
    x = bestLanes<T>(largest, x, v128.shuffle<i64>(x, x, 1, 0));
    x = bestLanes<T>(largest, x, v128.shuffle<i32>(x, x, 1, 0, 3, 2));
    if (sizeof<T>() < 4) x = bestLanes<T>(largest, x, v128.shuffle<i16>(x, x, 1, 0, 3, 2, 5, 4, 7, 6));
    if (sizeof<T>() < 2) {
      x = bestLanes<T>(largest, x, v128.shuffle<i8>(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    }
    result = v128.extract_lane<T>(x, 0);
    n &= lanes - 1;
  }
  for (; n > 0; --n, src += sizeof<T>()) result = best<T>(largest, result, load<T>(src));
  return result;
}

@inline
function extremeBlock<T>(largest: bool, src: usize, n: usize, inner: usize, dst: usize): void {
  if (inner == 1) {
    store<T>(dst, extremeRun<T>(largest, src, n));
    return;
  }
  const step = inner * sizeof<T>();
  const lanes: usize = 16 / sizeof<T>();
  let left = inner;
  if (sizeof<T>() < 8) {
    for (; left >= lanes; left -= lanes, src += 16, dst += 16) {
      let x = v128.splat<T>(worst<T>(largest));
      for (let i = n, p = src; i > 0; --i, p += step) x = bestLanes<T>(largest, x, v128.load(p));
      v128.store(dst, x);
    }
  }
  for (; left > 0; --left, src += sizeof<T>(), dst += sizeof<T>()) {
    let x = worst<T>(largest);
    for (let i = n, p = src; i > 0; --i, p += step) x = best<T>(largest, x, load<T>(p));
    store<T>(dst, x);
  }
}

function reduceOf<T>(op: i32, to: i32, src: usize, outer: usize, n: usize, inner: usize, dst: usize): void {
  const step = inner * sizeof<T>();
  for (; outer > 0; --outer, src += n * step) {
    if (op >= MAX) {
      if (op == MAX) extremeBlock<T>(true, src, n, inner, dst);
      else extremeBlock<T>(false, src, n, inner, dst);
      dst += step;
      continue;
    }
    if (op == SUM && inner == 1) {
      dst = storeSum(to, dst, sizeof<T>() < 8 ? sumRun<T>(src, n) : sumRunI64(src, n));
      continue;
    }
    let left = inner, column = src;
    if (op == SUM && sizeof<T>() < 8) {
      for (; left >= 4; left -= 4, column += 4 * sizeof<T>()) dst = sumColumns4<T>(to, column, n, step, dst);
    }
    for (; left > 0; --left, column += sizeof<T>()) {
      dst = storeSum(to, dst, op == SUM ? sumStrided<T>(column, n, step) : productStrided<T>(column, n, step));
    }
  }
}

/**
 * Reduces [outer, n, inner] over n: sum 0, prod 1 (to I32 or I64, exact, saturated once), max 2, min 3
 * (in the dtype; MIN or MAX where n is 0).
 */
export function reduce(
  op: i32, type: i32, to: i32, src: usize, outer: usize, n: usize, inner: usize, dst: usize,
): void {
  if (type == I16) reduceOf<i16>(op, to, src, outer, n, inner, dst);
  else if (type == I8) reduceOf<i8>(op, to, src, outer, n, inner, dst);
  else if (type == I32) reduceOf<i32>(op, to, src, outer, n, inner, dst);
  else if (type == I64) reduceOf<i64>(op, to, src, outer, n, inner, dst);
  else reduceOf<u8>(op, to, src, outer, n, inner, dst);
}

@inline
function argOf<T>(largest: bool, src: usize, outer: usize, n: usize, inner: usize, dst: usize): void {
  const step = inner * sizeof<T>();
  for (; outer > 0; --outer, src += n * step) {
    for (let j: usize = 0; j < inner; ++j, dst += 4) {
      let p = src + j * sizeof<T>();
      let found = load<T>(p), index = 0;
      if (inner == 1) {
        found = extremeRun<T>(largest, p, n);
        for (; load<T>(p) != found; p += sizeof<T>()) ++index;
      } else {
        for (let i: usize = 1; i < n; ++i) {
          p += step;
          const x = load<T>(p);
          if (largest ? x > found : x < found) {
            found = x;
            index = <i32>i;
          }
        }
      }
      store<i32>(dst, index);
    }
  }
}

function argEither<T>(least: i32, src: usize, outer: usize, n: usize, inner: usize, dst: usize): void {
  if (least) argOf<T>(false, src, outer, n, inner, dst);
  else argOf<T>(true, src, outer, n, inner, dst);
}

/** i32 index over n ≥ 1 of the greatest element of [outer, n, inner] (of the least, if so), the first of equals. */
export function arg(
  least: i32, type: i32, src: usize, outer: usize, n: usize, inner: usize, dst: usize,
): void {
  if (type == I16) argEither<i16>(least, src, outer, n, inner, dst);
  else if (type == I8) argEither<i8>(least, src, outer, n, inner, dst);
  else if (type == I32) argEither<i32>(least, src, outer, n, inner, dst);
  else if (type == I64) argEither<i64>(least, src, outer, n, inner, dst);
  else argEither<u8>(least, src, outer, n, inner, dst);
}
