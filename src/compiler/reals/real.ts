/**
 * Binary floating point over bigint with about 128 significant bits: what the compiler computes
 * tables and constants in, because it is the same on every JavaScript engine.
 */

/** The finite real number `m · 2^e`. */
export interface Real {
  readonly m: bigint;
  readonly e: number;
}

/** Mantissas longer than `LONGEST` bits are cut to `KEPT` bits, so short operands stay exact. */
const LONGEST = 192;
const KEPT = 136;

const bits = new DataView(new ArrayBuffer(8));

/** `2^e` for −1022 ≤ e ≤ 1023, exactly. */
function powerOfTwo(e: number): number {
  bits.setUint32(0, (e + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** Bits of `|m|`; one too many when `|m|` is just below a power of two. */
export function bitLength(m: bigint): number {
  const approximate = Number(m);
  if (approximate === 0) return 0;
  if (approximate === Infinity || approximate === -Infinity) return 960 + bitLength(m >> 960n);
  bits.setFloat64(0, approximate);
  return ((bits.getUint32(0) >>> 20) & 0x7ff) - 1022;
}

/** `m · 2^e`, the mantissa cut when it is long (relative error below 2^−134). */
export function real(m: bigint, e = 0): Real {
  const length = bitLength(m);
  if (length <= LONGEST) return { m, e };
  const drop = length - KEPT;
  return { m: m >> BigInt(drop), e: e + drop };
}

export const ZERO: Real = { m: 0n, e: 0 };
export const ONE: Real = { m: 1n, e: 0 };
export const TWO: Real = { m: 1n, e: 1 };
export const HALF: Real = { m: 1n, e: -1 };

/** The exact value of a finite number. */
export function fromNumber(x: number): Real {
  bits.setFloat64(0, x);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (high & 0xfffff) * 4294967296 + bits.getUint32(4);
  const magnitude = exponent === 0 ? fraction : fraction + 4503599627370496;
  return { m: BigInt(x < 0 ? -magnitude : magnitude), e: Math.max(exponent, 1) - 1075 };
}

/** `numerator / denominator` for safe integers, to the precision of `Real`. */
export function ratio(numerator: number, denominator: number): Real {
  return divide({ m: BigInt(numerator), e: 0 }, { m: BigInt(denominator), e: 0 });
}

/**
 * The nearest float64, ties to even. The value is first rounded to about 100 bits: results that
 * are exact in theory but carry an error below 2^−102 then round as the exact value does, and the
 * total error stays below 0.5 + 2^−46 units in the last place.
 */
export function toNumber({ m, e }: Real): number {
  if (m === 0n) return 0;
  let magnitude = m < 0n ? -m : m;
  const surplus = bitLength(magnitude) - 100;
  if (surplus > 0) {
    magnitude = ((magnitude >> BigInt(surplus - 1)) + 1n) >> 1n;
    e += surplus;
  }
  let length = bitLength(magnitude);
  if (magnitude >> BigInt(length - 1) === 0n) length--;
  if (length + e > 1025) return m < 0n ? -Infinity : Infinity;
  const drop = Math.max(length - 53, -1074 - e);
  if (drop > length + 1) return m < 0n ? -0 : 0;
  if (drop > 0) {
    const shift = BigInt(drop);
    const half = 1n << (shift - 1n);
    const rest = magnitude & ((1n << shift) - 1n);
    magnitude >>= shift;
    if (rest > half || (rest === half && (magnitude & 1n) === 1n)) magnitude++;
    e += drop;
  }
  let x = m < 0n ? -Number(magnitude) : Number(magnitude);
  // At most 53 bits and a representable result: each step is exact, or overflows to infinity.
  for (; e > 1000; e -= 1000) x *= powerOfTwo(1000);
  for (; e < -1000; e += 500) x *= powerOfTwo(-500);
  return x * powerOfTwo(e);
}

export function negate(a: Real): Real {
  return { m: -a.m, e: a.e };
}

export function absolute(a: Real): Real {
  return a.m < 0n ? negate(a) : a;
}

/** `a · 2^n`. */
export function scale(a: Real, n: number): Real {
  return { m: a.m, e: a.e + n };
}

/** Position of the leading bit: `2^(magnitude−2) ≤ |a| < 2^magnitude`; −Infinity for 0. */
export function magnitude(a: Real): number {
  return a.m === 0n ? -Infinity : bitLength(a.m) + a.e;
}

export function add(a: Real, b: Real): Real {
  if (a.m === 0n) return b;
  if (b.m === 0n) return a;
  const low = a.e < b.e ? a : b;
  const high = a.e < b.e ? b : a;
  // Far below the last kept bit, and aligning could need a very long shift.
  if (magnitude(high) - magnitude(low) > 2 * LONGEST) return high;
  return real((high.m << BigInt(high.e - low.e)) + low.m, low.e);
}

export function subtract(a: Real, b: Real): Real {
  return add(a, negate(b));
}

export function multiply(a: Real, b: Real): Real {
  return real(a.m * b.m, a.e + b.e);
}

/** `a / b` to about 136 bits; `b` must not be 0. */
export function divide(a: Real, b: Real): Real {
  const shift = Math.max(0, KEPT + bitLength(b.m) - bitLength(a.m));
  return real((a.m << BigInt(shift)) / b.m, a.e - b.e - shift);
}

/** Square root of `a ≥ 0` to about 100 bits and more. */
export function squareRoot(a: Real): Real {
  if (a.m === 0n) return ZERO;
  let shift = Math.max(0, 2 * KEPT - bitLength(a.m));
  if ((a.e - shift) % 2 !== 0) shift++;
  const n = a.m << BigInt(shift);
  // A 50-bit first guess; each Newton step doubles the correct bits: 100, then 200.
  const cut = bitLength(n) - 104;
  const even = BigInt(cut + (cut % 2));
  let root = BigInt(Math.floor(Math.sqrt(Number(n >> even)))) << (even / 2n);
  for (let step = 0; step < 2; step++) root = (root + n / root) >> 1n;
  return real(root, (a.e - shift) / 2);
}

/** −1, 0 or 1 as `a` is less than, equal to or greater than `b`. */
export function compare(a: Real, b: Real): number {
  const difference = subtract(a, b).m;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** `floor(a · 2^fracBits)`. */
export function toFixed(a: Real, fracBits: number): bigint {
  const shift = a.e + fracBits;
  return shift >= 0 ? a.m << BigInt(shift) : a.m >> BigInt(-shift);
}
