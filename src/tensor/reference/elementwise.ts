import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO, newArray, saturate } from "../../core/dtype.js";
import { clampExact, floorDiv, floorSqrt } from "../../core/fixedPoint.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { BinaryOp, CompareOp, UnaryOp } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import {
  POWERS_OF_TWO,
  allSafe,
  bigintsOf,
  doublesOf,
  exactDoublesOf,
  fromBigints,
  fromDoubles,
  hostTensor,
  numberRange,
  saturateDoubles,
} from "./hostTensor.js";
import { broadcastTo, wordsOf } from "./strided.js";

const { min: MIN, max: MAX } = DTYPE_INFO.i64;
const shiftCount = (count: number): number => (count < 0 ? 0 : count > 63 ? 63 : count);
const wideShiftCount = (count: bigint): bigint => clampExact(count, 0n, 63n);

/**
 * On doubles: the exact result, or one that lies beyond 2^53 on the same side, or infinite. Divisions
 * are exact because a quotient of integers below 2^53 differs from the next integer by more than
 * its rounding error. Bitwise operations are for 32 bits.
 */
const ON_DOUBLES: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  "div.floor": (a, b) => (a === 0 ? 0 : Math.floor(a / b)),
  "div.trunc": (a, b) => (a === 0 ? 0 : Math.trunc(a / b)),
  "mod.floor": (a, b) => {
    if (b === 0) return a;
    const remainder = a % b;
    return remainder !== 0 && remainder < 0 !== b < 0 ? remainder + b : remainder;
  },
  "mod.trunc": (a, b) => (b === 0 ? a : a % b),
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a * POWERS_OF_TWO[shiftCount(b)]!,
  shr: (a, b) => Math.floor(a / POWERS_OF_TWO[shiftCount(b)]!),
};

const ON_BIGINTS: Readonly<Record<BinaryOp, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  "div.floor": (a, b) => (b === 0n ? overZero(a) : floorDiv(a, b)),
  "div.trunc": (a, b) => (b === 0n ? overZero(a) : a / b),
  "mod.floor": (a, b) => (b === 0n ? a : a - b * floorDiv(a, b)),
  "mod.trunc": (a, b) => (b === 0n ? a : a % b),
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << wideShiftCount(b),
  shr: (a, b) => a >> wideShiftCount(b),
};

function overZero(a: bigint): bigint {
  return a > 0n ? MAX : a < 0n ? MIN : 0n;
}

function combine(
  a: Float64Array,
  b: Float64Array,
  f: (a: number, b: number) => number,
): Float64Array {
  const y = new Float64Array(a.length);
  for (let i = 0; i < y.length; i++) y[i] = f(a[i]!, b[i]!);
  return y;
}

export function binary(op: BinaryOp, a: HostTensor, b: HostTensor, shape: Shape): HostTensor {
  const left = broadcastTo(a, shape);
  const right = broadcastTo(b, shape);
  if (a.dtype !== "i64") {
    return saturateDoubles(
      a.dtype,
      shape,
      combine(doublesOf(left), doublesOf(right), ON_DOUBLES[op]),
    );
  }
  if (op !== "and" && op !== "or" && op !== "xor") {
    const x = exactDoublesOf(left);
    const z = x && exactDoublesOf(right);
    const y = z && combine(x, z, ON_DOUBLES[op]);
    if (y && allSafe(y)) return fromDoubles("i64", shape, y);
  }
  const x = bigintsOf(left);
  const z = bigintsOf(right);
  const y = newArray("i64", x.length);
  for (let i = 0; i < y.length; i++) y[i] = saturate(ON_BIGINTS[op](x[i]!, z[i]!), "i64");
  return hostTensor("i64", shape, y);
}

const COMPARE: Readonly<Record<CompareOp, <V extends number | bigint>(a: V, b: V) => boolean>> = {
  eq: (a, b) => a === b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
};

export function compare(op: CompareOp, a: HostTensor, b: HostTensor, shape: Shape): HostTensor {
  const left = broadcastTo(a, shape);
  const right = broadcastTo(b, shape);
  const holds = COMPARE[op];
  const y = newArray("bool", elementCount(shape));
  if (a.dtype === "i64") {
    const x = bigintsOf(left);
    const z = bigintsOf(right);
    for (let i = 0; i < y.length; i++) y[i] = holds(x[i]!, z[i]!) ? 1 : 0;
  } else {
    const x = doublesOf(left);
    const z = doublesOf(right);
    for (let i = 0; i < y.length; i++) y[i] = holds(x[i]!, z[i]!) ? 1 : 0;
  }
  return hostTensor("bool", shape, y);
}

export function select(
  condition: HostTensor,
  a: HostTensor,
  b: HostTensor,
  shape: Shape,
): HostTensor {
  const which = broadcastTo(condition, shape).data;
  const y = hostTensor(a.dtype, shape, newArray(a.dtype, which.length));
  const target = wordsOf(y.data);
  const yes = wordsOf(broadcastTo(a, shape).data).words;
  const no = wordsOf(broadcastTo(b, shape).data).words;
  const k = target.perElement;
  for (let i = 0; i < target.words.length; i++) {
    target.words[i] = (which[k === 1 ? i : i >> 1] === 1 ? yes : no)[i]!;
  }
  return y;
}

const UNARY_ON_DOUBLES: Readonly<Record<UnaryOp, (x: number) => number>> = {
  not: (x) => -1 - x,
  neg: (x) => -x,
  abs: (x) => (x < 0 ? -x : x),
  "sqrt.floor": (x) => {
    if (x <= 0) return 0;
    // The root of n² − 1 may round up to n.
    const root = Math.floor(Math.sqrt(x));
    return root * root > x ? root - 1 : root;
  },
};

const UNARY_ON_BIGINTS: Readonly<Record<UnaryOp, (x: bigint) => bigint>> = {
  not: (x) => ~x,
  neg: (x) => -x,
  abs: (x) => (x < 0n ? -x : x),
  "sqrt.floor": floorSqrt,
};

export function unary(op: UnaryOp, x: HostTensor): HostTensor {
  const values = exactDoublesOf(x);
  if (values === undefined) {
    const y = bigintsOf(x).map((v) => saturate(UNARY_ON_BIGINTS[op](v), "i64"));
    return hostTensor("i64", x.shape, y);
  }
  if (op === "not" && !DTYPE_INFO[x.dtype].signed) {
    const max = numberRange(x.dtype)[1];
    return fromDoubles(
      x.dtype,
      x.shape,
      values.map((v) => max - v),
    );
  }
  const y = values.map(UNARY_ON_DOUBLES[op]);
  return x.dtype === "i64" ? fromDoubles("i64", x.shape, y) : saturateDoubles(x.dtype, x.shape, y);
}

export function clamp(x: HostTensor, lo: bigint, hi: bigint): HostTensor {
  if (x.dtype === "i64") {
    return hostTensor(
      "i64",
      x.shape,
      bigintsOf(x).map((v) => clampExact(v, lo, hi)),
    );
  }
  const [least, greatest] = [Number(lo), Number(hi)];
  const values = doublesOf(x).map((v) => (v < least ? least : v > greatest ? greatest : v));
  return fromDoubles(x.dtype, x.shape, values);
}

export function cast(x: HostTensor, dtype: Dtype): HostTensor {
  if (dtype === x.dtype) return hostTensor(dtype, x.shape, x.data);
  if (dtype === "i64") return fromBigints("i64", x.shape, bigintsOf(x));
  // Rounding i64 to doubles keeps order and sign, which is all that saturation asks for.
  const values = doublesOf(x);
  return dtype === "bool"
    ? fromDoubles(
        "bool",
        x.shape,
        values.map((v) => (v === 0 ? 0 : 1)),
      )
    : saturateDoubles(dtype, x.shape, values);
}

/** Mantissa and exponent from the two halves of each 64-bit value. */
export function normalize(x: HostTensor): readonly [HostTensor, HostTensor] {
  const wide = bigintsOf(x);
  const words = new Int32Array(wide.buffer, wide.byteOffset, wide.length * 2);
  const mantissas = newArray("i32", wide.length);
  const exponents = newArray("i32", wide.length);
  for (let i = 0; i < wide.length; i++) {
    const low = words[2 * i]! >>> 0;
    const high = words[2 * i + 1]!;
    if (high < 0 || (high === 0 && low === 0)) continue;
    const exponent = high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(low);
    exponents[i] = exponent;
    mantissas[i] =
      exponent <= 30
        ? low * POWERS_OF_TWO[30 - exponent]!
        : high * POWERS_OF_TWO[62 - exponent]! + Math.floor(low / POWERS_OF_TWO[exponent - 30]!);
  }
  return [hostTensor("i32", x.shape, mantissas), hostTensor("i32", x.shape, exponents)];
}
