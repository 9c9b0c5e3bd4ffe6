import type { NodeView } from "../shapes/nodeView.js";
import { countOf, stridesOf, zeros } from "./arrays.js";
import { elementAt, floatTensor, foldersFor, numbersOf } from "./folder.js";
import type { Folder } from "./folder.js";
import { runsOfTap, slidingOf, tapsOf } from "./sliding.js";

/** Calls `visit` for each meeting of a position of the result and an element of the data. */
function slide(
  view: NodeView,
  dims: readonly number[],
  out: readonly number[],
  visit: (position: number, datum: number, inPlane: number) => void,
): void {
  const [size, positions] = [dims.slice(2), out.slice(2)];
  const window = slidingOf(view, size.length);
  const runs = tapsOf(window.kernel).map((tap) => runsOfTap(window, tap, positions, size));
  const [inSize, outSize] = [countOf(size), countOf(positions)];
  const planes = countOf(dims.slice(0, 2));
  for (let plane = 0; plane < planes; plane++) {
    for (const run of runs) {
      for (let r = 0; r < run.length; r += 4) {
        for (let i = 0; i < run[r + 3]!; i++) {
          const datum = run[r + 1]! + i * run[r + 2]!;
          visit(plane * outSize + run[r]! + i, plane * inSize + datum, datum);
        }
      }
    }
  }
}

const maxPool: Folder = ([x], view, out) => {
  if (x === undefined) return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined) return undefined;
  const from = new Int32Array(data.length).fill(-1);
  const inPlaneOf = new Int32Array(data.length);
  slide(view, x.dims, out.dims, (position, datum, inPlane) => {
    const old = from[position]!;
    // Of equals, the first in the order of the data.
    if (old >= 0) {
      const [value, best] = [elementAt(x, datum), elementAt(x, old)];
      if (!(value > best || (value === best && datum < old))) return;
    }
    from[position] = datum;
    inPlaneOf[position] = inPlane;
  });
  for (let i = 0; i < data.length; i++) {
    (data as Float64Array)[i] = (from[i]! < 0 ? -Infinity : elementAt(x, from[i]!)) as number;
  }
  const values = { ...out, data };
  if (view.node.outputs.length < 2) return values;
  const size = x.dims.slice(2);
  const inSize = countOf(size);
  const rows = stridesOf(size);
  const columns = stridesOf([...size].reverse()).reverse();
  const columnMajor = view.int("storage_order", 0) === 1;
  const indices = BigInt64Array.from(from, (datum, i) => {
    if (!columnMajor) return BigInt(datum);
    const inPlane = inPlaneOf[i]!;
    const at = size.reduce(
      (sum, dim, axis) => sum + (Math.floor(inPlane / rows[axis]!) % dim) * columns[axis]!,
      0,
    );
    return BigInt(Math.floor(datum / inSize) * inSize + at);
  });
  return [values, { elementType: "int64", dims: out.dims, data: indices }];
};

/** How many taps count at each position, row-major over the spatial axes of the result. */
function tapCounts(
  view: NodeView,
  size: readonly number[],
  positions: readonly number[],
): number[] {
  const { kernel, strides, dilations, pads } = slidingOf(view, size.length);
  const ends = (view.ints("pads") ?? []).slice(size.length);
  const include = view.int("count_include_pad", 0) === 1;
  return positions.reduce<number[]>(
    (counts, count, axis) => {
      const low = include ? -pads[axis]! : 0;
      const high = size[axis]! + (include ? (ends[axis] ?? 0) : 0);
      const along = Array.from({ length: count }, (_, i) => {
        let taps = 0;
        for (let t = 0; t < kernel[axis]!; t++) {
          const at = i * strides[axis]! - pads[axis]! + t * dilations[axis]!;
          if (at >= low && at < high) taps++;
        }
        return taps;
      });
      return counts.flatMap((c) => along.map((taps) => c * taps));
    },
    [1],
  );
}

const averagePool: Folder = ([x], view, out) => {
  if (x === undefined) return undefined;
  const from = numbersOf(x);
  const data = new Float64Array(countOf(out.dims));
  slide(view, x.dims, out.dims, (position, datum) => {
    data[position] = data[position]! + from[datum]!;
  });
  const counts = tapCounts(view, x.dims.slice(2), out.dims.slice(2));
  const average = data.map((sum, i) => sum / Math.max(1, counts[i % counts.length]!));
  return floatTensor(out.elementType, out.dims, average);
};

const lpPool: Folder = ([x], view, out, { functions }) => {
  if (x === undefined) return undefined;
  const from = numbersOf(x);
  const p = view.int("p", 2);
  const data = new Float64Array(countOf(out.dims));
  slide(view, x.dims, out.dims, (position, datum) => {
    data[position] = data[position]! + functions.pow(Math.abs(from[datum]!), p);
  });
  return floatTensor(
    out.elementType,
    out.dims,
    data.map((sum) => functions.pow(sum, 1 / p)),
  );
};

const globalPool: Folder = ([x], view, out, { functions }) => {
  if (x === undefined) return undefined;
  const { opType } = view.node;
  const from = numbersOf(x);
  const size = countOf(x.dims.slice(2));
  const p = view.int("p", 2);
  const data = Float64Array.from({ length: countOf(out.dims) }, (_, plane) => {
    const values = from.subarray(plane * size, (plane + 1) * size);
    if (opType === "GlobalMaxPool") return values.reduce((a, b) => Math.max(a, b), -Infinity);
    if (opType === "GlobalAveragePool") return values.reduce((a, b) => a + b, 0) / size;
    const sum = values.reduce((a, b) => a + functions.pow(Math.abs(b), p), 0);
    return functions.pow(sum, 1 / p);
  });
  return floatTensor(out.elementType, out.dims, data);
};

export const windowEvaluators: Readonly<Record<string, Folder>> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  ...foldersFor("GlobalAveragePool GlobalMaxPool GlobalLpPool", globalPool),
};
