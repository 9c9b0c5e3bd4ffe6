/** Exact scalar arithmetic over bigint: the meaning that every kernel is held to. */

/** Quotient rounded towards −∞. `b` must not be 0. */
export function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q;
}

/**
 * The one rounding of AIVM: `acc · multiplier / 2^shift`, half towards +∞.
 * @param shift 1 … 62
 */
export function rescaleExact(acc: bigint, multiplier: bigint, shift: number): bigint {
  return (acc * multiplier + (1n << BigInt(shift - 1))) >> BigInt(shift);
}

/** Largest integer whose square is at most `x`; 0 for negative `x`. */
export function floorSqrt(x: bigint): bigint {
  if (x <= 0n) return 0n;
  let guess = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + x / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

export function clampExact(x: bigint, lo: bigint, hi: bigint): bigint {
  return x < lo ? lo : x > hi ? hi : x;
}
