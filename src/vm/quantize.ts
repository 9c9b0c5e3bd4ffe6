/** Reals to integers and back, exactly: the two ends of a port with a scale. */
import type { Dtype, IntegerArray } from "../core/dtype.js";
import { DTYPE_INFO, newArray } from "../core/dtype.js";
import { InputError } from "../core/errors.js";
import { floorDiv } from "../core/fixedPoint.js";
import type { RealScale } from "../module/module.js";
import type { FloatType } from "./dyadic.js";
import { dyadicOf, powerOfTwo, roundDyadic } from "./dyadic.js";

export interface Quantized {
  readonly integers: IntegerArray;
  /** How many values lay outside the dtype and became its least or greatest value. */
  readonly saturated: number;
}

/** Quotients up to here are rounded in doubles; beyond it every dtype but i64 is saturated. */
const FAST_QUOTIENT = 2 ** 33;
/**
 * How far from a tie a double quotient must be for its rounding to be certain. With t = x / s
 * exact and y the double nearest to it, |y| < 2^33 gives |t − y| ≤ 2^−53 · |t| < 2^−19 (a subnormal
 * y is off by less still). `y − round(y)` is exact: both are multiples of the last place of y, and
 * the difference is at most ½. If it is at least 2^−18 away from ½, no tie lies between y and t, and
 * both round to the same integer.
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
  const { min, max } = DTYPE_INFO[dtype];
  // 31 bits at or above 2^−1074: exact, unless it is infinite, which leaves all to the exact path.
  const step = scale.mantissa * powerOfTwo(scale.exponent);
  // A division by a power of two rounds only where it underflows, far from every tie.
  const exactDivision = (scale.mantissa & (scale.mantissa - 1)) === 0;
  const wide = integers instanceof BigInt64Array;
  const zero = Number(scale.zeroPoint);
  const low = Number(min);
  const high = Number(max);
  let saturated = 0;
  for (let i = 0; i < reals.length; i++) {
    const x = reals[i]!;
    const y = x / step;
    const magnitude = Math.abs(y);
    if (step !== Infinity && magnitude < FAST_QUOTIENT) {
      const rounded = Math.round(y); // half towards +∞
      if (exactDivision || Math.abs(y - rounded) <= 0.5 - TIE_MARGIN) {
        if (wide) {
          const q = BigInt(rounded) + scale.zeroPoint;
          if (q < min || q > max) saturated++;
          integers[i] = q < min ? min : q > max ? max : q;
        } else {
          const q = rounded + zero;
          if (q < low || q > high) saturated++;
          integers[i] = q < low ? low : q > high ? high : q;
        }
        continue;
      }
    } else if (step !== Infinity && magnitude >= FAST_QUOTIENT && !wide) {
      saturated++;
      integers[i] = y < 0 ? low : high;
      continue;
    }
    const q = quantizeExact(x, scale, name, i);
    if (q === undefined || q < min || q > max) saturated++;
    const nearest = q === undefined ? (x < 0 ? min : max) : q < min ? min : q > max ? max : q;
    integers[i] = wide ? nearest : Number(nearest);
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
  const zero = Number(zeroPoint);
  const wide = integers instanceof BigInt64Array;
  for (let i = 0; i < integers.length; i++) {
    const q = integers[i]!;
    const product = (wide ? Number((q as bigint) - zeroPoint) : (q as number) - zero) * mantissa;
    // Below 2^53 nothing has rounded yet: a factor that did not fit would have made it greater. The
    // product with a power of two rounds once; where it rounds at all in a double (below 2^−1022 or
    // to infinity) float32 is 0 or infinite, so that storing it there is its only rounding.
    reals[i] =
      Math.abs(product) < Number.MAX_SAFE_INTEGER
        ? product * power
        : roundDyadic((BigInt(q) - zeroPoint) * BigInt(mantissa), exponent, type);
  }
  return reals;
}
