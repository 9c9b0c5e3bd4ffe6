import { functions as elementary } from "../elementary.js";
import { isFloat8 } from "../graph.js";
import type { ConstantTensor, ElementType } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { countOf, zeros } from "./arrays.js";
import { convolve, fromNumbers, matmul, numbersWithShape } from "./contraction.js";
import type { Numbers } from "./contraction.js";
import { broadcastIndices, castRounding, floatTensor, numbersOf } from "./folder.js";
import type { Folder, FoldInputs, KnownInfo } from "./folder.js";

const LIMITS: Readonly<Partial<Record<ElementType, readonly [number, number]>>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint4: [0, 15],
  int4: [-8, 7],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
};

/** Shape under which scale and zero point broadcast to the data. */
function alongside(t: ConstantTensor, rank: number, axis: number | undefined): readonly number[] {
  if (t.data.length === 1) return [];
  if (t.dims.length !== 1 || axis === undefined) return t.dims;
  return [t.dims[0] ?? 1, ...new Array<number>(rank - 1 - axis).fill(1)];
}

/** For each element of the data, the element of the scale and zero point that goes with it. */
function parameterIndices(
  scale: ConstantTensor,
  dims: readonly number[],
  axis: number | undefined,
  block: number,
): ArrayLike<number> | undefined {
  if (block === 0 || axis === undefined || scale.data.length === 1)
    return broadcastIndices(alongside(scale, dims.length, axis), dims);
  const inner = countOf(dims.slice(axis + 1));
  const length = dims[axis] ?? 1;
  const blocks = scale.dims[axis] ?? 1;
  return Float64Array.from({ length: countOf(dims) }, (_, i) => {
    const row = Math.floor(i / inner);
    const along = Math.floor(row / length) * blocks + Math.floor((row % length) / block);
    return along * inner + (i % inner);
  });
}

function axisOf(view: NodeView, rank: number): number | undefined {
  return view.node.attributes.has("axis") ? view.axis(view.int("axis", 1), rank) : undefined;
}

/** `(x − zero) · scale`, in doubles. */
function dequantised(
  x: ConstantTensor,
  scale: ConstantTensor,
  zero: ConstantTensor | undefined,
  axis: number | undefined,
  block = 0,
): Float64Array {
  const index = parameterIndices(scale, x.dims, axis, block);
  const [s, z] = [numbersOf(scale), zero && numbersOf(zero)];
  const at = (i: number): number => index?.[i] ?? i;
  return numbersOf(x).map((v, i) => (v - (z?.[at(i)] ?? 0)) * s[at(i)]!);
}

/** `⌊x / scale⌉ + zero`, saturated. */
function quantised(
  data: Float64Array,
  out: KnownInfo,
  scale: ConstantTensor,
  zero: ConstantTensor | undefined,
  axis: number | undefined,
  block = 0,
): ConstantTensor | undefined {
  const limits = LIMITS[out.elementType];
  const integers = zeros(out.elementType, data.length);
  const index = parameterIndices(scale, out.dims, axis, block);
  const [s, z] = [numbersOf(scale), zero && numbersOf(zero)];
  if (isFloat8(out.elementType)) {
    const round = castRounding(out.elementType);
    const quotients = data.map((v, i) => round(Math.fround(v / s[index?.[i] ?? i]!)));
    return { ...out, data: quotients };
  }
  if (limits === undefined || integers === undefined) return undefined;
  for (let i = 0; i < data.length; i++) {
    const at = index?.[i] ?? i;
    const rounded = elementary.Round(Math.fround(data[i]! / s[at]!)) + (z?.[at] ?? 0);
    (integers as Int32Array)[i] = Math.min(Math.max(rounded, limits[0]), limits[1]);
  }
  return { ...out, data: integers };
}

const quantize: Folder = ([x, scale, zero], view, out) => {
  if (x === undefined || scale === undefined) return undefined;
  const axis = axisOf(view, x.dims.length);
  return quantised(numbersOf(x), out, scale, zero, axis, view.int("block_size", 0));
};

const dequantize: Folder = ([x, scale, zero], view, out) => {
  if (x === undefined || scale === undefined) return undefined;
  const axis = axisOf(view, x.dims.length);
  const data = dequantised(x, scale, zero, axis, view.int("block_size", 0));
  return floatTensor(out.elementType, out.dims, data);
};

const dynamicQuantize: Folder = ([x], _view, out) => {
  if (x === undefined) return undefined;
  const from = numbersOf(x);
  const low = from.reduce((a, b) => Math.min(a, b), 0);
  const high = from.reduce((a, b) => Math.max(a, b), 0);
  const step = Math.fround((high - low) / 255);
  const zero = step === 0 ? 0 : elementary.Round(Math.min(Math.max(-low / step, 0), 255));
  const scale = { elementType: "float32", dims: [], data: Float64Array.of(step) } as const;
  const point = { elementType: "uint8", dims: [], data: Uint8Array.of(zero) } as const;
  const divisor = { ...scale, data: Float64Array.of(step === 0 ? 1 : step) };
  const q = quantised(from, out, divisor, point, undefined);
  return q && [q, scale, point];
};

/** Integers less their zero point, which is one number or one a row of `axis`. */
function centred(x: ConstantTensor, zero: ConstantTensor | undefined, axis: number): Numbers {
  if (zero === undefined) return numbersWithShape(x);
  const rank = x.dims.length;
  const index = broadcastIndices(alongside(zero, rank, (axis + rank) % rank), x.dims);
  const z = numbersOf(zero);
  return { dims: x.dims, data: numbersOf(x).map((v, i) => v - z[index?.[i] ?? i]!) };
}

const matmulInteger: Folder = ([a, b, aZero, bZero], _view, out) => {
  if (a === undefined || b === undefined) return undefined;
  return fromNumbers(out, matmul(centred(a, aZero, -2), centred(b, bZero, -1), out.dims));
};

const convInteger: Folder = ([x, w, xZero, wZero], view, out) => {
  if (x === undefined || w === undefined) return undefined;
  const data = convolve(view, centred(x, xZero, 1), centred(w, wZero, 0), undefined, out.dims);
  return fromNumbers(out, data);
};

/** x, its scale and zero point, the same of the weights, then of the result. */
function quantisedOperands(inputs: FoldInputs, wAxis: number): Numbers[] | undefined {
  const [x, xScale, xZero, w, wScale, wZero] = inputs;
  if (x === undefined || w === undefined || xScale === undefined || wScale === undefined)
    return undefined;
  const axis = (wAxis + w.dims.length) % w.dims.length;
  return [
    { dims: x.dims, data: dequantised(x, xScale, xZero, undefined) },
    { dims: w.dims, data: dequantised(w, wScale, wZero, axis) },
  ];
}

const qLinearMatmul: Folder = (inputs, _view, out) => {
  const [a, b] = quantisedOperands(inputs, -1) ?? [];
  const [scale, zero] = inputs.slice(6);
  if (a === undefined || b === undefined || scale === undefined) return undefined;
  return quantised(matmul(a, b, out.dims), out, scale, zero, undefined);
};

const qLinearConv: Folder = (inputs, view, out) => {
  const [x, w] = quantisedOperands(inputs, 0) ?? [];
  const [xScale, wScale, scale, zero, bias] = [1, 4, 6, 7, 8].map((i) => inputs[i]);
  if (x === undefined || w === undefined || scale === undefined) return undefined;
  if (xScale === undefined || wScale === undefined) return undefined;
  // A bias is in steps of the product of both scales.
  const [xs, ws] = [numbersOf(xScale), numbersOf(wScale)];
  const b = bias && numbersOf(bias).map((v, i) => v * xs[0]! * (ws[i] ?? ws[0]!));
  return quantised(convolve(view, x, w, b, out.dims), out, scale, zero, undefined);
};

export const quantisedEvaluators: Readonly<Record<string, Folder>> = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  MatMulInteger: matmulInteger,
  ConvInteger: convInteger,
  QLinearMatMul: qLinearMatmul,
  QLinearConv: qLinearConv,
};
