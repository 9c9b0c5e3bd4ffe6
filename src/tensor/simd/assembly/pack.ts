// Packing of the right operand of a contraction, and the proof of how far its sums fit i32.

import { I16, I32, I8, U8 } from "./types";

/** Loads eight elements as i16 lanes. */
@inline
function load8<T>(p: usize): v128 {
  if (sizeof<T>() == 2) return v128.load(p);
  return isSigned<T>() ? v128.load8x8_s(p) : v128.load8x8_u(p);
}

function packPairs<T>(
  src: usize, kBytes: usize, nBytes: usize, k: i32, n: i32, dst: usize,
): void {
  const kEven = k & ~1;
  for (let j = 0; j < n; j += 8) {
    const cols = min(8, n - j);
    let p = src + <usize>j * nBytes;
    if (cols == 8 && nBytes == sizeof<T>()) {
      for (let i = 0; i < k; i += 2, p += 2 * kBytes, dst += 32) {
        const even = load8<T>(p);
        const odd = i < kEven ? load8<T>(p + kBytes) : i16x8.splat(0);
        v128.store(dst, v128.shuffle<i16>(even, odd, 0, 8, 1, 9, 2, 10, 3, 11));
        v128.store(dst, v128.shuffle<i16>(even, odd, 4, 12, 5, 13, 6, 14, 7, 15), 16);
      }
      continue;
    }
    for (let i = 0; i < k; i += 2, p += 2 * kBytes, dst += 32) {
      if (cols < 8) {
        v128.store(dst, i16x8.splat(0));
        v128.store(dst, i16x8.splat(0), 16);
      }
      let q = p;
      for (let c = 0; c < cols; ++c, q += nBytes) {
        store<i16>(dst + (<usize>c << 2), <i16>load<T>(q));
        store<i16>(dst + (<usize>c << 2) + 2, i < kEven ? <i16>load<T>(q + kBytes) : 0);
      }
    }
  }
}

function packWide<T>(src: usize, kBytes: usize, nBytes: usize, k: i32, n: i32, dst: usize): void {
  for (let j = 0; j < n; j += 8) {
    for (let i = 0; i < k; ++i) {
      let p = src + <usize>j * nBytes + <usize>i * kBytes;
      for (let c = 0; c < 8; ++c, p += nBytes, dst += 4) {
        store<i32>(dst, j + c < n ? <i32>load<T>(p) : 0);
      }
    }
  }
}

/**
 * Packs B [k, n] of `type` for `contract`: element (k, n) is at `src + k·kBytes + n·nBytes`.
 * There are `matrices` of them, `stepBytes` apart; their panels follow each other.
 * Pairs (A of 16 bits or fewer): ⌈n/8⌉ panels of ⌈k/2⌉·32 bytes. Wide (A or B of 32 bits): panels of
 * k·32 bytes. What pads is zero.
 */
export function pack(
  wide: i32, type: i32, src: usize, kBytes: usize, nBytes: usize, k: i32, n: i32, dst: usize,
  matrices: i32, stepBytes: usize,
): void {
  const bytes = <usize>((n + 7) >> 3) * (<usize>(wide ? k : (k + 1) >> 1) << 5);
  for (; matrices > 0; --matrices, src += stepBytes, dst += bytes) packOne(wide, type, src, kBytes, nBytes, k, n, dst);
}

function packOne(
  wide: i32, type: i32, src: usize, kBytes: usize, nBytes: usize, k: i32, n: i32, dst: usize,
): void {
  if (wide) {
    if (type == I32) packWide<i32>(src, kBytes, nBytes, k, n, dst);
    else if (type == I16) packWide<i16>(src, kBytes, nBytes, k, n, dst);
    else if (type == I8) packWide<i8>(src, kBytes, nBytes, k, n, dst);
    else packWide<u8>(src, kBytes, nBytes, k, n, dst);
  } else if (type == I16) packPairs<i16>(src, kBytes, nBytes, k, n, dst);
  else if (type == I8) packPairs<i8>(src, kBytes, nBytes, k, n, dst);
  else packPairs<u8>(src, kBytes, nBytes, k, n, dst);
}

/** |b[k][c]| + |b[k+1][c]| for four columns. */
@inline
function absPairs(b: v128): v128 {
  return i32x4.dot_i16x8_s(b, v128.or(i16x8.shr_s(b, 15), i16x8.splat(1)));
}

/** Adds four i32 lanes to four f64. */
@inline
function addTo(p: usize, x: v128): void {
  const high = v128.shuffle<i32>(x, x, 2, 3, 2, 3);
  v128.store(p, f64x2.add(v128.load(p), f64x2.convert_low_i32x4_s(x)));
  v128.store(p, f64x2.add(v128.load(p, 16), f64x2.convert_low_i32x4_s(high)), 16);
}

/** Pairs whose sums of magnitudes, at most 2^16 each, i32 holds doubled. */
const SAFE_PAIRS: i32 = 1 << 13;

/**
 * For each panel of eight columns of packed pairs, 16 f64 at `dst`: the sums of the columns' positive
 * values, then of the magnitudes of their negative ones. Exact.
 */
export function columnSums(packed: usize, k: i32, n: i32, dst: usize): void {
  const pairs = (k + 1) >> 1;
  const one = i16x8.splat(1);
  for (let j = 0; j < n; j += 8, dst += 128) {
    memory.fill(dst, 0, 128);
    for (let first = 0; first < pairs; first += SAFE_PAIRS) {
      let sum0 = i32x4.splat(0), sum1 = sum0, abs0 = sum0, abs1 = sum0;
      for (let i = min(SAFE_PAIRS, pairs - first); i > 0; --i, packed += 32) {
        const b0 = v128.load(packed), b1 = v128.load(packed, 16);
        sum0 = i32x4.add(sum0, i32x4.dot_i16x8_s(b0, one));
        sum1 = i32x4.add(sum1, i32x4.dot_i16x8_s(b1, one));
        abs0 = i32x4.add(abs0, absPairs(b0));
        abs1 = i32x4.add(abs1, absPairs(b1));
      }
      addTo(dst, i32x4.shr_s(i32x4.add(abs0, sum0), 1));
      addTo(dst + 32, i32x4.shr_s(i32x4.add(abs1, sum1), 1));
      addTo(dst + 64, i32x4.shr_s(i32x4.sub(abs0, sum0), 1));
      addTo(dst + 96, i32x4.shr_s(i32x4.sub(abs1, sum1), 1));
    }
  }
}

/** Twice the magnitude of the sum of products with values of one sign, over the greatest of them. */
@inline
function twiceReach(sum: v128, abs: v128): v128 {
  return i32x4.add(abs, i32x4.abs(sum));
}

/**
 * The most pairs of which, wherever they start, no column's `Σ|b|` exceeds the limit; if `oneSided`,
 * neither the sum of its positive values nor that of its negative ones does.
 */
function safeRun(panel: usize, pairs: i32, limit: i32, oneSided: bool): i32 {
  const one = i16x8.splat(1);
  // Doubled; a sum below this bound cannot wrap when the next pair is added.
  const bound = i32x4.splat(min(limit, 0x3ffe0000) << 1);
  let abs0 = i32x4.splat(0), abs1 = abs0, sum0 = abs0, sum1 = abs0;
  let first = panel, length = 0, least = pairs;
  for (let i = 0; i < pairs; ++i, panel += 32) {
    let b0 = v128.load(panel), b1 = v128.load(panel, 16);
    abs0 = i32x4.add(abs0, absPairs(b0));
    abs1 = i32x4.add(abs1, absPairs(b1));
    sum0 = i32x4.add(sum0, i32x4.dot_i16x8_s(b0, one));
    sum1 = i32x4.add(sum1, i32x4.dot_i16x8_s(b1, one));
    ++length;
    while (true) {
      const reach0 = twiceReach(oneSided ? sum0 : abs0, abs0);
      const reach1 = twiceReach(oneSided ? sum1 : abs1, abs1);
      if (!v128.any_true(v128.or(i32x4.gt_s(reach0, bound), i32x4.gt_s(reach1, bound)))) break;
      b0 = v128.load(first); b1 = v128.load(first, 16);
      abs0 = i32x4.sub(abs0, absPairs(b0));
      abs1 = i32x4.sub(abs1, absPairs(b1));
      sum0 = i32x4.sub(sum0, i32x4.dot_i16x8_s(b0, one));
      sum1 = i32x4.sub(sum1, i32x4.dot_i16x8_s(b1, one));
      first += 32;
      least = min(least, --length);
    }
  }
  return least;
}

/**
 * For each panel of eight columns, as i32 at `dst`, a length of runs in pairs: K being cut into runs of
 * it, `Σ|b[k][c]| ≤ limit` in each for every column c, or, if `oneSided`, the sums of its positive and
 * of its negative values are. With `limit = ⌊(2^31 − 1) / |a|max⌋`, ⌈k/2⌉ proves that i32 holds every
 * sum, for values of one sign if `oneSided`; 0 says that a single pair exceeds the limit, which
 * `contract` takes for 1. Returns the least. Every pair is added and subtracted at most once: O(k·n).
 */
export function planRuns(packed: usize, k: i32, n: i32, limit: i32, dst: usize, oneSided: bool): i32 {
  const pairs = (k + 1) >> 1;
  let least = i32.MAX_VALUE;
  for (let j = (n + 7) >> 3; j > 0; --j, packed += <usize>pairs << 5, dst += 4) {
    let run = safeRun(packed, pairs, limit, oneSided);
    if (run > 0) {
      // As many runs, but of one length, which the processor learns to predict.
      const runs = (pairs + run - 1) / run;
      run = (pairs + runs - 1) / runs;
    }
    store<i32>(dst, run);
    least = min(least, run);
  }
  return least;
}

/**
 * Splits each of `matrices` packed matrices into two planes of the same size: high parts in −128..128, then low parts in
 * −128..127, with b = 2^8·high + low. For `contract` with split sums, which beat runs shorter than
 * about ten k.
 */
export function splitPairs(packed: usize, bytes: usize, dst: usize, matrices: i32): void {
  const one = i16x8.splat(1);
  for (; matrices > 0; --matrices, dst += bytes) {
    for (const end = packed + bytes; packed < end; packed += 16, dst += 16) {
      const b = v128.load(packed);
      const high = i16x8.add(i16x8.shr_s(b, 8), v128.and(i16x8.shr_s(b, 7), one));
      v128.store(dst, high);
      v128.store(dst + bytes, i16x8.sub(b, i16x8.shl(high, 8)));
    }
  }
}
