/** Conv and ConvTranspose, with kernels of constants or computed ones. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
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
import { earlierTaps } from "./errorDiffusion.js";
import type { Lowered, Real } from "./real.js";
import { channelsLast, identityAxes } from "./real.js";
import type { Bias } from "./sums.js";
import { biasOf, finishWith } from "./sums.js";
import { weightSource } from "./weights.js";

/** What a kernel multiplies, whichever way round its axes are. */
interface Kernel {
  readonly sizes: readonly number[];
  readonly taps: number;
  readonly groups: number;
  /** Input channels of each group. */
  readonly perGroup: number;
  readonly outputs: number;
  readonly outputsPerGroup: number;
  readonly transposed: boolean;
}

export function lowerConv(ctx: LoweringContext, node: GraphNode): void {
  lowerConvolution(ctx, node, false);
}

export function lowerConvTranspose(ctx: LoweringContext, node: GraphNode): void {
  lowerConvolution(ctx, node, true);
}

function lowerConvolution(ctx: LoweringContext, node: GraphNode, transposed: boolean): void {
  const kernel = kernelOf(ctx, node, transposed);
  const source = weightSource(ctx, node, 1);
  const bias = biasOf(ctx, node, 2, kernel.outputs);
  const rank = kernel.sizes.length + 2;
  if (rank > 5)
    throw nodeError("UnsupportedRank", node, "more than three spatial axes are not supported");
  const axes = channelsLast(rank);
  const real = ctx.real(node.inputs[0]!, node);
  const { builder } = ctx;
  if (source === undefined) {
    const pair = operandPair(ctx, real, ctx.real(node.inputs[1]!, node));
    const x = ctx.ordered(pair.a, axes);
    const window = windowOf(ctx, node, kernel, x);
    const { accumulator, aBits, bBits, scale } = pair;
    const value = builder.op(
      "conv",
      { aBits, bBits, accumulator, ...window.imm, groups: kernel.groups, padValue: 0n },
      [ctx.widened(window.value, pair.dtypes[0]), kernelValue(ctx, pair.b, kernel, pair.dtypes[1])],
      accumulator,
      window.shape,
    );
    finishWith(ctx, node, { value, scale, axes }, addendOf(bias, kernel, ctx));
    return;
  }
  const x = ctx.ordered(contractionInput(ctx, real, 1, node.inputs[0], true), axes);
  const { outputs, perGroup, outputsPerGroup } = kernel;
  const matrix = matrixFor(
    ctx,
    x,
    source,
    kernelOrder(kernel),
    outputs,
    // Of a transposed kernel in groups no axis is that of the outputs.
    !transposed ? 0 : kernel.groups === 1 ? 1 : -1,
    {
      channel: (k, o) => Math.floor(o / outputsPerGroup) * perGroup + (k % perGroup),
      perGroup,
      earlier: earlierTaps(kernel.sizes, pacesOf(node, kernel)),
      seen: ctx.channelsOf(node.inputs[0]!, 1),
    },
    rowOf(bias, outputs),
  );
  const window = windowOf(ctx, node, kernel, x);
  const [left, right] = matrix.dtypes;
  const a = ctx.widened(window.value, left);
  const b = builder.constant(right, [...kernel.sizes, perGroup, outputs], matrix.weights.integers);
  const sums = builder.op(
    "conv",
    {
      aBits: bitsAs(x.format, a.dtype),
      bBits: matrix.weights.bits,
      accumulator: matrix.accumulator,
      ...window.imm,
      groups: kernel.groups,
      padValue: BigInt(x.format.zeroPoint),
    },
    [a, b],
    matrix.accumulator,
    window.shape,
  );
  finishMatrix(ctx, node, sums, matrix, axes, 1, addendOf(bias, kernel, ctx));
}

export function kernelOf(ctx: LoweringContext, node: GraphNode, transposed: boolean): Kernel {
  const [first, second, ...sizes] = ctx.fixedDims(node.inputs[1]!, node) as [
    number,
    number,
    ...number[],
  ];
  const groups = intAttribute(node, "group") ?? 1;
  if (first % groups !== 0)
    throw nodeError(
      "UnsupportedShape",
      node,
      `${String(first)} channels do not divide into ${String(groups)} groups`,
    );
  return {
    sizes,
    taps: sizes.reduce((a, b) => a * b, 1),
    groups,
    perGroup: transposed ? first / groups : second,
    outputs: transposed ? second * groups : first,
    outputsPerGroup: transposed ? second : first / groups,
    transposed,
  };
}

/** How far apart in the input neighbouring taps of a kernel read, along each axis. */
function pacesOf(node: GraphNode, { sizes, transposed }: Kernel): number[] {
  const dilations = intsAttribute(node, "dilations");
  const strides = transposed ? intsAttribute(node, "strides") : undefined;
  return sizes.map((_, axis) => (dilations?.[axis] ?? 1) / (strides?.[axis] ?? 1));
}

/** Index into the model's kernel of each element of [taps, input channels, outputs]. */
export function kernelOrder(kernel: Kernel): Int32Array {
  const { taps, perGroup, outputs, outputsPerGroup, transposed } = kernel;
  const order = new Int32Array(taps * perGroup * outputs);
  let at = 0;
  for (let t = 0; t < taps; t++) {
    for (let c = 0; c < perGroup; c++) {
      for (let o = 0; o < outputs; o++, at++) {
        if (transposed) {
          // C, O, taps; the taps run backwards.
          const row = Math.floor(o / outputsPerGroup) * perGroup + c;
          order[at] = (row * outputsPerGroup + (o % outputsPerGroup)) * taps + (taps - 1 - t);
        } else {
          order[at] = (o * perGroup + c) * taps + t;
        }
      }
    }
  }
  return order;
}

/** A computed kernel as [taps…, input channels, outputs]. */
export function kernelValue(
  ctx: LoweringContext,
  w: Real,
  kernel: Kernel,
  dtype: FixedValue["dtype"],
): FixedValue {
  const { builder } = ctx;
  const { sizes, groups, perGroup, outputs, outputsPerGroup } = kernel;
  const spatial = sizes.map((_, i) => i + 2);
  if (!kernel.transposed) return ctx.widened(ctx.ordered(w, [...spatial, 1, 0]).value, dtype);
  const split: Lowered = {
    value: ctx.reshaped(ctx.logical(w).value, [groups, perGroup, outputsPerGroup, ...sizes]),
    axes: identityAxes(sizes.length + 3),
  };
  const moved = ctx.ordered(split, [...spatial.map((axis) => axis + 1), 1, 0, 2]).value;
  const shape = [...sizes, perGroup, outputs];
  const flat = ctx.reshaped(moved, shape);
  const flipped = builder.op(
    "slice",
    {
      starts: shape.map((_, i) => (i < sizes.length ? 0x7fffffff : 0)),
      ends: shape.map((_, i) => (i < sizes.length ? -0x80000000 : 0x7fffffff)),
      steps: shape.map((_, i) => (i < sizes.length ? -1 : 1)),
    },
    [flat],
    flat.dtype,
    shape,
  );
  return ctx.widened(flipped, dtype);
}

/**
 * Where the window goes. A transposed convolution is a convolution over the input with
 * stride − 1 zeros between neighbours, padded by what the kernel reaches beyond its own pads.
 */
function windowOf(ctx: LoweringContext, node: GraphNode, kernel: Kernel, x: Real) {
  const { sizes } = kernel;
  const ones = sizes.map(() => 1);
  const strides = intsAttribute(node, "strides") ?? ones;
  const dilations = intsAttribute(node, "dilations") ?? ones;
  const pads = intsAttribute(node, "pads") ?? [...ones, ...ones].map(() => 0);
  const declared = ctx.shapeOf(node.outputs[0]!);
  const shape = channelsLast(sizes.length + 2).map((axis) => declared[axis]!);
  if (!kernel.transposed) {
    if (pads.some((p) => p < 0))
      throw nodeError("UnsupportedPads", node, "negative padding is not supported; slice instead");
    return { value: x.value, imm: { strides, dilations, pads }, shape };
  }
  const extra = intsAttribute(node, "output_padding") ?? ones.map(() => 0);
  const before = sizes.map((k, i) => dilations[i]! * (k - 1) - pads[i]!);
  const after = sizes.map((k, i) => dilations[i]! * (k - 1) - pads[i + sizes.length]! + extra[i]!);
  const positive = (p: number): number => Math.max(p, 0);
  const value = cut(ctx, spread(ctx, x, strides), before, after);
  const imm = {
    strides: ones,
    dilations,
    pads: [...before.map(positive), ...after.map(positive)],
  };
  return { value, imm, shape };
}

/** Puts stride − 1 zeros between neighbours on each spatial axis. */
function spread(ctx: LoweringContext, x: Real, strides: readonly number[]): FixedValue {
  if (strides.every((s) => s === 1)) return x.value;
  const none = x.value.shape.map(() => 0);
  return ctx.builder.op(
    "pad",
    {
      before: none,
      after: none,
      interior: [0, ...strides.map((s) => s - 1), 0],
      value: BigInt(x.format.zeroPoint),
    },
    [x.value],
    x.value.dtype,
    x.value.shape.map((dim, i): Dim => {
      const stride = strides[i - 1] ?? 1;
      if (stride === 1) return dim;
      return typeof dim === "number" ? Math.max((dim - 1) * stride + 1, 0) : `spread(${dim})`;
    }),
  );
}

/** Takes away what negative pads take away. */
function cut(
  ctx: LoweringContext,
  x: FixedValue,
  before: readonly number[],
  after: readonly number[],
): FixedValue {
  if ([...before, ...after].every((p) => p >= 0)) return x;
  const shape = x.shape.map((dim, i): Dim => {
    const less = Math.min(before[i - 1] ?? 0, 0) + Math.min(after[i - 1] ?? 0, 0);
    if (less === 0) return dim;
    return typeof dim === "number" ? Math.max(dim + less, 0) : `cut(${dim})`;
  });
  const starts = [0, ...before.map((p) => Math.max(-p, 0)), 0];
  const ends = [0x7fffffff, ...after.map((p) => (p < 0 ? p : 0x7fffffff)), 0x7fffffff];
  const steps = x.shape.map(() => 1);
  return ctx.builder.op("slice", { starts, ends, steps }, [x], x.dtype, shape);
}

/** A computed bias, one number an output, as a tensor that broadcasts over the spatial axes. */
export function addendOf(bias: Bias, kernel: Kernel, ctx: LoweringContext): Bias | undefined {
  if (!("addend" in bias)) return undefined;
  const { sizes, outputs } = kernel;
  const shape = [outputs, ...sizes.map(() => 1)];
  const value = ctx.reshaped(ctx.logical(bias.addend).value, shape);
  return { ...bias, addend: { ...bias.addend, value, axes: identityAxes(shape.length) } };
}
