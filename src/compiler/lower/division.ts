/** Quotients, roots and reciprocals: exact integer division or root, then one rounding. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { isFloat } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { aligned, physicalShape, uniform } from "./elementwise.js";
import { finish } from "./finish.js";
import type { Format, Real } from "./real.js";
import { magnitudeBits } from "./real.js";
import type { Rule } from "./rule.js";
import { exponentOf, powerOfTwo } from "./scale.js";

/** Bits that a quotient or root keeps beyond the result's before it is rounded. */
const GUARD_BITS = 8;
/** Magnitudes below 2^62 leave room for a sign and a carry in i64. */
const WIDE_BITS = 62;

/** As many bits as bring a factor's result `GUARD_BITS` below one step, from 0 to `most`. */
export function guardShift(factor: number, most: number): number {
  return Math.min(Math.max(exponentOf(factor) + 1 + GUARD_BITS, 0), Math.max(most, 0));
}

/** `value · 2^bits` in i64. */
export function shiftedLeft(ctx: LoweringContext, value: FixedValue, bits: number): FixedValue {
  const wide = ctx.widened(value, "i64");
  if (bits === 0) return wide;
  return ctx.builder.op(
    "shl",
    {},
    [wide, ctx.builder.scalar("i64", BigInt(bits))],
    "i64",
    wide.shape,
  );
}

/**
 * `⌊a·2^k / b⌋` rounded into a format.
 * @param bits of the greatest magnitude of a
 * @param factor what a quotient of 1 is in reals
 */
export function dividedInto(
  ctx: LoweringContext,
  a: FixedValue,
  bits: number,
  b: FixedValue,
  factor: number,
  target: Format,
  axes: readonly number[],
  shape: readonly Dim[],
): FixedValue {
  const ratio = factor / (target.scale as number);
  const k = guardShift(ratio, WIDE_BITS - bits);
  const quotient = ctx.builder.op(
    "div.floor",
    {},
    [shiftedLeft(ctx, a, k), ctx.widened(b, "i64")],
    "i64",
    shape,
  );
  return ctx.rescaled({ value: quotient, axes }, ratio * powerOfTwo(-k), target);
}

/** a / b over reals. What is divided by 0 saturates. */
function lowerDivision(ctx: LoweringContext, node: GraphNode): void {
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const reals = node.inputs.map((name) => ctx.withoutZeroPoint(ctx.real(name, node)));
  const { operands, axes } = aligned(ctx, reals, rank);
  const [a, b] = operands.map((x) => uniform(ctx, x));
  const shape = physicalShape(ctx, node, axes);
  const factor = a!.format.scale / b!.format.scale;
  finish(ctx, node, axes, (target) =>
    dividedInto(ctx, a!.value, magnitudeBits(a!.format), b!.value, factor, target, axes, shape),
  );
}

/** `⌊√(x·4^k)⌋` in i64, and k. */
export function rootOf(
  ctx: LoweringContext,
  x: FixedValue,
  bits: number,
  factor: number,
): { readonly value: FixedValue; readonly k: number } {
  const k = guardShift(factor, Math.floor((WIDE_BITS - bits) / 2));
  const value = ctx.builder.op("sqrt.floor", {}, [shiftedLeft(ctx, x, 2 * k)], "i64", x.shape);
  return { value, k };
}

/** The square root of reals; of negative ones 0. */
function lowerSqrt(ctx: LoweringContext, node: GraphNode): void {
  const { value: x, axes, bits, scale } = radicandOf(ctx, node);
  const unit = Math.sqrt(scale);
  finish(ctx, node, axes, (target) => {
    const factor = unit / (target.scale as number);
    const { value, k } = rootOf(ctx, x, bits, factor);
    return ctx.rescaled({ value, axes }, factor * powerOfTwo(-k), target);
  });
}

interface Radicand {
  readonly value: FixedValue;
  readonly axes: readonly number[];
  /** Of the greatest magnitude. */
  readonly bits: number;
  readonly scale: number;
}

/** What a root is taken of: a sum of squares exactly, before it is rounded to a format. */
function radicandOf(ctx: LoweringContext, node: GraphNode): Radicand {
  const exact = sumOfSquares(ctx, node.inputs[0]!);
  const bits = exact === undefined ? Infinity : exponentOf(exact.most) + 1;
  if (exact !== undefined && bits <= WIDE_BITS) return { ...exact, bits };
  const { value, axes, format } = argumentOf(ctx, node);
  return { value, axes, bits: magnitudeBits(format), scale: format.scale };
}

interface SumOfSquares extends Omit<Radicand, "bits"> {
  /** Greatest value. */
  readonly most: number;
}

function sumOfSquares(ctx: LoweringContext, name: string): SumOfSquares | undefined {
  const maker = ctx.producerOf(name);
  if (maker?.domain !== "" || (maker.opType !== "Mul" && maker.opType !== "Add")) return undefined;
  const [first = "", second = ""] = maker.inputs;
  const shape = ctx.shapeOf(name);
  if (maker.opType === "Mul") {
    const held = ctx.get(first);
    if (first !== second || held.format === undefined) return undefined;
    const { value, axes, format } = ctx.withoutZeroPoint(held as Real);
    if (typeof format.scale !== "number") return undefined;
    const x = ctx.widened(value, "i32");
    const square = ctx.builder.op("mul.wide", { accumulator: "i64" }, [x, x], "i64", x.shape);
    const greatest = Math.max(Math.abs(format.lo), Math.abs(format.hi));
    const most = greatest * greatest;
    return { value: square, axes, most, scale: format.scale * format.scale };
  }
  const [a, b] = [sumOfSquares(ctx, first), sumOfSquares(ctx, second)];
  const alike =
    a !== undefined &&
    a.scale === b?.scale &&
    a.axes.length === shape.length &&
    a.axes.every((axis, i) => axis === b.axes[i]);
  if (!alike) return undefined;
  const value = ctx.builder.op("add", {}, [a.value, b!.value], "i64", a.value.shape);
  return { ...a, value, most: a.most + b!.most };
}

function argumentOf(ctx: LoweringContext, node: GraphNode): Real & { format: { scale: number } } {
  return uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)));
}

/** 1 / x; of 0 the greatest value. */
function lowerReciprocal(ctx: LoweringContext, node: GraphNode): void {
  const x = argumentOf(ctx, node);
  const one = ctx.builder.scalar("i64", 1n);
  finish(ctx, node, x.axes, (target) =>
    dividedInto(ctx, one, 1, x.value, 1 / x.format.scale, target, x.axes, x.value.shape),
  );
}

/** Whether an operator's numbers are reals. */
export function isReal(ctx: LoweringContext, node: GraphNode): boolean {
  return isFloat(ctx.elementTypeOf(node.inputs[0]!));
}

export const divisionRules: Readonly<Record<string, Rule>> = {
  Div: lowerDivision,
  Reciprocal: lowerReciprocal,
  Sqrt: lowerSqrt,
};
