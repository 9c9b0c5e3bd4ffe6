/**
 * Reals to whole numbers. An integer of the program stands for all reals within half a step of it;
 * where one of these is whole (or half way between two), that is the one it stands for. So a whole
 * number of the model stays what it is, whatever the scale that carries it.
 */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { uniform } from "./elementwise.js";
import type { UniformReal } from "./elementwise.js";
import { fromWide } from "./quantised.js";
import { format } from "./real.js";
import { splitScale } from "./scale.js";
import { binary, castTo } from "./wrapping.js";

/** Whole numbers in i64 as a format of rescale; doubles hold its bounds exactly. */
const WHOLE = format("i64", 1, 0, [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);

/** `⌊x⌋` of `integer · scale`, in i64. */
function floorOf(ctx: LoweringContext, x: FixedValue, scale: number): FixedValue {
  if (scale >= 1) return ctx.rescaled({ value: x, axes: [] }, scale, WHOLE);
  // ⌊(2q + 1) · scale / 2⌋: the greatest whole number that rounds to q or less.
  const { builder } = ctx;
  const { mantissa, exponent } = splitScale(scale, 30);
  const twice = binary(builder, "mul", castTo(builder, x, "i64"), 2n);
  const scaled = binary(builder, "mul", binary(builder, "add", twice, 1n), BigInt(mantissa));
  return binary(builder, "shr", scaled, BigInt(Math.min(1 - exponent, 63)));
}

function negated({ builder }: LoweringContext, x: FixedValue): FixedValue {
  return builder.op("neg", {}, [castTo(builder, x, "i64")], "i64", x.shape);
}

/** To the nearest whole number, ties to the even one. */
function roundOf(ctx: LoweringContext, x: FixedValue, scale: number): FixedValue {
  const { builder } = ctx;
  const rescaled = (value: FixedValue, factor: number): FixedValue =>
    ctx.rescaled({ value, axes: [] }, factor, WHOLE);
  const nearest = rescaled(x, scale);
  if (scale > 0.5) return nearest;
  const halves = rescaled(x, scale * 2);
  // In 256ths of a step: a half that is half a step away may have been rounded to x either way.
  const here = binary(builder, "mul", castTo(builder, x, "i64"), 256n);
  const apart = binary(builder, "sub", rescaled(halves, 128 / scale), here);
  const distance = builder.op("abs", {}, [apart], "i64", x.shape);
  const isHalf = binary(builder, "le", distance, 129n);
  const isOdd = castTo(builder, binary(builder, "and", halves, 1n), "bool");
  const isTie = builder.op("and", {}, [isHalf, isOdd], "bool", x.shape);
  const below = binary(builder, "shr", halves, 1n);
  const even = binary(builder, "add", below, binary(builder, "and", below, 1n));
  return builder.op("select", {}, [isTie, even, nearest], "i64", x.shape);
}

/** Towards 0: the floor of the magnitude, with its sign. */
export function truncated(ctx: LoweringContext, x: UniformReal): FixedValue {
  const { builder } = ctx;
  const wide = castTo(builder, x.value, "i64");
  const size = builder.op("abs", {}, [wide], "i64", wide.shape);
  const sign = builder.op("clamp", { lo: -1n, hi: 1n }, [wide], "i64", wide.shape);
  return binary(builder, "mul", floorOf(ctx, size, x.format.scale), sign);
}

type Rounding = (ctx: LoweringContext, x: FixedValue, scale: number) => FixedValue;

const ROUNDINGS: Readonly<Record<"Ceil" | "Floor" | "Round", Rounding>> = {
  Ceil: (ctx, x, scale) => negated(ctx, floorOf(ctx, negated(ctx, x), scale)),
  Floor: floorOf,
  Round: roundOf,
};

/** Rounds a value that is there already. */
export function lowerRounding(
  ctx: LoweringContext,
  node: GraphNode,
  op: keyof typeof ROUNDINGS,
): void {
  const x = uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)));
  const value = ROUNDINGS[op](ctx, x.value, x.format.scale);
  ctx.define(node.outputs[0]!, fromWide(ctx, node, { value, axes: x.axes }, 1));
}

/** −1, 0 or 1. */
export function lowerSign(ctx: LoweringContext, node: GraphNode): void {
  const x = ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node));
  const bounds = { lo: x.value.dtype === "u8" ? 0n : -1n, hi: 1n };
  const value = ctx.builder.op("clamp", bounds, [x.value], x.value.dtype, x.value.shape);
  const held = format(x.value.dtype, 1, 0, [Number(bounds.lo), 1]);
  ctx.define(node.outputs[0]!, { value, axes: x.axes, format: held });
}
