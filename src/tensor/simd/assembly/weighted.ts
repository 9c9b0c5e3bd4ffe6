// Exact products and weighted sums of two tensors that may differ in dtype. Operands are rows, as in
// elementwise.ts.

import { roundExact } from "./epilogue";
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
    for (; c > 0; --c, x += aNext, y += bNext, dst += sizeof<T>()) {
      const p = loadAs(aType, x) * <i64>s.aMultiplier, q = loadAs(bType, y) * <i64>s.bMultiplier;
      const low = p + q;
      const high = (p >> 63) + (q >> 63) + <i64>(<u64>low < <u64>p);
      store<T>(dst, <T>roundExact(low, high, s.shift, s.zeroPoint, s.lo, s.hi));
    }
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
