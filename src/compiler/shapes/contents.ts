import type { Dim, Shape } from "../graph.js";
import {
  addDims,
  divideDims,
  floorDivideDim,
  multiplyDims,
  productOfDims,
  subtractDims,
} from "./dims.js";
import { shapePart } from "./movementRules.js";
import { MAX_RANK } from "./nodeView.js";
import type { NodeView } from "./nodeView.js";

type ContentsRule = (view: NodeView) => readonly Dim[] | undefined;

const handOn: ContentsRule = (view) => view.contents(0);

function elementwise(op: (a: Dim, b: Dim) => Dim | undefined): ContentsRule {
  return (view) => {
    const a = view.contents(0);
    const b = view.contents(1);
    if (a === undefined || b === undefined) return undefined;
    const length = a.length === 1 ? b.length : a.length;
    const result: Dim[] = [];
    for (let i = 0; i < length; i++) {
      const left = a.length === 1 ? a[0] : a[i];
      const right = b.length === 1 ? b[0] : b[i];
      const value = left === undefined || right === undefined ? undefined : op(left, right);
      if (value === undefined) return undefined;
      result.push(value);
    }
    return result;
  };
}

const RULES: ReadonlyMap<string, ContentsRule> = new Map(
  Object.entries({
    Identity: handOn,
    Reshape: handOn,
    Cast: handOn,
    Shape: shapePart,
    Size: (view) => {
      const shape = view.shape(0);
      return shape === undefined ? undefined : [productOfDims(shape)];
    },
    Gather: (view) => {
      const from = view.contents(0);
      const indices = view.numbers(1);
      if (from === undefined || indices === undefined || view.rank(0) !== 1) return undefined;
      const picked = indices.map((i) => from.at(i));
      return picked.every((dim) => dim !== undefined) ? picked : undefined;
    },
    Concat: (view) => {
      const parts = view.node.inputs.map((_, i) => view.contents(i));
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    },
    Transpose: (view) => {
      const from = view.contents(0);
      const [rows, columns] = tableOf(view.shape(0)) ?? [];
      if (from === undefined || rows === undefined || columns === undefined) return undefined;
      if (view.ints("perm")?.[0] !== 1) return undefined;
      return from.map((_, i) => from[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
    },
    Slice: (view) => {
      const from = view.contents(0);
      const table = tableOf(view.shape(0));
      if (table !== undefined) return from === undefined ? undefined : rowsOf(view, from, table[1]);
      const [start = 0] = view.ints("starts") ?? [];
      const [step = 1] = view.ints("steps") ?? [];
      const size = view.output(0).shape?.[0];
      if (from === undefined || typeof size !== "number" || !view.node.attributes.has("starts")) {
        return undefined;
      }
      return Array.from({ length: size }, (_, i) => from[start + i * step] ?? 0);
    },
    Add: elementwise(addDims),
    Sub: elementwise(subtractDims),
    Mul: elementwise(multiplyDims),
    // A symbolic dimension is not negative: floor and truncate agree.
    Div: elementwise((a, b) => {
      if (typeof b !== "number") return divideDims(a, b);
      if (b <= 0) return undefined;
      return typeof a === "number" ? Math.trunc(a / b) : floorDivideDim(a, b);
    }),
    // Booleans are 0 and 1. A size is not negative, so it equals no negative number.
    Equal: elementwise((a, b) => {
      if (a === b) return 1;
      if (typeof a === "number" && typeof b === "number") return 0;
      return (typeof a === "number" && a < 0) || (typeof b === "number" && b < 0) ? 0 : undefined;
    }),
    Where: (view) => {
      const [condition, a, b] = [0, 1, 2].map((i) => view.contents(i));
      if (condition === undefined || a === undefined || b === undefined) return undefined;
      const length = Math.max(condition.length, a.length, b.length);
      const at = (list: readonly Dim[], i: number): Dim | undefined =>
        list.length === 1 ? list[0] : list[i];
      const picked = Array.from({ length }, (_, i) => {
        const choice = at(condition, i);
        return typeof choice === "number" ? at(choice === 0 ? b : a, i) : undefined;
      });
      return picked.every((dim) => dim !== undefined) ? picked : undefined;
    },
    ReduceProd: (view) => {
      const from = view.rank(0) === 1 ? view.contents(0) : undefined;
      return from === undefined ? undefined : [productOfDims(from)];
    },
  }),
);

/** The sizes of a table: pads are turned about in one on their way from PyTorch's order to ONNX's. */
function tableOf(shape: Shape): readonly [number, number] | undefined {
  const [rows, columns] = shape ?? [];
  if (shape?.length !== 2 || typeof rows !== "number" || typeof columns !== "number")
    return undefined;
  return rows * columns <= MAX_RANK ? [rows, columns] : undefined;
}

/** The rows of a table that a Slice takes. */
function rowsOf(view: NodeView, from: readonly Dim[], columns: number): readonly Dim[] | undefined {
  const [start] = view.ints("starts") ?? [];
  const [step] = view.ints("steps") ?? [];
  const [axis, ...others] = view.ints("axes") ?? [];
  const rows = view.output(0).shape?.[0];
  if (start === undefined || step === undefined || typeof rows !== "number") return undefined;
  if (axis !== 0 || others.length > 0) return undefined;
  return Array.from({ length: rows }, (_, i) => {
    const at = (start + i * step) * columns;
    return from.slice(at, at + columns);
  }).flat();
}

/** What hands elements of a table on, each to its place. */
const OF_TABLES: ReadonlySet<string> = new Set([
  "Cast",
  "Identity",
  "Reshape",
  "Slice",
  "Transpose",
]);

/**
 * Elements of a node's integer result, symbolic dimensions included, where its rank is 0 or 1, or
 * where it is a small table: what shapes are computed from. The outputs' types and shapes are known.
 */
export function inferContents(view: NodeView): readonly Dim[] | undefined {
  const { elementType, shape } = view.output(0);
  if (elementType !== "int64" && elementType !== "int32" && elementType !== "bool")
    return undefined;
  if (view.node.domain !== "" || shape === undefined) return undefined;
  const table = OF_TABLES.has(view.node.opType) ? tableOf(shape) : undefined;
  if (shape.length > 1 && table === undefined) return undefined;
  const contents = RULES.get(view.node.opType)?.(view);
  const count = table === undefined ? (shape[0] ?? 1) : table[0] * table[1];
  return contents?.length === count ? contents : undefined;
}
