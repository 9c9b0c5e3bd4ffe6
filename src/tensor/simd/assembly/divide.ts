// Quotients of i64 by one divisor. The hardware divides 64-bit integers one by one, in a dozen cycles or
// more; a product with the reciprocal in doubles is off by at most one, which the remainder tells.

/** Elements that are looked at, then divided, while they stay in the first-level cache. */
const BLOCK: usize = 512;

/** 1.5·2^52: added to a double of magnitude below 2^51 it leaves the nearest integer in the low bits. */
const MAGIC: f64 = 6755399441055744;
const MAGIC_BITS: i64 = 0x4338000000000000;

/** Bits of |quotient| below which doubles are off by at most a quarter: four roundings of 2^−53. */
const QUOTIENT_BITS: i32 = 49;

/** Whether all of n elements, n even, lie in [−2^bits, 2^bits). */
function within(src: usize, n: usize, bits: i32): bool {
  const offset = i64x2.splat(<i64>1 << bits);
  let any = i64x2.splat(0);
  for (const end = src + (n << 3); src < end; src += 16) any = v128.or(any, i64x2.add(v128.load(src), offset));
  return !v128.any_true(i64x2.shr_u(any, bits + 1));
}

/** Two i64 as doubles, rounded once: their upper 16 bits and lower 48 are exact apart, as parts of mantissas. */
@inline
function toDoubles(x: v128): v128 {
  const high = v128.and(i32x4.shr_s(x, 16), i64x2.splat(-0x100000000));
  const low = v128.and(x, i64x2.splat(0xffffffffffff));
  // 3·2^67 + high·2^48, and 2^52 + low.
  const upper = i64x2.add(high, i64x2.splat(0x4438000000000000));
  const lower = v128.or(low, i64x2.splat(0x4330000000000000));
  return f64x2.add(f64x2.sub(upper, f64x2.splat(442726361368656609280.0)), lower);
}

/**
 * Quotients of n elements, n even, by y ≥ 1: rounded down, or to zero if `truncated`.
 * @returns false, having done nothing, where they may be too large for doubles
 */
@inline
function quotients(truncated: bool, src: usize, n: usize, y: i64, dst: usize): bool {
  // |x| < 2^bits ≤ 2^49·y, and the remainder fits.
  if (!within(src, n, min(QUOTIENT_BITS + 63 - <i32>clz<i64>(y), 61))) return false;
  const reciprocal = f64x2.splat(1.0 / <f64>y), divisor = i64x2.splat(y), zero = i64x2.splat(0);
  const magic = f64x2.splat(MAGIC), magicBits = i64x2.splat(MAGIC_BITS);
  for (const end = src + (n << 3); src < end; src += 16, dst += 16) {
    const x = v128.load(src);
    // The nearest to within a quarter of the quotient: the floor, or one more.
    let q = i64x2.sub(f64x2.add(f64x2.mul(toDoubles(x), reciprocal), magic), magicBits);
    const rest = i64x2.sub(x, i64x2.mul(q, divisor));
    const over = i64x2.lt_s(rest, zero);
    q = i64x2.add(q, over);
    if (truncated) {
      const exact = i64x2.eq(i64x2.add(rest, v128.and(over, divisor)), zero);
      q = i64x2.sub(q, v128.andnot(i64x2.lt_s(x, zero), exact));
    }
    v128.store(dst, q);
  }
  return true;
}

/**
 * Divides elements from the first on by y, rounded down, or to zero if `truncated`.
 * @returns how many were done: an even number, less than n − 1 where doubles do not serve
 */
export function divideRun(truncated: bool, src: usize, n: i32, y: i64, dst: usize): i32 {
  if (y < 1) return 0;
  let done = 0;
  for (const even = n & ~1; done < even; ) {
    const count = <usize>min(even - done, <i32>BLOCK);
    const p = src + (<usize>done << 3), q = dst + (<usize>done << 3);
    if (!(truncated ? quotients(true, p, count, y, q) : quotients(false, p, count, y, q))) break;
    done += <i32>count;
  }
  return done;
}
