/** MatMul and Gemm, and what convolutions share with them: exact sums, a bias, one rescale. */
import type { Dtype } from "../../core/dtype.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { floatAttribute, intAttribute, nodeError } from "../graph.js";
import { byteFormat } from "./byteFormat.js";
import type { LoweringContext } from "./context.js";
import { pairedDtypes } from "./dtypes.js";
import type { Rows } from "./errorDiffusion.js";
import { withDiffusedErrors } from "./errorDiffusion.js";
import { limitOf, SINGLE } from "./profile.js";
import type { Format, Real } from "./real.js";
import { format, identityAxes, mapScale, maxScale } from "./real.js";
import { roundScale } from "./scale.js";
import type { Bias } from "./sums.js";
import { biasOf, finishWith } from "./sums.js";
import type { QuantisedWeights, WeightSource } from "./weights.js";
import {
  correctedBias,
  dequantised,
  keepColumns,
  quantiseColumns,
  weightSource,
} from "./weights.js";

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
 * @param name of the value in the model, by which its range is known
 * @param zeroPoint whether the reader takes any zero point
 */
export function contractionInput(
  ctx: LoweringContext,
  x: Real,
  channelAxis?: number,
  name?: string,
  zeroPoint = false,
): Real {
  const width =
    name !== undefined && ctx.formats.isSpectrum(name) ? SINGLE : ctx.profile.contractionInput;
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
  const range = name === undefined ? undefined : ctx.rangeOf(name);
  if (width.bits === 8 && range !== undefined && typeof scale === "number")
    return ctx.requantise(x, byteFormat(range, [-Infinity, Infinity], zeroPoint));
  // What the integers of a wide tensor can reach, less the headroom that a narrow one can't afford.
  const reach =
    (x.format.dtype === "i16" ? 32_767 : reachOf(ctx, x.format, name)) *
    (width.headroom / ctx.profile.activation.headroom);
  const narrow = foldable
    ? mapScale(scale, (s) => roundScale((s * reach) / limit))
    : roundScale((maxScale(scale) * reach) / limit);
  return ctx.requantise(x, format(wanted, narrow, 0, [-limit - 1, limit]));
}

/**
 * The greatest integer of a wide tensor: what its interval says, or what calibration saw of the
 * value, which may be a part of a tensor (a state's) that others need a wider interval for.
 */
function reachOf(
  ctx: LoweringContext,
  { lo, hi, scale }: Format,
  name: string | undefined,
): number {
  const most = Math.max(hi, -lo);
  const range = name === undefined ? undefined : ctx.rangeOf(name);
  if (range === undefined || typeof scale !== "number") return most;
  const seen = Math.max(Math.abs(range.min), Math.abs(range.max));
  return seen === 0 ? most : Math.min(most, (seen * ctx.profile.activation.headroom) / scale);
}

export interface Matrix {
  /** Rows are taps and channels (or k), columns are outputs. */
  readonly weights: QuantisedWeights;
  /** What a sum of 1 stands for, by output channel. */
  readonly sums: readonly number[];
  readonly bias: readonly bigint[];
  /** The greatest magnitude of a sum with its bias, by output channel. */
  readonly most: readonly number[];
  readonly accumulator: "i32" | "i64";
  /** What the activation and the weights must be widened to. */
  readonly dtypes: readonly [Dtype, Dtype];
}

/**
 * Rounds weights and bias for an activation.
 * @param order index into the source of each element of [K, outputs]
 */
export function matrixFor(
  ctx: LoweringContext,
  x: Real,
  source: WeightSource,
  order: Int32Array,
  outputs: number,
  outputAxis: number,
  layout: Rows,
  given: readonly number[],
): Matrix {
  let bias = given;
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
        for (let o = 0; o < outputs; o++, at++) reals[at]! *= scales[layout.channel(k, o)]!;
      }
    }
    const units = bias.map((b) => b / base);
    const profile = ctx.weightProfile;
    weights = quantiseColumns(reals, outputs, units, activationInterval(x.format), profile);
    const unit = (channel: number): number =>
      typeof scale === "number" ? 1 : scale.scales[channel]!;
    // Wider weights are rounded so finely that their sums must stay where they were proved to be.
    if (weights.dtype === "i8")
      weights = withDiffusedErrors(reals, weights, layout, profile.most, unit);
    const { bits } = weights;
    ctx.weights.push({ node: ctx.builder.origin, elements: order.length, bits });
    const means = layout.seen?.mean;
    if (means !== undefined) {
      const mean = (k: number, o: number): number => {
        const channel = layout.channel(k, o);
        return means[channel]! / unit(channel);
      };
      bias = correctedBias(given, reals, weights, mean);
    }
  }
  const sums = weights.scales.map((s) => s * base);
  const columnSums = new Array<number>(outputs).fill(0);
  const lengths = new Array<number>(outputs).fill(0);
  for (let i = 0; i < weights.integers.length; i++) {
    const integer = weights.integers[i]!;
    columnSums[i % outputs]! += integer;
    lengths[i % outputs]! += Math.abs(integer);
  }
  const integers = bias.map(
    (b, o) =>
      BigInt(Math.floor(b / sums[o]! + 0.5)) - BigInt(x.format.zeroPoint) * BigInt(columnSums[o]!),
  );
  const product = (BigInt(rows) * BigInt(activationBound(x.format))) << BigInt(weights.bits - 1);
  const dtypes = pairedDtypes(x.value.dtype, weights.dtype);
  const wide =
    dtypes.includes("i32") ||
    product > 0x7fffffffn ||
    integers.some((b) => b > 0x3fffffffn || b < -0x3fffffffn);
  const most = integers.map(
    (b, o) => lengths[o]! * activationBound(x.format) + Math.abs(Number(b)),
  );
  return { weights, sums, bias: integers, most, accumulator: wide ? "i64" : "i32", dtypes };
}

/** Accumulate, add the bias, and let `finish` round. */
export function finishMatrix(
  ctx: LoweringContext,
  node: GraphNode,
  sums: FixedValue,
  matrix: Matrix,
  axes: readonly number[],
  outputAxis: number,
  bias?: Bias,
): void {
  const { builder } = ctx;
  let value = sums;
  if (matrix.bias.some((b) => b !== 0n)) {
    const row = builder.constant(matrix.accumulator, [matrix.bias.length], matrix.bias);
    value = builder.op("add", {}, [value, row], matrix.accumulator, value.shape);
  }
  const scale = { axis: outputAxis, scales: matrix.sums };
  finishWith(ctx, node, { value, scale, axes, most: matrix.most }, bias);
}

/** The part of a bias that goes into the weights' own integers. */
export const rowOf = (bias: Bias, outputs: number): readonly number[] =>
  "row" in bias ? bias.row : new Array<number>(outputs).fill(0);

/** Bits of an activation once it is widened: a u8 needs one more for its sign. */
export function bitsAs(f: Format, dtype: Dtype): number {
  return f.dtype === "u8" && dtype !== "u8" ? 9 : activationBits(f);
}

/** Two computed operands of a product: narrow enough, without zero points, and what the product needs. */
export interface OperandPair {
  readonly a: Real;
  readonly b: Real;
  /** What the operands must be widened to. */
  readonly dtypes: readonly [Dtype, Dtype];
  readonly aBits: number;
  readonly bBits: number;
  readonly accumulator: "i32" | "i64";
  readonly scale: number;
}

/** @param depth number of products in a sum, where that is known */
export function operandPair(ctx: LoweringContext, a: Real, b: Real, depth = Infinity): OperandPair {
  const [left, right] = [a, b].map((x) =>
    contractionInput(ctx, ctx.withoutZeroPoint(contractionInput(ctx, x))),
  ) as [Real, Real];
  const dtypes = pairedDtypes(left.value.dtype, right.value.dtype);
  const bytes = left.value.dtype === "i8" && right.value.dtype === "i8";
  return {
    a: left,
    b: right,
    dtypes,
    aBits: bitsAs(left.format, dtypes[0]),
    bBits: bitsAs(right.format, dtypes[1]),
    accumulator: bytes && depth <= 0x1ffff ? "i32" : "i64",
    scale: maxScale(left.format.scale) * maxScale(right.format.scale),
  };
}

export function lowerMatMul(ctx: LoweringContext, node: GraphNode): void {
  const source = weightSource(ctx, node, 1);
  const a = ctx.real(node.inputs[0]!, node);
  if (source?.dims.length === 2) {
    lowerProduct(ctx, node, a, source, false, biasOf(ctx, node, 2, source.dims[1]!));
    return;
  }
  lowerPair(ctx, node, a, ctx.real(node.inputs[1]!, node));
}

/** A product of two computed matrices, times `alpha`, plus a tensor. */
function lowerPair(
  ctx: LoweringContext,
  node: GraphNode,
  a: Real,
  b: Real,
  alpha = 1,
  bias?: Bias,
): void {
  const depth = ctx.logical(a).value.shape.at(-1);
  const pair = operandPair(ctx, a, b, typeof depth === "number" ? depth : undefined);
  const { aBits, bBits, accumulator, dtypes } = pair;
  const shape = ctx.shapeOf(node.outputs[0]!);
  const value = ctx.builder.op(
    "matmul",
    { aBits, bBits, accumulator },
    [
      ctx.widened(ctx.logical(pair.a).value, dtypes[0]),
      ctx.widened(ctx.logical(pair.b).value, dtypes[1]),
    ],
    accumulator,
    shape,
  );
  const sums = { value, scale: pair.scale * alpha, axes: identityAxes(shape.length) };
  finishWith(ctx, node, sums, bias);
}

export function lowerGemm(ctx: LoweringContext, node: GraphNode): void {
  const [alpha, beta] = [floatAttribute(node, "alpha") ?? 1, floatAttribute(node, "beta") ?? 1];
  const [transA, transB] = ["transA", "transB"].map((name) => intAttribute(node, name) === 1);
  const source = weightSource(ctx, node, 1);
  const outputs = ctx.shapeOf(node.outputs[0]!)[1]!;
  const real = ctx.real(node.inputs[0]!, node);
  const a = transA === true ? flipped(real) : real;
  if (source === undefined || alpha === 0) {
    const right = ctx.real(node.inputs[1]!, node);
    const b = transB === true ? flipped(right) : right;
    const bias = wholeBias(ctx, node, beta);
    if (alpha !== 0) return lowerPair(ctx, node, a, b, alpha, bias);
    throw nodeError("UnsupportedAttribute", node, "a product times 0 is not supported");
  }
  const scaled: WeightSource =
    alpha === 1
      ? source
      : { dims: source.dims, values: Float64Array.from(dequantised(source), (v) => v * alpha) };
  const bias = biasOf(ctx, node, 2, outputs as number, beta);
  lowerProduct(ctx, node, a, scaled, transB === true, bias);
}

/** The whole bias as a tensor, constant or not. */
function wholeBias(ctx: LoweringContext, node: GraphNode, factor: number): Bias | undefined {
  const name = node.inputs[2] ?? "";
  if (name === "" || factor === 0) return undefined;
  return { addend: ctx.real(name, node), factor };
}

/** A matrix the other way round. */
function flipped(x: Real): Real {
  const { scale } = x.format;
  const axes = x.axes.map((axis) => 1 - axis);
  if (typeof scale === "number") return { ...x, axes };
  return { ...x, axes, format: { ...x.format, scale: { ...scale, axis: 1 - scale.axis } } };
}

/** […, K] by a constant [K, N] (or its transpose) plus a row. */
function lowerProduct(
  ctx: LoweringContext,
  node: GraphNode,
  input: Real,
  source: WeightSource,
  transposed: boolean,
  bias: Bias,
): void {
  const [rows, outputs] = (transposed ? [...source.dims].reverse() : source.dims) as [
    number,
    number,
  ];
  const last = input.axes.length - 1;
  const x = ctx.logical(contractionInput(ctx, input, last, node.inputs[0], true));
  const order = new Int32Array(rows * outputs);
  for (let k = 0; k < rows; k++) {
    for (let o = 0; o < outputs; o++)
      order[k * outputs + o] = transposed ? o * rows + k : k * outputs + o;
  }
  const matrix = matrixFor(
    ctx,
    x,
    source,
    order,
    outputs,
    transposed ? 0 : 1,
    {
      channel: (k) => k,
      perGroup: rows,
      earlier: [[]],
      seen: ctx.channelsOf(node.inputs[0]!, input.axes.length - 1),
    },
    rowOf(bias, outputs),
  );
  const shape = ctx.shapeOf(node.outputs[0]!);
  const { builder } = ctx;
  const [left, right] = matrix.dtypes;
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
  finishMatrix(ctx, node, sums, matrix, identityAxes(shape.length), shape.length - 1, bias);
}
