import type { ConstantTensor } from "../graph.js";
import { broadcastStrides, countOf, walk } from "./arrays.js";
import { aroundAxis, broadcastIndices, floatTensor, foldersFor, numbersOf } from "./folder.js";
import type { Folder } from "./folder.js";

/** Softmax, LogSoftmax and Hardmax over one axis. */
const softmax: Folder = ([x], view, out, { functions }) => {
  if (x === undefined) return undefined;
  const { opType } = view.node;
  const { Exp, Log } = functions.named;
  const from = numbersOf(x);
  const data = new Float64Array(from.length);
  const axis = view.axis(view.int("axis", -1), x.dims.length);
  const { outer, size, inner } = aroundAxis(x.dims, axis);
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < inner; n++) {
      const start = o * size * inner + n;
      let best = 0;
      for (let i = 1; i < size; i++)
        if (from[start + i * inner]! > from[start + best * inner]!) best = i;
      const greatest = from[start + best * inner]!;
      if (opType === "Hardmax") {
        data[start + best * inner] = 1;
        continue;
      }
      let sum = 0;
      for (let i = 0; i < size; i++) {
        const at = start + i * inner;
        const power = Exp(from[at]! - greatest);
        sum += power;
        data[at] = power;
      }
      const log = opType === "LogSoftmax" ? Log(sum) : 0;
      for (let i = 0; i < size; i++) {
        const at = start + i * inner;
        data[at] = opType === "LogSoftmax" ? from[at]! - greatest - log : data[at]! / sum;
      }
    }
  }
  return floatTensor(out.elementType, out.dims, data);
};

/** An operand that has one element a channel of [N, C, …]. */
function perChannel(t: ConstantTensor, rank: number): readonly number[] {
  return t.dims.length === 1 && rank > 1
    ? [t.dims[0] ?? 1, ...new Array<number>(rank - 2).fill(1)]
    : t.dims;
}

const batchNormalization: Folder = ([x, scale, bias, mean, variance], view, out) => {
  if (x === undefined || scale === undefined || bias === undefined) return undefined;
  if (mean === undefined || variance === undefined) return undefined;
  const from = numbersOf(x);
  const index = broadcastIndices(perChannel(scale, x.dims.length), x.dims);
  const [s, b, m, v] = [scale, bias, mean, variance].map(numbersOf);
  const epsilon = view.float("epsilon", 1e-5);
  const data = from.map((value, i) => {
    const c = index?.[i] ?? i;
    return ((value - m![c]!) / Math.sqrt(v![c]! + epsilon)) * s![c]! + b![c]!;
  });
  return floatTensor(out.elementType, out.dims, data);
};

/**
 * `(x − mean) / √(variance + epsilon)` over groups of elements; with `centred` false the mean is
 * not taken away.
 * @param dims shape of the statistics, which broadcasts to that of x
 */
function standardised(
  x: ConstantTensor,
  dims: readonly number[],
  epsilon: number,
  centred = true,
): { data: Float64Array; means: Float64Array; inverses: Float64Array } {
  const from = numbersOf(x);
  const groups = countOf(dims);
  const share = groups === 0 ? 1 : from.length / groups;
  const index = new Int32Array(from.length);
  walk(x.dims, broadcastStrides(dims, x.dims), 0, (i, at) => (index[i] = at));
  const means = new Float64Array(groups);
  if (centred) for (let i = 0; i < from.length; i++) means[index[i]!]! += from[i]! / share;
  const variances = new Float64Array(groups);
  for (let i = 0; i < from.length; i++) {
    const difference = from[i]! - means[index[i]!]!;
    variances[index[i]!]! += (difference * difference) / share;
  }
  const inverses = variances.map((v) => 1 / Math.sqrt(v + epsilon));
  const data = from.map((v, i) => (v - means[index[i]!]!) * inverses[index[i]!]!);
  return { data, means, inverses };
}

/** `data · scale + bias`, both broadcast to `dims`. */
function affine(
  data: Float64Array,
  dims: readonly number[],
  scale: ConstantTensor | undefined,
  scaleDims: readonly number[],
  bias: ConstantTensor | undefined,
  biasDims: readonly number[],
): Float64Array {
  const si = broadcastIndices(scaleDims, dims);
  const bi = broadcastIndices(biasDims, dims);
  const [s, b] = [scale && numbersOf(scale), bias && numbersOf(bias)];
  return data.map((v, i) => v * (s?.[si?.[i] ?? i] ?? 1) + (b?.[bi?.[i] ?? i] ?? 0));
}

const layerNormalization: Folder = ([x, scale, bias], view, out, { outs }) => {
  if (x === undefined) return undefined;
  const axis = view.axis(view.int("axis", -1), x.dims.length);
  const dims = x.dims.map((dim, i) => (i < axis ? dim : 1));
  const centred = view.node.opType === "LayerNormalization";
  const { data, means, inverses } = standardised(x, dims, view.float("epsilon", 1e-5), centred);
  const scaled = affine(data, x.dims, scale, scale?.dims ?? [], bias, bias?.dims ?? []);
  const result = floatTensor(out.elementType, out.dims, scaled);
  if (outs.length < 2) return result;
  return [
    result,
    floatTensor(out.elementType, dims, means),
    floatTensor(out.elementType, dims, inverses),
  ];
};

const instanceNormalization: Folder = ([x, scale, bias], view, out) => {
  if (x === undefined || scale === undefined || bias === undefined) return undefined;
  const dims = x.dims.map((dim, i) => (i < 2 ? dim : 1));
  const { data } = standardised(x, dims, view.float("epsilon", 1e-5));
  const rank = x.dims.length;
  const [s, b] = [perChannel(scale, rank), perChannel(bias, rank)];
  return floatTensor(out.elementType, out.dims, affine(data, x.dims, scale, s, bias, b));
};

/** Before operator set 21 scale and bias have one element a group, since then one a channel. */
const groupNormalization: Folder = ([x, scale, bias], view, out) => {
  if (x === undefined || scale === undefined || bias === undefined) return undefined;
  const [n = 1, channels = 1] = x.dims;
  const groups = view.int("num_groups", 1);
  const grouped = { ...x, dims: [n, groups, x.data.length / (n * groups)] };
  const { data } = standardised(grouped, [n, groups, 1], view.float("epsilon", 1e-5));
  const byChannel = scale.data.length === channels;
  const dims = byChannel ? x.dims : grouped.dims;
  const [s, b] = [perChannel(scale, dims.length), perChannel(bias, dims.length)];
  return floatTensor(out.elementType, out.dims, affine(data, dims, scale, s, bias, b));
};

const meanVariance: Folder = ([x], view, out) => {
  if (x === undefined) return undefined;
  const axes = (view.ints("axes") ?? [0, 2, 3]).map((axis) => view.axis(axis, x.dims.length));
  const dims = x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const from = numbersOf(x);
  const index = broadcastIndices(dims, x.dims);
  const groups = countOf(dims);
  const share = from.length / groups;
  const means = new Float64Array(groups);
  const squares = new Float64Array(groups);
  from.forEach((v, i) => {
    const g = index?.[i] ?? i;
    means[g]! += v / share;
    squares[g]! += (v * v) / share;
  });
  const data = from.map((v, i) => {
    const g = index?.[i] ?? i;
    const deviation = Math.sqrt(Math.max(0, squares[g]! - means[g]! * means[g]!));
    return (v - means[g]!) / (deviation + 1e-9);
  });
  return floatTensor(out.elementType, out.dims, data);
};

const lpNormalization: Folder = ([x], view, out) => {
  if (x === undefined) return undefined;
  const axis = view.axis(view.int("axis", -1), x.dims.length);
  const dims = x.dims.map((dim, i) => (i === axis ? 1 : dim));
  const from = numbersOf(x);
  const index = broadcastIndices(dims, x.dims);
  const norms = new Float64Array(countOf(dims));
  const square = view.int("p", 2) === 2;
  from.forEach((v, i) => (norms[index?.[i] ?? i]! += square ? v * v : Math.abs(v)));
  const roots = square ? norms.map(Math.sqrt) : norms;
  const data = from.map((v, i) => {
    const norm = roots[index?.[i] ?? i]!;
    return norm === 0 ? 0 : v / norm;
  });
  return floatTensor(out.elementType, out.dims, data);
};

/** Local response: each channel over a power of the squares of its neighbours. */
const lrn: Folder = ([x], view, out, { functions }) => {
  if (x === undefined) return undefined;
  const from = numbersOf(x);
  const { outer, size: channels, inner } = aroundAxis(x.dims, 1);
  const size = view.int("size", 1);
  const [alpha, beta, bias] = [
    view.float("alpha", 1e-4),
    view.float("beta", 0.75),
    view.float("bias", 1),
  ];
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const data = new Float64Array(from.length);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      for (let n = 0; n < inner; n++) {
        let sum = 0;
        for (let i = Math.max(0, c - before); i <= Math.min(channels - 1, c + after); i++) {
          const v = from[(o * channels + i) * inner + n]!;
          sum += v * v;
        }
        const at = (o * channels + c) * inner + n;
        data[at] = from[at]! / functions.pow(bias + (alpha / size) * sum, beta);
      }
    }
  }
  return floatTensor(out.elementType, out.dims, data);
};

export const normalisationEvaluators: Readonly<Record<string, Folder>> = {
  ...foldersFor("Softmax LogSoftmax Hardmax", softmax),
  ...foldersFor("LayerNormalization RMSNormalization", layerNormalization),
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  MeanVarianceNormalization: meanVariance,
  LpNormalization: lpNormalization,
  LRN: lrn,
};
