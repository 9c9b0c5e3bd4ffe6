/** Layer, instance, group, RMS, batch, Lp and local response normalisation: exact sums, one quotient. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { floatAttribute, intAttribute, intsAttribute, nodeError } from "../graph.js";
import { pow } from "../elementary.js";
import type { LoweringContext } from "./context.js";
import { dividedInto, shiftedLeft } from "./division.js";
import { aligned, scaledSum, uniform } from "./elementwise.js";
import type { UniformReal } from "./elementwise.js";
import { finish } from "./finish.js";
import { narrowed, squared, summed } from "./realReduction.js";
import type { Format, Real } from "./real.js";
import { format, identityAxes, magnitudeBits } from "./real.js";
import type { Rule } from "./rule.js";
import { exponentOf, powerOfTwo, roundScale } from "./scale.js";
import { wideFunction } from "./wideFunction.js";

/** Bits of a sum of squares: it must stay within i64, a term for ε included. */
const SQUARES_BITS = 61;
/** Fractional bits of differences from the mean, where that leaves room for their squares. */
const MEAN_BITS = 8;
/** Bits of normalised values on their way to the scale and bias. */
const RESULT_BITS = 30;
/** Elements to expect along open axes. */
const OPEN_COUNT = 16_384;

/** Values over their root mean square, or their deviation, as a quotient to be rounded. */
interface Ratio {
  /** Integers, in i32, and the bits of their magnitude. */
  readonly numerator: FixedValue;
  readonly bits: number;
  /** In i64, one for all elements that are normalised together. */
  readonly denominator: FixedValue;
  /** What a quotient of 1 is. */
  readonly factor: number;
  /** What a denominator of 1 is. */
  readonly unit: number;
  /** No result is greater. */
  readonly reach: number;
  /** The exact sums of the elements. */
  readonly sums: FixedValue;
  readonly count: FixedValue;
  /** What a sum of 1 is. */
  readonly sumUnit: number;
}

interface Statistics {
  readonly axes: readonly number[];
  readonly epsilon: number;
  /** Whether the mean is subtracted. */
  readonly centred: boolean;
}

/** @param axes of `statistics`: the program's */
function ratioOf(
  ctx: LoweringContext,
  source: UniformReal,
  { axes, epsilon, centred }: Statistics,
): Ratio {
  const { builder } = ctx;
  const dims = axes.map((axis) => source.value.shape[axis]!);
  const size = dims.reduce<number>((n, dim) => n * (typeof dim === "number" ? dim : OPEN_COUNT), 1);
  const count = countOf(ctx, dims);
  const room = Math.floor((SQUARES_BITS - exponentOf(Math.max(size, 1)) - 1) / 2) - 1;
  const x = narrowed(ctx, source, room);
  const { shape } = x.value;
  const kept = shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const over = { axes, kept };
  const held = magnitudeBits(x.format);
  const more = centred ? Math.min(Math.max(room - held, 0), MEAN_BITS) : 0;
  const bits = held + more + (centred ? 1 : 0);
  const i64 = (op: "add" | "sub" | "div.floor", a: FixedValue, b: FixedValue): FixedValue =>
    builder.op(op, {}, [a, b], "i64", a.shape);
  const sums = summed(ctx, x.value, over);
  let numerator = ctx.widened(x.value, "i32");
  if (centred) {
    const mean = ctx.widened(i64("div.floor", shiftedLeft(ctx, sums, more), count), "i32");
    const fine =
      more === 0
        ? numerator
        : builder.op("shl", {}, [numerator, builder.scalar("i32", BigInt(more))], "i32", shape);
    numerator = builder.op("sub", {}, [fine, mean], "i32", shape);
  }
  const step = x.format.scale * powerOfTwo(-more);
  const total = summed(ctx, squared(ctx, numerator), over);
  const spare = Math.max(0, 62 - 2 * bits - 1);
  // ε in squared steps; with the bits that the root has to spare it does not round to nothing.
  const shift = spare - (spare % 2);
  const variance = builder.op("div.floor", {}, [total, count], "i64", kept);
  const added = Math.floor((epsilon / (step * step)) * powerOfTwo(shift) + 0.5);
  const safe = i64(
    "add",
    shiftedLeft(ctx, variance, shift),
    builder.scalar("i64", BigInt(Math.min(added, powerOfTwo(62)))),
  );
  const denominator = builder.op("sqrt.floor", {}, [safe], "i64", kept);
  const factor = powerOfTwo(shift / 2);
  const reach = Math.sqrt(size) * 1.01;
  const sumUnit = x.format.scale;
  const unit = step / factor;
  return { numerator, bits, denominator, factor, unit, reach, sums, count, sumUnit };
}

/** How many elements there are along axes, in i64. */
function countOf(ctx: LoweringContext, dims: readonly Dim[]): FixedValue {
  const { builder } = ctx;
  if (dims.every((dim) => typeof dim === "number"))
    return builder.scalar("i64", BigInt(dims.reduce((a, b) => a * b, 1)));
  const sizes = ctx.openDims.vector(dims);
  return builder.op("reduce.prod", { axes: [0], dtype: "i64" }, [sizes], "i64", [1]);
}

/** A quotient in 30 bits, for what is done to it next. */
function settled(
  ctx: LoweringContext,
  { numerator, bits, denominator, factor, reach }: Ratio,
  axes: readonly number[],
): UniformReal {
  const limit = powerOfTwo(RESULT_BITS) - 1;
  const target = format("i32", roundScale(reach / limit), 0, [-limit, limit]);
  const { shape } = numerator;
  const value = dividedInto(ctx, numerator, bits, denominator, factor, target, axes, shape);
  return { value, axes, format: target } as UniformReal;
}

/** `x·scale + bias`, rounded once; all of one rank and order. */
function transformed(
  ctx: LoweringContext,
  x: UniformReal,
  scale: UniformReal | undefined,
  bias: UniformReal | undefined,
  target: Format,
): FixedValue {
  const { builder } = ctx;
  const { shape } = x.value;
  let result = x;
  if (scale !== undefined) {
    const other = ctx.widened(scale.value, "i32");
    const product = builder.op("mul.wide", { accumulator: "i64" }, [x.value, other], "i64", shape);
    const unit = x.format.scale * scale.format.scale;
    const value = { value: product, axes: x.axes };
    if (bias === undefined) return ctx.rescaled(value, unit / (target.scale as number), target);
    const reach = reachOf(x) * reachOf(scale);
    const limit = powerOfTwo(RESULT_BITS) - 1;
    const step = roundScale(Math.max(reach / limit, powerOfTwo(-1000)));
    const wide = format("i32", step, 0, [-limit, limit]) as UniformReal["format"];
    result = { value: ctx.rescaled(value, unit / step, wide), axes: x.axes, format: wide };
  }
  if (bias !== undefined) return scaledSum(ctx, result, bias, 1, target, shape);
  return ctx.requantise(result, target).value;
}

const reachOf = ({ format: { lo, hi, scale } }: UniformReal): number =>
  Math.max(Math.abs(lo), Math.abs(hi)) * scale;

/** Input `i` of a node under `shape`, if it has one. */
function parameter(
  ctx: LoweringContext,
  node: GraphNode,
  i: number,
  shape?: readonly Dim[],
): UniformReal | undefined {
  const name = node.inputs[i] ?? "";
  if (name === "") return undefined;
  const x = ctx.logical(uniform(ctx, ctx.withoutZeroPoint(ctx.real(name, node))));
  if (shape === undefined) return x;
  return { ...x, value: ctx.reshaped(x.value, shape), axes: identityAxes(shape.length) };
}

function operand(ctx: LoweringContext, node: GraphNode): UniformReal {
  return uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)));
}

/** Scale and bias as they broadcast to x, in its order of axes. */
function parametersFor(
  ctx: LoweringContext,
  x: UniformReal,
  scale: UniformReal | undefined,
  bias: UniformReal | undefined,
): [UniformReal | undefined, UniformReal | undefined] {
  const alike = (p: UniformReal | undefined): UniformReal | undefined =>
    p === undefined ? undefined : aligned(ctx, [x, p], x.axes.length).operands[1]!;
  return [alike(scale), alike(bias)];
}

/** Defines a node's result from what is normalised, scale and bias. */
function finishNormalised(
  ctx: LoweringContext,
  node: GraphNode,
  axes: readonly number[],
  ratio: Ratio,
  scale: UniformReal | undefined,
  bias: UniformReal | undefined,
): void {
  finish(ctx, node, axes, (target) => {
    if (scale === undefined && bias === undefined) {
      const { numerator, bits, denominator, factor } = ratio;
      const { shape } = numerator;
      return dividedInto(ctx, numerator, bits, denominator, factor, target, axes, shape);
    }
    const x = settled(ctx, ratio, axes);
    return transformed(ctx, x, ...parametersFor(ctx, x, scale, bias), target);
  });
}

const physical = (x: Real, logical: readonly number[]): number[] =>
  logical.map((axis) => x.axes.indexOf(axis)).sort((a, b) => a - b);

/** LayerNormalization and RMSNormalization: over `axis` and all after it. */
function lowerLayer(ctx: LoweringContext, node: GraphNode, centred: boolean): void {
  const x = operand(ctx, node);
  const rank = x.axes.length;
  const axis = intAttribute(node, "axis") ?? -1;
  const first = axis < 0 ? axis + rank : axis;
  const axes = physical(x, identityAxes(rank).slice(first));
  const epsilon = floatAttribute(node, "epsilon") ?? 1e-5;
  const ratio = ratioOf(ctx, x, { axes, epsilon, centred });
  finishNormalised(ctx, node, x.axes, ratio, parameter(ctx, node, 1), parameter(ctx, node, 2));
  const [, mean = "", inverse = ""] = node.outputs;
  const kept = ratio.sums.shape;
  if (mean !== "") {
    const target = ctx.formats.choose(mean, node);
    const value = dividedInto(
      ctx,
      ratio.sums,
      53,
      ratio.count,
      ratio.sumUnit,
      target,
      x.axes,
      kept,
    );
    ctx.define(mean, { value, axes: x.axes, format: target });
  }
  if (inverse !== "") {
    const target = ctx.formats.choose(inverse, node);
    const one = ctx.builder.scalar("i64", 1n);
    const { denominator, unit } = ratio;
    const value = dividedInto(ctx, one, 1, denominator, 1 / unit, target, x.axes, kept);
    ctx.define(inverse, { value, axes: x.axes, format: target });
  }
}

/** Over all axes but the first two, a scale and a bias for each channel. */
function lowerInstance(ctx: LoweringContext, node: GraphNode): void {
  const x = operand(ctx, node);
  const rank = x.axes.length;
  const axes = physical(x, identityAxes(rank).slice(2));
  const epsilon = floatAttribute(node, "epsilon") ?? 1e-5;
  const ratio = ratioOf(ctx, x, { axes, epsilon, centred: true });
  const shape = channelShape(ctx, node, 1, rank);
  const [scale, bias] = [1, 2].map((i) => parameter(ctx, node, i, shape));
  finishNormalised(ctx, node, x.axes, ratio, scale, bias);
}

/** `[C, 1, …]`: a vector that broadcasts along axis 1 of a tensor. */
function channelShape(ctx: LoweringContext, node: GraphNode, input: number, rank: number): Dim[] {
  const [channels = 1] = ctx.shapeOf(node.inputs[input]!);
  return [channels, ...new Array<number>(Math.max(rank - 2, 0)).fill(1)];
}

/** Over groups of channels; scales and biases are for each channel, before version 21 each group. */
function lowerGroup(ctx: LoweringContext, node: GraphNode): void {
  const source = ctx.logical(operand(ctx, node));
  const { shape } = source.value;
  const rank = shape.length;
  const groups = intAttribute(node, "num_groups")!;
  const [batch, channels] = shape as [Dim, number];
  const grouped = [batch, groups, channels / groups, ...shape.slice(2)];
  const axes = identityAxes(rank + 1);
  const x = { ...source, value: ctx.reshaped(source.value, grouped), axes };
  const epsilon = floatAttribute(node, "epsilon") ?? 1e-5;
  const ratio = ratioOf(ctx, x, { axes: axes.slice(2), epsilon, centred: true });
  const perGroup = ctx.shapeOf(node.inputs[1]!)[0] === groups && groups !== channels;
  const ones = new Array<number>(rank - 2).fill(1);
  const parameterShape = perGroup ? [groups, 1, ...ones] : [groups, channels / groups, ...ones];
  const [scale, bias] = [1, 2].map((i) => parameter(ctx, node, i, parameterShape));
  const normal = settled(ctx, ratio, axes);
  finish(ctx, node, source.axes, (target) =>
    ctx.reshaped(
      transformed(ctx, normal, ...parametersFor(ctx, normal, scale, bias), target),
      shape,
    ),
  );
}

function lowerMeanVariance(ctx: LoweringContext, node: GraphNode): void {
  const x = operand(ctx, node);
  const axes = physical(x, intsAttribute(node, "axes") ?? [0, 2, 3]);
  const ratio = ratioOf(ctx, x, { axes, epsilon: 0, centred: true });
  finishNormalised(ctx, node, x.axes, ratio, undefined, undefined);
}

/** Values over the sum of their magnitudes, or over the root of the sum of their squares. */
function lowerLp(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const x = narrowed(ctx, operand(ctx, node), 24);
  const rank = x.axes.length;
  const stated = intAttribute(node, "axis") ?? -1;
  const axis = x.axes.indexOf(stated < 0 ? stated + rank : stated);
  const { shape } = x.value;
  const over = { axes: [axis], kept: shape.map((dim, i) => (i === axis ? 1 : dim)) };
  const bits = magnitudeBits(x.format);
  let denominator: FixedValue;
  let factor = 1;
  if (intAttribute(node, "p") === 1) {
    const wide = ctx.widened(x.value, "i32");
    denominator = summed(ctx, builder.op("abs", {}, [wide], "i32", shape), over);
  } else {
    const dim = shape[axis]!;
    const terms = exponentOf(typeof dim === "number" && dim > 0 ? dim : OPEN_COUNT) + 1;
    const half = Math.max(Math.floor((62 - 2 * bits - terms) / 2), 0);
    const total = shiftedLeft(ctx, summed(ctx, squared(ctx, x.value), over), 2 * half);
    denominator = builder.op("sqrt.floor", {}, [total], "i64", over.kept);
    factor = powerOfTwo(half);
  }
  finish(ctx, node, x.axes, (target) =>
    dividedInto(ctx, x.value, bits, denominator, factor, target, x.axes, shape),
  );
}

/** BatchNormalization with statistics that are known only when running. */
function lowerBatch(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const x = operand(ctx, node);
  const rank = x.axes.length;
  const shape = channelShape(ctx, node, 1, rank);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => {
    const p = parameter(ctx, node, i, shape);
    if (p === undefined) throw nodeError("MissingInput", node, `input ${i} is missing`);
    return aligned(ctx, [x, p], rank).operands[1]!;
  });
  const epsilon = floatAttribute(node, "epsilon") ?? 1e-5;
  const limit = powerOfTwo(24) - 1;
  const step = roundScale((reachOf(x) + reachOf(mean!)) / limit);
  const fine = format("i32", step, 0, [-limit, limit]);
  const centred = scaledSum(ctx, x, mean!, -1, fine, x.value.shape);
  const factors = ctx.widened(narrowed(ctx, scale!, 20).value, "i32");
  const factorUnit = narrowed(ctx, scale!, 20).format.scale;
  const products = builder.op(
    "mul.wide",
    { accumulator: "i64" },
    [centred, factors],
    "i64",
    x.value.shape,
  );
  const held = magnitudeBits(variance!.format);
  const spare = Math.max(61 - held, 0);
  const shift = spare - (spare % 2);
  const unit = variance!.format.scale;
  const added = Math.floor((epsilon / unit) * powerOfTwo(shift) + 0.5);
  const safe = builder.op(
    "add",
    {},
    [
      shiftedLeft(ctx, variance!.value, shift),
      builder.scalar("i64", BigInt(Math.min(added, powerOfTwo(61)))),
    ],
    "i64",
    variance!.value.shape,
  );
  const root = builder.op("sqrt.floor", {}, [safe], "i64", safe.shape);
  const factor = ((step * factorUnit) / Math.sqrt(unit)) * powerOfTwo(shift / 2);
  finish(ctx, node, x.axes, (target) => {
    const scaleOfResult = (target.scale as number) / 256;
    const near = format("i32", scaleOfResult, 0, [-0x3fffffff, 0x3fffffff]);
    const value = dividedInto(ctx, products, 44, root, factor, near, x.axes, x.value.shape);
    const sum = { value, axes: x.axes, format: near } as UniformReal;
    return scaledSum(ctx, sum, bias!, 1, target, x.value.shape);
  });
}

/** `x / (bias + alpha/size·Σ x²)^beta`, the sum over neighbouring channels. */
function lowerLocalResponse(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const x = narrowed(ctx, ctx.logical(operand(ctx, node)), 24);
  const { shape } = x.value;
  const size = intAttribute(node, "size")!;
  const [alpha, beta, bias] = ["alpha", "beta", "bias"].map((n) => floatAttribute(node, n)!);
  const [batch, channels, ...spatial] = shape;
  // Channels as the spatial axis of a pool over [N, C, spatial].
  const before = Math.floor((size - 1) / 2);
  const exact = ctx.widened(squared(ctx, x.value), "i64");
  const bits = 2 * magnitudeBits(x.format);
  const limit = powerOfTwo(31 - exponentOf(size) - 2) - 1;
  const unit = x.format.scale * x.format.scale;
  const step = roundScale(Math.max((powerOfTwo(bits) * unit) / limit, powerOfTwo(-1000)));
  const held = format("i32", step, 0, [0, limit]);
  const squares = ctx.rescaled({ value: exact, axes: x.axes }, unit / step, held);
  const inner = spatial.length === 0 ? [1] : spatial;
  const flat = ctx.reshaped(squares, [batch!, channels!, ...inner]);
  const merged: Dim[] = [
    batch!,
    channels!,
    inner.every((d) => typeof d === "number") ? inner.reduce((a, b) => a * b, 1) : "",
  ];
  const rows = inner.length === 1 ? flat : ctx.reshaped(flat, merged);
  const sums = builder.op(
    "pool.sum",
    {
      kernel: [size],
      strides: [1],
      dilations: [1],
      pads: [before, size - 1 - before],
      dtype: "i64",
    },
    [rows],
    "i64",
    rows.shape,
  );
  const total = ctx.reshaped(ctx.widened(sums, "i32"), shape);
  const power = (s: number): number => pow(bias! + (alpha! / size) * Math.max(s, 0), -beta!);
  const greatest = limit * step * size;
  const gateLimit = powerOfTwo(RESULT_BITS) - 1;
  const gateScale = roundScale(Math.max(power(0), power(greatest)) / gateLimit);
  const gateFormat = format("i32", gateScale, 0, [-gateLimit, gateLimit]);
  const source = { value: total, axes: x.axes, format: format("i32", step) };
  const gate = wideFunction(
    ctx,
    power,
    [0, greatest],
    gateFormat,
    x.axes,
    (target) => ctx.requantise(source, target).value,
  );
  const operandOfProduct = ctx.widened(x.value, "i32");
  const product = builder.op(
    "mul.wide",
    { accumulator: "i64" },
    [operandOfProduct, gate],
    "i64",
    shape,
  );
  const resultUnit = x.format.scale * gateScale;
  finish(ctx, node, x.axes, (target) =>
    ctx.rescaled({ value: product, axes: x.axes }, resultUnit / (target.scale as number), target),
  );
}

export const normalizationRules: Readonly<Record<string, Rule>> = {
  BatchNormalization: lowerBatch,
  GroupNormalization: lowerGroup,
  InstanceNormalization: lowerInstance,
  LRN: lowerLocalResponse,
  LayerNormalization: (ctx, node) => lowerLayer(ctx, node, true),
  LpNormalization: lowerLp,
  MeanVarianceNormalization: lowerMeanVariance,
  RMSNormalization: (ctx, node) => lowerLayer(ctx, node, false),
};
