import { CompileError } from "../../core/errors.js";
import { isFloat } from "../graph.js";
import type { ConstantTensor } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { broadcastStrides, countOf, transposed, walk, zeros } from "./arrays.js";
import { broadcastIndices, floatTensor, numbersOf } from "./folder.js";
import type { Folder, KnownInfo } from "./folder.js";
import { runsOfTap, slidingOf, tapsOf } from "./sliding.js";

/** Numbers with a shape: operands of products, whatever their type was. */
export interface Numbers {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export function numbersWithShape(tensor: ConstantTensor): Numbers {
  return { dims: tensor.dims, data: numbersOf(tensor) };
}

/** A result of sums in doubles, in the element type of the output. */
export function fromNumbers(out: KnownInfo, data: Float64Array): ConstantTensor | undefined {
  if (isFloat(out.elementType)) return floatTensor(out.elementType, out.dims, data);
  const integers = zeros(out.elementType, data.length);
  if (integers === undefined) return undefined;
  const wide = integers instanceof BigInt64Array || integers instanceof BigUint64Array;
  for (let i = 0; i < data.length; i++) {
    (integers as Float64Array)[i] = (wide ? BigInt(data[i]!) : data[i]!) as number;
  }
  return { ...out, data: integers };
}

/** Products of one operator; more would take minutes, and only hostile models have them. */
const MAX_PRODUCTS = 0x1000000000;

function checkProducts(count: number): void {
  if (count <= MAX_PRODUCTS) return;
  throw new CompileError(
    "TooLarge",
    `an operator has ${String(count)} products, which is too many`,
  );
}

/**
 * numpy's matmul, in doubles.
 * @throws CompileError `TooLarge` when it has too many products
 */
export function matmul(a: Numbers, b: Numbers, out: readonly number[]): Float64Array {
  const aDims = a.dims.length === 1 ? [1, ...a.dims] : a.dims;
  const bDims = b.dims.length === 1 ? [...b.dims, 1] : b.dims;
  const [m = 1, k = 1] = aDims.slice(-2);
  const n = bDims.at(-1) ?? 1;
  const matrixAxes = (a.dims.length === 1 ? 0 : 1) + (b.dims.length === 1 ? 0 : 1);
  const batch = out.slice(0, out.length - matrixAxes);
  checkProducts(countOf(out) * k);
  const result = new Float64Array(countOf(out));
  const bOffsets = new Float64Array(countOf(batch));
  walk(batch, broadcastStrides(bDims.slice(0, -2), batch), 0, (i, at) => (bOffsets[i] = at));
  walk(batch, broadcastStrides(aDims.slice(0, -2), batch), 0, (index, at) => {
    const aStart = at * m * k;
    const bStart = bOffsets[index]! * k * n;
    for (let i = 0; i < m; i++) {
      const row = result.subarray((index * m + i) * n, (index * m + i + 1) * n);
      for (let l = 0; l < k; l++) {
        const x = a.data[aStart + i * k + l]!;
        const from = bStart + l * n;
        for (let j = 0; j < n; j++) row[j] = row[j]! + x * b.data[from + j]!;
      }
    }
  });
  return result;
}

const matmulFolder: Folder = ([a, b, bias], _view, out) => {
  if (a === undefined || b === undefined) return undefined;
  const data = matmul(numbersWithShape(a), numbersWithShape(b), out.dims);
  if (bias !== undefined) addBroadcast(data, numbersOf(bias), bias.dims, out.dims, 1);
  return fromNumbers(out, data);
};

function addBroadcast(
  to: Float64Array,
  bias: Float64Array,
  dims: readonly number[],
  shape: readonly number[],
  factor: number,
): void {
  const indices = broadcastIndices(dims, shape);
  for (let i = 0; i < to.length; i++) to[i] = to[i]! + factor * bias[indices?.[i] ?? i]!;
}

const gemm: Folder = ([a, b, c], view, out) => {
  const oriented = (t: ConstantTensor | undefined, flag: string): ConstantTensor | undefined =>
    t !== undefined && view.int(flag, 0) === 1 ? transposed(t, [1, 0]) : t;
  const [x, w] = [oriented(a, "transA"), oriented(b, "transB")];
  if (x === undefined || w === undefined) return undefined;
  const alpha = view.float("alpha", 1);
  const data = matmul(numbersWithShape(x), numbersWithShape(w), out.dims).map((v) => v * alpha);
  if (c !== undefined) addBroadcast(data, numbersOf(c), c.dims, out.dims, view.float("beta", 1));
  return fromNumbers(out, data);
};

/** A convolution over any number of spatial axes, x [N, C, …] and w [M, C/group, …], in doubles. */
export function convolve(
  view: NodeView,
  x: Numbers,
  w: Numbers,
  bias: Float64Array | undefined,
  out: readonly number[],
): Float64Array {
  const [n = 1, channels = 1, ...size] = x.dims;
  const [filters = 1, perGroup = 1, ...kernel] = w.dims;
  const positions = out.slice(2);
  const window = { ...slidingOf(view, size.length), kernel };
  const taps = tapsOf(kernel);
  checkProducts(countOf(out) * perGroup * taps.length);
  const runs = taps.map((tap) => runsOfTap(window, tap, positions, size));
  const [inSize, outSize] = [countOf(size), countOf(positions)];
  const filtersPerGroup = filters / view.int("group", 1);
  const result = new Float64Array(countOf(out));
  for (let image = 0; image < n; image++) {
    for (let m = 0; m < filters; m++) {
      const to = (image * filters + m) * outSize;
      if (bias !== undefined) result.fill(bias[m]!, to, to + outSize);
      const firstChannel = Math.floor(m / filtersPerGroup) * perGroup;
      for (let c = 0; c < perGroup; c++) {
        const from = (image * channels + firstChannel + c) * inSize;
        for (let tap = 0; tap < taps.length; tap++) {
          const weight = w.data[(m * perGroup + c) * taps.length + tap]!;
          if (weight !== 0) accumulate(result, to, x.data, from, runs[tap]!, weight);
        }
      }
    }
  }
  return result;
}

/** `to[position] += weight · from[datum]` over the runs of a tap. */
function accumulate(
  to: Float64Array,
  toStart: number,
  from: Float64Array,
  fromStart: number,
  runs: Int32Array,
  weight: number,
): void {
  for (let r = 0; r < runs.length; r += 4) {
    let [at, datum] = [toStart + runs[r]!, fromStart + runs[r + 1]!];
    const step = runs[r + 2]!;
    for (const end = at + runs[r + 3]!; at < end; at++, datum += step)
      to[at] = to[at]! + weight * from[datum]!;
  }
}

const conv: Folder = ([x, w, bias], view, out) => {
  if (x === undefined || w === undefined) return undefined;
  const b = bias && numbersOf(bias);
  return fromNumbers(out, convolve(view, numbersWithShape(x), numbersWithShape(w), b, out.dims));
};

/** The data stand where a convolution's results do, and the results where its data do. */
const convTranspose: Folder = ([x, w, bias], view, out) => {
  if (x === undefined || w === undefined) return undefined;
  const [n = 1, channels = 1, ...size] = x.dims;
  const [, perGroup = 1, ...kernel] = w.dims;
  const window = { ...slidingOf(view, size.length), kernel };
  const taps = tapsOf(kernel);
  checkProducts(countOf(x.dims) * perGroup * taps.length);
  const spatial = out.dims.slice(2);
  const runs = taps.map((tap) => runsOfTap(window, tap, size, spatial));
  const [inSize, outSize] = [countOf(size), countOf(spatial)];
  const channelsPerGroup = channels / view.int("group", 1);
  const filters = out.dims[1] ?? 1;
  const result = new Float64Array(countOf(out.dims));
  const [from, weights] = [numbersOf(x), numbersOf(w)];
  for (let image = 0; image < n; image++) {
    for (let c = 0; c < channels; c++) {
      const firstFilter = Math.floor(c / channelsPerGroup) * perGroup;
      for (let m = 0; m < perGroup; m++) {
        const to = (image * filters + firstFilter + m) * outSize;
        const start = (image * channels + c) * inSize;
        for (let tap = 0; tap < taps.length; tap++) {
          const weight = weights[(c * perGroup + m) * taps.length + tap]!;
          if (weight !== 0) scatter(result, to, from, start, runs[tap]!, weight);
        }
      }
    }
  }
  const shape = [1, filters, ...spatial.map(() => 1)];
  if (bias !== undefined) addBroadcast(result, numbersOf(bias), shape, out.dims, 1);
  return fromNumbers(out, result);
};

/** `to[datum] += weight · from[position]` over the runs of a tap. */
function scatter(
  to: Float64Array,
  toStart: number,
  from: Float64Array,
  fromStart: number,
  runs: Int32Array,
  weight: number,
): void {
  for (let r = 0; r < runs.length; r += 4) {
    let [at, datum] = [fromStart + runs[r]!, toStart + runs[r + 1]!];
    const step = runs[r + 2]!;
    for (const end = at + runs[r + 3]!; at < end; at++, datum += step)
      to[datum] = to[datum]! + weight * from[at]!;
  }
}

export const contractionEvaluators: Readonly<Record<string, Folder>> = {
  MatMul: matmulFolder,
  "aivm.Linear": matmulFolder,
  Gemm: gemm,
  Conv: conv,
  ConvTranspose: convTranspose,
};
