import { isFloat } from "../graph.js";
import type { ConstantTensor } from "../graph.js";
import { countOf, zeros } from "./arrays.js";
import {
  broadcastIndices,
  elementAt,
  isInteger,
  numbersOf,
  rounding,
  storeInteger,
} from "./folder.js";
import type { FoldInputs, Folder, KnownInfo } from "./folder.js";

export interface BinaryKernel {
  /** Over floats, and bools as 0 and 1. */
  readonly number: (a: number, b: number) => number;
  /** Over integers, exact before wrapping. Undefined result: not defined (x/0). */
  readonly bigint: (a: bigint, b: bigint) => bigint | undefined;
}

function floorModulo(a: bigint, b: bigint): bigint | undefined {
  if (b === 0n) return undefined;
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

function integerPower(a: bigint, b: bigint): bigint | undefined {
  if (b < 0n || b > 64n) return undefined;
  let power = 1n;
  for (let i = 0n; i < b; i++) power *= a;
  return power;
}

const BITWISE = {
  and: { number: (a: number, b: number) => a & b, bigint: (a: bigint, b: bigint) => a & b },
  or: { number: (a: number, b: number) => a | b, bigint: (a: bigint, b: bigint) => a | b },
  xor: { number: (a: number, b: number) => a ^ b, bigint: (a: bigint, b: bigint) => a ^ b },
};

export const BINARY = {
  Add: { number: (a, b) => a + b, bigint: (a, b) => a + b },
  Sub: { number: (a, b) => a - b, bigint: (a, b) => a - b },
  Mul: { number: (a, b) => a * b, bigint: (a, b) => a * b },
  Div: { number: (a, b) => a / b, bigint: (a, b) => (b === 0n ? undefined : a / b) },
  Max: { number: Math.max, bigint: (a, b) => (a > b ? a : b) },
  Min: { number: Math.min, bigint: (a, b) => (a < b ? a : b) },
  And: BITWISE.and,
  Or: BITWISE.or,
  Xor: BITWISE.xor,
  BitwiseAnd: BITWISE.and,
  BitwiseOr: BITWISE.or,
  BitwiseXor: BITWISE.xor,
} as const satisfies Readonly<Record<string, BinaryKernel>>;

/** `a ∘ b`, broadcast to `out`. */
function combine(
  a: ConstantTensor,
  b: ConstantTensor,
  kernel: BinaryKernel,
  out: KnownInfo,
): ConstantTensor | undefined {
  const { elementType } = out;
  const data = zeros(elementType, countOf(out.dims));
  if (data === undefined) return undefined;
  const ai = broadcastIndices(a.dims, out.dims);
  const bi = broadcastIndices(b.dims, out.dims);
  if (isInteger(elementType)) {
    for (let i = 0; i < data.length; i++) {
      const x = BigInt(elementAt(a, ai === undefined ? i : ai[i]!));
      const y = BigInt(elementAt(b, bi === undefined ? i : bi[i]!));
      const value = kernel.bigint(x, y);
      if (value === undefined) return undefined;
      storeInteger(elementType, data, i, value);
    }
  } else {
    const round = rounding(elementType);
    const [x, y] = [numbersOf(a), numbersOf(b)];
    const results = data as Float64Array;
    for (let i = 0; i < results.length; i++) {
      const left = x[ai === undefined ? i : ai[i]!]!;
      const right = y[bi === undefined ? i : bi[i]!]!;
      results[i] = round(kernel.number(left, right));
    }
  }
  return { ...out, data };
}

/** `a ∘ b ∘ …` over two operands or more, of one type. */
function chain(
  inputs: FoldInputs,
  kernel: BinaryKernel,
  out: KnownInfo,
): ConstantTensor | undefined {
  const [first, ...rest] = inputs;
  if (first === undefined || rest.length === 0) return undefined;
  let result: ConstantTensor = first;
  for (const [i, next] of rest.entries()) {
    // Floats of different widths meet where a Cast between them was dropped.
    const alike =
      next?.elementType === first.elementType ||
      (isFloat(next?.elementType) && isFloat(first.elementType));
    if (next === undefined || !alike) return undefined;
    const last = i === rest.length - 1;
    const info = last ? out : { ...out, dims: joined(result.dims, next.dims) };
    const step = combine(result, next, kernel, info);
    if (step === undefined) return undefined;
    result = step;
  }
  return result;
}

function joined(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    return x === 1 ? y : x;
  });
}

const modulo: Folder = (inputs, view, out) => {
  const [a, b] = inputs;
  if (a === undefined || b?.elementType !== a.elementType) return undefined;
  const truncated = view.int("fmod", 0) === 1;
  if (isFloat(out.elementType) && !truncated) return undefined;
  const kernel: BinaryKernel = {
    number: (x, y) => x % y,
    bigint: (x, y) => (!truncated ? floorModulo(x, y) : y === 0n ? undefined : x % y),
  };
  return combine(a, b, kernel, out);
};

/** The exponent has a type of its own. */
const power: Folder = ([a, b], _view, out, { functions }) => {
  if (a === undefined || b === undefined) return undefined;
  if (isInteger(a.elementType) && isFloat(b.elementType)) {
    const info = { elementType: "float64", dims: out.dims } as const;
    const real = combine(a, b, { number: functions.pow, bigint: integerPower }, info);
    const data = zeros(out.elementType, countOf(out.dims));
    if (real === undefined || data === undefined) return undefined;
    const values = numbersOf(real);
    if (!values.every(Number.isFinite)) return undefined;
    values.forEach((v, i) => {
      storeInteger(out.elementType, data, i, BigInt(Math.trunc(v)));
    });
    return { ...out, data };
  }
  return combine(a, b, { number: functions.pow, bigint: integerPower }, out);
};

const shift: Folder = ([a, b], view, out) => {
  if (a === undefined || b === undefined) return undefined;
  const left = view.string("direction", "LEFT") === "LEFT";
  const bigint = (x: bigint, y: bigint): bigint => (y > 64n ? 0n : left ? x << y : x >> y);
  return combine(a, b, { number: Math.min, bigint }, out);
};

const mean: Folder = (inputs, _view, out) => {
  const total = chain(inputs, BINARY.Add, out);
  if (total === undefined || !isFloat(out.elementType)) return undefined;
  const round = rounding(out.elementType);
  return { ...out, data: (total.data as Float64Array).map((v) => round(v / inputs.length)) };
};

/** Slope of the negative side, broadcast to the data. */
const prelu: Folder = ([a, b], _view, out) => {
  if (a === undefined || b === undefined) return undefined;
  const kernel = {
    number: (x: number, slope: number) => (x < 0 ? x * slope : x),
    bigint: (x: bigint, slope: bigint) => (x < 0n ? x * slope : x),
  };
  return combine(a, b, kernel, out);
};

export const arithmeticFolders: Readonly<Record<string, Folder>> = {
  ...Object.fromEntries(
    Object.entries(BINARY).map(([name, kernel]): [string, Folder] => [
      name,
      (inputs, _view, out) => chain(inputs, kernel, out),
    ]),
  ),
  Sum: (inputs, _view, out) => chain(inputs, BINARY.Add, out),
  Mean: mean,
  Mod: modulo,
  Pow: power,
  BitShift: shift,
  PRelu: prelu,
};
