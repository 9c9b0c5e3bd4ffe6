import type { TensorRange } from "../../compiler/calibration.js";

/** How many values have a magnitude from 2^exponent to below 2^(exponent + 1). */
export interface Octave {
  readonly exponent: number;
  readonly count: number;
}

/** Exponents below that of the least normal float32 are of zeros and of what is next to zero. */
export const ZERO_EXPONENT = -127;

/** The octaves of a histogram of calibration, in rising order, signs left out. */
export function magnitudes(histogram: TensorRange["histogram"]): Octave[] {
  const counts = new Map<number, number>();
  for (const [bin, count] of histogram) {
    // The bin is sign, exponent and three bits of the fraction.
    const exponent = ((bin >> 3) & 0xff) - 127;
    counts.set(exponent, (counts.get(exponent) ?? 0) + count);
  }
  return [...counts]
    .map(([exponent, count]) => ({ exponent, count }))
    .sort((a, b) => a.exponent - b.exponent);
}
