/**
 * Elementary functions from the host's `Math`: quick, and within a few units in the last place of
 * a double. For measuring ranges and errors only; what goes into a module comes from the
 * compiler's own.
 */
import { functions } from "../compiler/elementary.js";
import type { Attributes, ElementaryFunction } from "../compiler/elementary.js";
import type { Functions } from "../compiler/fold/folder.js";

function parameter(attributes: Attributes | undefined, name: string, fallback: number): number {
  const value = attributes?.[name];
  return typeof value === "number" ? value : fallback;
}

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

/** The series where it converges quickly, a continued fraction beyond. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (!(size < 6)) return x !== x ? NaN : Math.sign(x);
  if (size > 2.5) return Math.sign(x) * (1 - erfcTail(size));
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return TWO_OVER_ROOT_PI * sum;
}

function erfcTail(x: number): number {
  let fraction = x;
  for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

function erfc(x: number): number {
  return x > 2.5 ? erfcTail(x) : 1 - erf(x);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const FAST: Readonly<Record<string, ElementaryFunction>> = {
  Acos: Math.acos,
  Acosh: Math.acosh,
  Asin: Math.asin,
  Asinh: Math.asinh,
  Atan: Math.atan,
  Atanh: Math.atanh,
  Celu: (x, attributes) => {
    const alpha = parameter(attributes, "alpha", 1);
    return x < 0 ? alpha * Math.expm1(x / alpha) : x;
  },
  Cos: Math.cos,
  Cosh: Math.cosh,
  Elu: (x, attributes) => (x < 0 ? parameter(attributes, "alpha", 1) * Math.expm1(x) : x),
  Erf: erf,
  Erfc: erfc,
  Exp: Math.exp,
  Expm1: Math.expm1,
  Gelu: (x, attributes) =>
    attributes?.["approximate"] === "tanh"
      ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))
      : 0.5 * x * erfc(-x * Math.SQRT1_2),
  HardSigmoid: (x, attributes) => {
    const line = parameter(attributes, "alpha", 0.2) * x + parameter(attributes, "beta", 0.5);
    return Math.max(0, Math.min(1, line));
  },
  HardSwish: (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
  Log: Math.log,
  Log1p: Math.log1p,
  Mish: (x) => x * Math.tanh(softplus(x)),
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Selu: (x, attributes) => {
    const gamma = parameter(attributes, "gamma", 1.0507009873554805);
    return x > 0
      ? gamma * x
      : gamma * parameter(attributes, "alpha", 1.6732632423543772) * Math.expm1(x);
  },
  Sigmoid: sigmoid,
  Sin: Math.sin,
  Sinh: Math.sinh,
  Softplus: softplus,
  Softsign: (x) => x / (1 + Math.abs(x)),
  Swish: (x, attributes) => x * sigmoid(parameter(attributes, "alpha", 1) * x),
  Tan: Math.tan,
  Tanh: Math.tanh,
};

export const FAST_FUNCTIONS: Functions = {
  named: { ...functions, ...FAST },
  pow: Math.pow,
};
