// Matrix products and convolutions: blocks of rows (gathered where they are not i16 rows already)
// times packed panels into a strip of accumulators, which the epilogue empties while it is in L1.

import { Epilogue, finish, finishScaled, resultBytes, takesScaled } from "./epilogue";
import {
  GROUP_BYTES, PANEL_PARAMETER_BYTES, TILE,
  accumulateI32, accumulateI64, accumulateScaled, accumulateWide, runsAreFew,
} from "./gemm";
import { I16, I32, I64, I8, U8, byteSize, load4 } from "./types";

/** How sums are held; 1 is over runs of `run` pairs. */
const SUMS_I32: i32 = 0;
const SUMS_RUNS: i32 = 1;
const SUMS_WIDE: i32 = 2;
const SUMS_SPLIT: i32 = 3;

/** Bytes of B that stay in the second-level cache beside A and the results. */
const PART_BYTES: usize = 192 << 10;

/** Fields and their order are mirrored by `CONTRACTION` in `../descriptors.ts`. */
@unmanaged
export class Contraction {
  m: i32;
  n: i32;
  k: i32;
  /** First row of A, or the first element of the group's channels of the image. */
  a: usize;
  aType: i32;
  aRowBytes: usize;
  /** B as `pack` left it, or `splitPairs`. */
  b: usize;
  sums: i32;
  /** i32 for each panel, from `planRuns`. */
  runs: usize;
  /** An `Epilogue`. */
  epilogue: usize;
  dst: usize;
  dstRowBytes: usize;
  /** A `Window`, whose output positions are the rows of A; 0 for a matrix. */
  window: usize;
  /** Bytes from one packed matrix to the next. */
  matrixBytes: usize;
  /** An `Axis` for each axis of products, outermost first. */
  axes: usize;
  axisCount: i32;
}

/** Fields and their order are mirrored by `AXIS` in `../descriptors.ts`. */
@unmanaged
class Axis {
  size: i32;
  aBytes: usize;
  matrices: i32;
  dstBytes: usize;
  /** Channels of the epilogue. */
  channels: i32;
}

/** Fields and their order are mirrored by `WINDOW` in `../descriptors.ts`. */
@unmanaged
export class Window {
  height: i32;
  width: i32;
  /** Channels that take part: of one group. */
  channels: i32;
  pixelBytes: usize;
  kernelHeight: i32;
  kernelWidth: i32;
  strideY: i32;
  strideX: i32;
  dilationY: i32;
  dilationX: i32;
  padTop: i32;
  padLeft: i32;
  outHeight: i32;
  outWidth: i32;
  padValue: i32;
}

/** Copies n elements of S as D; at least one vector's worth ends in an overlapping vector. */
@inline
export function widenRun<S, D>(src: usize, dst: usize, n: i32): void {
  const lanes: i32 = 16 / sizeof<D>();
  if (n < lanes) {
    for (let i = 0; i < n; ++i, src += sizeof<S>(), dst += sizeof<D>()) store<D>(dst, <D>load<S>(src));
    return;
  }
  const lastSrc = src + <usize>(n - lanes) * sizeof<S>();
  const lastDst = dst + <usize>(n - lanes) * sizeof<D>();
  for (; dst < lastDst; src += <usize>lanes * sizeof<S>(), dst += 16) v128.store(dst, widen<S, D>(src));
  v128.store(lastDst, widen<S, D>(lastSrc));
}

/**
 * As `widenRun`. A run of less than a vector is one all the same if that ends before `end`: what it
 * writes too much, later runs overwrite, or the slack of the block takes.
 */
@inline
function gatherRun<S, D>(src: usize, end: usize, dst: usize, n: i32): void {
  const lanes: i32 = 16 / sizeof<D>();
  if (<u32>(n - 1) < <u32>lanes && src + <usize>lanes * sizeof<S>() <= end) v128.store(dst, widen<S, D>(src));
  else widenRun<S, D>(src, dst, n);
}

@inline
function widen<S, D>(p: usize): v128 {
  if (sizeof<D>() == 4) return load4<S>(p);
  if (sizeof<S>() == 2) return v128.load(p);
  return isSigned<S>() ? v128.load8x8_s(p) : v128.load8x8_u(p);
}

@inline
export function fillRun<D>(dst: usize, n: i32, value: i32): void {
  for (const end = dst + <usize>n * sizeof<D>(); dst < end; dst += sizeof<D>()) store<D>(dst, <D>value);
}

/** Rows of a matrix as D, `ldDst` apart; a column that evens k is zero. */
function gatherMatrix<S, D>(src: usize, ldSrc: usize, k: i32, rows: i32, dst: usize, ldDst: usize): void {
  for (; rows > 0; --rows, src += ldSrc, dst += ldDst) {
    widenRun<S, D>(src, dst, k);
    if (k & 1) store<D>(dst + <usize>k * sizeof<D>(), 0);
  }
}

/** The taps of one output position; rows of dense ones, next to each other, at once. */
function gatherPosition<S, D>(w: Window, image: usize, oy: i32, ox: i32, dense: bool, dst: usize, ldDst: usize): void {
  const channels = w.channels, kernelWidth = w.kernelWidth, pad = w.padValue;
  const pixel = w.pixelBytes, rowBytes = <usize>w.width * pixel;
  const channelBytes = <usize>channels * sizeof<D>();
  const end = image + <usize>w.height * rowBytes;
  let d = dst;
  for (let ky = 0; ky < w.kernelHeight; ++ky) {
    const y = oy * w.strideY - w.padTop + ky * w.dilationY;
    let x = ox * w.strideX - w.padLeft;
    if (<u32>y >= <u32>w.height) {
      fillRun<D>(d, kernelWidth * channels, pad);
      d += <usize>kernelWidth * channelBytes;
      continue;
    }
    const row = image + <usize>y * rowBytes;
    if (dense) {
      const left = min(max(-x, 0), kernelWidth);
      const right = max(min(w.width - x, kernelWidth), left);
      fillRun<D>(d, left * channels, pad);
      const first = row + <usize>(x + left) * pixel;
      gatherRun<S, D>(first, end, d + <usize>left * channelBytes, (right - left) * channels);
      fillRun<D>(d + <usize>right * channelBytes, (kernelWidth - right) * channels, pad);
      d += <usize>kernelWidth * channelBytes;
      continue;
    }
    for (let kx = 0; kx < kernelWidth; ++kx, x += w.dilationX, d += channelBytes) {
      if (<u32>x < <u32>w.width) widenRun<S, D>(row + <usize>x * pixel, d, channels);
      else fillRun<D>(d, channels, pad);
    }
  }
  if (d < dst + ldDst) store<D>(d, 0); // the column that evens k
}

/** As `gatherPosition`, of `count` positions whose dense windows lie between the sides of the image. */
function gatherInside<S, D>(
  w: Window, image: usize, oy: i32, ox: i32, count: i32, dst: usize, ldDst: usize,
): void {
  const lanes: i32 = 16 / sizeof<D>();
  const n = w.kernelWidth * w.channels;
  const rowBytes = <usize>w.width * w.pixelBytes, step = <usize>w.strideX * w.pixelBytes;
  const lastSrc = <usize>(n - lanes) * sizeof<S>(), lastDst = <usize>(n - lanes) * sizeof<D>();
  const first = image + <usize>(ox * w.strideX - w.padLeft) * w.pixelBytes;
  let y = oy * w.strideY - w.padTop, run = dst;
  for (let ky = w.kernelHeight; ky > 0; --ky, y += w.dilationY, run += <usize>n * sizeof<D>()) {
    const inside = <u32>y < <u32>w.height;
    let src = first + <usize>y * rowBytes, d = run;
    for (let i = count; i > 0; --i, src += step, d += ldDst) {
      if (!inside) {
        fillRun<D>(d, n, w.padValue);
        continue;
      }
      let p = src;
      const end = d + lastDst;
      for (let q = d; q < end; p += <usize>lanes * sizeof<S>(), q += 16) v128.store(q, widen<S, D>(p));
      v128.store(end, widen<S, D>(src + lastSrc));
    }
  }
  if (run < dst + ldDst) {
    for (; count > 0; --count, run += ldDst) store<D>(run, 0);
  }
}

/** The taps of output positions `first`… as rows of D, `ldDst` apart. */
function gatherWindows<S, D>(w: Window, image: usize, first: i32, rows: i32, dst: usize, ldDst: usize): void {
  const dense = w.dilationX == 1 && w.pixelBytes == <usize>w.channels * sizeof<S>();
  const stride = w.strideX, room = w.width + w.padLeft - w.kernelWidth;
  const vectors = dense && w.kernelWidth * w.channels >= 16 / <i32>sizeof<D>();
  // Positions from and before which windows lie between the sides of the image.
  const from = (w.padLeft + stride - 1) / stride, before = vectors && room >= 0 ? min(room / stride + 1, w.outWidth) : 0;
  let oy = first / w.outWidth, ox = first % w.outWidth;
  while (rows > 0) {
    const inside = ox < from ? 0 : min(before - ox, rows), count = max(inside, 1);
    if (inside > 0) gatherInside<S, D>(w, image, oy, ox, count, dst, ldDst);
    else gatherPosition<S, D>(w, image, oy, ox, dense, dst, ldDst);
    rows -= count;
    dst += <usize>count * ldDst;
    ox += count;
    if (ox == w.outWidth) {
      ox = 0;
      ++oy;
    }
  }
}

function gather<S, D>(c: Contraction, a: usize, first: i32, rows: i32, dst: usize, ldDst: usize): void {
  if (c.window) gatherWindows<S, D>(changetype<Window>(c.window), a, first, rows, dst, ldDst);
  else gatherMatrix<S, D>(a + <usize>first * c.aRowBytes, c.aRowBytes, c.k, rows, dst, ldDst);
}

function gatherAs<D>(c: Contraction, a: usize, first: i32, rows: i32, dst: usize, ldDst: usize): void {
  if (c.aType == I8) gather<i8, D>(c, a, first, rows, dst, ldDst);
  else if (c.aType == U8) gather<u8, D>(c, a, first, rows, dst, ldDst);
  else if (c.aType == I16) gather<i16, D>(c, a, first, rows, dst, ldDst);
  else gather<i32, D>(c, a, first, rows, dst, ldDst);
}

/** Rows of a block: whole tiles, whose part of A stays in the first-level cache. */
function blockRows(k: i32): i32 {
  return min(max(6144 / max(k, 1) / TILE, 1), 12) * TILE;
}

/** Columns of a block, so that a strip stays in the first-level cache. */
function blockCols(rows: i32, n: i32): i32 {
  return min((n + 7) & ~7, (3072 / rows + 7) & ~7);
}

/** Bytes of scratch that `contract` needs. */
export function contractScratchBytes(k: i32, n: i32): usize {
  const rows = blockRows(k);
  const strip = <usize>(rows * blockCols(rows, n)) << 3;
  return <usize>rows * (<usize>(k + 1) << 2) + 2 * strip + GROUP_BYTES + PANEL_PARAMETER_BYTES + 48;
}

/**
 * Contracts as `args`, a `Contraction`, says, and gives `rows` rows of the results from `firstRow`,
 * those of one product after those of the other, and of those `cols` columns from `firstCol`, a multiple of 8. Reads nothing outside the tensors that
 * `args` names and writes nothing but those results. `scratch`: `contractScratchBytes(k, n)` bytes.
 */
export function contract(
  args: usize, firstRow: i32, rows: i32, firstCol: i32, cols: i32, scratch: usize,
): void {
  const c = changetype<Contraction>(args);
  const m = c.m, end = firstRow + rows;
  while (firstRow < end) {
    let product = firstRow / m, a = c.a, matrix = 0, dst = c.dst, channel = 0;
    const first = firstRow - product * m;
    for (let i = c.axisCount - 1; i >= 0; --i) {
      const axis = changetype<Axis>(c.axes + <usize>i * offsetof<Axis>());
      const outer = product / axis.size, index = product - outer * axis.size;
      product = outer;
      a += <usize>index * axis.aBytes;
      matrix += index * axis.matrices;
      dst += <usize>index * axis.dstBytes;
      channel += index * axis.channels;
    }
    const count = min(m - first, end - firstRow);
    contractOne(c, a, matrix, dst, channel, first, count, firstCol, cols, scratch);
    firstRow += count;
  }
}

/** Rows of one product: with that packed matrix, and channels from `channel`. */
function contractOne(
  c: Contraction, source: usize, matrix: i32, result: usize, channel: i32,
  firstRow: i32, rows: i32, firstCol: i32, cols: i32, scratch: usize,
): void {
  const e = changetype<Epilogue>(c.epilogue);
  const packed = c.b + <usize>matrix * c.matrixBytes;
  const k = c.k, n = c.n, sums = c.sums;
  const wide = sums == SUMS_WIDE;
  const kEven = (k + 1) & ~1;
  const rowsPerBlock = blockRows(k);
  const colsPerBlock = blockCols(rowsPerBlock, n);
  const pairs = kEven >> 1;
  const lowPlane = sums == SUMS_SPLIT ? <usize>((n + 7) >> 3) * (<usize>pairs << 5) : 0;
  const firstRun = c.runs + (<usize>(matrix * ((n + 7) >> 3)) << 2);
  const panelBytes = wide ? <usize>k << 5 : <usize>pairs << 5;
  const scaled = sums == SUMS_RUNS && takesScaled(e)
    && runsAreFew(firstRun + (<usize>(firstCol >> 3) << 2), (cols + 7) >> 3, pairs);
  const ldStrip = <usize>colsPerBlock << (sums == SUMS_I32 || scaled ? 2 : 3);
  const strip = (scratch + 15) & ~15;
  const narrow = strip + <usize>rowsPerBlock * ldStrip;
  const groups = narrow + (<usize>(rowsPerBlock * colsPerBlock) << 2);
  const block = groups + GROUP_BYTES + PANEL_PARAMETER_BYTES;
  const inPlace = !c.window && (wide ? c.aType == I32 : c.aType == I16 && kEven == k);
  const lda = inPlace ? c.aRowBytes : wide ? <usize>k << 2 : <usize>kEven << 1;
  const dstBytes = resultBytes(e);
  // Sums that are the results go straight to where those belong, by whole panels.
  const plain = e.type == (sums == SUMS_I32 ? I32 : I64) && !e.multiplier && !e.bias && !e.table;
  // B in parts that stay in the second-level cache, as long as A need not be gathered for each.
  const part = inPlace ? max(<i32>(PART_BYTES / max(panelBytes, 1)) << 3, colsPerBlock) : n;
  const endRow = firstRow + rows, endCol = firstCol + cols;
  for (let start = firstCol; start < endCol; start += part) {
    const end = min(endCol, start + part);
    for (let i = firstRow; i < endRow; i += rowsPerBlock) {
      const rows = min(rowsPerBlock, endRow - i);
      let a = block;
      if (inPlace) a = source + <usize>i * lda;
      else if (wide) gatherAs<i32>(c, source, i, rows, block, lda);
      else gatherAs<i16>(c, source, i, rows, block, lda);
      for (let j = start; j < end; j += colsPerBlock) {
        const cols = min(colsPerBlock, end - j);
        const panels = (cols + 7) >> 3;
        const b = packed + <usize>(j >> 3) * panelBytes;
        const dst = result + <usize>i * c.dstRowBytes + <usize>j * dstBytes;
        const direct = plain && !(cols & 7);
        const out = direct ? dst : strip, ldOut = direct ? c.dstRowBytes : ldStrip;
        if (sums == SUMS_I32) accumulateI32(a, lda, rows, b, panels, pairs, out, ldOut);
        else if (wide) accumulateWide(a, lda, rows, b, panels, k, out, ldOut);
        else if (scaled) {
          accumulateScaled(
            a, lda, rows, b, cols, pairs, firstRun + (<usize>(j >> 3) << 2),
            e.multiplier + (<usize>((channel + j) & e.channelMask) << 2), e.channelMask ? 32 : 0,
            e.bias ? e.bias + (<usize>(channel + j) << 3) : 0, strip, ldStrip, groups,
          );
        } else {
          const runs = firstRun + (<usize>(j >> 3) << 2);
          accumulateI64(a, lda, rows, b, panels, pairs, runs, lowPlane, out, ldOut, groups);
        }
        if (scaled) finishScaled(e, strip, ldStrip, rows, cols, dst, c.dstRowBytes, narrow);
        else if (!direct) {
          finish(e, sums != SUMS_I32, strip, ldStrip, rows, channel + j, cols, dst, c.dstRowBytes, narrow);
        }
      }
    }
  }
}
