import type { CompileError } from "../../core/errors.js";
import type { ConstantTensor } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { BINARY } from "./arithmetic.js";
import { countOf, stridesOf, zeros } from "./arrays.js";
import { aroundAxis, elementAt, foldersFor, isInteger, rounding, usesBigint } from "./folder.js";
import type { Folder, ShapingFolder } from "./folder.js";

function outside(view: NodeView, index: number, size: number): CompileError {
  return view.error("BadGraph", `index ${String(index)} is outside an axis of ${String(size)}`);
}

/** Index `i` of `indices`, counted from the front of an axis of `size`. */
function indexAt(view: NodeView, indices: ConstantTensor, i: number, size: number): number {
  const raw = Number(elementAt(indices, i));
  const index = raw < 0 ? raw + size : raw;
  if (index < 0 || index >= size) throw outside(view, raw, size);
  return index;
}

const gather: Folder = ([x, indices], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || indices === undefined || data === undefined) return undefined;
  const { outer, size, inner } = aroundAxis(x.dims, view.int("axis", 0));
  const count = indices.data.length;
  for (let i = 0; i < count; i++) {
    const index = indexAt(view, indices, i, size);
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < inner; k++) {
        const value = elementAt(x, (o * size + index) * inner + k);
        (data as Float64Array)[(o * count + i) * inner + k] = value as number;
      }
    }
  }
  return { ...out, data };
};

/** Calls `visit` with the offset into a tensor of shape `dims` that each element of `indices` means. */
function alongAxis(
  view: NodeView,
  indices: ConstantTensor,
  dims: readonly number[],
  axis: number,
  visit: (i: number, offset: number) => void,
): void {
  const strides = stridesOf(dims);
  const own = stridesOf(indices.dims);
  for (let i = 0; i < indices.data.length; i++) {
    let offset = indexAt(view, indices, i, dims[axis] ?? 1) * (strides[axis] ?? 1);
    for (let d = 0; d < dims.length; d++) {
      if (d === axis) continue;
      offset += (Math.floor(i / (own[d] ?? 1)) % (indices.dims[d] ?? 1)) * (strides[d] ?? 1);
    }
    visit(i, offset);
  }
}

const gatherElements: Folder = ([x, indices], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || indices === undefined || data === undefined) return undefined;
  alongAxis(view, indices, x.dims, view.int("axis", 0), (i, offset) => {
    (data as Float64Array)[i] = elementAt(x, offset) as number;
  });
  return { ...out, data };
};

/** Offset of the slice that row `row` of `indices` ([..., depth]) names, after `batch` leading axes. */
function sliceOffset(
  view: NodeView,
  indices: ConstantTensor,
  row: number,
  dims: readonly number[],
  batch: number,
): number {
  const depth = indices.dims.at(-1) ?? 1;
  const strides = stridesOf(dims);
  let offset = 0;
  if (batch > 0) {
    const perBatch = countOf(indices.dims.slice(batch, -1));
    offset = Math.floor(row / perBatch) * (strides[batch - 1] ?? 1);
  }
  for (let d = 0; d < depth; d++) {
    const index = indexAt(view, indices, row * depth + d, dims[batch + d] ?? 1);
    offset += index * (strides[batch + d] ?? 1);
  }
  return offset;
}

const gatherND: Folder = ([x, indices], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || indices === undefined || data === undefined) return undefined;
  const batch = view.int("batch_dims", 0);
  const depth = indices.dims.at(-1) ?? 1;
  const run = countOf(x.dims.slice(batch + depth));
  const rows = countOf(indices.dims.slice(0, -1));
  for (let row = 0; row < rows; row++) {
    const offset = sliceOffset(view, indices, row, x.dims, batch);
    for (let k = 0; k < run; k++)
      (data as Float64Array)[row * run + k] = elementAt(x, offset + k) as number;
  }
  return { ...out, data };
};

const REDUCTIONS: ReadonlyMap<string, keyof typeof BINARY> = new Map(
  Object.entries({ add: "Add", mul: "Mul", max: "Max", min: "Min" } as const),
);

/** How a scattered update meets what is there. */
function update(view: NodeView, x: ConstantTensor): (old: unknown, next: unknown) => unknown {
  const name = REDUCTIONS.get(view.string("reduction", "none"));
  if (name === undefined) return (_old, next) => next;
  const kernel = BINARY[name];
  if (!isInteger(x.elementType)) {
    const round = rounding(x.elementType);
    return (old, next) => round(kernel.number(old as number, next as number));
  }
  return (old, next) => {
    const result = kernel.bigint(BigInt(old as number), BigInt(next as number)) ?? 0n;
    return usesBigint(x.elementType) ? result : Number(BigInt.asIntN(32, result));
  };
}

const scatterElements: Folder = ([x, indices, updates], view, out) => {
  if (x === undefined || indices === undefined || updates === undefined) return undefined;
  if (x.elementType === "string" || updates.elementType !== x.elementType) return undefined;
  const data = (x.data as Float64Array).slice();
  const write = update(view, x);
  alongAxis(view, indices, x.dims, view.int("axis", 0), (i, offset) => {
    data[offset] = write(data[offset], elementAt(updates, i)) as number;
  });
  return { ...out, data };
};

const scatterND: Folder = ([x, indices, updates], view, out) => {
  if (x === undefined || indices === undefined || updates === undefined) return undefined;
  if (x.elementType === "string" || updates.elementType !== x.elementType) return undefined;
  const data = (x.data as Float64Array).slice();
  const write = update(view, x);
  const run = countOf(x.dims.slice(indices.dims.at(-1) ?? 1));
  const rows = countOf(indices.dims.slice(0, -1));
  for (let row = 0; row < rows; row++) {
    const offset = sliceOffset(view, indices, row, x.dims, 0);
    for (let k = 0; k < run; k++) {
      const value = write(data[offset + k], elementAt(updates, row * run + k));
      data[offset + k] = value as number;
    }
  }
  return { ...out, data };
};

const oneHot: Folder = ([indices, depth, values], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (indices === undefined || depth === undefined || values === undefined) return undefined;
  if (data === undefined) return undefined;
  const axis = view.axis(view.int("axis", -1), indices.dims.length + 1);
  const { size, inner } = aroundAxis(out.dims, axis);
  const [off, on] = [elementAt(values, 0), elementAt(values, 1)];
  (data as Float64Array).fill(off as number);
  for (let i = 0; i < indices.data.length; i++) {
    const raw = Number(elementAt(indices, i));
    const index = raw < 0 ? raw + size : raw;
    if (index < 0 || index >= size) continue; // ONNX: all off
    const at = (Math.floor(i / inner) * size + index) * inner + (i % inner);
    (data as Float64Array)[at] = on as number;
  }
  return { ...out, data };
};

/** Indices along an axis in order of value; of equals, the first first. NaN sorts as greatest. */
function ranked(x: ConstantTensor, start: number, step: number, size: number, largest: boolean) {
  const order = Array.from({ length: size }, (_, i) => i);
  const sign = largest ? -1 : 1;
  return order.sort((a, b) => {
    const [p, q] = [elementAt(x, start + a * step), elementAt(x, start + b * step)];
    return p < q ? -sign : p > q ? sign : a - b;
  });
}

const topK: Folder = ([x], view, out) => {
  const values = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || values === undefined || !view.node.attributes.has("k")) return undefined;
  const axis = view.axis(view.int("axis", -1), x.dims.length);
  const { outer, size, inner } = aroundAxis(x.dims, axis);
  const k = view.int("k", 1);
  if (k > size) throw outside(view, k, size);
  const indices = new BigInt64Array(values.length);
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < inner; n++) {
      const start = o * size * inner + n;
      const order = ranked(x, start, inner, size, view.int("largest", 1) === 1);
      for (let i = 0; i < k; i++) {
        const at = (o * k + i) * inner + n;
        (values as Float64Array)[at] = elementAt(x, start + order[i]! * inner) as number;
        indices[at] = BigInt(order[i]!);
      }
    }
  }
  return [
    { ...out, data: values },
    { elementType: "int64", dims: out.dims, data: indices },
  ];
};

const arg: Folder = ([x], view, out) => {
  if (x === undefined) return undefined;
  const { outer, size, inner } = aroundAxis(x.dims, view.int("axis", 0));
  const last = view.int("select_last_index", 0) === 1;
  const greatest = view.node.opType === "ArgMax";
  const data = new BigInt64Array(outer * inner);
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < inner; n++) {
      const at = (i: number): number | bigint => elementAt(x, (o * size + i) * inner + n);
      let best = 0;
      for (let i = 1; i < size; i++) {
        const [value, old] = [at(i), at(best)];
        if (value === old ? last : greatest ? value > old : value < old) best = i;
      }
      data[o * inner + n] = BigInt(best);
    }
  }
  return { ...out, data };
};

const cumulative: Folder = ([x, axisInput], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || axisInput === undefined || data === undefined) return undefined;
  const axis = view.axis(Number(elementAt(axisInput, 0)), x.dims.length);
  const { outer, size, inner } = aroundAxis(x.dims, axis);
  const exclusive = view.int("exclusive", 0) === 1;
  const reverse = view.int("reverse", 0) === 1;
  const round = rounding(out.elementType);
  const wide = usesBigint(out.elementType);
  for (let o = 0; o < outer; o++) {
    for (let n = 0; n < inner; n++) {
      let total: number | bigint = wide ? 0n : 0;
      for (let i = 0; i < size; i++) {
        const at = (o * size + (reverse ? size - 1 - i : i)) * inner + n;
        const value = elementAt(x, at);
        const next: number | bigint =
          typeof total === "bigint" ? total + BigInt(value) : total + Number(value);
        const shown = exclusive ? total : next;
        (data as Float64Array)[at] = (typeof shown === "bigint" ? shown : round(shown)) as number;
        total = next;
      }
    }
  }
  return { ...out, data };
};

const nonZero: ShapingFolder = ([x]) => {
  if (x === undefined) return undefined;
  const found: number[] = [];
  for (let i = 0; i < x.data.length; i++) if (Number(elementAt(x, i)) !== 0) found.push(i);
  const strides = stridesOf(x.dims);
  const data = BigInt64Array.from(
    x.dims.flatMap((dim, axis) =>
      found.map((i) => BigInt(Math.floor(i / (strides[axis] ?? 1)) % dim)),
    ),
  );
  return [{ elementType: "int64", dims: [x.dims.length, found.length], data }];
};

const compress: ShapingFolder = ([x, condition], view) => {
  if (x === undefined || condition === undefined) return undefined;
  const flat = !view.node.attributes.has("axis");
  const axis = flat ? 0 : view.axis(view.int("axis", 0), x.dims.length);
  const from = flat ? [x.data.length] : x.dims;
  const { outer, size, inner } = aroundAxis(from, axis);
  const kept: number[] = [];
  for (let i = 0; i < Math.min(size, condition.data.length); i++)
    if (elementAt(condition, i) === 1) kept.push(i);
  const dims = from.map((dim, i) => (i === axis ? kept.length : dim));
  const data = zeros(x.elementType, countOf(dims));
  if (data === undefined) return undefined;
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const i of kept)
      for (let n = 0; n < inner; n++)
        (data as Float64Array)[at++] = elementAt(x, (o * size + i) * inner + n) as number;
  return [{ elementType: x.elementType, dims, data }];
};

export const indexingFolders: Readonly<Record<string, Folder>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ...foldersFor("Scatter ScatterElements", scatterElements),
  ScatterND: scatterND,
  OneHot: oneHot,
  TopK: topK,
  ...foldersFor("ArgMax ArgMin", arg),
  CumSum: cumulative,
};

export const indexingShapers: Readonly<Record<string, ShapingFolder>> = {
  NonZero: nonZero,
  Compress: compress,
};
