// Depthwise convolution: every channel has taps of its own. Input rows are kept, padded and as i16, in
// a ring; two taps at a time are interleaved for the 16-bit dot product. Weights are what `pack` makes
// of [taps, channels].

import { Contraction, Window, fillRun, widenRun } from "./conv";
import { Epilogue, finish } from "./epilogue";
import { I16, I8 } from "./types";

/** Output positions that are computed together. */
const POSITIONS: i32 = 2;

@inline
function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

@inline
function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

@inline
function mac(sum: v128, x: v128, w: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** Two positions by 16 channels. `taps` has the offset of each tap from `x`, an even number of them. */
function tile2x16(
  x: usize, step: usize, taps: usize, pairs: i32, w: usize, out: usize, ldo: usize,
): void {
  const next = <usize>pairs << 5;
  let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, d0 = c0, d1 = c0, d2 = c0, d3 = c0;
  for (; pairs > 0; --pairs, taps += 8, w += 32) {
    let p = x + load<u32>(taps), q = x + load<u32>(taps, 4);
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    const w2 = v128.load(w + next), w3 = v128.load(w + next, 16);
    let a = v128.load(p), b = v128.load(q);
    c0 = mac(c0, interleaveLow(a, b), w0); c1 = mac(c1, interleaveHigh(a, b), w1);
    a = v128.load(p, 16); b = v128.load(q, 16);
    c2 = mac(c2, interleaveLow(a, b), w2); c3 = mac(c3, interleaveHigh(a, b), w3);
    p += step; q += step;
    a = v128.load(p); b = v128.load(q);
    d0 = mac(d0, interleaveLow(a, b), w0); d1 = mac(d1, interleaveHigh(a, b), w1);
    a = v128.load(p, 16); b = v128.load(q, 16);
    d2 = mac(d2, interleaveLow(a, b), w2); d3 = mac(d3, interleaveHigh(a, b), w3);
  }
  v128.store(out, c0); v128.store(out, c1, 16); v128.store(out, c2, 32); v128.store(out, c3, 48);
  out += ldo;
  v128.store(out, d0); v128.store(out, d1, 16); v128.store(out, d2, 32); v128.store(out, d3, 48);
}

/** Two positions by 8 channels. */
function tile2x8(
  x: usize, step: usize, taps: usize, pairs: i32, w: usize, out: usize, ldo: usize,
): void {
  let c0 = i32x4.splat(0), c1 = c0, d0 = c0, d1 = c0;
  for (; pairs > 0; --pairs, taps += 8, w += 32) {
    const p = x + load<u32>(taps), q = x + load<u32>(taps, 4);
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    let a = v128.load(p), b = v128.load(q);
    c0 = mac(c0, interleaveLow(a, b), w0); c1 = mac(c1, interleaveHigh(a, b), w1);
    a = v128.load(p + step); b = v128.load(q + step);
    d0 = mac(d0, interleaveLow(a, b), w0); d1 = mac(d1, interleaveHigh(a, b), w1);
  }
  v128.store(out, c0); v128.store(out, c1, 16);
  out += ldo;
  v128.store(out, d0); v128.store(out, d1, 16);
}

/** Bytes of the weights of four channels for `row3x3`: five vectors of pairs. */
const NINE_BYTES: usize = 5 * 16;

/**
 * Pairs the taps of a 3×3 kernel anew: those of the first two rows by column, and 2 with 3 and 4 with
 * nothing of the last row, so that interleaved columns serve several positions.
 */
function pairNine(packed: usize, channels: i32, dst: usize): void {
  for (let c = 0, end = (channels + 7) & ~7; c < end; c += 4, dst += NINE_BYTES) {
    const w = packed + <usize>(c >> 3) * (5 << 5) + (<usize>(c & 4) << 2);
    const p01 = v128.load(w), p23 = v128.load(w, 32), p45 = v128.load(w, 64);
    const p67 = v128.load(w, 96), p8 = v128.load(w, 128); // tap 9 is zero
    v128.store(dst, v128.shuffle<i16>(p01, p23, 0, 9, 2, 11, 4, 13, 6, 15));
    v128.store(dst, v128.shuffle<i16>(p01, p45, 1, 8, 3, 10, 5, 12, 7, 14), 16);
    v128.store(dst, v128.shuffle<i16>(p23, p45, 0, 9, 2, 11, 4, 13, 6, 15), 32);
    v128.store(dst, p67, 48);
    v128.store(dst, p8, 64);
  }
}

/** Four channels of a position in one row and the one below, or of two positions. */
@inline
function columns(p: usize, q: usize): v128 {
  return interleaveLow(v128.load64_zero(p), v128.load64_zero(q));
}

/**
 * Four channels by `count` positions of a row, of a 3×3 kernel without dilation. `r0`…: the input rows
 * under it, whose positions are `ld` apart; one position past the last tap is read, and not used.
 */
function row3x3(
  r0: usize, r1: usize, r2: usize, ld: usize, w: usize, count: i32, out: usize, ldo: usize,
): void {
  const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32);
  const w3 = v128.load(w, 48), w4 = v128.load(w, 64);
  let v0 = columns(r0, r1);
  r0 += ld; r1 += ld;
  let v1 = columns(r0, r1);
  let h0 = columns(r2, r2 + ld);
  r2 += ld;
  let x = v128.load64_zero(r2 + ld);
  let h1 = interleaveLow(v128.load64_zero(r2), x);
  r2 += ld;
  for (; count > 0; --count, out += ldo) {
    r0 += ld; r1 += ld; r2 += ld;
    const v2 = columns(r0, r1), next = v128.load64_zero(r2);
    const h2 = interleaveLow(x, next);
    const sum = mac(mac(i32x4.dot_i16x8_s(v0, w0), v1, w1), v2, w2);
    v128.store(out, mac(mac(sum, h0, w3), h2, w4));
    v0 = v1; v1 = v2; h0 = h1; h1 = h2; x = next;
  }
}

/** As `row3x3`, for every second position of the input. */
function row3x3By2(
  r0: usize, r1: usize, r2: usize, ld: usize, w: usize, count: i32, out: usize, ldo: usize,
): void {
  const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32);
  const w3 = v128.load(w, 48), w4 = v128.load(w, 64);
  let v0 = columns(r0, r1), h0 = columns(r2, r2 + ld);
  const step = ld << 1;
  for (; count > 0; --count, out += ldo) {
    const v1 = columns(r0 + ld, r1 + ld);
    r0 += step; r1 += step; r2 += step;
    const v2 = columns(r0, r1), h2 = columns(r2, r2 + ld);
    const sum = mac(mac(i32x4.dot_i16x8_s(v0, w0), v1, w1), v2, w2);
    v128.store(out, mac(mac(sum, h0, w3), h2, w4));
    v0 = v2; h0 = h2;
  }
}

/** Whether `row3x3` or `row3x3By2` serves. */
function isNine(w: Window): bool {
  const dense = w.dilationY == 1 && w.dilationX == 1 && w.strideX <= 2;
  return dense && w.kernelHeight == 3 && w.kernelWidth == 3;
}

/** Pairs whose sums' halves of 16 bits surely add up in 32. */
const WIDE_PAIRS: i32 = 1 << 14;

/** Four sums in i64 of their upper and lower halves, `pairs` having been taken off; added to what is there unless `first`. */
@inline
function storeHalves(out: usize, upper: v128, lower: v128, pairs: i32, first: bool): void {
  lower = i32x4.add(lower, i32x4.splat(pairs));
  let t0 = i64x2.add(i64x2.shl(i64x2.extend_low_i32x4_s(upper), 16), i64x2.extend_low_i32x4_s(lower));
  let t1 = i64x2.add(i64x2.shl(i64x2.extend_high_i32x4_s(upper), 16), i64x2.extend_high_i32x4_s(lower));
  if (!first) {
    t0 = i64x2.add(t0, v128.load(out));
    t1 = i64x2.add(t1, v128.load(out, 16));
  }
  v128.store(out, t0);
  v128.store(out, t1, 16);
}

/**
 * One position by 8 channels, in i64. A pair's sum less one cannot wrap, not even 2^31; its halves are
 * summed apart, which is quicker than widening each.
 */
function tileWide(x: usize, taps: usize, pairs: i32, w: usize, out: usize): void {
  const minusOne = i32x4.splat(-1), mask = i32x4.splat(0xffff);
  for (let first = true; pairs > 0; first = false) {
    const count = min(pairs, WIDE_PAIRS);
    pairs -= count;
    let u0 = i32x4.splat(0), u1 = u0, l0 = u0, l1 = u0;
    for (let i = count; i > 0; --i, taps += 8, w += 32) {
      const a = v128.load(x + load<u32>(taps)), b = v128.load(x + load<u32>(taps, 4));
      const s0 = mac(minusOne, interleaveLow(a, b), v128.load(w));
      const s1 = mac(minusOne, interleaveHigh(a, b), v128.load(w, 16));
      u0 = i32x4.add(u0, i32x4.shr_s(s0, 16));
      l0 = i32x4.add(l0, v128.and(s0, mask));
      u1 = i32x4.add(u1, i32x4.shr_s(s1, 16));
      l1 = i32x4.add(l1, v128.and(s1, mask));
    }
    storeHalves(out, u0, l0, count, first);
    storeHalves(out + 32, u1, l1, count, first);
  }
}

/** Two positions by all channels. */
@inline
function positionPair(
  wide: bool, x: usize, step: usize, taps: usize, pairs: i32, b: usize, out: usize, ldo: usize,
  channels: i32,
): void {
  if (wide) {
    for (; channels > 0; channels -= 8, x += 16, b += <usize>pairs << 5, out += 64) {
      tileWide(x, taps, pairs, b, out);
      tileWide(x + step, taps, pairs, b, out + ldo);
    }
    return;
  }
  for (; channels > 8; channels -= 16, x += 32, b += <usize>pairs << 6, out += 64) {
    tile2x16(x, step, taps, pairs, b, out, ldo);
  }
  if (channels > 0) tile2x8(x, step, taps, pairs, b, out, ldo);
}

/** One padded row of the image as i16: `positions` positions of `ldPixel` bytes. */
function fillRow<S>(w: Window, image: usize, y: i32, positions: i32, dst: usize, ldPixel: usize): void {
  const channels = w.channels, pixel = w.pixelBytes;
  const inside = <u32>y < <u32>w.height;
  const row = image + (inside ? <usize>y * <usize>w.width * pixel : 0);
  for (let i = 0; i < positions; ) {
    const x = i - w.padLeft;
    if (!inside || <u32>x >= <u32>w.width) {
      fillRun<i16>(dst, channels, w.padValue);
      i += 1;
      dst += ldPixel;
      continue;
    }
    const dense = pixel == <usize>channels * sizeof<S>() && ldPixel == <usize>channels << 1;
    const count = dense ? min(positions - i, w.width - x) : 1;
    widenRun<S, i16>(row + <usize>x * pixel, dst, count * channels);
    i += count;
    dst += <usize>count * ldPixel;
  }
}

@inline
function paddedWidth(w: Window): i32 {
  const positions = (w.outWidth + POSITIONS - 1) & -POSITIONS;
  return (positions - 1) * w.strideX + (w.kernelWidth - 1) * w.dilationX + 1;
}

@inline
function ringRows(w: Window): i32 {
  return (w.kernelHeight - 1) * w.dilationY + 1;
}

/** Positions whose accumulators the epilogue takes at once: 16 KiB of them. */
@inline
function stripPositions(channels: i32): i32 {
  return max(4096 / ((channels + 7) & ~7) & -POSITIONS, POSITIONS);
}

/** Bytes of scratch that `depthwise` needs for a `Window`. */
export function depthwiseScratchBytes(window: usize): usize {
  const w = changetype<Window>(window);
  const channels = <usize>(w.channels + 7) & ~7;
  const taps = <usize>(w.kernelHeight * w.kernelWidth + 1);
  const ring = <usize>ringRows(w) * <usize>paddedWidth(w) * (channels << 1);
  const nine = channels * (NINE_BYTES / 4) + (channels << 1); // and a position that is only read
  return ring + channels * <usize>stripPositions(w.channels) * 12 + taps * 4 + nine + 64;
}

/**
 * Depthwise convolution of one image as `args`, a `Contraction` with a window, says: k taps, n channels,
 * A of at most 16 bits, `sums` i32 (proved) or any other for i64; m is not read. Gives `rowCount`
 * rows of output positions from `firstRow`. `scratch`: `depthwiseScratchBytes(window)` bytes.
 */
export function depthwise(args: usize, firstRow: i32, rowCount: i32, scratch: usize): void {
  const c = changetype<Contraction>(args);
  const w = changetype<Window>(c.window);
  const e = changetype<Epilogue>(c.epilogue);
  const channels = c.n, wide = c.sums != 0;
  const pairs = (c.k + 1) >> 1;
  const nine = !wide && isNine(w);
  // Fours of channels may end in those of the next position; eights must not, for want of weights.
  const ldChannels = <usize>((channels + 7) & ~7) << 1, ldPixel = nine ? <usize>channels << 1 : ldChannels;
  const positions = paddedWidth(w), rows = ringRows(w);
  const ldRow = <usize>positions * ldPixel;
  const ldStrip = ldChannels << (wide ? 2 : 1);
  const block = stripPositions(channels);
  const strip = (scratch + 15) & ~15;
  const narrow = strip + <usize>block * ldStrip;
  const taps = narrow + <usize>block * (ldChannels << 1);
  const weights = (taps + (<usize>pairs << 3) + 15) & ~15;
  const ring = weights + <usize>((channels + 7) & ~7) * (NINE_BYTES / 4);
  if (nine) pairNine(c.b, channels, weights);
  const step = <usize>w.strideX * ldPixel;
  let loaded = firstRow * w.strideY - w.padTop; // the first row that is not in the ring yet
  let dst = c.dst + <usize>(firstRow * w.outWidth) * c.dstRowBytes;
  for (let oy = firstRow, end = firstRow + rowCount; oy < end; ++oy) {
    const top = oy * w.strideY - w.padTop;
    for (let y = max(loaded, top); y < top + rows; ++y) {
      const slot = ring + <usize>((y + w.padTop) % rows) * ldRow;
      if (c.aType == I16) fillRow<i16>(w, c.a, y, positions, slot, ldPixel);
      else if (c.aType == I8) fillRow<i8>(w, c.a, y, positions, slot, ldPixel);
      else fillRow<u8>(w, c.a, y, positions, slot, ldPixel);
    }
    loaded = top + rows;
    let tap = taps;
    for (let ky = 0; ky < w.kernelHeight; ++ky) {
      const slot = (top + ky * w.dilationY + w.padTop) % rows;
      for (let kx = 0; kx < w.kernelWidth; ++kx, tap += 4) {
        store<u32>(tap, <u32>(<usize>slot * ldRow + <usize>(kx * w.dilationX) * ldPixel));
      }
    }
    if (c.k & 1) store<u32>(tap, 0); // the pair of an odd last tap: its weights are zero
    for (let ox = 0; ox < w.outWidth; ox += block) {
      const count = min(block, w.outWidth - ox);
      let x = ring + <usize>ox * step, out = strip;
      if (nine) {
        const r0 = x + load<u32>(taps), r1 = x + load<u32>(taps, 12), r2 = x + load<u32>(taps, 24);
        for (let g: usize = 0; g < <usize>channels << 1; g += 8) {
          const own = weights + g * (NINE_BYTES / 8);
          if (w.strideX == 1) row3x3(r0 + g, r1 + g, r2 + g, ldPixel, own, count, out + 2 * g, ldStrip);
          else row3x3By2(r0 + g, r1 + g, r2 + g, ldPixel, own, count, out + 2 * g, ldStrip);
        }
      } else {
        for (let i = 0; i < count; i += POSITIONS, x += 2 * step, out += 2 * ldStrip) {
          positionPair(wide, x, step, taps, pairs, c.b, out, ldStrip, channels);
        }
      }
      finish(e, wide, strip, ldStrip, count, 0, channels, dst, c.dstRowBytes, narrow);
      dst += <usize>count * c.dstRowBytes;
    }
  }
}
