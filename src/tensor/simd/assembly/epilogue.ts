// What happens to accumulators before they leave the cache: bias, rescale, zero point, clamp, lut.

import { lutDirect, lutInterpolate } from "./lut";
import {
  I16, I32, I64, I8, U8, boundedI64, byteSize, clampI64, highWords, load4, lowWords, maxOf, minOf, store8,
} from "./types";

/** Fields and their order are mirrored by `EPILOGUE` in `../descriptors.ts`. */
@unmanaged
export class Epilogue {
  zeroPoint: i64;
  lo: i64;
  hi: i64;
  /** Values of the accumulator's dtype, one per channel; 0 for none. */
  bias: usize;
  /** i32, one per channel, or eight times the same (see `channelMask`); 0: no rescale. */
  multiplier: usize;
  /** i8, like `multiplier`; not read when `uniformShift` is set. */
  shift: usize;
  /** A shift common to all channels (from 17 for sources of up to 16 bits), if no multiplier is negative; else 0. */
  uniformShift: i32;
  /** What is rescaled, its bias included, is within ±2^bits. */
  bits: i32;
  /** i32, like `multiplier`, for shifts that differ by channel: see `rescaleSpread`; 0 for none. */
  spreadHalf: usize;
  spreadFactor: usize;
  /** The part over 32 of the shift that comes before those of the channels. */
  spreadShift: i32;
  /** −1: parameters per channel; 0: parameters of the tensor. */
  channelMask: i32;
  /** dtype after the rescale (the accumulator as it is: I32 or I64). */
  type: i32;
  /** Table that is applied last; 0 for none. */
  table: usize;
  /** log2 of the segments of an interpolated table; 0: direct. */
  segmentsLog2: i32;
  guardBits: i32;
  /** Not 0: 32 bits hold what an interpolated table sums up (see `lutInterpolate`). */
  shortTable: i32;
  /** dtype of a table's results (for a direct one only its size matters). */
  tableType: i32;
}

/** `clamp(((x·m + 2^(s−1)) >> s) + zero, lo, hi)`: exact for every x, m, zero and 1 ≤ s ≤ 62. */
export function rescaleExact(x: i64, m: i64, s: i64, zero: i64, lo: i64, hi: i64): i64 {
  // x·m as 128 bits from two exact products of 32 by 32 bits.
  const lowProduct = (x & 0xffffffff) * m;
  const highProduct = (x >> 32) * m;
  const low = lowProduct + (highProduct << 32);
  const high = (highProduct >> 32) + (lowProduct >> 63) + <i64>(<u64>low < <u64>lowProduct);
  return roundExact(low, high, s, zero, lo, hi);
}

/** The rounding of `rescaleExact`, of the 128-bit integer high·2^64 + low. */
export function roundExact(low: i64, high: i64, s: i64, zero: i64, lo: i64, hi: i64): i64 {
  const half = <i64>1 << (s - 1);
  low += half;
  high += <i64>(<u64>low < <u64>half);
  low = <i64>(<u64>low >> s) | (high << (64 - s));
  high >>= s;
  low += zero;
  high += (zero >> 63) + <i64>(<u64>low < <u64>zero);
  if (high != low >> 63) return high < 0 ? lo : hi;
  return clampI64(low, lo, hi);
}

/** i16 times 2^15 fits i32. `LEAST_SHIFT` in `../descriptors.ts` is 32 less this for such sources. */
const NARROW_LIFT: i32 = 15;

/** Zero point and bounds in 16-bit lanes, which costs half as much. */
@inline
function storeLate<T>(dst: usize, y: v128, lo: v128, hi: v128, zero: v128): void {
  y = i16x8.min_s(i16x8.max_s(i16x8.add_sat_s(y, zero), lo), hi);
  if (sizeof<T>() == 2) v128.store(dst, y);
  else if (isSigned<T>()) v128.store64_lane(dst, i8x16.narrow_i16x8_s(y, y), 0);
  else v128.store64_lane(dst, i8x16.narrow_i16x8_u(y, y), 0);
}

/**
 * Eight results before zero point and bounds, which are i16 lanes for `storeLate` if `late`, else i32
 * lanes, with bounds for what the zero point is added to.
 */
@inline
export function storeBounded<T>(dst: usize, y0: v128, y1: v128, late: bool, lo: v128, hi: v128, zero: v128): void {
  if (late) {
    storeLate<T>(dst, i16x8.narrow_i32x4_s(y0, y1), lo, hi, zero);
    return;
  }
  y0 = i32x4.min_s(i32x4.max_s(y0, lo), hi);
  y1 = i32x4.min_s(i32x4.max_s(y1, lo), hi);
  store8<T>(dst, i32x4.add(y0, zero), i32x4.add(y1, zero));
}

/**
 * Eight elements of at most 32 bits, those of up to 16 times 2^lift, with a shift of t + 32, stored as
 * `storeBounded` does.
 */
@inline
function rescaleNarrow<S, T>(
  src: usize, bias: usize, m: usize, half: v128, t: i32, lift: i32, late: bool, lo: v128, hi: v128, zero: v128,
  dst: usize,
): void {
  let x0 = load4<S>(src), x1 = load4<S>(src + 4 * sizeof<S>());
  if (sizeof<S>() <= 2) {
    x0 = i32x4.shl(x0, lift);
    x1 = i32x4.shl(x1, lift);
  }
  if (bias) {
    x0 = i32x4.add(x0, v128.load(bias));
    x1 = i32x4.add(x1, v128.load(bias, 16));
  }
  const m0 = v128.load(m), m1 = v128.load(m, 16);
  // Only the high word of the 64-bit sum is kept: the rest of the shift has 32-bit lanes.
  let y0 = highWords(
    i64x2.add(i64x2.extmul_low_i32x4_s(x0, m0), half),
    i64x2.add(i64x2.extmul_high_i32x4_s(x0, m0), half),
  );
  let y1 = highWords(
    i64x2.add(i64x2.extmul_low_i32x4_s(x1, m1), half),
    i64x2.add(i64x2.extmul_high_i32x4_s(x1, m1), half),
  );
  y0 = i32x4.shr_s(y0, t);
  y1 = i32x4.shr_s(y1, t);
  storeBounded<T>(dst, y0, y1, late, lo, hi, zero);
}

/** Words of two i64 each, with their bias. */
@inline
function withBias(src: usize, bias: usize): v128 {
  const x = v128.load(src);
  return bias ? i64x2.add(x, v128.load(bias)) : x;
}

/**
 * Two products of i64 (their low and high words) and m ≥ 0, over 2^32. With x = H·2^32 + L,
 * `(x·m + 2^(s−1)) >> s` is `(H·m + ((L·m + 2^(s−1)) >> 32)) >> (s − 32)`, whose parts fit 64 bits.
 */
@inline
export function scaled(low: v128, high: v128, m: v128, half: v128, upper: bool): v128 {
  return upper
    ? i64x2.add(
        i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_u(low, m), half), 32),
        i64x2.extmul_high_i32x4_s(high, m),
      )
    : i64x2.add(
        i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_u(low, m), half), 32),
        i64x2.extmul_low_i32x4_s(high, m),
      );
}

/**
 * Four i64, times 2^lift, to i32. The bounds, shifted by t, come before the last shift: then only its low
 * words matter.
 */
@inline
function rescaleWide4(
  src: usize, bias: usize, m: v128, half: v128, lift: i32, t: i32, lo: v128, hi: v128,
): v128 {
  let x0 = withBias(src, bias), x1 = withBias(src + 16, bias ? bias + 16 : 0);
  if (lift) {
    x0 = i64x2.shl(x0, lift);
    x1 = i64x2.shl(x1, lift);
  }
  const low = lowWords(x0, x1), high = highWords(x0, x1);
  let y0 = scaled(low, high, m, half, false);
  let y1 = scaled(low, high, m, half, true);
  return lowWords(i64x2.shr_u(boundedI64(y0, lo, hi), t), i64x2.shr_u(boundedI64(y1, lo, hi), t));
}

/** Four i32 to i32 with a shift t below 32, in 64 bits: bounds as in `rescaleWide4`. */
@inline
function rescaleFull4(x: v128, m: v128, half: v128, t: i32, lo: v128, hi: v128): v128 {
  const y0 = i64x2.add(i64x2.extmul_low_i32x4_s(x, m), half);
  const y1 = i64x2.add(i64x2.extmul_high_i32x4_s(x, m), half);
  return lowWords(i64x2.shr_u(boundedI64(y0, lo, hi), t), i64x2.shr_u(boundedI64(y1, lo, hi), t));
}

/** The shift that planners prefer: V8 takes fewer instructions to shift lanes by a constant. */
export const USUAL_SHIFT: i32 = 48;

/** Four i64 within ±2^bits to i32, with a shift of t + 32 > bits: factors below 2^31 need no bounds then. */
@inline
function rescaleSmall4(src: usize, bias: usize, m: v128, half: v128, t: i32): v128 {
  const x0 = withBias(src, bias), x1 = withBias(src + 16, bias ? bias + 16 : 0);
  const low = lowWords(x0, x1), high = highWords(x0, x1);
  return lowWords(
    i64x2.shr_u(scaled(low, high, m, half, false), t),
    i64x2.shr_u(scaled(low, high, m, half, true), t),
  );
}

/** High words of four products: i32 shifted right, each by its own 32 − log2(factor). */
@inline
function shiftEach(x: v128, factor: v128): v128 {
  return highWords(i64x2.extmul_low_i32x4_s(x, factor), i64x2.extmul_high_i32x4_s(x, factor));
}

/**
 * Four of S to i32 before the last shift of `rescaleSpread`. An i64 beyond ±2^30 · 2^t stops there: what it
 * would become lies outside any bounds of 16 bits.
 */
@inline
function spread4<S>(src: usize, bias: usize, m: v128, t: i32, lo: v128, hi: v128): v128 {
  if (sizeof<S>() == 4) {
    let x = v128.load(src);
    if (bias) x = i32x4.add(x, v128.load(bias));
    return highWords(i64x2.extmul_low_i32x4_s(x, m), i64x2.extmul_high_i32x4_s(x, m));
  }
  const x0 = withBias(src, bias), x1 = withBias(src + 16, bias ? bias + 16 : 0);
  const low = lowWords(x0, x1), high = highWords(x0, x1), none = i64x2.splat(0);
  const y0 = boundedI64(scaled(low, high, m, none, false), lo, hi);
  const y1 = boundedI64(scaled(low, high, m, none, true), lo, hi);
  return lowWords(i64x2.shr_u(y0, t), i64x2.shr_u(y1, t));
}

/**
 * Rows of `cols` elements, a multiple of 8, whose shift differs by channel: 32 + t for all, what is left,
 * r from 2 to 30, by a product with 2^(32 − r) (`spreadFactor`), before which 2^(r − 1) (`spreadHalf`) is
 * added. All roundings but the last are down, so they are one.
 */
function rescaleSpread<S, T>(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const zero = e.zeroPoint, t = e.spreadShift;
  const late = sizeof<T>() == 1 || zero == 0;
  const zeros = late ? i16x8.splat(<i16>zero) : i32x4.splat(<i32>zero);
  const least = late ? i16x8.splat(<i16>e.lo) : i32x4.splat(<i32>(e.lo - zero));
  const most = late ? i16x8.splat(<i16>e.hi) : i32x4.splat(<i32>(e.hi - zero));
  const lo = i64x2.splat(-((<i64>1 << 30) << t)), hi = i64x2.splat(((<i64>1 << 30) << t) - 1);
  const multiplier = e.multiplier, halves = e.spreadHalf, factors = e.spreadFactor, biases = e.bias;
  const biasBytes: usize = sizeof<S>() == 8 ? 8 : 4;
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    for (let c = 0; c < cols; c += 8) {
      const s = src + <usize>c * sizeof<S>(), channel = <usize>(col + c), at = channel << 2;
      const bias = biases ? biases + channel * biasBytes : 0;
      let y0 = spread4<S>(s, bias, v128.load(multiplier + at), t, lo, hi);
      let y1 = spread4<S>(
        s + 4 * sizeof<S>(), bias ? bias + 4 * biasBytes : 0, v128.load(multiplier + at, 16), t, lo, hi,
      );
      y0 = shiftEach(i32x4.add(y0, v128.load(halves + at)), v128.load(factors + at));
      y1 = shiftEach(i32x4.add(y1, v128.load(halves + at, 16)), v128.load(factors + at, 16));
      storeBounded<T>(dst + <usize>c * sizeof<T>(), y0, y1, late, least, most, zeros);
    }
  }
}

/**
 * Rows of `cols` i32, a multiple of 8, times 2^lift, with a shift of 32 + t to at most 16 bits. Called with
 * each t and lift as constants: V8 takes three instructions more to shift lanes by a variable. `plain`: no
 * zero point, no bounds but those of T.
 */
@inline
function narrowRows<T>(
  t: i32, lift: i32, src: usize, ldSrc: usize, rows: i32, bias: usize, nextBias: usize, m: usize, nextM: usize, cols: i32,
  dst: usize, ldDst: usize, plain: bool, lo: v128, hi: v128, zero: v128,
): void {
  // The half lies in the high word, which is all that is kept of the 64-bit product.
  const half = i32x4.splat(1 << (t - 1));
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    let s = src, d = dst, p = m, q = bias;
    for (let c = cols; c > 0; c -= 8, s += 32, d += 8 * sizeof<T>(), p += nextM, q += nextBias) {
      let x0 = v128.load(s), x1 = v128.load(s, 16);
      if (q) {
        x0 = i32x4.add(x0, v128.load(q));
        x1 = i32x4.add(x1, v128.load(q, 16));
      }
      if (lift) {
        x0 = i32x4.shl(x0, lift);
        x1 = i32x4.shl(x1, lift);
      }
      let y0 = i32x4.shr_s(i32x4.add(shiftEach(x0, v128.load(p)), half), t);
      let y1 = i32x4.shr_s(i32x4.add(shiftEach(x1, v128.load(p, 16)), half), t);
      let y = i32x4.splat(0);
      if (plain) {
        y = i16x8.narrow_i32x4_s(y0, y1);
      } else {
        y = i16x8.narrow_i32x4_s(i32x4.add(y0, zero), i32x4.add(y1, zero));
        y = i16x8.min_s(i16x8.max_s(y, lo), hi);
      }
      if (sizeof<T>() == 2) v128.store(d, y);
      else if (isSigned<T>()) v128.store64_lane(d, i8x16.narrow_i16x8_s(y, y), 0);
      else v128.store64_lane(d, i8x16.narrow_i16x8_u(y, y), 0);
    }
  }
}

/** The most that `liftedBlock` shifts to the left. */
const MOST_LIFT: i32 = 8;

/** What a uniform shift lacks to 33, if sums times 2 to the power of it surely fit i32; else 0. */
@inline
function liftOf(e: Epilogue): i32 {
  const lift = 33 - e.uniformShift;
  return e.uniformShift > 0 && lift > 0 && lift <= MOST_LIFT && e.bits + lift <= 30 ? lift : 0;
}

/** `narrowRows` for a uniform shift that lacks `lift` to 33: sums of few products of 8 bits leave room for it. */
function liftedBlock<T>(
  e: Epilogue, lift: i32, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const mask = e.channelMask;
  const m = e.multiplier + (<usize>(col & mask) << 2), nextM: usize = mask ? 32 : 0;
  const bias = e.bias ? e.bias + (<usize>col << 2) : 0, nextBias: usize = bias ? 32 : 0;
  const plain = e.zeroPoint == 0 && e.lo == minOf<T>() && e.hi == maxOf<T>();
  const lo = i16x8.splat(<i16>e.lo), hi = i16x8.splat(<i16>e.hi), zero = i32x4.splat(<i32>e.zeroPoint);
  if (lift == 1) narrowRows<T>(1, 1, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  else if (lift == 2) narrowRows<T>(1, 2, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  else if (lift == 3) narrowRows<T>(1, 3, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  else if (lift == 4) narrowRows<T>(1, 4, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  else if (lift == 5) narrowRows<T>(1, 5, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  else if (lift == 6) narrowRows<T>(1, 6, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  else narrowRows<T>(1, lift, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
}

/** `narrowRows` for a uniform shift above 32, most of which it knows by heart. */
function narrowBlock<T>(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const mask = e.channelMask, t = e.uniformShift - 32;
  const m = e.multiplier + (<usize>(col & mask) << 2), nextM: usize = mask ? 32 : 0;
  const bias = e.bias ? e.bias + (<usize>col << 2) : 0, nextBias: usize = bias ? 32 : 0;
  const plain = e.zeroPoint == 0 && e.lo == minOf<T>() && e.hi == maxOf<T>();
  const lo = i16x8.splat(<i16>e.lo), hi = i16x8.splat(<i16>e.hi), zero = i32x4.splat(<i32>e.zeroPoint);
  if (sizeof<T>() == 2) {
    if (t == 16) narrowRows<T>(16, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 15) narrowRows<T>(15, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 14) narrowRows<T>(14, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 13) narrowRows<T>(13, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 12) narrowRows<T>(12, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 11) narrowRows<T>(11, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 10) narrowRows<T>(10, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 9) narrowRows<T>(9, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 8) narrowRows<T>(8, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else narrowRows<T>(t, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  } else {
    if (t == 1) narrowRows<T>(1, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 2) narrowRows<T>(2, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 3) narrowRows<T>(3, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 4) narrowRows<T>(4, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 5) narrowRows<T>(5, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 6) narrowRows<T>(6, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else if (t == 7) narrowRows<T>(7, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
    else narrowRows<T>(t, 0, src, ldSrc, rows, bias, nextBias, m, nextM, cols, dst, ldDst, plain, lo, hi, zero);
  }
}

/** The last columns of a row, from c on, one by one. */
function rescaleRest<S, T>(e: Epilogue, src: usize, col: i32, c: i32, cols: i32, dst: usize): void {
  const zero = e.zeroPoint, lo = e.lo, hi = e.hi;
  const mask = e.channelMask, uniform = e.uniformShift;
  const multiplier = e.multiplier, biases = e.bias, shifts = e.shift;
  const biasBytes: i32 = sizeof<S>() == 8 ? 8 : 4;
  const short = sizeof<T>() < 8 && (sizeof<S>() < 8 || e.bits <= 31);
  for (; c < cols; ++c) {
    const channel = <usize>((col + c) & mask);
    let x = <i64>load<S>(src + <usize>c * sizeof<S>());
    if (biases) {
      const at = biases + <usize>((col + c) * biasBytes);
      x += sizeof<S>() == 8 ? load<i64>(at) : <i64>load<i32>(at);
    }
    const factor = <i64>load<i32>(multiplier + (channel << 2));
    const shift = <i64>(uniform ? uniform : <i32>load<i8>(shifts + channel));
    const y = short
      ? clampI64(((x * factor + (<i64>1 << (shift - 1))) >> shift) + zero, lo, hi)
      : rescaleExact(x, factor, shift, zero, lo, hi);
    store<T>(dst + <usize>c * sizeof<T>(), <T>y);
  }
}

const SPREAD: i32 = -1;

/** Columns from `done` on: by the last eight columns, done again, where there are as many. */
function rescaleLast<S, T>(
  lift: i32, e: Epilogue, src: usize, ldSrc: usize, rows: i32, col: i32, done: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  if (done == cols) return;
  if (cols < 8) {
    for (; rows > 0; --rows, src += ldSrc, dst += ldDst) rescaleRest<S, T>(e, src, col, done, cols, dst);
    return;
  }
  const first = cols - 8;
  src += <usize>first * sizeof<S>();
  dst += <usize>first * sizeof<T>();
  if (lift == SPREAD) rescaleSpread<S, T>(e, src, ldSrc, rows, col + first, 8, dst, ldDst);
  else if (lift > 0) liftedBlock<T>(e, lift, src, ldSrc, rows, col + first, 8, dst, ldDst);
  else narrowBlock<T>(e, src, ldSrc, rows, col + first, 8, dst, ldDst);
}

/** How many columns of a row go by eights. */
@inline
function vectorColumns<S, T>(e: Epilogue, cols: i32, below: i64, above: i64): i32 {
  const uniform = e.uniformShift;
  // Bounds before the zero point is added; where they leave i32 the exact scalar form serves.
  if (sizeof<T>() == 8 || uniform == 0 || below > i32.MAX_VALUE || above < i32.MIN_VALUE) return 0;
  if (uniform < 32) {
    // The bounds are shifted in 64 bits.
    if (sizeof<S>() == 4 && (below < i32.MIN_VALUE || above > i32.MAX_VALUE)) return 0;
    if (sizeof<S>() == 8 && e.bits > 30 + uniform) return 0;
  }
  return cols & ~7;
}

function rescaleBlock<S, T>(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const zero = e.zeroPoint, lo = e.lo, hi = e.hi;
  const mask = e.channelMask, uniform = e.uniformShift;
  const biasBytes: i32 = sizeof<S>() == 8 ? 8 : 4;
  const below = lo - zero, above = hi - zero;
  if (sizeof<S>() >= 4 && sizeof<T>() <= 2 && e.spreadHalf != 0 && below >= -0x10000 && above <= 0xffff) {
    const even = cols & ~7;
    rescaleSpread<S, T>(e, src, ldSrc, rows, col, even, dst, ldDst);
    rescaleLast<S, T>(SPREAD, e, src, ldSrc, rows, col, even, cols, dst, ldDst);
    return;
  }
  const vectorCols = vectorColumns<S, T>(e, cols, below, above);
  if (sizeof<S>() == 4 && sizeof<T>() <= 2 && vectorCols > 0) {
    const lift = liftOf(e);
    if (lift > 0 || uniform > 32) {
      if (lift > 0) liftedBlock<T>(e, lift, src, ldSrc, rows, col, vectorCols, dst, ldDst);
      else narrowBlock<T>(e, src, ldSrc, rows, col, vectorCols, dst, ldDst);
      rescaleLast<S, T>(lift, e, src, ldSrc, rows, col, vectorCols, cols, dst, ldDst);
      return;
    }
  }
  // What is shifted left first leaves at least 32 to shift right, so that high words serve.
  const low = uniform < 32;
  const lift: i32 = !low ? 0 : sizeof<S>() <= 2 ? NARROW_LIFT : sizeof<S>() == 8 ? 32 - uniform : 0;
  const full = sizeof<S>() == 4 && low;
  const t = full ? uniform : uniform + lift - 32;
  const half = i64x2.splat(<i64>1 << (uniform + lift - 1));
  // What saturates to i16 before the zero point is added must saturate after it too.
  const small: bool = sizeof<S>() == 8 && !low && e.bits < uniform;
  const late = (sizeof<S>() < 8 || small) && !full && (sizeof<T>() == 1 || (sizeof<T>() == 2 && zero == 0));
  const zeros = late ? i16x8.splat(<i16>zero) : i32x4.splat(<i32>zero);
  const least = late ? i16x8.splat(<i16>lo) : i32x4.splat(<i32>max<i64>(below, i32.MIN_VALUE));
  const most = late ? i16x8.splat(<i16>hi) : i32x4.splat(<i32>min<i64>(above, i32.MAX_VALUE));
  const lo64 = i64x2.splat(below << t);
  const hi64 = i64x2.splat(((above + 1) << t) - 1);
  // In locals: a store might change what `e` points to, as far as the engine knows.
  const multiplier = e.multiplier, biases = e.bias;
  const firstM = multiplier + (<usize>(col & mask) << 2);
  const nextM: usize = mask ? 32 : 0;
  const firstBias = biases ? biases + <usize>(col * biasBytes) : 0;
  const nextBias: usize = biases ? 8 * biasBytes : 0;
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    let s = src, d = dst, c = 0, m = firstM, bias = firstBias;
    for (; c < vectorCols; c += 8, m += nextM, bias += nextBias) {
      if (sizeof<S>() == 8 && small) {
        const m0 = v128.load(m), m1 = v128.load(m, 16), next = bias ? bias + 32 : 0;
        const usual = uniform == USUAL_SHIFT;
        const y0 = usual ? rescaleSmall4(s, bias, m0, half, USUAL_SHIFT - 32) : rescaleSmall4(s, bias, m0, half, t);
        const y1 = usual
          ? rescaleSmall4(s + 32, next, m1, half, USUAL_SHIFT - 32)
          : rescaleSmall4(s + 32, next, m1, half, t);
        storeBounded<T>(d, y0, y1, late, least, most, zeros);
      } else if (sizeof<S>() == 8) {
        const y0 = rescaleWide4(s, bias, v128.load(m), half, lift, t, lo64, hi64);
        const y1 = rescaleWide4(s + 32, bias ? bias + 32 : 0, v128.load(m, 16), half, lift, t, lo64, hi64);
        store8<T>(d, i32x4.add(y0, zeros), i32x4.add(y1, zeros));
      } else if (sizeof<S>() == 4 && full) {
        let x0 = v128.load(s), x1 = v128.load(s, 16);
        if (bias) {
          x0 = i32x4.add(x0, v128.load(bias));
          x1 = i32x4.add(x1, v128.load(bias, 16));
        }
        const y0 = rescaleFull4(x0, v128.load(m), half, t, lo64, hi64);
        const y1 = rescaleFull4(x1, v128.load(m, 16), half, t, lo64, hi64);
        store8<T>(d, i32x4.add(y0, zeros), i32x4.add(y1, zeros));
      } else if (uniform == USUAL_SHIFT) {
        rescaleNarrow<S, T>(s, bias, m, half, USUAL_SHIFT - 32, 0, late, least, most, zeros, d);
      } else {
        rescaleNarrow<S, T>(s, bias, m, half, t, lift, late, least, most, zeros, d);
      }
      s += 8 * sizeof<S>();
      d += 8 * sizeof<T>();
    }
    if (c < cols) rescaleRest<S, T>(e, src, col, c, cols, dst);
  }
}

/** Whether sums, which are then below 2^47 in magnitude, may be rescaled before `finishScaled`. */
export function takesScaled(e: Epilogue): bool {
  const below = e.lo - e.zeroPoint, above = e.hi - e.zeroPoint;
  return e.multiplier != 0 && e.bits < USUAL_SHIFT - 1 && e.uniformShift == USUAL_SHIFT && e.type != I64
    && below <= i32.MAX_VALUE && above >= i32.MIN_VALUE;
}

/** Zero point and bounds of i32 that are rescaled already. */
function boundBlock<T>(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const zero = e.zeroPoint, lo = e.lo, hi = e.hi;
  const late = sizeof<T>() == 1 || (sizeof<T>() == 2 && zero == 0);
  const zeros = late ? i16x8.splat(<i16>zero) : i32x4.splat(<i32>zero);
  const least = late ? i16x8.splat(<i16>lo) : i32x4.splat(<i32>max<i64>(lo - zero, i32.MIN_VALUE));
  const most = late ? i16x8.splat(<i16>hi) : i32x4.splat(<i32>min<i64>(hi - zero, i32.MAX_VALUE));
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    let s = src, d = dst, c = cols;
    for (; c >= 8; c -= 8, s += 32, d += 8 * sizeof<T>()) {
      storeBounded<T>(d, v128.load(s), v128.load(s, 16), late, least, most, zeros);
    }
    for (; c > 0; --c, s += 4, d += sizeof<T>()) store<T>(d, <T>clampI64(<i64>load<i32>(s) + zero, lo, hi));
  }
}

/** Accumulators as they are, plus the bias: the sums fit S, and T too. */
function plainBlock<S, T>(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const bias = e.bias ? e.bias + <usize>col * sizeof<S>() : 0;
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    let c: usize = 0;
    if (sizeof<S>() == sizeof<T>() && !bias) {
      const lanes: usize = 16 / sizeof<S>();
      for (; c + lanes <= <usize>cols; c += lanes) {
        v128.store(dst + c * sizeof<S>(), v128.load(src + c * sizeof<S>()));
      }
    }
    for (; c < <usize>cols; ++c) {
      const x = load<S>(src + c * sizeof<S>());
      store<T>(dst + c * sizeof<T>(), <T>(bias ? x + load<S>(bias + c * sizeof<S>()) : x));
    }
  }
}

function blockTo<S>(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32, dst: usize, ldDst: usize,
): void {
  const type = e.type;
  if (!e.multiplier) {
    if (type == I64) plainBlock<S, i64>(e, src, ldSrc, rows, col, cols, dst, ldDst);
    else plainBlock<S, i32>(e, src, ldSrc, rows, col, cols, dst, ldDst);
  } else if (type == I16) rescaleBlock<S, i16>(e, src, ldSrc, rows, col, cols, dst, ldDst);
  else if (type == I8) rescaleBlock<S, i8>(e, src, ldSrc, rows, col, cols, dst, ldDst);
  else if (type == U8) rescaleBlock<S, u8>(e, src, ldSrc, rows, col, cols, dst, ldDst);
  else if (type == I32) rescaleBlock<S, i32>(e, src, ldSrc, rows, col, cols, dst, ldDst);
  else rescaleBlock<S, i64>(e, src, ldSrc, rows, col, cols, dst, ldDst);
}

/** Looks a block of rescaled values, row after row, up in the table. */
function lookUp(e: Epilogue, src: usize, rows: i32, cols: i32, dst: usize, ldDst: usize): void {
  const ldSrc = <usize>cols * byteSize(e.type);
  if (ldDst == <usize>cols * byteSize(e.tableType)) {
    // Rows that follow each other are one: a row of 16 takes as long to begin as to do.
    cols *= rows;
    rows = 1;
  }
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    if (e.segmentsLog2) {
      lutInterpolate(
        src, cols, e.table, e.segmentsLog2, e.guardBits, e.shortTable, e.tableType, dst,
      );
    } else {
      lutDirect(e.type, src, cols, e.table, byteSize(e.tableType), dst);
    }
  }
}

/**
 * Turns a block of accumulators (i32, or i64 if `wide`) into results. `col` is the channel of its
 * first column; `narrow` is scratch for rows·cols·4 bytes, used when there is a table.
 */
export function finish(
  e: Epilogue, wide: bool, src: usize, ldSrc: usize, rows: i32, col: i32, cols: i32,
  dst: usize, ldDst: usize, narrow: usize,
): void {
  const out = e.table ? narrow : dst;
  const ldOut = e.table ? <usize>cols * byteSize(e.type) : ldDst;
  if (wide) blockTo<i64>(e, src, ldSrc, rows, col, cols, out, ldOut);
  else blockTo<i32>(e, src, ldSrc, rows, col, cols, out, ldOut);
  if (e.table) lookUp(e, out, rows, cols, dst, ldDst);
}

/** As `finish`, of i32 to which bias and rescale have been applied; see `takesScaled`. */
export function finishScaled(
  e: Epilogue, src: usize, ldSrc: usize, rows: i32, cols: i32, dst: usize, ldDst: usize, narrow: usize,
): void {
  const out = e.table ? narrow : dst;
  const ldOut = e.table ? <usize>cols * byteSize(e.type) : ldDst;
  if (e.type == I16) boundBlock<i16>(e, src, ldSrc, rows, cols, out, ldOut);
  else if (e.type == I8) boundBlock<i8>(e, src, ldSrc, rows, cols, out, ldOut);
  else if (e.type == U8) boundBlock<u8>(e, src, ldSrc, rows, cols, out, ldOut);
  else boundBlock<i32>(e, src, ldSrc, rows, cols, out, ldOut);
  if (e.table) lookUp(e, out, rows, cols, dst, ldDst);
}

/** Bytes of one result of `finish`. */
export function resultBytes(e: Epilogue): usize {
  return byteSize(e.table ? e.tableType : e.type);
}

/**
 * Rescales rows of `cols` elements of `type`; `epilogue` says how (its table and bias are not used
 * for sources below 32 bits).
 */
export function rescale(
  epilogue: usize, type: i32, src: usize, rows: i32, cols: i32, dst: usize,
): void {
  const e = changetype<Epilogue>(epilogue);
  const ldDst = <usize>cols * byteSize(e.type);
  const ldSrc = <usize>cols * byteSize(type);
  if (type == I32) blockTo<i32>(e, src, ldSrc, rows, 0, cols, dst, ldDst);
  else if (type == I64) blockTo<i64>(e, src, ldSrc, rows, 0, cols, dst, ldDst);
  else if (type == I16) blockTo<i16>(e, src, ldSrc, rows, 0, cols, dst, ldDst);
  else if (type == I8) blockTo<i8>(e, src, ldSrc, rows, 0, cols, dst, ldDst);
  else blockTo<u8>(e, src, ldSrc, rows, 0, cols, dst, ldDst);
}
