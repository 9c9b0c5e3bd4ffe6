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
 * Pairs (A of 16 bits or fewer): ⌈n/8⌉ panels of ⌈k/2⌉·32 bytes. Wide (A or B of 32 bits): panels of
 * k·32 bytes. What pads is zero.
 */
export function pack(
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

/**
 * Cuts K into the fewest runs, greedily, such that in each `Σ|b[k][c]| ≤ limit` for every column c,
 * but no shorter than a pair. Writes their lengths in pairs to `runs` (room for ⌈k/2⌉ i32) and
 * returns how many there are. With `limit = ⌊(2^31−1)/|a|max⌋`, a count of 1 proves that i32 holds
 * every sum, unless `sums[c] > limit` (one pair of −2^15 twice); then 1 is not returned but −1.
 * `sums`: scratch for n rounded up to 8 i32. O(k·n).
 */
export function planRuns(packed: usize, k: i32, n: i32, limit: i32, sums: usize, runs: usize): i32 {
  const pairs = (k + 1) >> 1;
  const panels = (n + 7) >> 3;
  const stride = <usize>pairs << 5;
  // A sum below this bound cannot wrap when the next pair is added.
  const bound = i32x4.splat(min(limit, 0x7ffe0000));
  memory.fill(sums, 0, <usize>panels << 5);
  let count = 0, start = 0, excess = false;
  for (let i = 0; i < pairs; ++i, packed += 32) {
    let over = i32x4.splat(0), alone = over;
    for (let p = 0, b = packed, s = sums; p < panels; ++p, b += stride, s += 32) {
      const d0 = absPairs(v128.load(b)), d1 = absPairs(v128.load(b, 16));
      const s0 = i32x4.add(v128.load(s), d0), s1 = i32x4.add(v128.load(s, 16), d1);
      v128.store(s, s0);
      v128.store(s, s1, 16);
      over = v128.or(over, v128.or(i32x4.gt_s(s0, bound), i32x4.gt_s(s1, bound)));
      alone = v128.or(alone, v128.or(i32x4.gt_s(d0, bound), i32x4.gt_s(d1, bound)));
    }
    excess = excess || v128.any_true(alone);
    if (!v128.any_true(over) || i == start) continue;
    store<i32>(runs + (<usize>count << 2), i - start);
    ++count;
    start = i;
    for (let p = 0, b = packed, s = sums; p < panels; ++p, b += stride, s += 32) {
      v128.store(s, absPairs(v128.load(b)));
      v128.store(s, absPairs(v128.load(b, 16)), 16);
    }
  }
  store<i32>(runs + (<usize>count << 2), pairs - start);
  ++count;
  return count == 1 && excess ? -1 : count;
}
