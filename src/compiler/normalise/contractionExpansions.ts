/** Products with vectors and of many axes, and what adds overlapping blocks. */
import { attribute } from "../graph.js";
import type { Dim } from "../graph.js";
import { windowCount, windowExtent } from "../shapes/windows.js";
import { einsum } from "./einsumExpansion.js";
import { Expansion } from "./expansion.js";
import type { Normaliser } from "./normaliser.js";

/** A vector in front is a row, one behind a column; the axis of 1 goes from the result again. */
const matmul: Normaliser = (view) => {
  const [a, b] = [view.shape(0), view.shape(1)];
  if (a === undefined || b === undefined || (a.length !== 1 && b.length !== 1)) return undefined;
  if (a.length === 0 || b.length === 0) throw view.shapeError("a scalar has no matrix product");
  const left: readonly Dim[] = a.length === 1 ? [1, ...a] : a;
  const right: readonly Dim[] = b.length === 1 ? [...b, 1] : b;
  const [k, kOfB] = [left.at(-1), right.at(-2)];
  if (typeof k === "number" && typeof kOfB === "number" && k !== kOfB)
    throw view.shapeError(`inner dimensions ${String(k)} and ${String(kOfB)} differ`);
  const e = new Expansion(view);
  const x = a.length === 1 ? e.reshape(view.name(0), left) : view.name(0);
  const y = b.length === 1 ? e.reshape(view.name(1), right) : view.name(1);
  const batch = left.length > right.length ? left.slice(0, -2) : right.slice(0, -2);
  const product = e.op("MatMul", [x, y], {}, [...batch, left.at(-2)!, right.at(-1)!]);
  const rows = a.length === 1 ? [] : [left.at(-2)!];
  const columns = b.length === 1 ? [] : [right.at(-1)!];
  e.reshape(product, [...batch, ...rows, ...columns]);
  return e.finish();
};

/** Blocks added where they overlap: a transposed convolution whose kernels hold a single 1. */
const col2im: Normaliser = (view) => {
  const x = view.shape(0);
  const declared = view.output(0).shape?.slice(2);
  const image: readonly Dim[] | undefined = view.numbers(1) ?? declared;
  const block = view.numbers(2);
  if (x === undefined || image === undefined || block === undefined) return undefined;
  const [batch = 1, rows, places] = x;
  const taps = block.reduce((a, b) => a * b, 1);
  if (x.length !== 3 || typeof rows !== "number" || rows % taps !== 0 || taps === 0)
    throw view.shapeError(`needs [N, C·${String(taps)}, L]`);
  const axes = block.length;
  const ones = block.map(() => 1);
  const strides = view.ints("strides") ?? ones;
  const dilations = view.ints("dilations") ?? ones;
  const pads = view.ints("pads") ?? [...ones, ...ones].map(() => 0);
  const counts: number[] = [];
  const extra: number[] = [];
  for (const [i, kernel] of block.entries()) {
    const size = image[i];
    if (typeof size !== "number") return undefined;
    const [stride, dilation] = [strides[i] ?? 1, dilations[i] ?? 1];
    const [padBegin, padEnd] = [pads[i] ?? 0, pads[i + axes] ?? 0];
    const window = { kernel, stride, dilation, padBegin, padEnd };
    counts.push(Number(windowCount(size, window)));
    extra.push((size + padBegin + padEnd - windowExtent(window)) % stride);
  }
  const expected = counts.reduce((a, b) => a * b, 1);
  if (typeof places === "number" && places !== expected)
    throw view.shapeError(`an image of [${image.join(", ")}] has ${String(expected)} blocks`);
  const channels = rows / taps;
  const data = Float64Array.from({ length: rows * taps }, (_, i) => {
    return Math.floor(i / taps) % taps === i % taps ? 1 : 0;
  });
  const elementType = view.elementType(0) ?? "float32";
  const e = new Expansion(view);
  const kernel = e.constant("blocks", { elementType, dims: [rows, 1, ...block], data });
  const blocks = e.reshape(view.name(0), [batch, rows, ...counts]);
  const attributes = {
    kernel_shape: attribute.ints(block),
    strides: attribute.ints(strides),
    dilations: attribute.ints(dilations),
    pads: attribute.ints(pads),
    output_padding: attribute.ints(extra),
    group: attribute.int(channels),
  };
  e.op("ConvTranspose", [blocks, kernel], attributes, [batch, channels, ...image]);
  return e.finish();
};

/** A window over the whole of each channel. */
const globalLpPool: Normaliser = (view) => {
  const sizes = view.shape(0)?.slice(2);
  if (!sizes?.every((size) => typeof size === "number")) return undefined;
  const p = view.int("p", 2);
  view.node.opType = "LpPool";
  view.node.attributes = new Map(
    Object.entries({
      kernel_shape: attribute.ints(sizes as number[]),
      strides: attribute.ints(sizes.map(() => 1)),
      dilations: attribute.ints(sizes.map(() => 1)),
      pads: attribute.ints([...sizes, ...sizes].map(() => 0)),
      ceil_mode: attribute.int(0),
      p: attribute.int(p),
    }),
  );
  return undefined;
};

export const CONTRACTION_EXPANSIONS: Readonly<Record<string, Normaliser>> = {
  Col2Im: col2im,
  Einsum: einsum,
  GlobalLpPool: globalLpPool,
  MatMul: matmul,
};
