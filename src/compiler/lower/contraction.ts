/** Conv, ConvTranspose, MatMul, Gemm: exact sums, a bias, one rescale. */
import type { Dtype } from "../../core/dtype.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { floatAttribute, intAttribute, intsAttribute, nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { pairedDtypes } from "./dtypes.js";
import { finish, multiplyScales } from "./finish.js";
import { limitOf } from "./profile.js";
import type { Format, Real, Scale } from "./real.js";
import { channelsLast, format, identityAxes, mapScale, maxScale, scaleRatio } from "./real.js";
import { roundScale } from "./scale.js";
import type { QuantisedWeights, WeightSource } from "./weights.js";
import { dequantised, keepColumns, quantiseColumns, weightSource } from "./weights.js";

/** Bits that the values of an activation may use, its clamp included. */
function activationBits(f: Format): number {
  return f.dtype === "i32" ? 24 : f.dtype === "i16" ? 16 : 8;
}

/** Greatest magnitude of an activation's integers. */
function activationBound(f: Format): number {
  return f.dtype === "u8" ? 255 : 1 << (activationBits(f) - 1);
}

/** Interval of an activation's integers, its padding included. */
function activationInterval({ lo, hi, zeroPoint }: Format): readonly [number, number] {
  return [Math.min(lo, zeroPoint), Math.max(hi, zeroPoint)];
}

/**
 * An activation as contractions read it: narrowed to the profile's width where it is wider. What
 * a quantised model already holds in 8 bits stays as it is.
 */
function contractionInput(ctx: LoweringContext, x: Real, channelAxis?: number): Real {
  const { contractionInput: width } = ctx.profile;
  const { scale } = x.format;
  const foldable = typeof scale === "number" || scale.axis === channelAxis;
  const wanted = width.dtype;
  const narrowEnough =
    x.format.dtype === wanted ||
    x.format.dtype === "i8" ||
    x.format.dtype === "u8" ||
    (wanted === "i32" && x.format.dtype === "i16");
  const inBits = x.format.dtype !== "i32" || (x.format.lo >= -0x800000 && x.format.hi <= 0x7fffff);
  if (narrowEnough && foldable && inBits) return x;
  const limit = limitOf(width);
  if (narrowEnough && inBits)
    return ctx.requantise(
      x,
      format(x.format.dtype, maxScale(scale), 0, [x.format.lo, x.format.hi]),
    );
  // What the integers of a wide tensor can reach, less the headroom that a narrow one can't afford.
  const reach =
    (x.format.dtype === "i16" ? 32_767 : Math.max(x.format.hi, -x.format.lo)) *
    (width.headroom / ctx.profile.activation.headroom);
  const narrow = foldable
    ? mapScale(scale, (s) => roundScale((s * reach) / limit))
    : roundScale((maxScale(scale) * reach) / limit);
  return ctx.requantise(x, format(wanted, narrow, 0, [-limit - 1, limit]));
}

/** A bias in reals, or none. */
function biasOf(ctx: LoweringContext, node: GraphNode, index: number, outputs: number): number[] {
  const name = node.inputs[index];
  if (name === undefined || name === "") return new Array<number>(outputs).fill(0);
  const source = weightSource(ctx, node, index);
  if (source === undefined)
    throw nodeError("NotConstant", node, `the bias "${name}" must be a constant`);
  const reals = Array.from(dequantised(source));
  if (reals.length === 1) return new Array<number>(outputs).fill(reals[0]!);
  if (reals.length === outputs && source.dims.at(-1) === outputs) return reals;
  throw nodeError(
    "UnsupportedShape",
    node,
    `the bias "${name}" of [${source.dims.join(",")}] must be one row of ${String(outputs)}`,
  );
}

interface Matrix {
  /** Rows are taps and channels (or k), columns are outputs. */
  readonly weights: QuantisedWeights;
  /** What a sum of 1 stands for, by output channel. */
  readonly sums: readonly number[];
  readonly bias: readonly bigint[];
  readonly accumulator: "i32" | "i64";
}

/**
 * Rounds weights and bias for an activation.
 * @param order index into the source of each element of [K, outputs]
 * @param inputChannel channel of the activation that row k of column o multiplies
 */
function matrixFor(
  ctx: LoweringContext,
  x: Real,
  source: WeightSource,
  order: Int32Array,
  outputs: number,
  outputAxis: number,
  inputChannel: (k: number, o: number) => number,
  bias: readonly number[],
): Matrix {
  const { scale } = x.format;
  const rows = order.length / outputs;
  let weights: QuantisedWeights;
  let base: number;
  const { quantised } = source;
  if (
    quantised !== undefined &&
    typeof scale === "number" &&
    (quantised.scales.length === 1 || quantised.axis === outputAxis)
  ) {
    base = scale;
    const integers = new Int32Array(order.length);
    for (let at = 0; at < order.length; at++) integers[at] = source.values[order[at]!]!;
    weights = keepColumns(integers, outputs, quantised.scales);
  } else {
    base = typeof scale === "number" ? scale : 1;
    const values = dequantised(source);
    const reals = new Float64Array(order.length);
    for (let at = 0; at < order.length; at++) reals[at] = values[order[at]!]!;
    if (typeof scale !== "number") {
      const { scales } = scale;
      for (let k = 0, at = 0; k < rows; k++) {
        for (let o = 0; o < outputs; o++, at++) reals[at]! *= scales[inputChannel(k, o)]!;
      }
    }
    const units = bias.map((b) => b / base);
    weights = quantiseColumns(reals, outputs, units, activationInterval(x.format), ctx.profile);
  }
  const sums = weights.scales.map((s) => s * base);
  const columnSums = new Array<number>(outputs).fill(0);
  if (x.format.zeroPoint !== 0) {
    for (let i = 0; i < weights.integers.length; i++)
      columnSums[i % outputs]! += weights.integers[i]!;
  }
  const integers = bias.map(
    (b, o) =>
      BigInt(Math.floor(b / sums[o]! + 0.5)) - BigInt(x.format.zeroPoint) * BigInt(columnSums[o]!),
  );
  const product = (BigInt(rows) * BigInt(activationBound(x.format))) << BigInt(weights.bits - 1);
  const wide =
    x.format.dtype === "i32" ||
    product > 0x7fffffffn ||
    integers.some((b) => b > 0x3fffffffn || b < -0x3fffffffn);
  return { weights, sums, bias: integers, accumulator: wide ? "i64" : "i32" };
}

/** Accumulate, add the bias, and let `finish` round. */
function finishSums(
  ctx: LoweringContext,
  node: GraphNode,
  sums: FixedValue,
  matrix: Matrix,
  axes: readonly number[],
  outputAxis: number,
): void {
  const { builder } = ctx;
  let value = sums;
  if (matrix.bias.some((b) => b !== 0n)) {
    const bias = builder.constant(matrix.accumulator, [matrix.bias.length], matrix.bias);
    value = builder.op("add", {}, [value, bias], matrix.accumulator, value.shape);
  }
  const scale: Scale = { axis: outputAxis, scales: matrix.sums };
  finish(
    ctx,
    node,
    axes,
    (target) => ctx.rescaled({ value, axes }, scaleRatio(scale, target.scale), target),
    "perChannel",
  );
}

/** Bits of an activation once it is widened: a u8 needs one more for its sign. */
function bitsAs(f: Format, dtype: Dtype): number {
  return f.dtype === "u8" && dtype !== "u8" ? 9 : activationBits(f);
}

export function lowerConv(ctx: LoweringContext, node: GraphNode): void {
  const source = weightSource(ctx, node, 1);
  if (source === undefined) throw nodeError("NotConstant", node, "the kernel must be a constant");
  const rank = source.dims.length;
  const [outputs, perGroup, ...kernel] = source.dims as [number, number, ...number[]];
  const groups = intAttribute(node, "group") ?? 1;
  const x = ctx.ordered(
    contractionInput(ctx, ctx.real(node.inputs[0]!, node), 1),
    channelsLast(rank),
  );
  const spatial = rank - 2;
  const ones = new Array<number>(spatial).fill(1);
  const taps = kernel.reduce((a, b) => a * b, 1);

  // O, I, taps → taps, I, O
  const order = new Int32Array(source.values.length);
  for (let t = 0; t < taps; t++) {
    for (let c = 0; c < perGroup; c++) {
      for (let o = 0; o < outputs; o++)
        order[(t * perGroup + c) * outputs + o] = (o * perGroup + c) * taps + t;
    }
  }
  const outputsPerGroup = outputs / groups;
  const matrix = matrixFor(
    ctx,
    x,
    source,
    order,
    outputs,
    0,
    (k, o) => Math.floor(o / outputsPerGroup) * perGroup + (k % perGroup),
    biasOf(ctx, node, 2, outputs),
  );
  const shape = ctx.shapeOf(node.outputs[0]!);
  const axes = channelsLast(rank);
  const { builder } = ctx;
  const [left, right] = pairedDtypes(x.value.dtype, matrix.weights.dtype);
  const a = ctx.widened(x.value, left);
  const b = builder.constant(right, [...kernel, perGroup, outputs], matrix.weights.integers);
  const sums = builder.op(
    "conv",
    {
      aBits: bitsAs(x.format, a.dtype),
      bBits: matrix.weights.bits,
      accumulator: matrix.accumulator,
      strides: intsAttribute(node, "strides") ?? ones,
      dilations: intsAttribute(node, "dilations") ?? ones,
      pads: intsAttribute(node, "pads") ?? [...ones, ...ones].map(() => 0),
      groups,
      padValue: BigInt(x.format.zeroPoint),
    },
    [a, b],
    matrix.accumulator,
    axes.map((axis) => shape[axis]!),
  );
  finishSums(ctx, node, sums, matrix, axes, 1);
}

export function lowerMatMul(ctx: LoweringContext, node: GraphNode): void {
  if (node.inputs.slice(0, 2).some((name) => ctx.shapeOf(name).length < 2))
    throw nodeError("UnsupportedRank", node, "a product with a vector is not supported");
  const source = weightSource(ctx, node, 1);
  if (source?.dims.length === 2) {
    lowerProduct(
      ctx,
      node,
      ctx.real(node.inputs[0]!, node),
      source,
      false,
      biasOf(ctx, node, 2, source.dims[1]!),
    );
    return;
  }
  const { builder } = ctx;
  const [a, b] = [0, 1].map((i) => {
    const x = ctx.withoutZeroPoint(contractionInput(ctx, ctx.real(node.inputs[i]!, node)));
    return ctx.logical(contractionInput(ctx, x));
  }) as [Real, Real];
  const shape = ctx.shapeOf(node.outputs[0]!);
  const scale = multiplyScales(a.format.scale, b.format.scale);
  const accumulator =
    a.value.dtype === "i8" && b.value.dtype === "i8" && innerBound(a) <= 0x1ffff ? "i32" : "i64";
  const pair = pairedDtypes(a.value.dtype, b.value.dtype);
  const left = ctx.widened(a.value, pair[0]);
  const right = ctx.widened(b.value, pair[1]);
  const sums = builder.op(
    "matmul",
    { aBits: bitsAs(a.format, left.dtype), bBits: bitsAs(b.format, right.dtype), accumulator },
    [left, right],
    accumulator,
    shape,
  );
  const axes = identityAxes(shape.length);
  finish(ctx, node, axes, (target) =>
    ctx.rescaled({ value: sums, axes }, scaleRatio(scale, target.scale), target),
  );
}

function innerBound(a: Real): number {
  const k: Dim = a.value.shape[a.value.shape.length - 1]!;
  return typeof k === "number" ? k : Infinity;
}

export function lowerGemm(ctx: LoweringContext, node: GraphNode): void {
  const source = weightSource(ctx, node, 1);
  if (source?.dims.length !== 2)
    throw nodeError("NotConstant", node, "the second matrix must be a constant");
  const transposed = (intAttribute(node, "transB") ?? 0) === 1;
  const outputs = source.dims[transposed ? 0 : 1]!;
  const alpha = floatAttribute(node, "alpha") ?? 1;
  const beta = floatAttribute(node, "beta") ?? 1;
  const scaled: WeightSource =
    alpha === 1
      ? source
      : { dims: source.dims, values: Float64Array.from(dequantised(source), (v) => v * alpha) };
  const bias = biasOf(ctx, node, 2, outputs).map((b) => b * beta);
  const a = ctx.real(node.inputs[0]!, node);
  const x =
    (intAttribute(node, "transA") ?? 0) === 1 ? { ...a, axes: a.axes.map((axis) => 1 - axis) } : a;
  lowerProduct(ctx, node, x, scaled, transposed, bias);
}

/** […, K] by a constant [K, N] (or its transpose) plus a row. */
function lowerProduct(
  ctx: LoweringContext,
  node: GraphNode,
  input: Real,
  source: WeightSource,
  transposed: boolean,
  bias: readonly number[],
): void {
  const [rows, outputs] = (transposed ? [...source.dims].reverse() : source.dims) as [
    number,
    number,
  ];
  const last = input.axes.length - 1;
  const x = ctx.logical(contractionInput(ctx, input, last));
  const order = new Int32Array(rows * outputs);
  for (let k = 0; k < rows; k++) {
    for (let o = 0; o < outputs; o++)
      order[k * outputs + o] = transposed ? o * rows + k : k * outputs + o;
  }
  const matrix = matrixFor(ctx, x, source, order, outputs, transposed ? 0 : 1, (k) => k, bias);
  const shape = ctx.shapeOf(node.outputs[0]!);
  const { builder } = ctx;
  const [left, right] = pairedDtypes(x.value.dtype, matrix.weights.dtype);
  const a = ctx.widened(x.value, left);
  const sums = builder.op(
    "matmul",
    {
      aBits: bitsAs(x.format, a.dtype),
      bBits: matrix.weights.bits,
      accumulator: matrix.accumulator,
    },
    [a, builder.constant(right, [rows, outputs], matrix.weights.integers)],
    matrix.accumulator,
    shape,
  );
  finishSums(ctx, node, sums, matrix, identityAxes(shape.length), shape.length - 1);
}
