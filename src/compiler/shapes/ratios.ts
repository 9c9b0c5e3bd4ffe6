/** Ratios that a scale in float32 may mean have small denominators. */
const MAX_DENOMINATOR = 1024;

/** A scale as the ratio of integers with the smallest denominator within float32 rounding. */
export function rationalOf(x: number): [numerator: number, denominator: number] | undefined {
  for (let q = 1; q <= MAX_DENOMINATOR; q++) {
    const p = Math.floor(x * q + 0.5);
    if (p > 0 && Math.abs(p / q - x) <= x * 1e-6) return [p, q];
  }
  return undefined;
}
