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

/** The greatest common divisor of two whole numbers that are not negative. */
export function divisorOf(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
