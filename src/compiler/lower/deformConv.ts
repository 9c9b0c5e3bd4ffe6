/** DeformConv: each tap of the window reads where an offset says. */
import type { GraphNode } from "../graph.js";
import { intAttribute, intsAttribute, nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import {
  bitsAs,
  contractionInput,
  finishMatrix,
  matrixFor,
  operandPair,
  rowOf,
} from "./contraction.js";
import { addendOf, kernelOf, kernelOrder, kernelValue } from "./convolution.js";
import { component, uniformReal } from "./gridSample.js";
import type { Rows } from "./errorDiffusion.js";
import type { Real } from "./real.js";
import { channelsLast, format, identityAxes } from "./real.js";
import { fractionBits, pixelsOf, sampled, tapsOf } from "./sampling.js";
import { powerOfTwo, roundScale } from "./scale.js";
import { biasOf, finishWith } from "./sums.js";
import { weightSource } from "./weights.js";
import { Wide, sizes } from "./wideArithmetic.js";

/** Greatest integer between sampling and summing. */
const GREATEST = 0x7fffff;

export function lowerDeformConv(ctx: LoweringContext, node: GraphNode): void {
  const kernel = kernelOf(ctx, node, false);
  if (kernel.sizes.length !== 2)
    throw nodeError("UnsupportedRank", node, "two spatial axes are needed");
  const [batch, outputs, rows, columns] = ctx.fixedDims(node.outputs[0]!, node) as [
    number,
    number,
    number,
    number,
  ];
  const { builder } = ctx;
  const samples = sampledTaps(ctx, node, kernel.taps);
  const { groups, perGroup, taps } = kernel;
  const width = groups * taps * perGroup;
  // N, places, taps, channels → N, places, groups, taps, channels of the group
  const places = rows * columns;
  const split = ctx.reshaped(samples.value, [batch, places, taps, groups, perGroup]);
  const grouped =
    groups === 1
      ? split
      : ctx.ordered({ value: split, axes: identityAxes(5) }, [0, 1, 3, 2, 4]).value;
  const x: Real = {
    value: ctx.reshaped(grouped, [batch, places, width]),
    axes: channelsLast(3),
    format: samples.format,
  };
  const window = { strides: [1], dilations: [1], pads: [0, 0], groups, padValue: 0n };
  const bias = biasOf(ctx, node, 3, outputs);
  const shape = [batch, places, outputs];
  const whole = [batch, rows, columns, outputs];
  const axes = channelsLast(4);
  const source = weightSource(ctx, node, 1);
  if (source === undefined) {
    const pair = operandPair(ctx, x, ctx.real(node.inputs[1]!, node));
    const { aBits, bBits, accumulator, scale, dtypes } = pair;
    const w = kernelValue(ctx, pair.b, kernel, dtypes[1]);
    const sums = builder.op(
      "conv",
      { aBits, bBits, accumulator, ...window },
      [ctx.widened(pair.a.value, dtypes[0]), ctx.reshaped(w, [1, taps * perGroup, outputs])],
      accumulator,
      shape,
    );
    const value = ctx.reshaped(sums, whole);
    finishWith(ctx, node, { value, scale, axes }, addendOf(bias, kernel, ctx));
    return;
  }
  const narrow = contractionInput(ctx, x);
  const row = rowOf(bias, outputs);
  const order = kernelOrder(kernel);
  const perColumn = order.length / outputs;
  const layout: Rows = {
    channel: (k) => k,
    perGroup: perColumn,
    earlier: [[]],
    seen: undefined,
  };
  const matrix = matrixFor(ctx, narrow, source, order, outputs, 0, layout, row);
  const a = ctx.widened(narrow.value, matrix.dtypes[0]);
  const sums = builder.op(
    "conv",
    {
      aBits: bitsAs(narrow.format, a.dtype),
      bBits: matrix.weights.bits,
      accumulator: matrix.accumulator,
      ...window,
    },
    [a, builder.constant(matrix.dtypes[1], [1, taps * perGroup, outputs], matrix.weights.integers)],
    matrix.accumulator,
    shape,
  );
  finishMatrix(ctx, node, ctx.reshaped(sums, whole), matrix, axes, 1, addendOf(bias, kernel, ctx));
}

/** What the taps read, times their mask: [N, rows, columns, taps, channels] of 24 bits. */
function sampledTaps(ctx: LoweringContext, node: GraphNode, taps: number): Real {
  const [batch, channels, height, width] = ctx.fixedDims(node.inputs[0]!, node) as [
    number,
    number,
    number,
    number,
  ];
  const [, , rows, columns] = ctx.fixedDims(node.outputs[0]!, node) as [
    number,
    number,
    number,
    number,
  ];
  const groups = intAttribute(node, "offset_group") ?? 1;
  const inner = channels / groups;
  const image = uniformReal(ctx, node.inputs[0]!, node);
  const { rows: flat, unit } = pixelsOf(ctx, image);
  const pixels = { rows: ctx.reshaped(flat, [batch * height * width * groups, inner]), unit };
  const offset = ctx.logical(uniformReal(ctx, node.inputs[2]!, node));
  const pairs = ctx.reshaped(offset.value, [batch, groups, taps, 2, rows, columns]);
  const moves = ctx.ordered({ value: pairs, axes: identityAxes(6) }, [0, 1, 2, 4, 5, 3]).value;
  const wide = new Wide(ctx);
  const fraction = fractionBits(2);
  const one = powerOfTwo(fraction);
  const along = [height, width].map((size, d) => {
    const held = { ...format("i64", 1), lo: -powerOfTwo(40), hi: powerOfTwo(40) };
    const factor = (offset.format.scale as number) * one;
    const moved = ctx.rescaled({ value: component(ctx, moves, d), axes: [] }, factor, held);
    const starts = windowStarts(ctx, node, d, d === 0 ? rows : columns);
    const dims = d === 0 ? [taps, rows, 1] : [taps, 1, columns];
    const from = wide.constant(
      dims,
      starts.map((start) => start * one),
    );
    const p = { value: wide.add(moved, from), fraction, size, alignCorners: true };
    return { ...tapsOf(ctx, p, "linear", "zeros"), size };
  });
  const group = wide.constant([groups, 1, 1, 1], identityAxes(groups));
  const ofGroup = { taps: [{ index: group, weight: undefined }], bits: 0, size: groups };
  const base = wide.constant([batch, 1, 1, 1, 1], identityAxes(batch));
  const samples = sampled(ctx, pixels, base, [...along, ofGroup]);
  const { lo, hi, scale } = image.format;
  const fine = roundScale(((scale as number) * Math.max(-lo, hi)) / GREATEST);
  let held = format("i32", fine, 0, [-GREATEST - 1, GREATEST]);
  let value = ctx.rescaled({ value: samples.value, axes: [] }, samples.unit / fine, held);
  if ((node.inputs[4] ?? "") !== "") {
    const mask = ctx.logical(uniformReal(ctx, node.inputs[4]!, node));
    const shares = ctx.reshaped(mask.value, [batch, groups, taps, rows, columns, 1]);
    const product = ctx.builder.op(
      "mul.wide",
      { accumulator: "i64" },
      [value, ctx.widened(shares, "i32")],
      "i64",
      value.shape,
    );
    const step = fine * (mask.format.scale as number);
    const reach = Math.max(-mask.format.lo, mask.format.hi);
    const coarse = roundScale(step * reach);
    held = format("i32", coarse, 0, [-GREATEST - 1, GREATEST]);
    value = ctx.rescaled({ value: product, axes: [] }, step / coarse, held);
  }
  const moved = ctx.ordered({ value, axes: identityAxes(6) }, [0, 3, 4, 2, 1, 5]);
  const shape = [batch, rows, columns, taps, channels];
  const whole = ctx.reshaped(moved.value, shape);
  return { value: whole, axes: identityAxes(sizes(whole).length), format: held };
}

/** Where each tap reads along axis `d` without an offset: taps, then positions of the result. */
function windowStarts(ctx: LoweringContext, node: GraphNode, d: number, count: number): number[] {
  const [height, width] = ctx.fixedDims(node.inputs[1]!, node).slice(2) as [number, number];
  const stride = intsAttribute(node, "strides")?.[d] ?? 1;
  const dilation = intsAttribute(node, "dilations")?.[d] ?? 1;
  const pad = intsAttribute(node, "pads")?.[d] ?? 0;
  return Array.from({ length: height * width }, (_, t) => {
    const tap = d === 0 ? Math.floor(t / width) : t % width;
    return Array.from({ length: count }, (_, i) => i * stride - pad + tap * dilation);
  }).flat();
}
