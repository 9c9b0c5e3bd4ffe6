/**
 * Exponential, logarithm and circular functions of `Real`, with a relative error below 2^−110.
 * Each reduces its argument to a short interval and sums a power series in fixed point. Functions
 * that vanish at 0 are computed as `x · g(x)` with `g` near 1, which keeps the error relative.
 */
import {
  absolute,
  add,
  compare,
  divide,
  fromNumber,
  HALF,
  magnitude,
  multiply,
  negate,
  ONE,
  real,
  scale,
  squareRoot,
  subtract,
  toFixed,
  TWO,
  ZERO,
  type Real,
} from "./real.js";

/** Fractional bits of the series. */
export const FRAC = 136;
const F = BigInt(FRAC);
const UNIT = 1n << F;

/** `make()` at the first call, the same value ever after. */
export function lazy<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}

/** `Σ coefficients[k] · t^k`, all in fixed point with `FRAC` fractional bits. */
export function polynomial(coefficients: readonly bigint[], t: bigint): bigint {
  let sum = 0n;
  for (let k = coefficients.length - 1; k >= 0; k--) {
    sum = ((sum * t) >> F) + (coefficients[k] ?? 0n);
  }
  return sum;
}

/** `[UNIT / d(0), UNIT / d(1), …]` where `d(k)` may be negative. */
function reciprocals(count: number, denominator: (k: number) => bigint): bigint[] {
  return Array.from({ length: count }, (_, k) => UNIT / denominator(k));
}

export function factorial(n: number): bigint {
  let product = 1n;
  for (let k = 2n; k <= BigInt(n); k++) product *= k;
  return product;
}

/** `atan(1/n)` (`sign` −1) or `atanh(1/n)` (`sign` 1) with `fracBits` fractional bits. */
function inverseTangentOfReciprocal(n: bigint, fracBits: number, sign: bigint): bigint {
  let term = (1n << BigInt(fracBits)) / n;
  let sum = 0n;
  for (let k = 1n; term !== 0n; k += 2n, term = (sign * term) / (n * n)) sum += term / k;
  return sum;
}

/** log 2 with `FRAC` + 64 fractional bits: 18·atanh(1/26) − 2·atanh(1/4801) + 8·atanh(1/8749). */
const LOG2_FRAC = FRAC + 64;
const log2Fixed = lazy(
  () =>
    18n * inverseTangentOfReciprocal(26n, LOG2_FRAC, 1n) -
    2n * inverseTangentOfReciprocal(4801n, LOG2_FRAC, 1n) +
    8n * inverseTangentOfReciprocal(8749n, LOG2_FRAC, 1n),
);

/** π with `fracBits` fractional bits, by Machin: 16·atan(1/5) − 4·atan(1/239). */
function machin(fracBits: number): bigint {
  const sum =
    16n * inverseTangentOfReciprocal(5n, fracBits + 32, -1n) -
    4n * inverseTangentOfReciprocal(239n, fracBits + 32, -1n);
  return sum >> 32n;
}

export const pi = lazy(() => real(piFixed(LOG2_FRAC), -LOG2_FRAC));
export const log2 = lazy(() => real(log2Fixed(), -LOG2_FRAC));

const expSeries = lazy(() => reciprocals(15, factorial));
const expm1Series = lazy(() => reciprocals(25, (k) => factorial(k + 1)));
const EXP_STEPS = 6;

/**
 * `e^x`. Beyond |x| = 2^17 the result only stands for "far outside any float": 2^±2^18.
 */
export function exp(x: Real): Real {
  if (magnitude(x) > 17) return { m: 1n, e: x.m < 0n ? -262144 : 262144 };
  if (magnitude(x) < -FRAC) return add(ONE, x);
  const fixed = toFixed(x, LOG2_FRAC);
  const ln2 = log2Fixed();
  const k = (2n * fixed + ln2) / (2n * ln2) - (2n * fixed + ln2 < 0n ? 1n : 0n);
  let power = polynomial(expSeries(), (fixed - k * ln2) >> BigInt(64 + EXP_STEPS));
  for (let step = 0; step < EXP_STEPS; step++) power = (power * power) >> F;
  return { m: power, e: Number(k) - FRAC };
}

/** `e^x − 1`. */
export function expm1(x: Real): Real {
  if (magnitude(x) > -2) return subtract(exp(x), ONE);
  return multiply(x, real(polynomial(expm1Series(), toFixed(x, FRAC)), -FRAC));
}

const oddReciprocals = lazy(() => reciprocals(24, (k) => BigInt(2 * k + 1)));

/** `2·atanh(s)` for |s| ≤ 1/12. */
function twiceAtanh(s: Real): Real {
  const square = toFixed(multiply(s, s), FRAC);
  return multiply(scale(s, 1), real(polynomial(oddReciprocals(), square), -FRAC));
}

/** `log(j/32)` for 24 ≤ j ≤ 48, from `log(j/32) = log((j−1)/32) + 2·atanh(1/(2j−1))`. */
const logTable = lazy(() => {
  const table = new Array<bigint>(49).fill(0n);
  const step = (j: number): bigint =>
    2n * inverseTangentOfReciprocal(BigInt(2 * j - 1), FRAC + 16, 1n);
  for (let j = 33; j <= 48; j++) table[j] = (table[j - 1] ?? 0n) + step(j);
  for (let j = 31; j >= 24; j--) table[j] = (table[j + 1] ?? 0n) - step(j + 1);
  return table.map((entry) => real(entry, -FRAC - 16));
});

/** Natural logarithm of `x > 0`. */
export function log(x: Real): Real {
  let k = magnitude(x) - 1;
  let z = scale(x, -k); // in [0.5, 2)
  let j = Number(toFixed(z, 6));
  if (j >= 96) {
    k += 1;
    z = scale(z, -1);
    j >>= 1;
  } else if (j < 48) {
    k -= 1;
    z = scale(z, 1);
    j <<= 1;
  }
  const nearest = (j + 1) >> 1; // 24 … 48: z is within 1/32 of nearest / 32
  const centre: Real = { m: BigInt(nearest), e: -5 };
  const rest = twiceAtanh(divide(subtract(z, centre), add(z, centre)));
  const sum = add(logTable()[nearest] ?? ZERO, rest);
  return k === 0 ? sum : add(multiply({ m: BigInt(k), e: 0 }, log2()), sum);
}

/** `log(1 + x)` for `x > −1`. */
export function log1p(x: Real): Real {
  if (magnitude(x) > -3) return log(add(ONE, x));
  return twiceAtanh(divide(x, add(TWO, x)));
}

const sineSeries = lazy(() =>
  reciprocals(18, (k) => (k % 2 === 0 ? 1n : -1n) * factorial(2 * k + 1)),
);
const cosineSeries = lazy(() =>
  reciprocals(19, (k) => (k % 2 === 0 ? 1n : -1n) * factorial(2 * k)),
);

/** The reduction by π/2 keeps this many bits: floats come within 2^−62 of one of its multiples. */
const CIRCLE_FRAC = FRAC + 80;
const piByLength = new Map<number, bigint>();

/** π with `fracBits` fractional bits, remembered. */
export function piFixed(fracBits: number): bigint {
  let value = piByLength.get(fracBits);
  if (value === undefined) piByLength.set(fracBits, (value = machin(fracBits)));
  return value;
}

/** `x = quadrant · π/2 + rest` with |rest| ≤ π/4. */
function reduceAngle(x: Real): { quadrant: number; rest: Real } {
  if (magnitude(x) < 0) return { quadrant: 0, rest: x };
  const extra = 64 * Math.max(1, Math.ceil(magnitude(x) / 64));
  const fracBits = CIRCLE_FRAC + extra;
  const fixed = toFixed(x, fracBits);
  const halfPi = piFixed(fracBits) >> 1n;
  let quadrant = fixed / halfPi;
  let rest = fixed - quadrant * halfPi;
  if (2n * rest > halfPi) {
    quadrant += 1n;
    rest -= halfPi;
  } else if (-2n * rest > halfPi) {
    quadrant -= 1n;
    rest += halfPi;
  }
  return { quadrant: Number(BigInt.asUintN(2, quadrant)), rest: real(rest, -fracBits) };
}

/** Sine and cosine of the reduced angle, turned by its quadrant. */
function circle(x: Real): { sine: Real; cosine: Real } {
  const { quadrant, rest } = reduceAngle(x);
  const square = toFixed(multiply(rest, rest), FRAC);
  const s = multiply(rest, real(polynomial(sineSeries(), square), -FRAC));
  const c = real(polynomial(cosineSeries(), square), -FRAC);
  switch (quadrant) {
    case 0:
      return { sine: s, cosine: c };
    case 1:
      return { sine: c, cosine: negate(s) };
    case 2:
      return { sine: negate(s), cosine: negate(c) };
    default:
      return { sine: negate(c), cosine: s };
  }
}

export function sin(x: Real): Real {
  return circle(x).sine;
}

export function cos(x: Real): Real {
  return circle(x).cosine;
}

export function tan(x: Real): Real {
  const { sine, cosine } = circle(x);
  return divide(sine, cosine);
}

const atanSeries = lazy(() => reciprocals(15, (k) => BigInt((k % 2 === 0 ? 1 : -1) * (2 * k + 1))));

/** `atan(j/16)` for 0 ≤ j ≤ 16, by Euler's series, whose terms are all positive. */
const atanTable = lazy(() =>
  Array.from({ length: 17 }, (_, j) => {
    const squares = BigInt(256 + j * j);
    let term = ((UNIT * 16n * BigInt(j)) << 16n) / squares;
    let sum = 0n;
    for (let n = 1n; term !== 0n; n++) {
      sum += term;
      term = (term * 2n * n * BigInt(j * j)) / ((2n * n + 1n) * squares);
    }
    return real(sum, -FRAC - 16);
  }),
);

/** Inverse tangent, in (−π/2, π/2). */
export function atan(x: Real): Real {
  if (x.m < 0n) return negate(atan(negate(x)));
  if (compare(x, ONE) > 0) return subtract(scale(pi(), -1), atan(divide(ONE, x)));
  const j = Number((toFixed(x, 5) + 1n) >> 1n);
  const centre: Real = { m: BigInt(j), e: -4 };
  const t = divide(subtract(x, centre), add(ONE, multiply(x, centre)));
  const square = toFixed(multiply(t, t), FRAC);
  const rest = multiply(t, real(polynomial(atanSeries(), square), -FRAC));
  return add(atanTable()[j] ?? ZERO, rest);
}

/** Inverse sine of |x| ≤ 1. */
export function asin(x: Real): Real {
  const cosine = squareRoot(multiply(subtract(ONE, x), add(ONE, x)));
  if (cosine.m === 0n) return multiply(x, scale(pi(), -1));
  return atan(divide(x, cosine));
}

/** Inverse cosine of |x| ≤ 1. */
export function acos(x: Real): Real {
  const below = add(ONE, x);
  if (below.m === 0n) return pi();
  return scale(atan(squareRoot(divide(subtract(ONE, x), below))), 1);
}

export function sinh(x: Real): Real {
  if (x.m < 0n) return negate(sinh(negate(x)));
  const t = expm1(x);
  return scale(add(t, divide(t, add(t, ONE))), -1);
}

export function cosh(x: Real): Real {
  const power = exp(x);
  return scale(add(power, divide(ONE, power)), -1);
}

export function tanh(x: Real): Real {
  if (x.m < 0n) return negate(tanh(negate(x)));
  const t = expm1(scale(x, 1));
  return divide(t, add(t, TWO));
}

export function asinh(x: Real): Real {
  if (x.m < 0n) return negate(asinh(negate(x)));
  const square = multiply(x, x);
  return log1p(add(x, divide(square, add(ONE, squareRoot(add(ONE, square))))));
}

/** Inverse hyperbolic cosine of `x ≥ 1`. */
export function acosh(x: Real): Real {
  const t = subtract(x, ONE);
  return log1p(add(t, squareRoot(multiply(t, add(t, TWO)))));
}

/** Inverse hyperbolic tangent of |x| < 1. */
export function atanh(x: Real): Real {
  if (x.m < 0n) return negate(atanh(negate(x)));
  return multiply(HALF, log1p(divide(scale(x, 1), subtract(ONE, x))));
}

/** `1 / (1 + e^−x)`. */
export function sigmoid(x: Real): Real {
  return divide(ONE, add(ONE, exp(negate(x))));
}

/** `log(1 + e^x)`. */
export function softplus(x: Real): Real {
  if (x.m <= 0n) return log1p(exp(x));
  return add(x, log1p(exp(negate(x))));
}

/** `x^n` by repeated squaring, exact while the result has at most 192 bits; |n| ≤ 1024. */
function integerPower(x: Real, n: number): Real {
  let result = ONE;
  let base = x;
  for (let left = Math.abs(n); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(result, base);
    base = multiply(base, base);
  }
  return n < 0 ? divide(ONE, result) : result;
}

/** `x^y` for `x > 0`, or for `x ≠ 0` with the sign left to the caller. */
export function powerOfMagnitude(x: Real, y: number): Real {
  const base = absolute(x);
  if (Number.isInteger(y) && Math.abs(y) <= 1024) return integerPower(base, y);
  return exp(multiply(fromNumber(y), log(base)));
}
