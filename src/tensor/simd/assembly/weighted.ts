// Exact products and weighted sums of two tensors that may differ in dtype. Operands are rows, as in
// elementwise.ts.

import { roundExact } from "./epilogue";
import { I16, I32, I64, I8, U8, byteSize, highWords, load4, lowWords, store8 } from "./types";

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

@inline
function sum4(a: v128, b: v128, ma: v128, mb: v128, half: v128): v128 {
  return highWords(
    i64x2.add(i64x2.add(i64x2.extmul_low_i32x4_s(a, ma), i64x2.extmul_low_i32x4_s(b, mb)), half),
    i64x2.add(i64x2.add(i64x2.extmul_high_i32x4_s(a, ma), i64x2.extmul_high_i32x4_s(b, mb)), half),
  );
}

function weightedSum<T>(s: WeightedSum, firstRow: i32, rows: i32, firstCol: i32, cols: i32): void {
  const zero = s.zeroPoint, lo = s.lo, hi = s.hi;
  const below = lo - zero, above = hi - zero;
  const aType = s.aType, bType = s.bType;
  const aNext: usize = s.aStep ? byteSize(aType) : 0, bNext: usize = s.bStep ? byteSize(bType) : 0;
  // With a shift of at least 32 only high words of 64-bit sums are needed. What a lesser one lacks goes
  // to the operands if they are narrow: factors of about one leave no room in the multipliers.
  const lack = max(32 - s.shift, 0);
  const narrow = max(byteSize(aType), byteSize(bType)) < 4;
  const raise = narrow ? min(lack, 15) : 0;
  const ma = <i64>s.aMultiplier << (lack - raise), mb = <i64>s.bMultiplier << (lack - raise);
  const lanes =
    sizeof<T>() < 8 &&
    max(abs(ma), abs(mb)) <= i32.MAX_VALUE &&
    // Sums of two 32-bit products need one bit more than there is, unless the factors are small.
    (narrow || abs(ma) + abs(mb) <= i32.MAX_VALUE) &&
    below <= i32.MAX_VALUE &&
    above >= i32.MIN_VALUE;
  const t = max(s.shift, 32) - 32;
  const va = i32x4.splat(<i32>ma), vb = i32x4.splat(<i32>mb);
  const half = i64x2.splat(<i64>1 << (t + 31));
  const least = i32x4.splat(<i32>max<i64>(below, i32.MIN_VALUE));
  const most = i32x4.splat(<i32>min<i64>(above, i32.MAX_VALUE));
  const zeros = i32x4.splat(<i32>zero);
  let a = s.a + <usize>firstRow * s.aRow + <usize>firstCol * aNext;
  let b = s.b + <usize>firstRow * s.bRow + <usize>firstCol * bNext;
  let dst = s.dst + (<usize>firstRow * <usize>s.cols + <usize>firstCol) * sizeof<T>();
  const skip = <usize>(s.cols - cols) * sizeof<T>();
  for (; rows > 0; --rows, a += s.aRow, b += s.bRow, dst += skip) {
    let x = a, y = b, c = cols;
    if (lanes) {
      const a0 = splatAs(aType, a), b0 = splatAs(bType, b);
      for (; c >= 8; c -= 8, x += aNext << 3, y += bNext << 3, dst += 8 * sizeof<T>()) {
        let p = aNext ? load4As(aType, x) : a0, q = bNext ? load4As(bType, y) : b0;
        let low = i32x4.shr_s(sum4(i32x4.shl(p, raise), i32x4.shl(q, raise), va, vb, half), t);
        p = aNext ? load4As(aType, x + (aNext << 2)) : a0;
        q = bNext ? load4As(bType, y + (bNext << 2)) : b0;
        let high = i32x4.shr_s(sum4(i32x4.shl(p, raise), i32x4.shl(q, raise), va, vb, half), t);
        low = i32x4.add(i32x4.min_s(i32x4.max_s(low, least), most), zeros);
        high = i32x4.add(i32x4.min_s(i32x4.max_s(high, least), most), zeros);
        store8<T>(dst, low, high);
      }
    }
    for (; c > 0; --c, x += aNext, y += bNext, dst += sizeof<T>()) {
      const p = loadAs(aType, x) * <i64>s.aMultiplier, q = loadAs(bType, y) * <i64>s.bMultiplier;
      const low = p + q;
      const high = (p >> 63) + (q >> 63) + <i64>(<u64>low < <u64>p);
      store<T>(dst, <T>roundExact(low, high, s.shift, zero, lo, hi));
    }
  }
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
