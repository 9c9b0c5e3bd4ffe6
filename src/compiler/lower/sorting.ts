/** Operators that sort, or whose results have as many elements as values say. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { elementCount, intAttribute, nodeError } from "../graph.js";
import { productOfDims } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";
import { defineIntegers, defineMoved, inOrder, stridesOf } from "./gathering.js";
import { IndexMath } from "./indexMath.js";

/** The greatest or least k along an axis, best first, the lowest index first among equals. */
function lowerTopK(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, node.inputs[0]!);
  const dims = x.value.shape;
  const axis = intAttribute(node, "axis")!;
  const k = intAttribute(node, "k");
  const length = dims[axis]!;
  if (typeof length === "number" && k !== undefined && k > length) {
    throw nodeError(
      "BadAttribute",
      node,
      `k is ${String(k)}, the axis has ${String(length)} elements`,
    );
  }
  const { value } = x;
  const descending = intAttribute(node, "largest") === 1;
  const keys = descending ? math.op("not", {}, [value], value.dtype, value.shape) : value;
  const order = math.op("argsort", { axis }, [keys], "i32", dims);
  // Of an axis that may be too short, an index traps where a slice would be short.
  const best =
    k === undefined
      ? math.gather(order, firstOf(ctx, math, node, axis), axis)
      : typeof length === "number"
        ? math.slice(order, axis, 0, k, k)
        : math.gather(order, math.counting(k), axis);
  const [values, indices] = node.outputs;
  if (values !== undefined && values !== "") {
    const strides = stridesOf(dims);
    const along = math.arithmetic("mul", best, math.size(strides[axis]!));
    const others = math.offsets(
      best.shape,
      strides.map((stride, i) => (i === axis ? 0 : stride)),
    );
    const flat = math.arithmetic("add", along, others);
    defineMoved(ctx, values, x, math.gather(ctx.reshaped(value, [productOfDims(dims)]), flat));
  }
  if (indices !== undefined && indices !== "") {
    defineIntegers(ctx, indices, math.cast(best, "i64"));
  }
}

/** 0 … k − 1, where k is data. */
function firstOf(ctx: LoweringContext, math: IndexMath, node: GraphNode, axis: number): FixedValue {
  const name = node.outputs.find((output) => output !== "")!;
  return math.countingTo(ctx.get(node.inputs[1]!).value, ctx.shapeOf(name)[axis]!);
}

/** Coordinates of what is not 0, an axis a row. */
function lowerNonZero(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const source = inOrder(ctx, node.inputs[0]!);
  const name = node.outputs[0]!;
  const [rank, count] = ctx.shapeOf(name);
  const { value, format } = source;
  const dims = value.shape;
  if (dims.length === 0 || rank !== dims.length) {
    throw nodeError("UnsupportedShape", node, "a scalar has no coordinates");
  }
  const apart =
    format === undefined || format.zeroPoint === 0
      ? value
      : math.compare("eq", value, math.scalar(format.zeroPoint, value.dtype));
  const marks = apart === value ? value : math.op("not", {}, [apart], "bool", value.shape);
  const flat = ctx.builder.op("nonzero", {}, [marks], "i32", [count!]);
  const strides = stridesOf(dims);
  const rows = dims.map((dim, axis) => {
    const stride = strides[axis]!;
    const whole =
      stride === 1
        ? flat
        : math.arithmetic("div.floor", flat, math.size(stride === 0 ? 1 : stride));
    const row =
      axis === 0 ? whole : math.arithmetic("mod.floor", whole, math.size(dim === 0 ? 1 : dim));
    return math.reshape(row, [1, count!]);
  });
  const all = rows.length === 1 ? rows[0]! : math.concat(rows, 0, rows.length);
  defineIntegers(ctx, name, math.cast(all, "i64"));
}

/** Slices that a condition chooses; of the flat tensor without an axis. */
function lowerCompress(ctx: LoweringContext, node: GraphNode): void {
  const source = inOrder(ctx, node.inputs[0]!);
  const axis = intAttribute(node, "axis");
  const name = node.outputs[0]!;
  const rank = source.axes.length;
  const along = axis === undefined ? 0 : axis < 0 ? axis + rank : axis;
  const x =
    axis === undefined
      ? ctx.reshaped(source.value, [productOfDims(source.value.shape)])
      : source.value;
  const condition = ctx.logical(ctx.get(node.inputs[1]!)).value;
  const chosen = ctx.builder.op("nonzero", {}, [condition], "i32", [ctx.shapeOf(name)[along]!]);
  const value = ctx.builder.op("gather", { axis: along }, [x, chosen], x.dtype, ctx.shapeOf(name));
  defineMoved(ctx, name, source, value);
}

/**
 * Distinct elements, or distinct slices of an axis: slices are sorted, a mark stands where one
 * differs from the one before it, and what follows counts and looks up marks.
 */
function lowerUnique(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const { builder } = ctx;
  const source = inOrder(ctx, node.inputs[0]!);
  const dims = ctx.fixedDims(node.inputs[0]!, node);
  const stated = intAttribute(node, "axis");
  const axis = stated === undefined ? 0 : stated < 0 ? stated + dims.length : stated;
  const rows = stated === undefined ? elementCount(dims)! : dims[axis]!;
  const width = rows === 0 ? 1 : elementCount(dims)! / rows;
  const count = ctx.shapeOf(node.outputs.find((name) => name !== "")!)[0]!;
  const open = typeof count === "string" ? count : `${node.name}_count`;

  const front = [axis, ...dims.map((_, i) => i).filter((i) => i !== axis)];
  const moved = stated === undefined ? source : ctx.ordered(source, front);
  const x = ctx.reshaped(moved.value, width === 1 ? [rows] : [rows, width]);
  const order =
    width === 1
      ? builder.op("argsort", { axis: 0 }, [x], "i32", [rows])
      : sortRows(ctx, math, x, rows, width);
  const sorted = math.gather(x, order);
  const differs = changes(math, sorted, rows, width);
  const starts = builder.op("nonzero", {}, [differs], "i32", [open]);
  let first = math.gather(order, starts);
  let chosen = starts;
  const group = builder.op("cumsum", { axis: 0, dtype: "i32" }, [numbers(math, differs)], "i32", [
    rows,
  ]);
  let groups = math.arithmetic("sub", group, math.scalar(1));
  const ends = math.concat(
    [math.slice(starts, 0, 1, TO_THE_END, `${open}-1`), math.constant([rows])],
    0,
    open,
  );
  // Without any row the one end has no start: both are empty then.
  let counts = rows === 0 ? starts : math.arithmetic("sub", ends, starts);
  if (intAttribute(node, "sorted") === 0) {
    const byFirst = builder.op("argsort", { axis: 0 }, [first], "i32", [open]);
    const rank = builder.op("argsort", { axis: 0 }, [byFirst], "i32", [open]);
    first = math.gather(first, byFirst);
    chosen = math.gather(chosen, byFirst);
    counts = math.gather(counts, byFirst);
    groups = math.gather(rank, groups);
  }
  const [values, firsts, inverse, sizes] = node.outputs;
  if (values !== undefined && values !== "") {
    const distinct = math.gather(sorted, chosen);
    if (stated === undefined) defineMoved(ctx, values, source, distinct);
    else {
      const shape = front.map((a) => (a === axis ? open : dims[a]!));
      const whole = ctx.reshaped(distinct, shape);
      ctx.define(values, ctx.logical({ ...source, value: whole, axes: front }));
    }
  }
  const define = (name: string | undefined, value: () => FixedValue): void => {
    if (name !== undefined && name !== "") defineIntegers(ctx, name, math.cast(value(), "i64"));
  };
  define(firsts, () => first);
  define(inverse, () => {
    const none = math.constant(new Array<number>(rows).fill(0));
    return builder.op("scatter", { axis: 0 }, [none, order, groups], "i32", [rows]);
  });
  define(sizes, () => counts);
}

const TO_THE_END = 0x7fffffff;

/** Booleans as 0 and 1. */
const numbers = (math: IndexMath, x: FixedValue): FixedValue => math.cast(x, "i32");

/** Whether each row of a sorted [rows, width] differs from the one before it; the first does. */
function changes(math: IndexMath, sorted: FixedValue, rows: number, width: number): FixedValue {
  const first = math.cast(math.constant(rows === 0 ? [] : [1]), "bool");
  if (rows < 2) return first;
  const before = math.slice(sorted, 0, 0, -1, rows - 1);
  const after = math.slice(sorted, 0, 1, TO_THE_END, rows - 1);
  const same = math.compare("eq", before, after);
  const equal =
    width === 1
      ? same
      : math.reshape(math.op("reduce.min", { axes: [1] }, [same], "bool", [rows - 1, 1]), [
          rows - 1,
        ]);
  const differs = math.op("not", {}, [equal], "bool", [rows - 1]);
  return math.concat([first, differs], 0, rows);
}

/** Indices that sort the rows of [rows, width] lexicographically: stable sorts, the last column first. */
function sortRows(
  ctx: LoweringContext,
  math: IndexMath,
  x: FixedValue,
  rows: number,
  width: number,
): FixedValue {
  const { builder } = ctx;
  const columns = builder.op("transpose", { perm: [1, 0] }, [x], x.dtype, [width, rows]);
  const types = [
    { dtype: "i32", shape: [rows] },
    { dtype: "i32", shape: [] },
  ] as const;
  const [order] = builder.loop(
    [math.counting(rows), math.scalar(width - 1)],
    types,
    ([before, column]) => {
      const keys = math.gather(math.gather(columns, column!), before!);
      const sorted = builder.op("argsort", { axis: 0 }, [keys], "i32", [rows]);
      const next = math.arithmetic("sub", column!, math.scalar(1));
      return {
        again: math.compare("le", math.scalar(0), next),
        carried: [math.gather(before!, sorted), next],
      };
    },
  );
  return order!;
}

export const sortingRules = {
  Compress: lowerCompress,
  NonZero: lowerNonZero,
  TopK: lowerTopK,
  Unique: lowerUnique,
} as const;
