/** Comparisons, choices between two tensors, remainders of reals. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { ConstantTensor, GraphNode } from "../graph.js";
import { constantNumbers, isFloat, nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { aligned, uniform } from "./elementwise.js";
import type { UniformReal } from "./elementwise.js";
import { finish } from "./finish.js";
import type { Format, Lowered, Real } from "./real.js";
import { format, identityAxes } from "./real.js";
import { exponentOf, powerOfTwo, roundScale, scaleByPowerOfTwo, splitScale } from "./scale.js";
import { binary, broadcast, castTo } from "./wrapping.js";

type Rule = (ctx: LoweringContext, node: GraphNode) => void;
type Comparison = "eq" | "lt" | "le";

/** `exchanged` for those that are another one the other way round. */
const comparison =
  (op: Comparison, exchanged = false): Rule =>
  (ctx, node) => {
    const rank = ctx.shapeOf(node.outputs[0]!).length;
    const [a = "", b = ""] = exchanged ? [...node.inputs].reverse() : node.inputs;
    const pair = isFloat(ctx.elementTypeOf(a))
      ? comparableReals(ctx, node, op, a, b)
      : [ctx.get(a), ctx.get(b)];
    const { operands, axes } = aligned(ctx, pair, rank);
    const [x, y] = operands.map(({ value }) => value) as [FixedValue, FixedValue];
    const dtype = x.dtype === y.dtype ? x.dtype : "i64";
    const { builder } = ctx;
    const value = binary(builder, op, castTo(builder, x, dtype), castTo(builder, y, dtype));
    ctx.define(node.outputs[0]!, { value, axes });
  };

/**
 * A coarse scale that is a power of two comes from whole numbers or is what a quantised model
 * states: what it carries is exact. Calibrated scales are fine, and what they carry is rounded.
 */
const isExact = (scale: number): boolean => scale >= 1 / 1024 && splitScale(scale).mantissa === 1;

/** Integers that compare as two reals do. */
function comparableReals(
  ctx: LoweringContext,
  node: GraphNode,
  op: Comparison,
  a: string,
  b: string,
): readonly Lowered[] {
  const [left, right] = [ctx.constant(a), ctx.constant(b)];
  const real = (name: string): UniformReal =>
    uniform(ctx, ctx.withoutZeroPoint(ctx.real(name, node)));
  if (left !== undefined && right === undefined) {
    const y = real(b);
    return [
      thresholds(ctx, node, left, y.format.scale, op, op === "le" ? Math.ceil : Math.floor),
      y,
    ];
  }
  if (right !== undefined) {
    const x = real(a);
    return [
      x,
      thresholds(ctx, node, right, x.format.scale, op, op === "lt" ? Math.ceil : Math.floor),
    ];
  }
  const [x, y] = [real(a), real(b)];
  const [sx, sy] = [x.format.scale, y.format.scale];
  if (sx === sy) return [x, y];
  const [xExact, yExact] = [isExact(sx), isExact(sy)];
  if (xExact && yExact) return sx < sy ? [x, finer(ctx, y, sx)] : [finer(ctx, x, sy), y];
  // What is rounded anyway decides: both sides of an equality are then rounded alike.
  const onto = xExact !== yExact ? (xExact ? sy : sx) : Math.max(sx, sy);
  return [onGrid(ctx, x, onto), onGrid(ctx, y, onto)];
}

/** Doubles count exactly up to here; what lies beyond is beyond every other operand too. */
const REACH = 2 ** 52;

/** A constant in steps of what it is compared with. */
function thresholds(
  ctx: LoweringContext,
  node: GraphNode,
  constant: ConstantTensor,
  scale: number,
  op: Comparison,
  direction: (x: number) => number,
): Lowered {
  const exact = isExact(scale);
  const steps = constantNumbers(constant).map((value) => {
    const step = value / scale;
    if (Number.isNaN(step)) {
      throw nodeError(
        "NotFinite",
        node,
        "compares with NaN, which no integer stands for; use IsNaN to test for it",
      );
    }
    const within = Math.min(Math.max(step, -REACH), REACH);
    if (!exact) return Math.floor(within + 0.5);
    if (op === "eq") return Number.isInteger(within) ? within : REACH;
    return direction(within);
  });
  return {
    value: ctx.builder.constant("i64", constant.dims, steps),
    axes: identityAxes(constant.dims.length),
  };
}

/** Exact reals in smaller steps, of which each of theirs is a power of two. */
function finer(ctx: LoweringContext, x: UniformReal, scale: number): UniformReal {
  const wide = castTo(ctx.builder, x.value, "i64");
  const shift = BigInt(Math.min(exponentOf(x.format.scale) - exponentOf(scale), 63));
  return {
    ...x,
    value: binary(ctx.builder, "shl", wide, shift),
    format: { ...format("i64", scale), scale },
  };
}

/** Reals in other steps, in i64 so that nothing saturates. */
function onGrid(ctx: LoweringContext, x: UniformReal, scale: number): UniformReal {
  if (x.format.scale === scale) return x;
  const target = { ...format("i64", scale, 0, [-REACH, REACH]), scale };
  return { ...x, value: ctx.rescaled(x, x.format.scale / scale, target), format: target };
}

/** No integer stands for NaN or an infinity: ports refuse the one and saturate at the other. */
const neverTrue: Rule = (ctx, node) => {
  const x = ctx.get(node.inputs[0]!);
  const value = binary(ctx.builder, "lt", x.value, x.value);
  ctx.define(node.outputs[0]!, { value, axes: x.axes });
};

/** A choice, element by element: of integers as they are, of reals in the format of the result. */
function lowerWhere(ctx: LoweringContext, node: GraphNode): void {
  const name = node.outputs[0]!;
  const rank = ctx.shapeOf(name).length;
  const { builder } = ctx;
  const choice = (condition: FixedValue, yes: FixedValue, no: FixedValue): FixedValue => {
    const shape = broadcast(condition.shape, broadcast(yes.shape, no.shape));
    return builder.op("select", {}, [condition, yes, no], yes.dtype, shape);
  };
  const [c = "", a = "", b = ""] = node.inputs;
  if (!isFloat(ctx.elementTypeOf(name))) {
    const { operands, axes } = aligned(ctx, [ctx.get(c), ctx.get(a), ctx.get(b)], rank);
    const [condition, yes, no] = operands.map(({ value }) => value);
    ctx.define(name, { value: choice(condition!, yes!, no!), axes });
    return;
  }
  const masked = maskedScores(ctx, node);
  if (masked !== undefined) {
    const { held, fill, kept, keptFirst } = masked;
    const { operands, axes } = aligned(ctx, [ctx.get(c), ctx.real(kept, node)], rank);
    const scores = ctx.requantise(operands[1] as Real, held).value;
    const filled = builder.scalar(held.dtype, BigInt(fill));
    const condition = operands[0]!.value;
    const value = keptFirst ? choice(condition, scores, filled) : choice(condition, filled, scores);
    ctx.define(name, { value, axes, format: held });
    return;
  }
  const { operands, axes } = aligned(ctx, [ctx.get(c), ctx.real(a, node), ctx.real(b, node)], rank);
  const [condition, yes, no] = operands as [Lowered, Real, Real];
  finish(ctx, node, axes, (target) =>
    choice(condition.value, ctx.requantise(yes, target).value, ctx.requantise(no, target).value),
  );
}

/** Below the other scores by this much, an exponential is nothing in 32 bits. */
const MASKED = 40;

/**
 * A mask before a Softmax: what it hides is −∞ or a number so low that a scale which reached it
 * would leave nothing to the scores. The scores keep 24 bits, and what is hidden lies far enough
 * below all of them to vanish.
 */
function maskedScores(
  ctx: LoweringContext,
  node: GraphNode,
):
  | {
      readonly held: Format;
      readonly fill: number;
      readonly kept: string;
      readonly keptFirst: boolean;
    }
  | undefined {
  if (ctx.soleConsumer(node.outputs[0]!)?.opType !== "Softmax") return undefined;
  for (const [fillInput, keptInput] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const constant = ctx.constant(node.inputs[fillInput] ?? "");
    const kept = node.inputs[keptInput]!;
    const range = ctx.rangeOf(kept);
    if (constant === undefined || range === undefined) continue;
    const reach = Math.max(Math.abs(range.min), Math.abs(range.max)) * 2;
    const lowest = -reach - MASKED;
    if (!constantNumbers(constant).every((value) => value <= 2 * lowest)) continue;
    const limit = 0x7fffff;
    const held = format("i32", roundScale((reach + 2 * MASKED) / limit), 0, [-limit, limit]);
    return { held, fill: -limit, kept, keptFirst: keptInput === 1 };
  }
  return undefined;
}

/**
 * `a − b·trunc(a/b)` of reals: the remainder of integers over one unit, so fine that both scales
 * are multiples of it, or as fine as 62 bits allow.
 */
function lowerRemainder(ctx: LoweringContext, node: GraphNode): void {
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const reals = node.inputs.map((name) => uniform(ctx, ctx.withoutZeroPoint(ctx.real(name, node))));
  const { operands, axes } = aligned(ctx, reals, rank);
  const unit = remainderUnit(operands, 62);
  const [x, y] = operands.map(({ value, format: { scale } }) => {
    const factor = Math.floor(scale / unit + 0.5);
    return binary(ctx.builder, "mul", castTo(ctx.builder, value, "i64"), BigInt(factor));
  }) as [FixedValue, FixedValue];
  const rest = binary(ctx.builder, "mod.trunc", x, y);
  finish(ctx, node, axes, (target) =>
    ctx.rescaled({ value: rest, axes }, unit / (target.scale as number), target),
  );
}

/** A unit of which all scales are multiples, or in which their reals have that many bits. */
export function remainderUnit(operands: readonly UniformReal[], bits: number): number {
  const exact = operands.map(({ format: { scale } }) => leastBit(scale));
  const coarsest = operands.map(({ format: { scale, lo, hi } }) => {
    const own = exponentOf(Math.max(Math.abs(lo), Math.abs(hi), 1)) + 1;
    return powerOfTwo(exponentOf(scale) + 1 + own - bits);
  });
  return Math.max(Math.min(...exact), ...coarsest);
}

/** The lowest bit of a scale. */
function leastBit(scale: number): number {
  return scaleByPowerOfTwo(1, splitScale(scale).exponent);
}

export const comparisonRules: Readonly<Record<string, Rule>> = {
  Equal: comparison("eq"),
  Greater: comparison("lt", true),
  GreaterOrEqual: comparison("le", true),
  IsInf: neverTrue,
  IsNaN: neverTrue,
  Less: comparison("lt"),
  LessOrEqual: comparison("le"),
  Where: lowerWhere,
};

/** Over reals; integers have another. */
export const remainderRules: Readonly<Record<string, Rule>> = { Mod: lowerRemainder };
