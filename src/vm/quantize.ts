/** Reals to integers and back, exactly: the two ends of a port with a scale. */
import type { Dtype, IntegerArray } from "../core/dtype.js";
import { DTYPE_INFO, newArray } from "../core/dtype.js";
import { InputError } from "../core/errors.js";
import { floorDiv } from "../core/fixedPoint.js";
import type { RealScale } from "../module/module.js";
import type { FloatType } from "./dyadic.js";
import { dyadicOf, powerOfTwo, roundDyadic } from "./dyadic.js";

/** Reals as integers of a port. */
export interface Quantized {
  readonly integers: IntegerArray;
  /** How many values lay outside the dtype and became its least or greatest value. */
  readonly saturated: number;
}

/** 2^−1021: steps and inverses from here on have 53 bits, and so have quotients that matter. */
const LEAST_STEP = powerOfTwo(-1021);
/**
 * How far from a tie a double quotient must be for its rounding to be certain. With t = x / s exact and
 * y = x · (1/s) in doubles, two roundings give |t − y| ≤ 2^−52 · |t| (1 + 2^−53), below 2^−18.9 for
 * |y| ≤ 2^33, twice what dtypes of up to 32 bits hold, zero point included (where y underflows, t is far
 * from every tie). Adding ½ and what makes the least value of the dtype 0 rounds by at most 2^−20. If the
 * sum is at least 2^−18 away from every integer, none lies between it and the exact one, and both round
 * down to the same.
 */
const TIE_MARGIN = 1 / 262_144;

/**
 * `q = ⌊x / (mantissa · 2^exponent) + ½⌋ + zeroPoint`, saturated to `dtype`, exact on the value of
 * each double. Infinities saturate.
 * @throws InputError `NotANumber` when an element is NaN
 */
export function quantize(
  reals: ArrayLike<number>,
  scale: RealScale,
  dtype: Dtype,
  name: string,
): Quantized {
  const integers = newArray(dtype, reals.length);
  // 31 bits at or above 2^−1074: exact, unless it is infinite.
  const step = scale.mantissa * powerOfTwo(scale.exponent);
  const inverse = 1 / step;
  // Subnormal steps and their inverses have too few bits for the margin: all goes the exact way.
  const usable = step >= LEAST_STEP && inverse >= LEAST_STEP;
  const zero = Number(scale.zeroPoint);
  if (integers instanceof BigInt64Array || !usable) {
    return quantizeSlowly(reals, scale, dtype, name, integers);
  }
  const low = Number(DTYPE_INFO[dtype].min);
  const high = Number(DTYPE_INFO[dtype].max);
  let saturated = 0;
  for (let i = 0; i < reals.length; i++) {
    i = quantizeCertain(reals, inverse, zero, low, high, integers, i);
    if (i === reals.length) break;
    const rounded = Math.floor(reals[i]! * inverse + 0.5);
    // A whole step outside, far more than the quotient is off.
    if (rounded > high - zero + 1 || rounded < low - zero - 1) {
      saturated++;
      integers[i] = rounded > 0 ? high : low;
      continue;
    }
    const x = reals[i]!;
    const tie = nearTie(x, step, inverse);
    const q = tie === undefined ? Number(quantizeExact(x, scale, name, i) ?? x) : tie + zero;
    const within = Math.min(Math.max(q, low), high);
    if (q !== within) saturated++;
    integers[i] = within;
    // Pictures have whole areas of white: the greatest value of the calibration, so half way between two steps.
    for (; reals[i + 1] === x; i++) {
      if (q !== within) saturated++;
      integers[i + 1] = within;
    }
  }
  return { integers, saturated };
}

/**
 * Rounds quotients that are certain and within the dtype, from index `first` on; returns the index of
 * the first that is not. A function of its own, because compilers of the host do well with so little.
 */
function quantizeCertain(
  reals: ArrayLike<number>,
  inverse: number,
  zero: number,
  low: number,
  high: number,
  integers: Exclude<IntegerArray, BigInt64Array>,
  first: number,
): number {
  const offset = zero - low + 0.5;
  const span = high - low;
  for (let i = first; i < reals.length; i++) {
    const y = reals[i]! * inverse + offset;
    // Rounds down what is not negative in less than Math.floor takes; of anything else it is far off.
    const q = y >>> 0;
    // NaN fails every comparison.
    if (!(Math.abs(y - q - 0.5) <= 0.5 - TIE_MARGIN && q <= span)) return i;
    integers[i] = q + low;
  }
  return reals.length;
}

/**
 * x / s rounded, without the zero point: of n = ⌊x / s⌋ in doubles and the n + 1 beside it, the one on
 * whose side of (n + ½) · s, a product of 31 bits by 21, x is. Undefined where n has more bits, or is no
 * number. The white of ppocr_v4_rec's pictures took 2.2 ms in integers of any size.
 */
function nearTie(x: number, step: number, inverse: number): number | undefined {
  const n = Math.floor(x * inverse);
  if (!(Math.abs(n) < 0x100000)) return undefined;
  return x >= (n + 0.5) * step ? n + 1 : n;
}

function quantizeSlowly(
  reals: ArrayLike<number>,
  scale: RealScale,
  dtype: Dtype,
  name: string,
  integers: IntegerArray,
): Quantized {
  const { min, max } = DTYPE_INFO[dtype];
  let saturated = 0;
  for (let i = 0; i < reals.length; i++) {
    const exact = quantizeExact(reals[i]!, scale, name, i);
    const q = exact ?? (reals[i]! < 0 ? min - 1n : max + 1n);
    if (q < min || q > max) saturated++;
    const nearest = q < min ? min : q > max ? max : q;
    if (integers instanceof BigInt64Array) integers[i] = nearest;
    else integers[i] = Number(nearest);
  }
  return { integers, saturated };
}

/** The unsaturated integer of one real; undefined for an infinity. */
function quantizeExact(
  x: number,
  { mantissa, exponent, zeroPoint }: RealScale,
  name: string,
  index: number,
): bigint | undefined {
  if (typeof x !== "number" || Number.isNaN(x)) {
    throw new InputError(
      "NotANumber",
      `element ${index} of input "${name}" is ${String(x)}, which no integer stands for; replace it before the run`,
      { name },
    );
  }
  if (Math.abs(x) === Infinity) return undefined;
  const real = dyadicOf(x);
  const shift = real.exponent - exponent;
  const numerator = shift > 0 ? real.mantissa << BigInt(shift) : real.mantissa;
  const denominator = shift < 0 ? BigInt(mantissa) << BigInt(-shift) : BigInt(mantissa);
  return floorDiv(2n * numerator + denominator, 2n * denominator) + zeroPoint;
}

/**
 * `(q − zeroPoint) · mantissa · 2^exponent`, rounded once to the float type: to nearest, ties to
 * even, with subnormals, and infinite where it overflows.
 */
export function dequantize(
  integers: IntegerArray,
  scale: RealScale,
  type: FloatType,
): Float32Array | Float64Array {
  const { mantissa, exponent, zeroPoint } = scale;
  const reals =
    type === "float32" ? new Float32Array(integers.length) : new Float64Array(integers.length);
  const power = powerOfTwo(exponent);
  for (let i = 0; i < integers.length; i++) {
    if (!(integers instanceof BigInt64Array)) {
      i = dequantizeShort(integers, Number(zeroPoint), mantissa, power, reals, i);
      if (i === integers.length) break;
    }
    reals[i] = roundDyadic((BigInt(integers[i]!) - zeroPoint) * BigInt(mantissa), exponent, type);
  }
  return reals;
}

/**
 * Converts integers whose product with the mantissa is below 2^53, from index `first` on; returns the
 * index of the first that is not. Such a product has not rounded: a factor that did not fit would have
 * made it greater. That with a power of two rounds once; where it rounds at all in a double (below
 * 2^−1022 or to infinity) float32 is 0 or infinite, so that storing it there is its only rounding.
 */
function dequantizeShort(
  integers: Exclude<IntegerArray, BigInt64Array>,
  zero: number,
  mantissa: number,
  power: number,
  reals: Float32Array | Float64Array,
  first: number,
): number {
  for (let i = first; i < integers.length; i++) {
    const product = (integers[i]! - zero) * mantissa;
    if (Math.abs(product) >= Number.MAX_SAFE_INTEGER) return i;
    reals[i] = product * power;
  }
  return integers.length;
}
