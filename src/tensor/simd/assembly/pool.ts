// Pools over windows of images in NHWC. What lies outside the image does not take part.

import { Window } from "./conv";
import { best, bestLanes, storeSum, worst } from "./reduce";
import { I16, I32, I64, I8, load4 } from "./types";

/** First tap of `size`, `step` apart from `start`, that is not negative. */
@inline
function firstTap(start: i32, step: i32, size: i32): i32 {
  return min(start >= 0 ? 0 : (step - 1 - start) / step, size);
}

/** One past the last tap that is below `limit`. */
@inline
function lastTap(start: i32, step: i32, size: i32, limit: i32): i32 {
  return start >= limit ? 0 : min((limit - 1 - start) / step + 1, size);
}

function maxPixel<T>(src: usize, rows: i32, ldRow: usize, cols: i32, ldCol: usize, channels: i32, dst: usize): void {
  const lanes: i32 = 16 / sizeof<T>();
  if (sizeof<T>() < 8 && channels >= lanes) {
    for (;;) {
      let x = v128.splat<T>(worst<T>(true));
      for (let i = rows, row = src; i > 0; --i, row += ldRow) {
        for (let j = cols, p = row; j > 0; --j, p += ldCol) x = bestLanes<T>(true, x, v128.load(p));
      }
      v128.store(dst, x);
      channels -= lanes;
      if (channels == 0) return;
      // A last vector that is not full overlaps the one before it.
      const next = <usize>min(channels, lanes) * sizeof<T>();
      src += next;
      dst += next;
      channels = max(channels, lanes);
    }
  }
  for (; channels > 0; --channels, src += sizeof<T>(), dst += sizeof<T>()) {
    let x = worst<T>(true);
    for (let i = rows, row = src; i > 0; --i, row += ldRow) {
      for (let j = cols, p = row; j > 0; --j, p += ldCol) x = best<T>(true, x, load<T>(p));
    }
    store<T>(dst, x);
  }
}

function sumPixel<T>(
  to: i32, src: usize, rows: i32, ldRow: usize, cols: i32, ldCol: usize, channels: i32, dst: usize,
): void {
  // i32 lanes hold any sum of 2^15 elements of 16 bits.
  if (sizeof<T>() < 4 && rows * cols <= 1 << 15) {
    for (; channels >= 4; channels -= 4, src += 4 * sizeof<T>()) {
      let x = i32x4.splat(0);
      for (let i = rows, row = src; i > 0; --i, row += ldRow) {
        for (let j = cols, p = row; j > 0; --j, p += ldCol) x = i32x4.add(x, load4<T>(p));
      }
      if (to == I32) {
        v128.store(dst, x);
        dst += 16;
      } else {
        v128.store(dst, i64x2.extend_low_i32x4_s(x));
        v128.store(dst, i64x2.extend_high_i32x4_s(x), 16);
        dst += 32;
      }
    }
  }
  for (; channels > 0; --channels, src += sizeof<T>()) {
    let low: i64 = 0, high: i64 = 0;
    for (let i = rows, row = src; i > 0; --i, row += ldRow) {
      for (let j = cols, p = row; j > 0; --j, p += ldCol) {
        const x = <i64>load<T>(p);
        low += x;
        high += (x >> 63) + <i64>(<u64>low < <u64>x);
      }
    }
    dst = storeSum(to, dst, high == low >> 63 ? low : high < 0 ? i64.MIN_VALUE : i64.MAX_VALUE);
  }
}

function poolOf<T>(
  sum: i32, to: i32, w: Window, src: usize, dst: usize, firstRow: i32, rowCount: i32,
): void {
  const channels = w.channels;
  const ldCol = <usize>w.dilationX * w.pixelBytes;
  const rowBytes = <usize>w.width * w.pixelBytes;
  const ldRow = <usize>w.dilationY * rowBytes;
  const resultBytes: usize = sum ? (to == I32 ? 4 : 8) : sizeof<T>();
  dst += <usize>(firstRow * w.outWidth) * <usize>channels * resultBytes;
  const imageBytes = <usize>w.height * rowBytes;
  if (rowCount <= 0) return;
  src += <usize>(firstRow / w.outHeight) * imageBytes;
  for (let oy = firstRow % w.outHeight; rowCount > 0; --rowCount, ++oy) {
    if (oy == w.outHeight) {
      oy = 0;
      src += imageBytes;
    }
    const y = oy * w.strideY - w.padTop;
    const top = firstTap(y, w.dilationY, w.kernelHeight);
    const rows = max(lastTap(y, w.dilationY, w.kernelHeight, w.height) - top, 0);
    for (let ox = 0; ox < w.outWidth; ++ox, dst += <usize>channels * resultBytes) {
      const x = ox * w.strideX - w.padLeft;
      const left = firstTap(x, w.dilationX, w.kernelWidth);
      const cols = max(lastTap(x, w.dilationX, w.kernelWidth, w.width) - left, 0);
      const first =
        src + <usize>(y + top * w.dilationY) * rowBytes + <usize>(x + left * w.dilationX) * w.pixelBytes;
      if (sum) sumPixel<T>(to, first, rows, ldRow, cols, ldCol, channels, dst);
      else maxPixel<T>(first, rows, ldRow, cols, ldCol, channels, dst);
    }
  }
}

/**
 * Maximum (in the dtype), or if `sum` the exact sum (to I32 or I64, saturated once), over the windows of
 * images; gives `rows` rows of output positions from `firstRow`, those of all images counted through.
 */
export function pool(
  sum: i32, type: i32, to: i32, window: usize, src: usize, dst: usize, firstRow: i32, rows: i32,
): void {
  const w = changetype<Window>(window);
  if (type == I16) poolOf<i16>(sum, to, w, src, dst, firstRow, rows);
  else if (type == I8) poolOf<i8>(sum, to, w, src, dst, firstRow, rows);
  else if (type == I32) poolOf<i32>(sum, to, w, src, dst, firstRow, rows);
  else if (type == I64) poolOf<i64>(sum, to, w, src, dst, firstRow, rows);
  else poolOf<u8>(sum, to, w, src, dst, firstRow, rows);
}
