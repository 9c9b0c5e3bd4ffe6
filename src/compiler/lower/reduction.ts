/** Pools, reductions, arg-max and softmax. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { intAttribute, intsAttribute, nodeError } from "../graph.js";
import { addDims, productOfDims } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { defineIntegers, inOrder } from "./gathering.js";
import { IndexMath } from "./indexMath.js";
import { lowerMaxIndices } from "./maxIndices.js";
import type { Real } from "./real.js";
import { channelsLast, format, mapScale, maxScale, scaleAt, scaleRatio } from "./real.js";
import { roundScale } from "./scale.js";

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** The window of a pool; what `ceil_mode` adds at the end becomes padding. */
export function windowOf(ctx: LoweringContext, node: GraphNode): Window {
  const kernel = intsAttribute(node, "kernel_shape")!;
  const strides = intsAttribute(node, "strides")!;
  const dilations = intsAttribute(node, "dilations") ?? kernel.map(() => 1);
  const pads = [...intsAttribute(node, "pads")!];
  if ((intAttribute(node, "ceil_mode") ?? 0) === 0) return { kernel, strides, dilations, pads };
  const spatial = kernel.length;
  const input = ctx.shapeOf(node.inputs[0]!).slice(2);
  const output = ctx.shapeOf(node.outputs.find((name) => name !== "")!).slice(2);
  for (let i = 0; i < spatial; i++) {
    const [size, result, end] = [input[i]!, output[i]!, pads[i + spatial]!];
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    if (typeof size === "number" && typeof result === "number") {
      const needed = (result - 1) * strides[i]! + reach - size - pads[i]!;
      pads[i + spatial] = Math.max(needed, end);
    } else if (end + strides[i]! - 1 < reach) {
      // One window more than rounding down has, where there is a rest; it never lies outside whole.
      pads[i + spatial] = end + strides[i]! - 1;
    } else ctx.fixedDims(node.inputs[0]!, node);
  }
  return { kernel, strides, dilations, pads };
}

export function lowerMaxPool(ctx: LoweringContext, node: GraphNode): void {
  const source = ctx.get(node.inputs[0]!);
  const x = ctx.ordered(source, channelsLast(source.axes.length));
  if (node.outputs.length > 1) {
    lowerMaxIndices(ctx, node, x, { ...windowOf(ctx, node) });
    return;
  }
  const shape = ctx.shapeOf(node.outputs[0]!);
  const value = ctx.builder.op(
    "pool.max",
    { ...windowOf(ctx, node) },
    [x.value],
    x.value.dtype,
    x.axes.map((axis) => shape[axis]!),
  );
  ctx.define(node.outputs[0]!, { ...x, value });
}

export function lowerAveragePool(ctx: LoweringContext, node: GraphNode): void {
  const source = ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node));
  const x = ctx.ordered(source, channelsLast(source.axes.length));
  const window = windowOf(ctx, node);
  const shape = ctx.shapeOf(node.outputs[0]!);
  const physical = x.axes.map((axis) => shape[axis]!);
  const { builder } = ctx;
  const dtype = x.value.dtype === "i32" ? "i64" : "i32";
  const sums = builder.op("pool.sum", { ...window, dtype }, [x.value], dtype, physical);
  const taps = window.kernel.reduce((a, b) => a * b, 1);
  const padded = window.pads.some((p) => p > 0);
  if (
    !padded ||
    ((intAttribute(node, "count_include_pad") ?? 0) === 1 &&
      (intAttribute(node, "ceil_mode") ?? 0) === 0)
  ) {
    finish(
      ctx,
      node,
      x.axes,
      (target) =>
        ctx.rescaled(
          { value: sums, axes: x.axes },
          mapScale(scaleRatio(x.format.scale, target.scale), (s) => s / taps),
          target,
        ),
      "perChannel",
    );
    return;
  }
  if (shape.slice(2).some((dim) => typeof dim === "string")) {
    lowerOpenAverage(ctx, node, { ...x, value: sums }, window);
    return;
  }
  // Windows over the border have fewer taps: a multiplier for each position.
  const counts = windowCounts(ctx, node, window);
  const spatial = ctx.fixedDims(node.outputs[0]!, node).slice(2);
  finish(ctx, node, x.axes, (target) => {
    // First the mean in 32 bits with 8 more bits than the input, then the target's format.
    const scale = roundScale(maxScale(x.format.scale) / 256);
    const factors = counts.map((n) => scaleAt(x.format.scale, 0) / (scale * n));
    if (typeof x.format.scale !== "number")
      throw nodeError("UnsupportedFormat", node, "an average over a padded border needs one scale");
    const fine = format("i32", scale);
    const means = ctx.rescaledByPosition(sums, [...spatial, 1], factors, fine);
    return ctx.requantise({ value: means, axes: x.axes, format: fine }, target).value;
  });
}

/** Bits that means have more than what they are of, before they are rounded to the result. */
const MEAN_BITS = 8;

/** Averages over a border where the sizes are open: taps are counted like the values are summed. */
function lowerOpenAverage(ctx: LoweringContext, node: GraphNode, sums: Real, window: Window): void {
  const { builder } = ctx;
  const { scale } = sums.format;
  if (typeof scale !== "number")
    throw nodeError("UnsupportedFormat", node, "an average over a padded border needs one scale");
  const math = new IndexMath(ctx, node);
  const [, , ...spatial] = ctx.shapeOf(node.inputs[0]!);
  const [, ...places] = sums.value.shape.slice(0, -1);
  const includes = (intAttribute(node, "count_include_pad") ?? 0) === 1;
  const rank = spatial.length;
  // What ceil_mode adds at the end counts in no case.
  const own = includes ? intsAttribute(node, "pads")! : window.pads.map(() => 0);
  const at = (i: number): [number, number] => [own[i]!, own[i + rank]!];
  const ones = math.expand(math.scalar(1), [
    1,
    ...spatial.map((dim, i) => addDims(dim, at(i)[0] + at(i)[1])),
    1,
  ]);
  const rest = { ...window, pads: window.pads.map((pad, i) => pad - own[i]!) };
  const counts = builder.op("pool.sum", { ...rest, dtype: "i64" }, [ones], "i64", [
    1,
    ...places,
    1,
  ]);
  const wide = math.op(
    "shl",
    {},
    [math.cast(sums.value, "i64"), math.scalar(MEAN_BITS, "i64")],
    "i64",
    sums.value.shape,
  );
  const half = math.op("shr", {}, [counts, math.scalar(1, "i64")], "i64", counts.shape);
  const value = math.arithmetic("div.floor", math.arithmetic("add", wide, half), counts);
  finish(ctx, node, sums.axes, (target) =>
    ctx.rescaled(
      { value, axes: sums.axes },
      mapScale(scaleRatio(scale, target.scale), (s) => s / (1 << MEAN_BITS)),
      target,
    ),
  );
}

/** How many taps of the window lie inside, at each spatial position of the result. */
function windowCounts(ctx: LoweringContext, node: GraphNode, window: Window): number[] {
  const input = ctx.fixedDims(node.inputs[0]!, node).slice(2);
  const output = ctx
    .fixedDims(
      node.outputs.find((name) => name !== "")!,
      node,
    )
    .slice(2);
  const declared = intsAttribute(node, "pads")!;
  const includePad = (intAttribute(node, "count_include_pad") ?? 0) === 1;
  let counts = [1];
  output.forEach((size, d) => {
    const lo = includePad ? -declared[d]! : 0;
    const hi = includePad ? input[d]! + declared[d + input.length]! : input[d]!;
    const along = Array.from({ length: size }, (_, i) => {
      const start = i * window.strides[d]! - window.pads[d]!;
      let n = 0;
      for (let t = 0; t < window.kernel[d]!; t++) {
        const at = start + t * window.dilations[d]!;
        if (at >= lo && at < hi) n++;
      }
      return Math.max(n, 1);
    });
    counts = counts.flatMap((c) => along.map((n) => c * n));
  });
  return counts;
}

/** GlobalAveragePool and GlobalMaxPool reduce all spatial axes. */
export function lowerGlobalPool(ctx: LoweringContext, node: GraphNode, op: "mean" | "max"): void {
  const rank = ctx.shapeOf(node.inputs[0]!).length;
  reduce(
    ctx,
    node,
    Array.from({ length: rank - 2 }, (_, i) => i + 2),
    true,
    op,
  );
}

export function lowerReduce(
  ctx: LoweringContext,
  node: GraphNode,
  op: "sum" | "mean" | "max" | "min",
): void {
  reduce(ctx, node, intsAttribute(node, "axes")!, (intAttribute(node, "keepdims") ?? 1) === 1, op);
}

function reduce(
  ctx: LoweringContext,
  node: GraphNode,
  axes: readonly number[],
  keepDims: boolean,
  op: "sum" | "mean" | "max" | "min",
): void {
  const { builder } = ctx;
  const source = ctx.get(node.inputs[0]!);
  const x = source.format === undefined ? source : ctx.withoutZeroPoint(source as Real);
  const physicalAxes = axes.map((axis) => x.axes.indexOf(axis)).sort((a, b) => a - b);
  const kept: Dim[] = x.value.shape.map((dim, i) => (physicalAxes.includes(i) ? 1 : dim));
  const outputShape = ctx.shapeOf(node.outputs[0]!);
  const left = x.axes.filter((axis) => !axes.includes(axis));
  const outAxes = keepDims
    ? x.axes
    : left.map((axis) => axis - axes.filter((a) => a < axis).length);
  const squeeze = (value: FixedValue): FixedValue =>
    keepDims
      ? value
      : ctx.reshaped(
          value,
          outAxes.map((axis) => outputShape[axis]!),
        );

  if (x.format === undefined || op === "max" || op === "min") {
    const dtype = x.value.dtype;
    let value: FixedValue;
    if (op === "sum" || op === "mean") {
      const wide = builder.op(
        "reduce.sum",
        { axes: physicalAxes, dtype: "i64" },
        [x.value],
        "i64",
        kept,
      );
      const total = op === "sum" ? wide : integerMean(ctx, node, wide, axes);
      value = ctx.widened(total, dtype);
    } else {
      value = builder.op(
        op === "max" ? "reduce.max" : "reduce.min",
        { axes: physicalAxes },
        [x.value],
        dtype,
        kept,
      );
    }
    const f = x.format;
    const plain =
      f === undefined || typeof f.scale === "number" || (keepDims && !axes.includes(f.scale.axis));
    if (!plain)
      throw nodeError("UnsupportedFormat", node, "an extreme over channels needs one scale");
    ctx.define(node.outputs[0]!, {
      value: squeeze(value),
      axes: outAxes,
      ...(f === undefined ? {} : { format: f }),
    });
    return;
  }
  const real = x as Real;
  const oneScale = typeof real.format.scale === "number" || !axes.includes(real.format.scale.axis);
  const input = oneScale
    ? real
    : ctx.requantise(real, { ...real.format, scale: maxScale(real.format.scale) });
  const dims = ctx.shapeOf(node.inputs[0]!);
  const counted = op === "mean" ? axes.map((axis) => dims[axis]!) : [];
  const open = counted.some((dim) => typeof dim === "string");
  const count = open ? 1 << OPEN_MEAN_BITS : (productOfDims(counted) as number);
  const total = builder.op(
    "reduce.sum",
    { axes: physicalAxes, dtype: "i64" },
    [input.value],
    "i64",
    kept,
  );
  const sums = open ? dividedByOpen(ctx, total, counted) : total;
  const lead = keepDims || typeof input.format.scale === "number";
  const scale = lead ? input.format.scale : maxScale(input.format.scale);
  finish(ctx, node, outAxes, (target) =>
    squeeze(
      ctx.rescaled(
        { value: sums, axes: x.axes },
        mapScale(scaleRatio(scale, target.scale), (s) => s / count),
        target,
      ),
    ),
  );
}

/** Sums of integers over their count, towards 0. */
function integerMean(
  ctx: LoweringContext,
  node: GraphNode,
  sums: FixedValue,
  axes: readonly number[],
): FixedValue {
  const { builder } = ctx;
  const dims = ctx.shapeOf(node.inputs[0]!);
  const sizes = ctx.openDims.vector(axes.map((axis) => dims[axis]!));
  const count = builder.op("reduce.prod", { axes: [0], dtype: "i64" }, [sizes], "i64", [1]);
  return builder.op("div.trunc", {}, [sums, count], "i64", sums.shape);
}

/** Means over open axes keep this many fractional bits until they are rounded to their format. */
const OPEN_MEAN_BITS = 12;

/** Exact sums over a count that is only known when running, with `OPEN_MEAN_BITS` more bits. */
function dividedByOpen(
  ctx: LoweringContext,
  sums: FixedValue,
  counted: readonly Dim[],
): FixedValue {
  const { builder } = ctx;
  const sizes = ctx.openDims.vector(counted);
  const count = builder.op("reduce.prod", { axes: [0], dtype: "i64" }, [sizes], "i64", [1]);
  const bits = builder.scalar("i64", BigInt(OPEN_MEAN_BITS));
  const fine = builder.op("shl", {}, [sums, bits], "i64", sums.shape);
  return builder.op("div.floor", {}, [fine, count], "i64", sums.shape);
}

export function lowerArg(ctx: LoweringContext, node: GraphNode, op: "argmax" | "argmin"): void {
  const math = new IndexMath(ctx, node);
  const axis = intAttribute(node, "axis")!;
  const x = inOrder(ctx, node.inputs[0]!).value;
  const last = intAttribute(node, "select_last_index") === 1;
  const kept = x.shape.map((dim, i) => (i === axis ? 1 : dim));
  const found = math.op(op, { axis }, [last ? math.reversed(x, axis) : x], "i32", kept);
  const end = (): FixedValue => math.arithmetic("sub", math.sizeOf(x, axis), math.scalar(1));
  const index = last ? math.arithmetic("sub", end(), found) : found;
  defineIntegers(ctx, node.outputs[0]!, math.cast(index, "i64"));
}
