/** Formats of 8 bits, for activations that contractions read: there are too few to waste any. */
import type { TensorRange } from "../calibration.js";
import type { Format } from "./real.js";
import { format } from "./real.js";
import { powerOfTwo, roundScale } from "./scale.js";

/** Steps between the least and the greatest of 8 bits. */
const STEPS = 255;
/** How much of the calibrated range may be kept, in sixteenths. */
const SHARES = [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4] as const;

/**
 * The format of 8 bits for what was seen of a value.
 * @param interval what its producer lets through
 * @param zeroPoint whether its readers take any zero point: then no step is spent on a side that is empty
 */
export function byteFormat(
  range: TensorRange,
  interval: readonly [number, number],
  zeroPoint: boolean,
): Format {
  const [lo, hi] = clipLimits(range, interval, zeroPoint);
  const span = zeroPoint ? hi - lo : 2 * Math.max(-lo, hi);
  const scale = roundScale(span === 0 ? 1 : span / (zeroPoint ? STEPS : STEPS - 1));
  const zero = zeroPoint ? -128 - Math.floor(lo / scale + 0.5) : 0;
  return format("i8", scale, Math.min(Math.max(zero, -128), 127));
}

/**
 * The part of a calibrated range that 8 bits hold with the least mean square error: what is beyond it
 * is cut off, what is within it is rounded in finer steps.
 */
export function clipLimits(
  { min, max, histogram }: TensorRange,
  interval: readonly [number, number],
  zeroPoint: boolean,
): readonly [number, number] {
  const within = (x: number): number => Math.min(Math.max(x, interval[0]), interval[1]);
  const all = [Math.min(within(min), 0), Math.max(within(max), 0)] as const;
  const greatest = Math.max(-all[0], all[1]);
  const values = histogram.map(([bin, count]) => [within(middleOf(bin)), count] as const);
  let best: readonly [number, number] = all;
  let least = Infinity;
  for (const share of SHARES) {
    const limit = (greatest * share) / 16;
    const kept = [Math.max(all[0], -limit), Math.min(all[1], limit)] as const;
    const step = (zeroPoint ? kept[1] - kept[0] : 2 * limit) / STEPS;
    const rounding = (step * step) / 12;
    let error = 0;
    for (const [x, count] of values) {
      const beyond = x - Math.min(Math.max(x, kept[0]), kept[1]);
      // Next to 0 a value is its own error.
      error += count * (beyond * beyond + Math.min(rounding, x * x));
    }
    if (error < least) {
      least = error;
      best = kept;
    }
  }
  return best;
}

/** The middle of a bin of the calibration's histogram: sign, exponent, three bits of the fraction. */
function middleOf(bin: number): number {
  const exponent = (bin >> 3) & 0xff;
  const fraction = (bin & 7) + 0.5;
  const magnitude = exponent === 0 ? 0 : powerOfTwo(exponent - 127) * (1 + fraction / 8);
  return bin >> 11 === 0 ? magnitude : -magnitude;
}
