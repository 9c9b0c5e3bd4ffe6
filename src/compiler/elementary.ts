/**
 * Elementary functions of float64 with the same, correctly rounded result on every JavaScript
 * engine: what tables and folded constants are made from. `Math.exp` and its kin differ between
 * engines in their last bit, and would make the bytes of a module depend on who compiled it.
 */
import { CompileError } from "../core/errors.js";
import { erf, erfc } from "./reals/errorFunction.js";
import {
  add,
  compare,
  divide,
  fromNumber,
  multiply,
  negate,
  ONE,
  ratio,
  scale,
  squareRoot,
  toNumber,
  TWO,
  ZERO,
  type Real,
} from "./reals/real.js";
import * as reals from "./reals/transcendental.js";

/** Attributes of an operator, under their ONNX names. */
export type Attributes = Readonly<Record<string, number | string>>;

/**
 * A function of one variable. Takes any float64; outside the domain gives NaN, at a pole an
 * infinity, as IEEE 754 has it. The result is the float64 nearest to the exact value (error at
 * most 0.5 + 2^−46 units in the last place), subnormal results included.
 */
export type ElementaryFunction = (x: number, attributes?: Attributes) => number;

/** A finite attribute, or its default. */
function numberOf(attributes: Attributes | undefined, name: string, fallback: number): number {
  const value = attributes?.[name] ?? fallback;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new CompileError(
    "BadAttribute",
    `attribute "${name}" is ${JSON.stringify(String(value))}; it must be a finite number`,
    { name },
  );
}

/** A function of a finite argument, with its limits at −∞ and +∞ and its domain. */
function lift(
  f: (x: Real) => Real,
  atMinusInfinity: number,
  atInfinity: number,
  lowest = -Infinity,
  highest = Infinity,
): (x: number) => number {
  return (x) => {
    if (!(x >= lowest && x <= highest)) return NaN;
    if (x === Infinity) return atInfinity;
    if (x === -Infinity) return atMinusInfinity;
    return toNumber(f(fromNumber(x)));
  };
}

/** As `lift`, for a function with `f(−x) = −f(x)`: keeps the sign of zero. */
function odd(f: (x: Real) => Real, atInfinity: number, highest = Infinity): (x: number) => number {
  const inner = lift(f, -atInfinity, atInfinity, -highest, highest);
  return (x) => (x === 0 ? x : inner(x));
}

const half = (x: Real): Real => scale(x, -1);
const minimum = (a: Real, b: Real): Real => (compare(a, b) < 0 ? a : b);
const maximum = (a: Real, b: Real): Real => (compare(a, b) > 0 ? a : b);

const log = lift(reals.log, NaN, Infinity, 0);
const log1p = lift(reals.log1p, NaN, Infinity, -1);
const expm1 = lift(reals.expm1, -1, Infinity);
const atan = odd(reals.atan, NaN);
const atanh = odd(reals.atanh, NaN, 1);
const rsqrt = lift((x) => squareRoot(divide(ONE, x)), NaN, 0, 0);
const hardSwish = lift(
  (x) => divide(multiply(x, add(x, { m: 3n, e: 0 })), { m: 6n, e: 0 }),
  -0,
  Infinity,
);
const mish = lift(
  (x) => {
    // tanh(log(1 + p)) = (p² + 2p) / (p² + 2p + 2)
    if (compare(x, { m: 64n, e: 0 }) > 0) return x;
    const p = reals.exp(x);
    const q = multiply(p, add(p, TWO));
    return divide(multiply(x, q), add(q, TWO));
  },
  -0,
  Infinity,
);

const rootHalf = reals.lazy(() => squareRoot(half(ONE)));
const gelu = lift((x) => half(multiply(x, erfc(negate(multiply(x, rootHalf()))))), -0, Infinity);

/** `√(2/π)·2`: the tanh form of GELU is `x · sigmoid(2√(2/π)·(x + 0.044715x³))`. */
const geluTanhScale = reals.lazy(() => scale(squareRoot(divide(TWO, reals.pi())), 1));
const geluTanhCubic = reals.lazy(() => ratio(44715, 1000000));
const geluTanh = lift(
  (x) => {
    const inner = multiply(x, add(ONE, multiply(geluTanhCubic(), multiply(x, x))));
    return multiply(x, reals.sigmoid(multiply(geluTanhScale(), inner)));
  },
  -0,
  Infinity,
);

/** `⌊x⌉`, ties to even. */
function roundHalfEven(x: number): number {
  if (!(Math.abs(x) < 4503599627370496)) return x;
  const below = Math.floor(x);
  const rest = x - below;
  const rounded = rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

/** `x` where positive, `negative(x)` elsewhere; NaN and zeros pass. */
function rectify(x: number, atMinusInfinity: number, negative: (x: Real) => Real): number {
  return x < 0 ? lift(negative, atMinusInfinity, 0)(x) : x;
}

const table = {
  Abs: (x) => Math.abs(x),
  Acos: lift(reals.acos, NaN, NaN, -1, 1),
  Acosh: lift(reals.acosh, NaN, Infinity, 1),
  Asin: odd(reals.asin, NaN, 1),
  Asinh: odd(reals.asinh, Infinity),
  Atan: (x) => (Math.abs(x) === Infinity ? toNumber(half(reals.pi())) * Math.sign(x) : atan(x)),
  Atanh: (x) => (Math.abs(x) === 1 ? x * Infinity : atanh(x)),
  Ceil: (x) => Math.ceil(x),
  Celu: (x, attributes) => {
    const alpha = numberOf(attributes, "alpha", 1);
    if (alpha === 0) {
      throw new CompileError("BadAttribute", 'attribute "alpha" of Celu is 0; it must not be', {
        name: "alpha",
      });
    }
    const a = fromNumber(alpha);
    const limit = alpha > 0 ? -alpha : -Infinity;
    return rectify(x, limit, (v) => multiply(a, reals.expm1(divide(v, a))));
  },
  Cos: lift(reals.cos, NaN, NaN),
  Cosh: lift(reals.cosh, Infinity, Infinity),
  Elu: (x, attributes) => {
    const alpha = numberOf(attributes, "alpha", 1);
    return rectify(x, -alpha, (v) => multiply(fromNumber(alpha), reals.expm1(v)));
  },
  Erf: odd(erf, 1),
  Erfc: lift(erfc, 2, 0),
  Exp: lift(reals.exp, 0, Infinity),
  Expm1: (x) => (x === 0 ? x : expm1(x)),
  Floor: (x) => Math.floor(x),
  Gelu: (x, attributes) => {
    const approximate = attributes?.["approximate"] ?? "none";
    if (x === 0) return x;
    if (approximate === "none") return gelu(x);
    if (approximate === "tanh") return geluTanh(x);
    throw new CompileError(
      "BadAttribute",
      `attribute "approximate" of Gelu is ${JSON.stringify(approximate)}; it must be "none" or "tanh"`,
      { name: "approximate" },
    );
  },
  HardSigmoid: (x, attributes) => {
    const alpha = numberOf(attributes, "alpha", Math.fround(0.2));
    const beta = numberOf(attributes, "beta", 0.5);
    if (alpha === 0) return x !== x ? NaN : Math.max(0, Math.min(1, beta));
    const line = (v: Real): Real => add(multiply(fromNumber(alpha), v), fromNumber(beta));
    const up = alpha > 0 ? 1 : 0;
    return lift((v) => maximum(ZERO, minimum(ONE, line(v))), 1 - up, up)(x);
  },
  HardSwish: (x) => {
    if (x === 0 || x >= 3) return x;
    if (x <= -3) return -0;
    return hardSwish(x);
  },
  Identity: (x) => x,
  LeakyRelu: (x, attributes) => {
    const alpha = numberOf(attributes, "alpha", Math.fround(0.01));
    // One product of two floats: IEEE multiplication is exact followed by one rounding.
    return x < 0 ? alpha * x : x;
  },
  Log: (x) => (x === 0 ? -Infinity : log(x)),
  Log1p: (x) => (x === -1 ? -Infinity : x === 0 ? x : log1p(x)),
  Mish: (x) => (x === 0 ? x : mish(x)),
  Neg: (x) => -x,
  Reciprocal: (x) => 1 / x,
  Relu: (x) => (x < 0 ? 0 : x),
  Round: roundHalfEven,
  Rsqrt: (x) => (x === 0 ? 1 / x : rsqrt(x)),
  Selu: (x, attributes) => {
    const alpha = fromNumber(numberOf(attributes, "alpha", Math.fround(1.6732632423543772)));
    const gamma = numberOf(attributes, "gamma", Math.fround(1.0507009873554805));
    const product = multiply(alpha, fromNumber(gamma));
    if (x > 0) return x * gamma;
    return rectify(x, toNumber(negate(product)), (v) => multiply(product, reals.expm1(v)));
  },
  Shrink: (x, attributes) => {
    const lambd = numberOf(attributes, "lambd", 0.5);
    const bias = numberOf(attributes, "bias", 0);
    if (x < -lambd) return x + bias;
    return x > lambd ? x - bias : x !== x ? NaN : 0;
  },
  Sigmoid: lift(reals.sigmoid, 0, 1),
  Sign: (x) => Math.sign(x),
  Sin: odd(reals.sin, NaN),
  Sinh: odd(reals.sinh, Infinity),
  Softplus: lift(reals.softplus, 0, Infinity),
  Softsign: odd((x) => divide(x, add(ONE, x.m < 0n ? negate(x) : x)), 1),
  Sqrt: (x) => Math.sqrt(x),
  Swish: (x, attributes) => {
    const alpha = numberOf(attributes, "alpha", 1);
    if (x === 0) return x;
    if (alpha === 0) return x / 2;
    const a = fromNumber(alpha);
    const f = (v: Real): Real => multiply(v, reals.sigmoid(multiply(a, v)));
    return lift(f, alpha > 0 ? -0 : -Infinity, alpha > 0 ? Infinity : 0)(x);
  },
  Tan: odd(reals.tan, NaN),
  Tanh: odd(reals.tanh, 1),
  ThresholdedRelu: (x, attributes) => {
    const alpha = numberOf(attributes, "alpha", 1);
    return x > alpha ? x : x !== x ? NaN : 0;
  },
} as const satisfies Readonly<Record<string, ElementaryFunction>>;

/** The operator names that `functions` has. */
export type ElementaryName = keyof typeof table;

/**
 * Correctly rounded functions of one variable, by ONNX operator name; besides those, `Log1p`,
 * `Expm1`, `Erfc` and `Rsqrt`. Attributes left out have their ONNX defaults, as float32.
 * `Round` ties to even; `HardSwish` multiplies by the exact 1/6.
 *
 * `functions.Gelu(1, { approximate: "tanh" })` is 0.8411919906082768.
 *
 * @throws {CompileError} `BadAttribute` when an attribute is not of its kind
 */
export const functions: Readonly<Record<ElementaryName, ElementaryFunction>> = table;

/** True for the names of `functions`. */
export function isElementary(name: string): name is ElementaryName {
  return Object.hasOwn(functions, name);
}

/**
 * `x^y` as IEEE 754 `pow` has it: 1 for `x = 1` or `y = 0` whatever the other is, NaN for a
 * negative `x` with a `y` that is no integer.
 */
export function pow(x: number, y: number): number {
  if (x === 1 || y === 0) return 1;
  if (x !== x || y !== y) return NaN;
  const integer = Number.isInteger(y);
  const negative = (x < 0 || Object.is(x, -0)) && integer && y % 2 !== 0;
  const size = Math.abs(x);
  if (Math.abs(y) === Infinity) return size === 1 ? 1 : size > 1 === y > 0 ? Infinity : 0;
  if (x < 0 && x !== -Infinity && !integer) return NaN;
  let result: number;
  if (size === 0) result = y > 0 ? 0 : Infinity;
  else if (size === Infinity) result = y > 0 ? Infinity : 0;
  else result = toNumber(reals.powerOfMagnitude(fromNumber(size), y));
  return negative ? -result : result;
}
