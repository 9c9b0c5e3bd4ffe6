// Integer matrix product. A is i16 (rows of pairs of k); B is packed once into panels of eight
// columns, each a run of k pairs: 16 i16 `b[k][c], b[k+1][c]` for c = 0..7. One tile kernel sums in
// i32; where that could overflow, K is cut into runs that cannot, and their sums are combined.

import { USUAL_SHIFT } from "./epilogue";
import { highWords, lowWords } from "./types";

/** Columns of a panel. */
export const PANEL: i32 = 8;
/** Rows of a tile: its 8 accumulators and what a pair needs are in registers in every version of V8. */
export const TILE: i32 = 4;
const TILE_BYTES: usize = 4 * 32;
/** Runs that are combined at once; the sums of a group stay in the first-level cache. */
export const GROUP: i32 = 64;
/** Pairs of k whose products of any i16 with values in −128..128 surely fit i32: 508·2^7·2^15 < 2^31. */
const SPLIT_RUN: i32 = 254;
/** Bytes of scratch that `accumulateI64` and `accumulateScaled` use. */
export const GROUP_BYTES: usize = 64 * 4 * 32;

@inline
function mac(sum: v128, x: v128, y: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, y));
}

/**
 * Four rows by one panel, over runs of `run` pairs of k: `out[r][c] = init + Σ a[r][k]·b[k][c]`, the
 * results of each run `next` bytes after those of the one before.
 */
function tile4x8(
  a0: usize, lda: usize, b: usize, pairs: i32, run: i32, init: i32, out: usize, ldo: usize, next: usize,
): void {
  let a1 = a0 + lda, a2 = a1 + lda, a3 = a2 + lda;
  let c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128, c30: v128, c31: v128;
  let x: v128, b0: v128, b1: v128;
  do {
    let left = min(run, pairs);
    pairs -= left;
    c00 = i32x4.splat(init); c01 = c00; c10 = c00; c11 = c00; c20 = c00; c21 = c00; c30 = c00; c31 = c00;
    while (left > 0) {
      b0 = v128.load(b); b1 = v128.load(b, 16);
      x = v128.load32_splat(a0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1);
      x = v128.load32_splat(a1); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1);
      x = v128.load32_splat(a2); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1);
      x = v128.load32_splat(a3); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1);
      if (--left == 0) {
        a0 += 4; a1 += 4; a2 += 4; a3 += 4; b += 32;
        break;
      }
      b0 = v128.load(b, 32); b1 = v128.load(b, 48);
      x = v128.load32_splat(a0, 4); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1);
      x = v128.load32_splat(a1, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1);
      x = v128.load32_splat(a2, 4); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1);
      x = v128.load32_splat(a3, 4); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1);
      if (--left == 0) {
        a0 += 8; a1 += 8; a2 += 8; a3 += 8; b += 64;
        break;
      }
      b0 = v128.load(b, 64); b1 = v128.load(b, 80);
      x = v128.load32_splat(a0, 8); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1);
      x = v128.load32_splat(a1, 8); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1);
      x = v128.load32_splat(a2, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1);
      x = v128.load32_splat(a3, 8); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1);
      if (--left == 0) {
        a0 += 12; a1 += 12; a2 += 12; a3 += 12; b += 96;
        break;
      }
      b0 = v128.load(b, 96); b1 = v128.load(b, 112);
      x = v128.load32_splat(a0, 12); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1);
      x = v128.load32_splat(a1, 12); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1);
      x = v128.load32_splat(a2, 12); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1);
      x = v128.load32_splat(a3, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1);
      a0 += 16; a1 += 16; a2 += 16; a3 += 16; b += 128;
      --left;
    }
    v128.store(out, c00); v128.store(out, c01, 16);
    v128.store(out + ldo, c10); v128.store(out + ldo, c11, 16);
    v128.store(out + 2 * ldo, c20); v128.store(out + 2 * ldo, c21, 16);
    v128.store(out + 3 * ldo, c30); v128.store(out + 3 * ldo, c31, 16);
    out += next;
  } while (pairs > 0);
}

/** One row by one panel, as `tile4x8`. */
function tile1x8(a: usize, b: usize, pairs: i32, run: i32, init: i32, out: usize, next: usize): void {
  do {
    let left = min(run, pairs);
    pairs -= left;
    let c0 = i32x4.splat(init), c1 = c0, d0 = i32x4.splat(0), d1 = d0;
    for (; left > 1; left -= 2, a += 8, b += 64) {
      const x = v128.load32_splat(a), y = v128.load32_splat(a, 4);
      c0 = mac(c0, x, v128.load(b)); c1 = mac(c1, x, v128.load(b, 16));
      d0 = mac(d0, y, v128.load(b, 32)); d1 = mac(d1, y, v128.load(b, 48));
    }
    if (left) {
      const x = v128.load32_splat(a);
      c0 = mac(c0, x, v128.load(b)); c1 = mac(c1, x, v128.load(b, 16));
      a += 4; b += 32;
    }
    v128.store(out, i32x4.add(c0, d0));
    v128.store(out, i32x4.add(c1, d1), 16);
    out += next;
  } while (pairs > 0);
}

/** Four rows (if `tile`) or one by one panel, as `tile4x8`. */
@inline
function runSums(
  tile: bool, a: usize, lda: usize, b: usize, pairs: i32, run: i32, init: i32, out: usize, ldo: usize, next: usize,
): void {
  if (tile) tile4x8(a, lda, b, pairs, run, init, out, ldo, next);
  else tile1x8(a, b, pairs, run, init, out, next);
}

/**
 * Whether a tile comes next, rather than a row. A last tile of three rows or more overlaps the one
 * before it, which costs less than three single rows.
 */
@inline
function isTile(r: i32, rows: i32): bool {
  return r + TILE <= rows || (rows >= TILE && rows - r >= 3);
}

/** `strip[r][c] = Σ_k a[r][k]·b[k][c]` in i32, which the caller has proved to hold every sum. */
export function accumulateI32(
  a: usize, lda: usize, rows: i32, b: usize, panels: i32, pairs: i32, strip: usize, ldStrip: usize,
): void {
  for (let p = 0; p < panels; ++p, b += <usize>pairs << 5, strip += 32) {
    for (let r = 0; r < rows; ) {
      const tile = isTile(r, rows);
      if (tile) r = min(r, rows - TILE);
      runSums(tile, a + <usize>r * lda, lda, b, pairs, pairs, 0, strip + <usize>r * ldStrip, ldStrip, 0);
      r += tile ? TILE : 1;
    }
  }
}

/**
 * The sum over runs of four columns, as i64, from `low`, exact modulo 2^32, and `high`, the count of
 * multiples of 2^16, each rounded down by less than one per run: two additions and a shift for each
 * run, against two widenings and two read-modify-writes. `runs` puts right that each started at −1.
 */
@inline
function emit(low: v128, high: v128, runs: v128, out: usize, add: bool, shift: i32): void {
  // What rounding down has lost is at most GROUP·2^16 < 2^32, and |sum| ≤ GROUP·2^31 < 2^47.
  const rest = i32x4.add(i32x4.sub(low, i32x4.shl(high, 16)), runs);
  const upper = i32x4.shr_s(i32x4.add(high, i32x4.shr_u(rest, 16)), 16);
  const lower = i32x4.add(low, runs);
  let t0 = v128.shuffle<i32>(lower, upper, 0, 4, 1, 5);
  let t1 = v128.shuffle<i32>(lower, upper, 2, 6, 3, 7);
  if (shift) {
    t0 = i64x2.shl(t0, shift);
    t1 = i64x2.shl(t1, shift);
  }
  if (add) {
    t0 = i64x2.add(t0, v128.load(out));
    t1 = i64x2.add(t1, v128.load(out, 16));
  }
  v128.store(out, t0);
  v128.store(out, t1, 16);
}

/** Half of a multiple of 2^48, in multiples of 2^16 once products of what is below those are shifted. */
@inline
function highOfProduct(low: v128, high: v128, m: v128, upper: bool): v128 {
  const half = i64x2.splat(<i64>1 << (USUAL_SHIFT - 1));
  return upper
    ? i64x2.add(
        i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_u(low, m), half), 16),
        i64x2.extmul_high_i32x4_s(high, m),
      )
    : i64x2.add(
        i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_u(low, m), half), 16),
        i64x2.extmul_low_i32x4_s(high, m),
      );
}

/**
 * What `emit` says, below 2^47 in magnitude, times m ≥ 0, rounded and shifted by 48: with
 * x = H·2^16 + R, 0 ≤ R < 2^23, that is `(H·m + ((R·m + 2^47) >> 16)) >> 32`, whose parts fit 64 bits.
 */
@inline
function emitScaled(low: v128, high: v128, runs: v128, m: v128, out: usize): void {
  const rest = i32x4.add(i32x4.sub(low, i32x4.shl(high, 16)), runs);
  v128.store(
    out, highWords(highOfProduct(rest, high, m, false), highOfProduct(rest, high, m, true)),
  );
}

/**
 * Sums the runs of a tile of `rows` rows. Without `m` they are stored (or added), times 2^shift, as
 * i64; else they are stored rescaled by the factors there and a shift of 48, with the biases that
 * `biasLow` has the low words of and `biasHigh` the multiples of 2^16, as i32.
 */
@inline
function combineAs(
  scaled: bool, sums: usize, runs: i32, rows: i32, out: usize, ldo: usize, add: bool, shift: i32,
  m: usize, bias: usize,
): void {
  const count = i32x4.splat(runs), zero = i32x4.splat(0);
  let x: v128;
  for (; rows > 0; rows -= 2, sums += 64, out += 2 * ldo) {
    let l0 = zero, l1 = zero, h0 = zero, h1 = zero;
    if (scaled && bias) {
      l0 = v128.load(bias); l1 = v128.load(bias, 16);
      h0 = v128.load(bias, 32); h1 = v128.load(bias, 48);
    }
    let l2 = l0, l3 = l1, h2 = h0, h3 = h1, p = sums;
    for (let i = runs; i > 0; --i, p += TILE_BYTES) {
      x = v128.load(p); l0 = i32x4.add(l0, x); h0 = i32x4.add(h0, i32x4.shr_s(x, 16));
      x = v128.load(p, 16); l1 = i32x4.add(l1, x); h1 = i32x4.add(h1, i32x4.shr_s(x, 16));
      x = v128.load(p, 32); l2 = i32x4.add(l2, x); h2 = i32x4.add(h2, i32x4.shr_s(x, 16));
      x = v128.load(p, 48); l3 = i32x4.add(l3, x); h3 = i32x4.add(h3, i32x4.shr_s(x, 16));
    }
    if (scaled) {
      const m0 = v128.load(m), m1 = v128.load(m, 16);
      emitScaled(l0, h0, count, m0, out);
      emitScaled(l1, h1, count, m1, out + 16);
      if (rows == 1) break;
      emitScaled(l2, h2, count, m0, out + ldo);
      emitScaled(l3, h3, count, m1, out + ldo + 16);
    } else {
      emit(l0, h0, count, out, add, shift);
      emit(l1, h1, count, out + 32, add, shift);
      if (rows == 1) break;
      emit(l2, h2, count, out + ldo, add, shift);
      emit(l3, h3, count, out + ldo + 32, add, shift);
    }
  }
}

function combine(
  sums: usize, runs: i32, rows: i32, out: usize, ldo: usize, add: bool, shift: i32,
): void {
  combineAs(false, sums, runs, rows, out, ldo, add, shift, 0, 0);
}

function combineScaled(
  sums: usize, runs: i32, rows: i32, out: usize, ldo: usize, m: usize, bias: usize,
): void {
  combineAs(true, sums, runs, rows, out, ldo, false, 0, m, bias);
}

/**
 * The sums of one tile by one panel, times 2^shift, stored or added as i64. They are taken in i32 over
 * runs of `run` pairs. A run starts at −1 rather than 0: the one product of two pairs that leaves i32,
 * 2·(−2^15)² = 2^31, then does not wrap, so a run of one pair is always possible.
 */
function tileRuns(
  tile: bool, a: usize, lda: usize, b: usize, pairs: i32, run: i32,
  out: usize, ldo: usize, add: bool, shift: i32, scratch: usize,
): void {
  do {
    const part = min(pairs, GROUP * run);
    runSums(tile, a, lda, b, part, run, -1, scratch, 32, TILE_BYTES);
    combine(scratch, (part + run - 1) / run, tile ? TILE : 1, out, ldo, add, shift);
    a += <usize>part << 2;
    b += <usize>part << 5;
    pairs -= part;
    add = true;
  } while (pairs > 0);
}

/**
 * `strip[r][c] = Σ_k a[r][k]·b[k][c]` in i64. With `lowPlane`, the distance from the high halves of B
 * to the low ones, B is what `splitPairs` made; else sums are proved to fit i32 over runs of as many
 * pairs as `runs` has for each panel.
 */
export function accumulateI64(
  a: usize, lda: usize, rows: i32, b: usize, panels: i32, pairs: i32, runs: usize, lowPlane: usize,
  strip: usize, ldStrip: usize, scratch: usize,
): void {
  for (let p = 0; p < panels; ++p, b += <usize>pairs << 5, strip += 64) {
    const run = lowPlane ? SPLIT_RUN : max(load<i32>(runs + (<usize>p << 2)), 1);
    for (let r = 0; r < rows; ) {
      const tile = isTile(r, rows);
      if (tile) r = min(r, rows - TILE);
      const x = a + <usize>r * lda, out = strip + <usize>r * ldStrip;
      if (lowPlane) {
        tileRuns(tile, x, lda, b, pairs, SPLIT_RUN, out, ldStrip, false, 8, scratch);
        tileRuns(tile, x, lda, b + lowPlane, pairs, SPLIT_RUN, out, ldStrip, true, 0, scratch);
      } else {
        tileRuns(tile, x, lda, b, pairs, run, out, ldStrip, false, 0, scratch);
      }
      r += tile ? TILE : 1;
    }
  }
}

/** Whether no panel has more runs than `accumulateScaled` takes. */
export function runsAreFew(runs: usize, panels: i32, pairs: i32): bool {
  for (; panels > 0; --panels, runs += 4) if (max(load<i32>(runs), 1) * GROUP < pairs) return false;
  return true;
}

/** Eight biases as low words, then multiples of 2^16 rounded down. */
@inline
function splitBias(bias: usize, dst: usize): void {
  for (let i: usize = 0; i < 32; i += 16) {
    const x0 = v128.load(bias + 2 * i), x1 = v128.load(bias + 2 * i, 16);
    const low = lowWords(x0, x1);
    v128.store(dst + i, low);
    v128.store(dst + i, v128.or(i32x4.shl(highWords(x0, x1), 16), i32x4.shr_u(low, 16)), 32);
  }
}

/** Factors and biases of one panel: 64 bytes of biases, as the last panel needs them, and 64 split. */
export const PANEL_PARAMETER_BYTES: usize = 32 + 64 + 64;

/**
 * `strip[r][c] = (Σ_k a[r][k]·b[k][c] + bias[c])·m[c]`, rounded and shifted by 48, in i32, of sums below
 * 2^47 in magnitude over few runs. `nextM` is 0 where all columns have the factors at `m`; `bias`, if
 * any, is of i64. `cols` is what the panels hold: nothing is read beyond.
 */
export function accumulateScaled(
  a: usize, lda: usize, rows: i32, b: usize, cols: i32, pairs: i32, runs: usize,
  m: usize, nextM: usize, bias: usize, strip: usize, ldStrip: usize, scratch: usize,
): void {
  const lastM = scratch + GROUP_BYTES, lastBias = lastM + 32, split = lastBias + 64;
  for (; cols > 0; cols -= 8, b += <usize>pairs << 5, strip += 32, runs += 4, m += nextM) {
    if (cols < 8) {
      if (nextM) {
        memory.copy(lastM, m, <usize>cols << 2);
        m = lastM;
      }
      if (bias) {
        memory.copy(lastBias, bias, <usize>cols << 3);
        bias = lastBias;
      }
    }
    if (bias) {
      splitBias(bias, split);
      bias += 64;
    }
    const run = max(load<i32>(runs), 1);
    const count = (pairs + run - 1) / run;
    for (let r = 0; r < rows; ) {
      const tile = isTile(r, rows);
      if (tile) r = min(r, rows - TILE);
      runSums(tile, a + <usize>r * lda, lda, b, pairs, run, -1, scratch, 32, TILE_BYTES);
      combineScaled(
        scratch, count, tile ? TILE : 1, strip + <usize>r * ldStrip, ldStrip, m, bias ? split : 0,
      );
      r += tile ? TILE : 1;
    }
  }
}

@inline
function macWide(out: v128, x: v128, y: v128, high: bool): v128 {
  return i64x2.add(out, high ? i64x2.extmul_high_i32x4_s(x, y) : i64x2.extmul_low_i32x4_s(x, y));
}

/** Two rows (which may be the same) by one panel of i32: `out[r][c] = Σ a[r][k]·b[k][c]` in i64. */
function wideTile2x8(a0: usize, a1: usize, b: usize, k: i32, out0: usize, out1: usize): void {
  let c0 = i64x2.splat(0), c1 = c0, c2 = c0, c3 = c0, d0 = c0, d1 = c0, d2 = c0, d3 = c0;
  for (; k > 0; --k, a0 += 4, a1 += 4, b += 32) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load32_splat(a0);
    c0 = macWide(c0, x, b0, false); c1 = macWide(c1, x, b0, true);
    c2 = macWide(c2, x, b1, false); c3 = macWide(c3, x, b1, true);
    x = v128.load32_splat(a1);
    d0 = macWide(d0, x, b0, false); d1 = macWide(d1, x, b0, true);
    d2 = macWide(d2, x, b1, false); d3 = macWide(d3, x, b1, true);
  }
  v128.store(out0, c0); v128.store(out0, c1, 16); v128.store(out0, c2, 32); v128.store(out0, c3, 48);
  v128.store(out1, d0); v128.store(out1, d1, 16); v128.store(out1, d2, 32); v128.store(out1, d3, 48);
}

/** As `accumulateI64`, for 32-bit A and B: panels of `k` rows of eight i32. */
export function accumulateWide(
  a: usize, lda: usize, rows: i32, b: usize, panels: i32, k: i32, strip: usize, ldStrip: usize,
): void {
  for (let p = 0; p < panels; ++p, b += <usize>k << 5, strip += 64) {
    for (let r = 0; r < rows; r += 2) {
      const next = min(r + 1, rows - 1);
      wideTile2x8(
        a + <usize>r * lda, a + <usize>next * lda, b, k,
        strip + <usize>r * ldStrip, strip + <usize>next * ldStrip,
      );
    }
  }
}
