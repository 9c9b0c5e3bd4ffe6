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
  const x = argumentOf(ctx, node);
  const unit = Math.sqrt(x.format.scale);
  finish(ctx, node, x.axes, (target) => {
    const factor = unit / (target.scale as number);
    const { value, k } = rootOf(ctx, x.value, magnitudeBits(x.format), factor);
    return ctx.rescaled({ value, axes: x.axes }, factor * powerOfTwo(-k), target);
  });
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
