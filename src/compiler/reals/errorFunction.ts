/** The error function of `Real`, with a relative error below 2^−105. */
import { floorSqrt } from "../../core/fixedPoint.js";
import {
  compare,
  divide,
  multiply,
  negate,
  ONE,
  real,
  squareRoot,
  subtract,
  toFixed,
  TWO,
  type Real,
} from "./real.js";
import { exp, factorial, FRAC, lazy, pi, piFixed, polynomial } from "./transcendental.js";

const twoOverRootPi = lazy(() => divide(TWO, squareRoot(pi())));

/** `erf(x) = 2x/√π · Σ (−1)^k x^2k / (k! (2k+1))`: enough terms for |x| ≤ 1. */
const nearZero = lazy(() =>
  Array.from({ length: 34 }, (_, k) => {
    const sign = k % 2 === 0 ? 1n : -1n;
    return (sign << BigInt(FRAC)) / (factorial(k) * BigInt(2 * k + 1));
  }),
);

/** Expansions of `e^(x²)·erfc(x)` about multiples of 1/8, made when first needed. */
const expansions = new Map<number, bigint[]>();
const TERMS = 34;

/**
 * Taylor coefficients, with `FRAC` fractional bits, of `f(x) = e^(x²)·erfc(x)` about `c = j/8`.
 * From `f′ = 2xf − 2/√π` follow `a₁ = 2c·a₀ − 2/√π` and `(n+1)·aₙ₊₁ = 2c·aₙ + 2·aₙ₋₁`. That
 * recurrence and `a₀ = e^(c²) − e^(c²)·erf(c)` cancel strongly, hence the guard bits.
 */
function expansion(j: number): bigint[] {
  const known = expansions.get(j);
  if (known !== undefined) return known;
  const guard = 256 + Math.ceil((j * j * 1.5) / 64);
  const fracBits = BigInt(FRAC + guard);
  const one = 1n << fracBits;
  const times = (a: bigint, b: bigint): bigint => (a * b) >> fracBits;
  const c = (BigInt(j) << fracBits) / 8n;
  const square = times(c, c);
  const slope = (2n * one * one) / floorSqrt(piFixed(FRAC + guard) << fracBits); // 2/√π

  let power = 0n; // e^(c²)
  for (let k = 1n, term = one; term !== 0n; term = times(term, square) / k++) power += term;
  let sum = 0n; // e^(c²)·erf(c) = 2c/√π · Σ (2c²)^k / (1·3·…·(2k+1))
  for (let k = 3n, term = one; term !== 0n; term = (2n * times(term, square)) / k, k += 2n) {
    sum += term;
  }
  let previous = power - times(times(slope, c), sum);
  let current = 2n * times(c, previous) - slope;
  const coefficients = [previous >> BigInt(guard)];
  for (let n = 1n; n < BigInt(TERMS); n++) {
    coefficients.push(current >> BigInt(guard));
    const next = (2n * times(c, current) + 2n * previous) / (n + 1n);
    previous = current;
    current = next;
  }
  expansions.set(j, coefficients);
  return coefficients;
}

const FAR: Real = { m: 30n, e: 0 };

/** `1 − erf(x)`. Above x = 30 the result only stands for "below any float". */
export function erfc(x: Real): Real {
  if (compare(x, ONE) < 0) return subtract(ONE, erf(x));
  if (compare(x, FAR) > 0) return { m: 1n, e: -131072 };
  const j = Number((toFixed(x, 4) + 1n) >> 1n);
  const t = subtract(x, { m: BigInt(j), e: -3 });
  const scaled = real(polynomial(expansion(j), toFixed(t, FRAC)), -FRAC);
  return multiply(scaled, exp(negate(multiply(x, x))));
}

/** The error function `2/√π · ∫₀ˣ e^(−t²) dt`. */
export function erf(x: Real): Real {
  if (x.m < 0n) return negate(erf(negate(x)));
  if (compare(x, ONE) > 0) return subtract(ONE, erfc(x));
  const square = toFixed(multiply(x, x), FRAC);
  return multiply(multiply(x, twoOverRootPi()), real(polynomial(nearZero(), square), -FRAC));
}
