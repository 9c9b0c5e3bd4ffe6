import type { Dtype } from "../../core/dtype.js";
import { clampExact, rescaleExact } from "../../core/fixedPoint.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { RescaleOutput } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import {
  EXACT,
  POWERS_OF_TWO,
  allSafe,
  bigintsOf,
  doublesOf,
  exactDoublesOf,
  fromBigints,
  fromDoubles,
  numberRange,
} from "./hostTensor.js";
import { broadcastTo } from "./strided.js";

/** Doubles decide the rounding unless they come closer to a tie than this. */
const DOUBT = 1 / 2 ** 20;
const DOUBT_LIMIT = 2 ** 32;

/**
 * `(x · multiplier + 2^(shift−1)) >> shift` where doubles prove it, else NaN. `scale` is 2^−shift.
 *
 * A product below 2^52 is exact, and so is its floor after adding a half: either the sum is exact
 * too, or shift exceeds 53 and the sum is between 1/4 and 3/4. A greater product has a relative
 * error of 2^−53, so below 2^32 the sum is off by less than 2^−20: only sums that close to an
 * integer are in doubt.
 */
function roundedOrNaN(x: number, multiplier: number, scale: number): number {
  const product = x * multiplier;
  const sum = product * scale + 0.5;
  const floor = Math.floor(sum);
  if (product <= EXACT / 2 && product >= -EXACT / 2) return floor;
  const fraction = sum - floor;
  const sure = sum < DOUBT_LIMIT && sum > -DOUBT_LIMIT && fraction > DOUBT && fraction < 1 - DOUBT;
  return sure ? floor : NaN;
}

/**
 * Rescales by doubles where they prove every rounding and every value, or returns undefined.
 * `exact` decides the roundings in doubt.
 */
function rescaleDoubles(
  count: number,
  rounded: (i: number) => number,
  exact: (i: number) => bigint,
  { dtype, zeroPoint, lo, hi }: RescaleOutput,
): Float64Array | undefined {
  const zero = Number(zeroPoint);
  const [least, greatest] = [Number(lo), Number(hi)];
  // Limits of i64 beyond the doubles that this proves are either out of reach or the only value.
  if (Math.abs(zero) > EXACT / 4 || least > EXACT / 2 || greatest < -EXACT / 2) return undefined;
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let y = rounded(i) + zero;
    if (Number.isNaN(y)) y = Number(exact(i));
    values[i] = y < least ? least : y > greatest ? greatest : y;
  }
  return dtype === "i64" && !allSafe(values) ? undefined : values;
}

/** The doubles, or each element exactly where there are none. */
const tensorOf = (
  dtype: Dtype,
  shape: Shape,
  doubles: Float64Array | undefined,
  exact: (i: number) => bigint,
): HostTensor =>
  doubles
    ? fromDoubles(dtype, shape, doubles)
    : fromBigints(
        dtype,
        shape,
        Array.from({ length: elementCount(shape) }, (_, i) => exact(i)),
      );

export function rescale(
  x: HostTensor,
  multiplier: number,
  shift: number,
  output: RescaleOutput,
): HostTensor {
  const scale = 1 / POWERS_OF_TWO[shift]!;
  const { dtype, zeroPoint, lo, hi } = output;
  const values = exactDoublesOf(x);
  const wide = values === undefined ? bigintsOf(x) : undefined;
  const exact = (i: number): bigint => {
    const acc = wide?.[i] ?? BigInt(values![i]!);
    return clampExact(rescaleExact(acc, BigInt(multiplier), shift) + zeroPoint, lo, hi);
  };
  const y =
    values &&
    rescaleDoubles(
      values.length,
      (i) => roundedOrNaN(values[i]!, multiplier, scale),
      exact,
      output,
    );
  return tensorOf(dtype, x.shape, y, exact);
}

export function rescaleBy(
  x: HostTensor,
  multiplier: HostTensor,
  shift: HostTensor,
  output: RescaleOutput,
): HostTensor {
  const { dtype, zeroPoint, lo, hi } = output;
  const multipliers = doublesOf(broadcastTo(multiplier, x.shape));
  const shifts = doublesOf(broadcastTo(shift, x.shape));
  const values = exactDoublesOf(x);
  const wide = values === undefined ? bigintsOf(x) : undefined;
  const exact = (i: number): bigint => {
    const acc = wide?.[i] ?? BigInt(values![i]!);
    const rounded = rescaleExact(acc, BigInt(multipliers[i]!), shifts[i]!);
    return clampExact(rounded + zeroPoint, lo, hi);
  };
  const y =
    values &&
    rescaleDoubles(
      values.length,
      (i) => roundedOrNaN(values[i]!, multipliers[i]!, 1 / POWERS_OF_TWO[shifts[i]!]!),
      exact,
      output,
    );
  return tensorOf(dtype, x.shape, y, exact);
}

export function rescaleAdd(
  a: HostTensor,
  b: HostTensor,
  multipliers: { readonly a: number; readonly b: number },
  shift: number,
  output: RescaleOutput,
  shape: Shape,
): HostTensor {
  const { dtype, zeroPoint, lo, hi } = output;
  const left = doublesOf(broadcastTo(a, shape));
  const right = doublesOf(broadcastTo(b, shape));
  const scale = 1 / POWERS_OF_TWO[shift]!;
  const exact = (i: number): bigint => {
    const sum =
      BigInt(left[i]!) * BigInt(multipliers.a) + BigInt(right[i]!) * BigInt(multipliers.b);
    return clampExact(rescaleExact(sum, 1n, shift) + zeroPoint, lo, hi);
  };
  const bound = (x: HostTensor, m: number): number => -numberRange(x.dtype)[0] * Math.abs(m);
  const sumsAreExact = bound(a, multipliers.a) + bound(b, multipliers.b) <= EXACT / 2;
  const y = rescaleDoubles(
    left.length,
    (i) =>
      sumsAreExact
        ? roundedOrNaN(left[i]! * multipliers.a + right[i]! * multipliers.b, 1, scale)
        : NaN,
    exact,
    output,
  );
  return tensorOf(dtype, shape, y, exact);
}
