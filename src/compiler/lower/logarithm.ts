/** Logarithms and powers of integers over their whole range, by octaves. */
import { functions, pow } from "../elementary.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";
import type { Format } from "./real.js";
import { format } from "./real.js";
import { exponentOf, powerOfTwo } from "./scale.js";

/** Fractional bits of logarithms to base 2: exponents up to 127 fit i32. */
export const LOG_BITS = 24;
/** An octave has this many parts, and interpolates over the bits that are left. */
const PARTS_LOG2 = 10;
const REST_BITS = 14;
/** Bits that powers have below the step of their format. */
const GUARD_BITS = 8;

/** log2 of a positive real, correctly rounded but for the quotient. */
export const log2 = (x: number): number => functions.Log(x) / functions.Log(2);

/** The integer that stands for a logarithm to base 2. */
export const logInteger = (x: number): bigint =>
  BigInt(Math.floor(log2(x) * powerOfTwo(LOG_BITS) + 0.5));

/** `log2(x)` of integers in i32 or i64 with `LOG_BITS` fractional bits; of those not above 0, −1. */
export function log2Of(ctx: LoweringContext, x: FixedValue): FixedValue {
  const { builder } = ctx;
  const { shape } = x;
  const i32 = (value: number): FixedValue => builder.scalar("i32", BigInt(value));
  const [mantissa, exponent] = builder.ops(
    "normalize",
    {},
    [x.dtype === "i64" ? x : ctx.widened(x, "i32")],
    [
      { dtype: "i32", shape },
      { dtype: "i32", shape },
    ],
  );
  const unit = powerOfTwo(LOG_BITS);
  // Entries before the octave are for a mantissa of 0.
  const entries = Array.from({ length: (2 << PARTS_LOG2) + 1 }, (_, i) =>
    i < 1 << PARTS_LOG2 ? -unit : Math.floor((log2(i) - PARTS_LOG2) * unit + 0.5),
  );
  const index = builder.op("shr", {}, [mantissa!, i32(30 - PARTS_LOG2)], "i32", shape);
  const low = builder.op("shr", {}, [mantissa!, i32(30 - PARTS_LOG2 - REST_BITS)], "i32", shape);
  const sum = between(ctx, entries, index, low);
  const fraction = builder.op(
    "rescale",
    {
      multiplier: 1,
      shift: REST_BITS,
      dtype: "i32",
      zeroPoint: 0n,
      lo: BigInt(-unit),
      hi: BigInt(unit),
    },
    [sum],
    "i32",
    shape,
  );
  const whole = builder.op("shl", {}, [exponent!, i32(LOG_BITS)], "i32", shape);
  return builder.op("add", {}, [whole, fraction], "i32", shape);
}

/**
 * `2^t` in steps of a format, t in i32 with `LOG_BITS` fractional bits.
 * @param target of scale 1: its step must already be in t
 */
export function exp2Of(ctx: LoweringContext, t: FixedValue, target: Format): FixedValue {
  const { builder } = ctx;
  const { shape } = t;
  const i32 = (value: number): FixedValue => builder.scalar("i32", BigInt(value));
  const entries = Array.from({ length: (1 << PARTS_LOG2) + 1 }, (_, i) =>
    Math.floor(pow(2, 29 + i * powerOfTwo(-PARTS_LOG2)) + 0.5),
  );
  const fraction = builder.op("and", {}, [t, i32((1 << LOG_BITS) - 1)], "i32", shape);
  const index = builder.op("shr", {}, [fraction, i32(LOG_BITS - PARTS_LOG2)], "i32", shape);
  const mantissa = between(ctx, entries, index, fraction);
  const exponent = builder.op("shr", {}, [t, i32(LOG_BITS)], "i32", shape);
  const down = builder.op("sub", {}, [i32(29 + REST_BITS - GUARD_BITS), exponent], "i32", shape);
  const value = builder.op("shr", {}, [mantissa, ctx.widened(down, "i64")], "i64", shape);
  return ctx.rescaled({ value, axes: [] }, powerOfTwo(-GUARD_BITS), target);
}

/** Between entries `index` and `index + 1` of a table, by the lowest `REST_BITS` of `low`; in i64. */
function between(
  ctx: LoweringContext,
  entries: readonly number[],
  index: FixedValue,
  low: FixedValue,
): FixedValue {
  const { builder } = ctx;
  const { shape } = index;
  const i32 = (value: number): FixedValue => builder.scalar("i32", BigInt(value));
  const table = builder.constant("i32", [entries.length], entries);
  const next = builder.op("add", {}, [index, i32(1)], "i32", shape);
  const [a, b] = [index, next].map((i) =>
    builder.op("gather", { axis: 0 }, [table, i], "i32", shape),
  );
  const rest = builder.op("and", {}, [low, i32((1 << REST_BITS) - 1)], "i32", shape);
  return interpolated(ctx, a!, b!, rest, REST_BITS);
}

/** `a·(2^bits − rest) + b·rest`, exactly, in i64. */
export function interpolated(
  ctx: LoweringContext,
  a: FixedValue,
  b: FixedValue,
  rest: FixedValue,
  bits: number,
): FixedValue {
  const { builder } = ctx;
  const { shape } = a;
  const shift = builder.scalar("i64", BigInt(bits));
  const start = builder.op("shl", {}, [ctx.widened(a, "i64"), shift], "i64", shape);
  const rise = builder.op("sub", {}, [b, a], "i32", shape);
  const part = builder.op("mul.wide", { accumulator: "i64" }, [rise, rest], "i64", shape);
  return builder.op("add", {}, [start, part], "i64", shape);
}

/** The natural logarithm of positive integers that count steps of `unit`, and more. */
export function naturalLog(
  ctx: LoweringContext,
  x: FixedValue,
  unit: number,
  target: Format,
): FixedValue {
  const offset = ctx.builder.scalar("i64", logInteger(unit));
  const wide = ctx.widened(log2Of(ctx, x), "i64");
  const value = ctx.builder.op("add", {}, [wide, offset], "i64", x.shape);
  const factor = powerOfTwo(-LOG_BITS) / log2(E) / (target.scale as number);
  return ctx.rescaled({ value, axes: [] }, factor, target);
}

const E = 2.718281828459045;

/** Bits of the logarithm of a sum that is added to a real. */
const ADDED_BITS = 30;

/** `value·scale + sign · log(total·unit)`, rounded once but for the logarithm itself. */
export function addedLog(
  ctx: LoweringContext,
  value: FixedValue,
  scale: number,
  total: FixedValue,
  unit: number,
  target: Format,
  sign: 1 | -1 = 1,
): FixedValue {
  const { builder } = ctx;
  // Sums of exponentials lie between 1 and 2^32, and their logarithms below 23.
  const fine = format("i32", powerOfTwo(5 - ADDED_BITS));
  const log = naturalLog(ctx, total, unit, fine);
  const to = target.scale as number;
  const [a, b] = [scale / to, powerOfTwo(5 - ADDED_BITS) / to];
  const shift = Math.min(Math.max(29 - exponentOf(Math.max(a, b)), 1), 62);
  const factor = (r: number): number =>
    Math.min(Math.floor(r * powerOfTwo(shift) + 0.5), 0x7fffffff);
  return builder.op(
    "rescale.add",
    {
      aMultiplier: factor(a),
      bMultiplier: sign * factor(b),
      shift,
      dtype: target.dtype,
      zeroPoint: BigInt(target.zeroPoint),
      lo: BigInt(target.lo),
      hi: BigInt(target.hi),
    },
    [value, log],
    target.dtype,
    value.shape,
  );
}
