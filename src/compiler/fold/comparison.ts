import { countOf, zeros } from "./arrays.js";
import { broadcastIndices, elementAt, foldersFor } from "./folder.js";
import type { Folder } from "./folder.js";

const COMPARE: Readonly<Record<string, (a: number | bigint, b: number | bigint) => boolean>> = {
  Equal: (a, b) => a === b,
  Less: (a, b) => a < b,
  LessOrEqual: (a, b) => a <= b,
  Greater: (a, b) => a > b,
  GreaterOrEqual: (a, b) => a >= b,
};

const comparison: Folder = ([a, b], view, out) => {
  const compare = COMPARE[view.node.opType];
  if (a === undefined || b === undefined || compare === undefined || a.elementType === "string")
    return undefined;
  const data = new Uint8Array(countOf(out.dims));
  const ai = broadcastIndices(a.dims, out.dims);
  const bi = broadcastIndices(b.dims, out.dims);
  for (let i = 0; i < data.length; i++) {
    data[i] = compare(elementAt(a, ai?.[i] ?? i), elementAt(b, bi?.[i] ?? i)) ? 1 : 0;
  }
  return { ...out, data };
};

const where: Folder = ([condition, a, b], _view, out) => {
  if (condition === undefined || a === undefined || b === undefined) return undefined;
  if (a.elementType !== b.elementType) return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined) return undefined;
  const [ci, yes, no] = [condition, a, b].map((t) => broadcastIndices(t.dims, out.dims));
  for (let i = 0; i < data.length; i++) {
    const value =
      elementAt(condition, ci?.[i] ?? i) === 1
        ? elementAt(a, yes?.[i] ?? i)
        : elementAt(b, no?.[i] ?? i);
    (data as Float64Array)[i] = value as number;
  }
  return { ...out, data };
};

const test: Folder = ([a], view, out) => {
  if (a === undefined) return undefined;
  const { opType } = view.node;
  const [below, above] = [view.int("detect_negative", 1), view.int("detect_positive", 1)];
  const data = new Uint8Array(countOf(out.dims));
  for (let i = 0; i < data.length; i++) {
    const x = Number(elementAt(a, i));
    const found =
      opType === "Not"
        ? x === 0
        : opType === "IsNaN"
          ? x !== x
          : (x === Infinity && above === 1) || (x === -Infinity && below === 1);
    data[i] = found ? 1 : 0;
  }
  return { ...out, data };
};

export const comparisonFolders: Readonly<Record<string, Folder>> = {
  ...foldersFor(Object.keys(COMPARE).join(" "), comparison),
  ...foldersFor("Not IsNaN IsInf", test),
  Where: where,
};
