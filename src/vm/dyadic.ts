/** Binary floating point taken apart and put together exactly, without a transcendental function. */

const bits = new DataView(new ArrayBuffer(8));

/**
 * 2^exponent as a double: exact for −1074 … 1023, 0 below and Infinity above.
 */
export function powerOfTwo(exponent: number): number {
  if (exponent > 1023) return Infinity;
  if (exponent < -1074) return 0;
  if (exponent >= -1022) bits.setBigUint64(0, BigInt(exponent + 1023) << 52n);
  else bits.setBigUint64(0, 1n << BigInt(exponent + 1074));
  return bits.getFloat64(0);
}

/** A finite double as `mantissa · 2^exponent`. */
export function dyadicOf(x: number): { readonly mantissa: bigint; readonly exponent: number } {
  bits.setFloat64(0, x);
  const word = bits.getBigUint64(0);
  const biased = Number((word >> 52n) & 0x7ffn);
  const fraction = word & 0xf_ffff_ffff_ffffn;
  const magnitude = biased === 0 ? fraction : fraction | (1n << 52n);
  return {
    mantissa: word >> 63n === 1n ? -magnitude : magnitude,
    exponent: Math.max(biased, 1) - 1075,
  };
}

/** Float types that reals are read in and given out as. */
export type FloatType = "float32" | "float64";

const FORMATS = {
  float32: { precision: 24, least: -149 },
  float64: { precision: 53, least: -1074 },
} as const;

/**
 * The float nearest to `mantissa · 2^exponent`, ties to even, subnormals and overflow to infinity
 * as in IEEE 754; a result of 0 has the sign of the mantissa.
 */
export function roundDyadic(mantissa: bigint, exponent: number, type: FloatType): number {
  if (mantissa === 0n) return 0;
  const { precision, least } = FORMATS[type];
  const negative = mantissa < 0n;
  let rounded = negative ? -mantissa : mantissa;
  let lowest = exponent;
  const bitLength = rounded.toString(2).length;
  const shift = Math.max(bitLength - precision, least - exponent);
  if (shift > 0) {
    const s = BigInt(shift);
    const half = 1n << (s - 1n);
    const rest = rounded & ((1n << s) - 1n);
    rounded >>= s;
    if (rest > half || (rest === half && (rounded & 1n) === 1n)) rounded += 1n;
    lowest += shift;
  }
  const value = scale(Number(rounded), lowest);
  return negative ? -value : value;

  // `rounded` has at most `precision` bits (or is 2^precision) and no bit below `least`, so that
  // nothing below rounds but to infinity.
  function scale(integer: number, power: number): number {
    // In two steps, because a power above 1023 can belong to a small integer.
    const high = Math.min(power, 900);
    const result = integer * powerOfTwo(high) * powerOfTwo(power - high);
    return type === "float32" ? Math.fround(result) : result;
  }
}
