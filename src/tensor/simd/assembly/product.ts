// Products of two tensors and what follows them, in chunks that stay in the first-level cache.

import { Epilogue, finish, rescaleExact, resultBytes, scaled, storeBounded } from "./epilogue";
import { I16, I32, I64, I8, byteSize, highWords, load4, lowWords } from "./types";
import { mulWide } from "./weighted";

/** Fields and their order are mirrored by `PRODUCT` in `../descriptors.ts`. */
@unmanaged
class Product {
  /** dtype of products: I32 or I64. */
  to: i32;
  /** Operands are rows, as those of `mulWide`. */
  aType: i32;
  a: usize;
  aRow: usize;
  aStep: i32;
  bType: i32;
  b: usize;
  bRow: usize;
  bStep: i32;
  dst: usize;
  /** Of a row. */
  cols: i32;
  /** Channels of the epilogue, of which chunks are whole rows; 0 if parameters are the same for all. */
  unit: i32;
  /** Products between multiplying and what follows, a multiple of `unit`. */
  chunk: i32;
  epilogue: usize;
}

/**
 * Four products to i32: of factors of 2^−(t + 32) (`power`) the high words and a shift are all, else as
 * `rescaleSmall4` rescales sums.
 */
@inline
function product4(power: bool, x: v128, y: v128, m: v128, half: v128, t: i32): v128 {
  const p = i64x2.extmul_low_i32x4_s(x, y), q = i64x2.extmul_high_i32x4_s(x, y);
  if (power) return i32x4.shr_s(highWords(i64x2.add(p, half), i64x2.add(q, half)), t);
  const low = lowWords(p, q), high = highWords(p, q);
  return lowWords(
    i64x2.shr_u(scaled(low, high, m, half, false), t),
    i64x2.shr_u(scaled(low, high, m, half, true), t),
  );
}

/**
 * Products of i32 and B that `isSmall`, never stored: 0.9 ns an element instead of 1.6, and 0.4 for powers
 * of two.
 */
@inline
function smallRows<B, T>(power: bool, p: Product, e: Epilogue, firstRow: i32, rows: i32, firstCol: i32, cols: i32): void {
  const zero = e.zeroPoint, lo = e.lo, hi = e.hi, shift = e.uniformShift, factor = load<i32>(e.multiplier);
  const up: i32 = power ? ctz<i32>(factor) : 0;
  const t = shift - up - 32;
  const m = i32x4.splat(factor), half = i64x2.splat(<i64>1 << (t + 31));
  const late = sizeof<T>() == 1 || (sizeof<T>() == 2 && zero == 0);
  const zeros = late ? i16x8.splat(<i16>zero) : i32x4.splat(<i32>zero);
  const least = late ? i16x8.splat(<i16>lo) : i32x4.splat(<i32>max<i64>(lo - zero, i32.MIN_VALUE));
  const most = late ? i16x8.splat(<i16>hi) : i32x4.splat(<i32>min<i64>(hi - zero, i32.MAX_VALUE));
  const aNext: usize = p.aStep ? 4 : 0, bNext: usize = p.bStep ? sizeof<B>() : 0;
  let a = p.a + <usize>firstRow * p.aRow + <usize>firstCol * aNext;
  let b = p.b + <usize>firstRow * p.bRow + <usize>firstCol * bNext;
  let dst = p.dst + (<usize>firstRow * <usize>p.cols + <usize>firstCol) * sizeof<T>();
  const skip = <usize>(p.cols - cols) * sizeof<T>(), aRow = p.aRow, bRow = p.bRow;
  for (; rows > 0; --rows, a += aRow, b += bRow, dst += skip) {
    let x = a, y = b, c = cols;
    const x0 = v128.load32_splat(a), y0 = i32x4.splat(<i32>load<B>(b));
    for (; c >= 8; c -= 8, x += aNext << 3, y += bNext << 3, dst += 8 * sizeof<T>()) {
      const r0 = product4(power, aNext ? v128.load(x) : x0, bNext ? load4<B>(y) : y0, m, half, t);
      const r1 = product4(
        power, aNext ? v128.load(x, 16) : x0, bNext ? load4<B>(y + 4 * sizeof<B>()) : y0, m, half, t,
      );
      storeBounded<T>(dst, r0, r1, late, least, most, zeros);
    }
    for (; c > 0; --c, x += aNext, y += bNext, dst += sizeof<T>()) {
      store<T>(dst, <T>rescaleExact(<i64>load<i32>(x) * <i64>load<B>(y), factor, shift, zero, lo, hi));
    }
  }
}

/**
 * Whether products of i64 go by `smallRows`: one factor for all, and fewer bits than it shifts away, or
 * 62 where it is a power of two.
 */
@inline
function isSmall(p: Product, e: Epilogue, power: bool): bool {
  const shift = e.uniformShift, below = e.lo - e.zeroPoint, above = e.hi - e.zeroPoint;
  return p.to == I64 && p.aType == I32 && (p.bType == I32 || p.bType == I16)
    && (e.type == I16 || e.type == I32 || e.type == I8)
    && e.multiplier != 0 && e.channelMask == 0 && !e.bias && !e.table && shift > 32 && (power ? e.bits <= 62 : e.bits < shift)
    && below <= i32.MAX_VALUE && above >= i32.MIN_VALUE;
}

function smallTo<B>(power: bool, p: Product, e: Epilogue, firstRow: i32, rows: i32, firstCol: i32, cols: i32): void {
  if (e.type == I16) {
    if (power) smallRows<B, i16>(true, p, e, firstRow, rows, firstCol, cols);
    else smallRows<B, i16>(false, p, e, firstRow, rows, firstCol, cols);
  } else if (e.type == I32) {
    if (power) smallRows<B, i32>(true, p, e, firstRow, rows, firstCol, cols);
    else smallRows<B, i32>(false, p, e, firstRow, rows, firstCol, cols);
  } else {
    smallRows<B, i8>(false, p, e, firstRow, rows, firstCol, cols);
  }
}

/**
 * Multiplies as `args`, a `Product`, says, and gives `rows` rows of the result from `firstRow`, and of
 * those `cols` columns from `firstCol`: all, or multiples of `unit` if it is not 0. `scratch`: 12 bytes a product of
 * a chunk, aligned to 16.
 */
export function multiply(
  args: usize, firstRow: i32, rows: i32, firstCol: i32, cols: i32, scratch: usize,
): void {
  const p = changetype<Product>(args);
  const e = changetype<Epilogue>(p.epilogue);
  // What is left of the shift must reach beyond the low words.
  const factor = e.multiplier ? load<i32>(e.multiplier) : 0;
  const power = factor > 0 && (factor & (factor - 1)) == 0 && e.type != I8 && e.uniformShift - ctz<i32>(factor) >= 32;
  if (isSmall(p, e, power)) {
    if (p.bType == I32) smallTo<i32>(power, p, e, firstRow, rows, firstCol, cols);
    else smallTo<i16>(power, p, e, firstRow, rows, firstCol, cols);
    return;
  }
  const wide = p.to == I64;
  const aNext = p.aStep ? byteSize(p.aType) : 0, bNext = p.bStep ? byteSize(p.bType) : 0;
  const dstBytes = resultBytes(e), size: usize = wide ? 8 : 4;
  const narrow = scratch + (<usize>p.chunk << 3);
  const rowsAtOnce = cols == p.cols ? max(p.chunk / cols, 1) : 1;
  for (let i = firstRow, end = firstRow + rows; i < end; i += rowsAtOnce) {
    const height = min(rowsAtOnce, end - i);
    for (let j = firstCol, last = firstCol + cols; j < last; j += p.chunk) {
      const width = min(p.chunk, last - j);
      mulWide(
        p.to, p.aType, p.a + <usize>i * p.aRow + <usize>j * aNext, p.aRow, p.aStep,
        p.bType, p.b + <usize>i * p.bRow + <usize>j * bNext, p.bRow, p.bStep, scratch, height, width,
      );
      const count = height * width, channels = p.unit ? p.unit : count;
      finish(
        e, wide, scratch, <usize>channels * size, count / channels, 0, channels,
        p.dst + (<usize>i * <usize>p.cols + <usize>j) * dstBytes, <usize>channels * dstBytes, narrow,
      );
    }
  }
}
