import { tensorAttribute } from "../graph.js";
import { shapePart } from "../shapes/movementRules.js";
import {
  broadcastTo,
  countOf,
  reshaped,
  strided,
  stridesOf,
  transposed,
  walk,
  zeros,
} from "./arrays.js";
import { aroundAxis, elementAt, foldersFor, usesBigint } from "./folder.js";
import type { Folder } from "./folder.js";

const reshape: Folder = ([x], _view, out) => {
  if (x === undefined || countOf(out.dims) !== x.data.length) return undefined;
  return reshaped(x, out.dims);
};

const concat: Folder = (inputs, view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined) return undefined;
  const axis = view.int("axis", 0);
  const { outer, size, inner } = aroundAxis(out.dims, axis);
  let start = 0;
  for (const part of inputs) {
    if (part?.elementType !== out.elementType) return undefined;
    const run = (part.dims[axis] ?? 1) * inner;
    for (let o = 0; o < outer; o++) {
      const piece = (part.data as Float64Array).subarray(o * run, (o + 1) * run);
      (data as Float64Array).set(piece, o * size * inner + start);
    }
    start += run;
  }
  return { ...out, data };
};

const slice: Folder = ([x], view, out) => {
  if (x === undefined || !view.node.attributes.has("starts")) return undefined;
  const strides = stridesOf(x.dims);
  const stepped = [...strides];
  const [starts = [], steps = []] = ["starts", "steps"].map((name) => view.ints(name) ?? []);
  let base = 0;
  (view.ints("axes") ?? []).forEach((axis, i) => {
    base += (starts[i] ?? 0) * (strides[axis] ?? 0);
    stepped[axis] = (strides[axis] ?? 0) * (steps[i] ?? 1);
  });
  return strided(x, out.dims, stepped, base);
};

const constantOfShape: Folder = (_inputs, view, out) => {
  const value = tensorAttribute(view.node, "value");
  const data = zeros(out.elementType, countOf(out.dims));
  if (value?.data.length !== 1 || data === undefined) return undefined;
  (data as Float64Array).fill(elementAt(value, 0) as number);
  return { ...out, data };
};

const range: Folder = ([start, , delta], _view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (start === undefined || delta === undefined || data === undefined) return undefined;
  if (start.elementType !== delta.elementType) return undefined;
  const [first, step] = [elementAt(start, 0), elementAt(delta, 0)];
  for (let i = 0; i < data.length; i++) {
    const value =
      typeof first === "bigint" ? first + BigInt(i) * BigInt(step) : first + i * Number(step);
    (data as Float64Array)[i] = (
      out.elementType === "float32" ? Math.fround(Number(value)) : value
    ) as number;
  }
  return { ...out, data };
};

/** Which index of an axis of `size` is read at `i`, which may lie outside; −1 for the fill value. */
function paddedIndex(i: number, size: number, mode: string): number {
  if (i >= 0 && i < size) return i;
  if (size === 0) return -1;
  if (mode === "edge") return i < 0 ? 0 : size - 1;
  if (mode === "wrap") return ((i % size) + size) % size;
  if (mode !== "reflect") return -1;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const at = ((i % period) + period) % period;
  return at < size ? at : period - at;
}

const pad: Folder = ([x], view, out) => {
  const pads = view.ints("pads");
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || pads === undefined || data === undefined) return undefined;
  const mode = view.string("mode", "constant");
  const value = view.float("value", 0);
  const fill = usesBigint(out.elementType) ? BigInt(Math.trunc(value)) : value;
  const strides = stridesOf(x.dims);
  // For each axis, the offset that each index of the result reads; −1 where it reads nothing.
  const offsets = out.dims.map((size, axis) =>
    Int32Array.from({ length: size }, (_, i) => {
      const at = paddedIndex(i - (pads[axis] ?? 0), x.dims[axis] ?? 1, mode);
      return at < 0 ? -1 : at * (strides[axis] ?? 1);
    }),
  );
  const position = new Int32Array(out.dims.length);
  for (let i = 0; i < data.length; i++) {
    let offset = 0;
    for (let axis = 0; axis < position.length && offset >= 0; axis++) {
      const step = offsets[axis]![position[axis]!]!;
      offset = step < 0 ? -1 : offset + step;
    }
    (data as Float64Array)[i] = (offset < 0 ? fill : elementAt(x, offset)) as number;
    for (let axis = position.length - 1; axis >= 0; axis--) {
      if (++position[axis]! < (out.dims[axis] ?? 1)) break;
      position[axis] = 0;
    }
  }
  return { ...out, data };
};

const trilu: Folder = ([x, diagonal], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || data === undefined) return undefined;
  const k = diagonal === undefined ? 0 : Number(elementAt(diagonal, 0));
  const [rows = 1, columns = 1] = out.dims.slice(-2);
  const upper = view.int("upper", 1) === 1;
  for (let i = 0; i < data.length; i++) {
    const distance = (i % columns) - (Math.floor(i / columns) % rows);
    if (upper ? distance >= k : distance <= k)
      (data as Float64Array)[i] = elementAt(x, i) as number;
  }
  return { ...out, data };
};

const tile: Folder = ([x], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || data === undefined || !view.node.attributes.has("repeats"))
    return undefined;
  const strides = stridesOf(x.dims);
  const position = new Int32Array(out.dims.length);
  for (let i = 0; i < data.length; i++) {
    let offset = 0;
    for (let axis = 0; axis < position.length; axis++)
      offset += (position[axis]! % (x.dims[axis] ?? 1)) * (strides[axis] ?? 1);
    (data as Float64Array)[i] = elementAt(x, offset) as number;
    for (let axis = position.length - 1; axis >= 0; axis--) {
      if (++position[axis]! < (out.dims[axis] ?? 1)) break;
      position[axis] = 0;
    }
  }
  return { ...out, data };
};

/** Blocks of b×b pixels to or from channels: a Transpose between two Reshapes. */
const blocks: Folder = ([x], view, out) => {
  if (x?.dims.length !== 4) return undefined;
  const b = view.int("blocksize", 1);
  const [n = 1, c = 1, h = 1, w = 1] = x.dims;
  const [dims, perm] =
    view.node.opType === "SpaceToDepth"
      ? [
          [n, c, h / b, b, w / b, b],
          [0, 3, 5, 1, 2, 4],
        ]
      : view.string("mode", "DCR") === "DCR"
        ? [
            [n, b, b, c / (b * b), h, w],
            [0, 3, 4, 1, 5, 2],
          ]
        : [
            [n, c / (b * b), b, b, h, w],
            [0, 1, 4, 2, 5, 3],
          ];
  const moved = transposed(reshaped(x, dims), perm);
  return moved && reshaped(moved, out.dims);
};

const eye: Folder = ([x], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  const [rows = 0, columns = 0] = out.dims;
  if (x === undefined || data === undefined) return undefined;
  const k = view.int("k", 0);
  const one = usesBigint(out.elementType) ? 1n : 1;
  for (let row = 0; row < rows; row++) {
    if (row + k >= 0 && row + k < columns)
      (data as Float64Array)[row * columns + row + k] = one as number;
  }
  return { ...out, data };
};

const shapeOf: Folder = ([x], view, out) => {
  const dims = view.node.opType === "Size" ? [x?.data.length ?? 0] : shapePart(view);
  if (x === undefined || dims === undefined) return undefined;
  return { ...out, data: BigInt64Array.from(dims, (d) => BigInt(d)) };
};

const reverseSequence: Folder = ([x, lengths], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || lengths === undefined || data === undefined) return undefined;
  const [time, batch] = [view.int("time_axis", 0), view.int("batch_axis", 1)];
  const strides = stridesOf(x.dims);
  walk(x.dims, strides, 0, (i) => {
    const t = Math.floor(i / (strides[time] ?? 1)) % (x.dims[time] ?? 1);
    const b = Math.floor(i / (strides[batch] ?? 1)) % (x.dims[batch] ?? 1);
    const length = Number(elementAt(lengths, b));
    const from = t < length ? i + (length - 1 - 2 * t) * (strides[time] ?? 1) : i;
    (data as Float64Array)[i] = elementAt(x, from) as number;
  });
  return { ...out, data };
};

export const movementFolders: Readonly<Record<string, Folder>> = {
  ...foldersFor("Reshape Flatten Squeeze Unsqueeze", reshape),
  ...foldersFor("DepthToSpace SpaceToDepth", blocks),
  ...foldersFor("Shape Size", shapeOf),
  Transpose: ([x], view) => x && transposed(x, view.ints("perm") ?? []),
  Expand: ([x], _view, out) => x && broadcastTo(x, out.dims),
  Concat: concat,
  Slice: slice,
  ConstantOfShape: constantOfShape,
  Range: range,
  Pad: pad,
  Tile: tile,
  Trilu: trilu,
  EyeLike: eye,
  ReverseSequence: reverseSequence,
};
