/** Norms, sums of squares, products and logarithms of sums: exact sums, one rounding. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { intAttribute, intsAttribute, isFloat } from "../graph.js";
import type { Refusal } from "../listUnsupported.js";
import type { LoweringContext } from "./context.js";
import { rootOf } from "./division.js";
import { uniform } from "./elementwise.js";
import { finish } from "./finish.js";
import { addedLog, exp2Of, log2Of, logInteger, naturalLog } from "./logarithm.js";
import type { Format, Lowered, Real } from "./real.js";
import { format, magnitudeBits } from "./real.js";
import type { Rule } from "./rule.js";
import { exponentOf, powerOfTwo, roundScale } from "./scale.js";
import { exponentials } from "./softmax.js";

/** Bits of values whose squares are added up: 2^14 of them stay within i64. */
const SQUARED_BITS = 24;

/** How a reduction of a node goes over the program's axes. */
export interface Reduction {
  readonly axes: readonly number[];
  /** Dimensions with 1 in place of those reduced. */
  readonly kept: readonly Dim[];
  /** Elements that become one; a guess for dimensions that are open. */
  readonly count: number;
  /** Defines the result, of dimensions `kept`, as the node wants it. */
  readonly finish: (emit: (target: Format) => FixedValue) => void;
  readonly define: (value: FixedValue) => void;
}

/** Elements to expect along an open dimension. */
const OPEN_COUNT = 4096;

export function reductionOf(ctx: LoweringContext, node: GraphNode, x: Lowered): Reduction {
  const output = node.outputs[0]!;
  const logical = intsAttribute(node, "axes")!;
  const keep = (intAttribute(node, "keepdims") ?? 1) === 1;
  const axes = logical.map((axis) => x.axes.indexOf(axis)).sort((a, b) => a - b);
  const kept = x.value.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const count = axes.reduce((product, axis) => {
    const dim = x.value.shape[axis]!;
    return product * (typeof dim === "number" ? dim : OPEN_COUNT);
  }, 1);
  const outAxes = keep
    ? x.axes
    : x.axes
        .filter((axis) => !logical.includes(axis))
        .map((axis) => axis - logical.filter((a) => a < axis).length);
  const shape = ctx.shapeOf(output);
  const squeezed = (value: FixedValue): FixedValue =>
    keep
      ? value
      : ctx.reshaped(
          value,
          outAxes.map((axis) => shape[axis]!),
        );
  return {
    axes,
    kept,
    count,
    finish: (emit) => finish(ctx, node, outAxes, (target) => squeezed(emit(target))),
    define: (value) => ctx.define(output, { value: squeezed(value), axes: outAxes }),
  };
}

/** An exact sum over the axes of a reduction. */
export function summed(
  ctx: LoweringContext,
  value: FixedValue,
  { axes, kept }: Pick<Reduction, "axes" | "kept">,
): FixedValue {
  return ctx.builder.op("reduce.sum", { axes: [...axes], dtype: "i64" }, [value], "i64", kept);
}

/** A value in so many bits that squares of it add up within i64. */
export function narrowed<X extends Real & { format: { scale: number } }>(
  ctx: LoweringContext,
  x: X,
  bits: number,
): Real & { format: { scale: number } } {
  const excess = magnitudeBits(x.format) - bits;
  if (excess <= 0) return x;
  const limit = powerOfTwo(bits) - 1;
  const target = format("i32", roundScale(x.format.scale * powerOfTwo(excess)), 0, [-limit, limit]);
  return ctx.requantise(x, target) as Real & { format: { scale: number } };
}

/** The exact square of each element. */
export function squared(ctx: LoweringContext, x: FixedValue): FixedValue {
  const accumulator = x.dtype === "i32" ? "i64" : "i32";
  const operand = x.dtype === "u8" ? ctx.widened(x, "i16") : x;
  return ctx.builder.op("mul.wide", { accumulator }, [operand, operand], accumulator, x.shape);
}

function operandOf(ctx: LoweringContext, node: GraphNode): Real & { format: { scale: number } } {
  return uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)));
}

/** The same over integers of the model, saturated to their dtype. */
function overIntegers(
  ctx: LoweringContext,
  node: GraphNode,
  make: (x: FixedValue, reduction: Reduction) => FixedValue,
): boolean {
  const x = ctx.get(node.inputs[0]!);
  if (x.format !== undefined) return false;
  const reduction = reductionOf(ctx, node, x);
  const value = make(ctx.widened(x.value, "i64"), reduction);
  reduction.define(ctx.widened(value, x.value.dtype));
  return true;
}

const absolute = (ctx: LoweringContext, x: FixedValue): FixedValue =>
  ctx.builder.op("abs", {}, [x], x.dtype, x.shape);

function lowerL1(ctx: LoweringContext, node: GraphNode): void {
  if (overIntegers(ctx, node, (x, r) => summed(ctx, absolute(ctx, x), r))) return;
  const x = operandOf(ctx, node);
  const reduction = reductionOf(ctx, node, x);
  const signed = x.value.dtype === "u8" ? x.value : absolute(ctx, x.value);
  const value = summed(ctx, signed, reduction);
  reduction.finish((target) =>
    ctx.rescaled({ value, axes: x.axes }, x.format.scale / (target.scale as number), target),
  );
}

const squareOf = (ctx: LoweringContext, x: FixedValue): FixedValue =>
  ctx.builder.op("mul", {}, [x, x], "i64", x.shape);

function lowerSumSquare(ctx: LoweringContext, node: GraphNode): void {
  if (overIntegers(ctx, node, (x, r) => summed(ctx, squareOf(ctx, x), r))) return;
  const x = narrowed(ctx, operandOf(ctx, node), SQUARED_BITS);
  const reduction = reductionOf(ctx, node, x);
  const value = summed(ctx, squared(ctx, x.value), reduction);
  const unit = x.format.scale * x.format.scale;
  reduction.finish((target) =>
    ctx.rescaled({ value, axes: x.axes }, unit / (target.scale as number), target),
  );
}

function lowerL2(ctx: LoweringContext, node: GraphNode): void {
  const root = (x: FixedValue): FixedValue => ctx.builder.op("sqrt.floor", {}, [x], "i64", x.shape);
  if (overIntegers(ctx, node, (x, r) => root(summed(ctx, squareOf(ctx, x), r)))) return;
  const x = narrowed(ctx, operandOf(ctx, node), SQUARED_BITS);
  const reduction = reductionOf(ctx, node, x);
  const total = summed(ctx, squared(ctx, x.value), reduction);
  const bits = 2 * magnitudeBits(x.format) + exponentOf(Math.max(reduction.count, 1)) + 1;
  reduction.finish((target) => {
    const factor = x.format.scale / (target.scale as number);
    const { value, k } = rootOf(ctx, total, bits, factor);
    return ctx.rescaled({ value, axes: x.axes }, factor * powerOfTwo(-k), target);
  });
}

function lowerLogSum(ctx: LoweringContext, node: GraphNode): void {
  const x = operandOf(ctx, node);
  const reduction = reductionOf(ctx, node, x);
  const total = summed(ctx, x.value, reduction);
  reduction.finish((target) => naturalLog(ctx, total, x.format.scale, target));
}

/** `log Σ e^x`, with the greatest x taken out of the sum. */
function lowerLogSumExp(ctx: LoweringContext, node: GraphNode): void {
  const x = operandOf(ctx, node);
  const reduction = reductionOf(ctx, node, x);
  const { powers, greatest, unit } = exponentials(ctx, x, reduction.axes);
  const total = summed(ctx, powers, reduction);
  reduction.finish((target) => addedLog(ctx, greatest, x.format.scale, total, unit, target));
}

/** Products: exact over integers, else through logarithms of magnitudes and counts of signs. */
function lowerProd(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const product = (x: FixedValue, { axes, kept }: Reduction): FixedValue =>
    builder.op("reduce.prod", { axes: [...axes], dtype: "i64" }, [x], "i64", kept);
  if (overIntegers(ctx, node, product)) return;
  const x = operandOf(ctx, node);
  const reduction = reductionOf(ctx, node, x);
  const { axes, kept } = reduction;
  const { shape } = x.value;
  const zero = builder.scalar(x.value.dtype, 0n);
  const size = ctx.widened(absolute(ctx, ctx.widened(x.value, "i32")), "i32");
  const offset = builder.scalar("i32", logInteger(x.format.scale));
  const logs = builder.op("add", {}, [log2Of(ctx, size), offset], "i32", shape);
  const total = summed(ctx, logs, reduction);
  const negative = builder.op("lt", {}, [x.value, zero], "bool", shape);
  const negatives = summed(ctx, ctx.widened(negative, "i32"), reduction);
  const odd = builder.op("and", {}, [negatives, builder.scalar("i64", 1n)], "i64", kept);
  const isZero = builder.op("eq", {}, [x.value, zero], "bool", shape);
  const hasZero = builder.op("reduce.max", { axes: [...axes] }, [isZero], "bool", kept);
  reduction.finish((target) => {
    const magnitude = powerOf(ctx, total, target);
    const nothing = builder.scalar("i32", 0n);
    const signed = builder.op(
      "select",
      {},
      [ctx.widened(odd, "bool"), builder.op("neg", {}, [magnitude], "i32", kept), magnitude],
      "i32",
      kept,
    );
    const value = builder.op("select", {}, [hasZero, nothing, signed], "i32", kept);
    return ctx.rescaled({ value, axes: x.axes }, 1, target);
  });
}

/** `2^t` in steps of a format, in i32; t in i64 with `LOG_BITS` fractional bits. */
export function powerOf(ctx: LoweringContext, t: FixedValue, target: Format): FixedValue {
  const { builder } = ctx;
  const step = builder.scalar("i64", -logInteger(target.scale as number));
  const inSteps = builder.op("add", {}, [t, step], "i64", t.shape);
  return exp2Of(ctx, ctx.widened(inSteps, "i32"), format("i32", 1));
}

export const realReductionRules: Readonly<Record<string, Rule>> = {
  ReduceL1: lowerL1,
  ReduceL2: lowerL2,
  ReduceLogSum: lowerLogSum,
  ReduceLogSumExp: lowerLogSumExp,
  ReduceProd: lowerProd,
  ReduceSumSquare: lowerSumSquare,
};

/** The greatest of no reals is infinite, and so is the logarithm of their sum. */
const extremeOfNothing: Refusal = (graph, node) => {
  const info = graph.values.get(node.inputs[0] ?? "");
  const axes = intsAttribute(node, "axes") ?? [];
  return isFloat(info?.elementType) && axes.some((axis) => info?.shape?.[axis] === 0)
    ? "reduces an axis of size 0: what that gives is infinite, which fixed point cannot hold"
    : undefined;
};

export const reductionRefusals: Readonly<Record<string, Refusal>> = {
  ReduceLogSum: extremeOfNothing,
  ReduceLogSumExp: extremeOfNothing,
  ReduceMax: extremeOfNothing,
  ReduceMin: extremeOfNothing,
};
