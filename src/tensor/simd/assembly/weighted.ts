// Exact products and weighted sums of two tensors that may differ in dtype. Operands are rows, as in
// elementwise.ts.

import { roundExact, storeBounded } from "./epilogue";
import { I16, I32, I64, I8, U8, boundedI64, byteSize, highWords, load4, lowWords, store8 } from "./types";

/** An element of at most 32 bits. */
@inline
function loadAs(type: i32, p: usize): i64 {
  if (type == I16) return <i64>load<i16>(p);
  if (type == I8) return <i64>load<i8>(p);
  if (type == I32) return <i64>load<i32>(p);
  return <i64>load<u8>(p);
}

/** Four elements of at most 32 bits: the dtype does not change in a loop, so the branches are free. */
@inline
function load4As(type: i32, p: usize): v128 {
  if (type == I16) return load4<i16>(p);
  if (type == I8) return load4<i8>(p);
  if (type == I32) return load4<i32>(p);
  return load4<u8>(p);
}

/** Eight elements of at most 16 bits, as i16. */
@inline
function load8As(type: i32, p: usize): v128 {
  if (type == I16) return v128.load(p);
  return type == I8 ? v128.load8x8_s(p) : v128.load8x8_u(p);
}

@inline
function splatAs(type: i32, p: usize): v128 {
  return i32x4.splat(<i32>loadAs(type, p));
}

/** `dst = a · b` as i32 (which holds it) or i64. */
export function mulWide(
  to: i32, aType: i32, a: usize, aRow: usize, aStep: i32, bType: i32, b: usize, bRow: usize, bStep: i32,
  dst: usize, rows: i32, cols: i32,
): void {
  const aNext: usize = aStep ? byteSize(aType) : 0, bNext: usize = bStep ? byteSize(bType) : 0;
  for (; rows > 0; --rows, a += aRow, b += bRow) {
    let x = a, y = b, c = cols;
    const x0 = splatAs(aType, a), y0 = splatAs(bType, b);
    for (; c >= 4; c -= 4, x += aNext << 2, y += bNext << 2) {
      const p = aNext ? load4As(aType, x) : x0, q = bNext ? load4As(bType, y) : y0;
      if (to == I32) {
        v128.store(dst, i32x4.mul(p, q));
        dst += 16;
      } else {
        v128.store(dst, i64x2.extmul_low_i32x4_s(p, q));
        v128.store(dst, i64x2.extmul_high_i32x4_s(p, q), 16);
        dst += 32;
      }
    }
    for (; c > 0; --c, x += aNext, y += bNext) {
      const product = loadAs(aType, x) * loadAs(bType, y);
      if (to == I32) {
        store<i32>(dst, <i32>product);
        dst += 4;
      } else {
        store<i64>(dst, product);
        dst += 8;
      }
    }
  }
}

/** Arguments of `rescaleAdd`. Fields and their order are mirrored by `WEIGHTED_SUM` in `../descriptors.ts`. */
@unmanaged
class WeightedSum {
  zeroPoint: i64;
  lo: i64;
  hi: i64;
  /** What the weighted sum, its half included, is at most in magnitude; negative: that is not below 2^63. */
  most: i64;
  aMultiplier: i32;
  bMultiplier: i32;
  shift: i32;
  aType: i32;
  a: usize;
  aRow: usize;
  aStep: i32;
  bType: i32;
  b: usize;
  bRow: usize;
  bStep: i32;
  type: i32;
  dst: usize;
  /** From one row of the result to the next. */
  cols: i32;
}

/** Two 64-bit sums, of the low or the high lanes. */
@inline
function sumLow(a: v128, b: v128, ma: v128, mb: v128, half: v128): v128 {
  return i64x2.add(i64x2.add(i64x2.extmul_low_i32x4_s(a, ma), i64x2.extmul_low_i32x4_s(b, mb)), half);
}

@inline
function sumHigh(a: v128, b: v128, ma: v128, mb: v128, half: v128): v128 {
  return i64x2.add(i64x2.add(i64x2.extmul_high_i32x4_s(a, ma), i64x2.extmul_high_i32x4_s(b, mb)), half);
}

/** How a vector of four goes: by high words, by high words after a shift to the left, or in 64 bits. */
const SCALAR: i32 = 0;
const HIGH: i32 = 1;
const LIFTED: i32 = 2;
const FULL: i32 = 3;

/** Four results before the zero point, `t` being what is left of the shift. */
@inline
function sum4(
  way: i32, a: v128, b: v128, ma: v128, mb: v128, half: v128, t: i32, least: v128, most: v128, lo: v128, hi: v128,
): v128 {
  const low = sumLow(a, b, ma, mb, half), high = sumHigh(a, b, ma, mb, half);
  if (way == FULL) {
    return lowWords(i64x2.shr_u(boundedI64(low, lo, hi), t), i64x2.shr_u(boundedI64(high, lo, hi), t));
  }
  const y =
    way == HIGH ? i32x4.shr_s(highWords(low, high), t) : highWords(i64x2.shl(low, t), i64x2.shl(high, t));
  return i32x4.min_s(i32x4.max_s(y, least), most);
}

/** The last columns of a row, one by one. */
function sumRest<T>(s: WeightedSum, x: usize, aNext: usize, y: usize, bNext: usize, c: i32, dst: usize): void {
  const aType = s.aType, bType = s.bType;
  for (; c > 0; --c, x += aNext, y += bNext, dst += sizeof<T>()) {
    const p = loadAs(aType, x) * <i64>s.aMultiplier, q = loadAs(bType, y) * <i64>s.bMultiplier;
    const low = p + q;
    const high = (p >> 63) + (q >> 63) + <i64>(<u64>low < <u64>p);
    store<T>(dst, <T>roundExact(low, high, s.shift, s.zeroPoint, s.lo, s.hi));
  }
}

@inline
function sumRows<T>(
  s: WeightedSum, way: i32, ma: i64, mb: i64, raise: i32, t: i32, half: i64, below: i64, above: i64,
  firstRow: i32, rows: i32, firstCol: i32, cols: i32,
): void {
  const aType = s.aType, bType = s.bType;
  const aNext: usize = s.aStep ? byteSize(aType) : 0, bNext: usize = s.bStep ? byteSize(bType) : 0;
  const va = i32x4.splat(<i32>ma), vb = i32x4.splat(<i32>mb), halves = i64x2.splat(half);
  const least = i32x4.splat(<i32>max<i64>(below, i32.MIN_VALUE));
  const most = i32x4.splat(<i32>min<i64>(above, i32.MAX_VALUE));
  const lo = i64x2.splat(below << t), hi = i64x2.splat(((above + 1) << t) - 1);
  const zeros = i32x4.splat(<i32>s.zeroPoint);
  let a = s.a + <usize>firstRow * s.aRow + <usize>firstCol * aNext;
  let b = s.b + <usize>firstRow * s.bRow + <usize>firstCol * bNext;
  let dst = s.dst + (<usize>firstRow * <usize>s.cols + <usize>firstCol) * sizeof<T>();
  const skip = <usize>(s.cols - cols) * sizeof<T>();
  for (; rows > 0; --rows, a += s.aRow, b += s.bRow, dst += skip) {
    let x = a, y = b, c = cols;
    if (way != SCALAR) {
      const a0 = splatAs(aType, a), b0 = splatAs(bType, b);
      for (; c >= 8; c -= 8, x += aNext << 3, y += bNext << 3, dst += 8 * sizeof<T>()) {
        let p = aNext ? load4As(aType, x) : a0, q = bNext ? load4As(bType, y) : b0;
        if (way == HIGH) {
          p = i32x4.shl(p, raise);
          q = i32x4.shl(q, raise);
        }
        const low = sum4(way, p, q, va, vb, halves, t, least, most, lo, hi);
        p = aNext ? load4As(aType, x + (aNext << 2)) : a0;
        q = bNext ? load4As(bType, y + (bNext << 2)) : b0;
        if (way == HIGH) {
          p = i32x4.shl(p, raise);
          q = i32x4.shl(q, raise);
        }
        const high = sum4(way, p, q, va, vb, halves, t, least, most, lo, hi);
        store8<T>(dst, i32x4.add(low, zeros), i32x4.add(high, zeros));
      }
    }
    sumRest<T>(s, x, aNext, y, bNext, c, dst);
    dst += <usize>c * sizeof<T>();
  }
}

/**
 * Whether `dotRows` serves: 16 bits hold both halves of the factors and of the operands, 32 bits what they
 * sum up to. The sum is below 2^47 then, and so are its multiples of 2^16 below 2^31.
 */
function takesDots(s: WeightedSum): bool {
  if (max(byteSize(s.aType), byteSize(s.bType)) > 2 || s.shift < 17 || s.shift > 46) return false;
  if (s.most < 0 || s.most >= <i64>1 << 47) return false;
  const ma = <i64>s.aMultiplier, mb = <i64>s.bMultiplier;
  // Products of two least values, twice, are the only sum of two that leaves i32.
  if (<i16>ma == i16.MIN_VALUE || <i16>mb == i16.MIN_VALUE) return false;
  return max(abs(ma), abs(mb)) < 0x7fff0000;
}

/** Two 16-bit halves, `upper` being what is left without the `lower`, signed, over 2^16: one for each operand. */
@inline
function splatPair(a: i32, b: i32): v128 {
  return i32x4.splat((a & 0xffff) | (b << 16));
}

/** Four of eight results of `dotRows`, the upper ones if `high`, before the last shift. */
@inline
function dotSums(p: v128, q: v128, upper: v128, lower: v128, half: v128, high: bool): v128 {
  const x = high
    ? v128.shuffle<i16>(p, q, 4, 12, 5, 13, 6, 14, 7, 15)
    : v128.shuffle<i16>(p, q, 0, 8, 1, 9, 2, 10, 3, 11);
  return i32x4.add(
    i32x4.add(i32x4.dot_i16x8_s(x, upper), half), i32x4.shr_s(i32x4.dot_i16x8_s(x, lower), 16),
  );
}

/** Eights of a row of i16, `late` as `storeBounded` has it. */
@inline
function dotRow<T>(
  x: usize, y: usize, c: i32, upper: v128, lower: v128, half: v128, t: i32, lo: v128, hi: v128, zeros: v128, dst: usize,
): void {
  for (; c >= 8; c -= 8, x += 16, y += 16, dst += 8 * sizeof<T>()) {
    const p = v128.load(x), q = v128.load(y);
    const y0 = dotSums(p, q, upper, lower, half, false), y1 = dotSums(p, q, upper, lower, half, true);
    storeBounded<T>(dst, i32x4.shr_s(y0, t), i32x4.shr_s(y1, t), true, lo, hi, zeros);
  }
}

/**
 * With factors m = 2^16·h + l the sum of two products is 2^16·(a·ha + b·hb) + (a·la + b·lb), each part of
 * which is one dot product of pairs of 16 bits: less than half of what products of 64 bits take.
 */
function dotRows<T>(
  s: WeightedSum, below: i64, above: i64, firstRow: i32, rows: i32, firstCol: i32, cols: i32,
): void {
  const aType = s.aType, bType = s.bType, aRow = s.aRow, bRow = s.bRow;
  const aNext: usize = s.aStep ? byteSize(aType) : 0, bNext: usize = s.bStep ? byteSize(bType) : 0;
  const aLow = <i32><i16>s.aMultiplier, bLow = <i32><i16>s.bMultiplier;
  const lower = splatPair(aLow, bLow);
  const upper = splatPair(
    <i32>((<i64>s.aMultiplier - <i64>aLow) >> 16), <i32>((<i64>s.bMultiplier - <i64>bLow) >> 16),
  );
  const t = s.shift - 16, half = i32x4.splat(1 << (t - 1));
  const late = sizeof<T>() == 1 || (sizeof<T>() == 2 && s.zeroPoint == 0);
  const zeros = late ? i16x8.splat(<i16>s.zeroPoint) : i32x4.splat(<i32>s.zeroPoint);
  const lo = late ? i16x8.splat(<i16>s.lo) : i32x4.splat(<i32>max<i64>(below, i32.MIN_VALUE));
  const hi = late ? i16x8.splat(<i16>s.hi) : i32x4.splat(<i32>min<i64>(above, i32.MAX_VALUE));
  let a = s.a + <usize>firstRow * aRow + <usize>firstCol * aNext;
  let b = s.b + <usize>firstRow * bRow + <usize>firstCol * bNext;
  let dst = s.dst + (<usize>firstRow * <usize>s.cols + <usize>firstCol) * sizeof<T>();
  const skip = <usize>(s.cols - cols) * sizeof<T>();
  const plain = sizeof<T>() <= 2 && late && aNext == 2 && bNext == 2;
  for (; rows > 0; --rows, a += aRow, b += bRow, dst += skip) {
    let x = a, y = b, c = cols;
    if (plain) {
      // Most factors are about one, with a shift of 30; and shifts by a constant take fewer instructions.
      if (t == 14) dotRow<T>(x, y, c, upper, lower, half, 14, lo, hi, zeros, dst);
      else dotRow<T>(x, y, c, upper, lower, half, t, lo, hi, zeros, dst);
      const done = <usize>(c & ~7);
      x += done << 1;
      y += done << 1;
      dst += done * sizeof<T>();
      c &= 7;
    } else {
      const a0 = i16x8.splat(<i16>loadAs(aType, a)), b0 = i16x8.splat(<i16>loadAs(bType, b));
      for (; c >= 8; c -= 8, x += aNext << 3, y += bNext << 3, dst += 8 * sizeof<T>()) {
        const p = aNext ? load8As(aType, x) : a0, q = bNext ? load8As(bType, y) : b0;
        const y0 = dotSums(p, q, upper, lower, half, false), y1 = dotSums(p, q, upper, lower, half, true);
        storeBounded<T>(dst, i32x4.shr_s(y0, t), i32x4.shr_s(y1, t), late, lo, hi, zeros);
      }
    }
    sumRest<T>(s, x, aNext, y, bNext, c, dst);
    dst += <usize>c * sizeof<T>();
  }
}

function weightedSum<T>(s: WeightedSum, firstRow: i32, rows: i32, firstCol: i32, cols: i32): void {
  const shift = s.shift;
  const below = s.lo - s.zeroPoint, above = s.hi - s.zeroPoint;
  // With a shift of at least 32 only high words of 64-bit sums are needed. What a lesser one lacks goes
  // to the operands if they are narrow: factors of about one leave no room in the multipliers.
  const lack = max(32 - shift, 0);
  const narrow = max(byteSize(s.aType), byteSize(s.bType)) < 4;
  const raise = narrow ? min(lack, 15) : 0;
  const ma = <i64>s.aMultiplier << (lack - raise), mb = <i64>s.bMultiplier << (lack - raise);
  const t = max(shift, 32) - 32;
  const bounds = below <= i32.MAX_VALUE && above >= i32.MIN_VALUE;
  if (sizeof<T>() < 8 && bounds) {
    if (takesDots(s)) {
      dotRows<T>(s, below, above, firstRow, rows, firstCol, cols);
      return;
    }
    const half = <i64>1 << (shift - 1);
    if (
      max(abs(ma), abs(mb)) <= i32.MAX_VALUE &&
      // Sums of two 32-bit products need one bit more than there is, unless factors or operands are small.
      (narrow || abs(ma) + abs(mb) <= i32.MAX_VALUE || (lack == 0 && s.most >= 0))
    ) {
      sumRows<T>(s, HIGH, ma, mb, raise, t, <i64>1 << (t + 31), below, above, firstRow, rows, firstCol, cols);
      return;
    }
    if (lack > 0 && s.most >= 0 && s.most < <i64>1 << (shift + 31)) {
      sumRows<T>(s, LIFTED, s.aMultiplier, s.bMultiplier, 0, lack, half, below, above, firstRow, rows, firstCol, cols);
      return;
    }
    if (lack > 0 && s.most >= 0 && below >= i32.MIN_VALUE && above <= i32.MAX_VALUE) {
      sumRows<T>(s, FULL, s.aMultiplier, s.bMultiplier, 0, shift, half, below, above, firstRow, rows, firstCol, cols);
      return;
    }
  }
  sumRows<T>(s, SCALAR, 0, 0, 0, 0, 0, 0, 0, firstRow, rows, firstCol, cols);
}

/**
 * `clamp(((a·aMultiplier + b·bMultiplier + 2^(shift−1)) >> shift) + zeroPoint, lo, hi)`, exact: `rows`
 * rows of the result from `firstRow`, and of those `cols` columns from `firstCol`.
 */
export function rescaleAdd(args: usize, firstRow: i32, rows: i32, firstCol: i32, cols: i32): void {
  const s = changetype<WeightedSum>(args);
  if (s.type == I16) weightedSum<i16>(s, firstRow, rows, firstCol, cols);
  else if (s.type == I8) weightedSum<i8>(s, firstRow, rows, firstCol, cols);
  else if (s.type == U8) weightedSum<u8>(s, firstRow, rows, firstCol, cols);
  else if (s.type == I32) weightedSum<i32>(s, firstRow, rows, firstCol, cols);
  else weightedSum<i64>(s, firstRow, rows, firstCol, cols);
}
