/** Operators that compare places with numbers: one-hot forms, triangles, running sums. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { constantNumbers, intAttribute, isFloat } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { integerDtype } from "./dtypes.js";
import { finish } from "./finish.js";
import { defineIntegers, inOrder } from "./gathering.js";
import { IndexMath } from "./indexMath.js";
import type { Lowered, Real } from "./real.js";
import { format, identityAxes, scaleRatio } from "./real.js";

/** The integers that reals are, nearest first. */
function integersOf(ctx: LoweringContext, x: Lowered): FixedValue {
  if (x.format === undefined) return x.value;
  const real = ctx.withoutZeroPoint(x as Real);
  const whole = format("i32", 1);
  return ctx.rescaled(real, scaleRatio(real.format.scale, whole.scale), whole);
}

function lowerOneHot(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const [at, depthName, offOn] = node.inputs as [string, string, string];
  const name = node.outputs[0]!;
  const shape = ctx.shapeOf(name);
  const rank = shape.length;
  const stated = intAttribute(node, "axis")!;
  const axis = stated < 0 ? stated + rank : stated;
  const stating = ctx.constant(depthName);
  const known = stating === undefined ? undefined : constantNumbers(stating)[0]!;
  const depth =
    known === undefined
      ? math.reshape(math.cast(integersOf(ctx, inOrder(ctx, depthName)), "i32"), [])
      : math.scalar(known);
  const places =
    known === undefined
      ? math.countingTo(depth, shape[axis]!, rank, axis)
      : math.counting(known, rank, axis);
  const index = math.cast(integersOf(ctx, inOrder(ctx, at)), "i32");
  const column = math.reshape(
    math.wrapped(index, depth),
    shape.map((dim, i) => (i === axis ? 1 : dim)),
  );
  const hot = math.compare("eq", column, places);
  const values = inOrder(ctx, offOn);
  const choose = (both: FixedValue): FixedValue => {
    const one = (i: number): FixedValue => math.reshape(math.slice(both, 0, i, i + 1, 1), []);
    return math.op("select", {}, [hot, one(1), one(0)], both.dtype, shape);
  };
  if (values.format === undefined) defineIntegers(ctx, name, choose(values.value));
  else {
    finish(ctx, node, identityAxes(rank), (target) =>
      choose(ctx.requantise(values as Real, target).value),
    );
  }
}

/** 1 at the greatest element of an axis (the first of equals), 0 elsewhere. */
function lowerHardmax(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, node.inputs[0]!);
  const axis = intAttribute(node, "axis")!;
  const { shape } = x.value;
  const length = shape[axis]!;
  const kept = shape.map((dim, i) => (i === axis ? 1 : dim));
  const best = ctx.builder.op("argmax", { axis }, [x.value], "i32", kept);
  const hot = math.compare("eq", best, math.counting(length, shape.length, axis));
  finish(ctx, node, identityAxes(shape.length), (target) => {
    const unit = Math.floor(1 / (target.scale as number) + 0.5) + target.zeroPoint;
    const one = math.scalar(Math.min(Math.max(unit, target.lo), target.hi), target.dtype);
    const zero = math.scalar(
      Math.min(Math.max(target.zeroPoint, target.lo), target.hi),
      target.dtype,
    );
    return math.op("select", {}, [hot, one, zero], target.dtype, shape);
  });
}

/** Keeps what is above or below a diagonal of the last two axes, puts 0 elsewhere. */
function lowerTrilu(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, node.inputs[0]!);
  const { value } = x;
  const [rows = 1, columns = 1] = value.shape.slice(-2);
  const stated = node.inputs[1];
  const k =
    stated === undefined || stated === ""
      ? math.scalar(0)
      : math.cast(math.reshape(ctx.logical(ctx.get(stated)).value, []), "i32");
  // Saturates where k is far outside: the comparison stays right.
  const diagonal = math.arithmetic("add", math.counting(rows, 2, 0), k);
  const column = math.counting(columns, 2, 1);
  const kept =
    intAttribute(node, "upper") === 1
      ? math.compare("le", diagonal, column)
      : math.compare("le", column, diagonal);
  const zero = math.scalar(x.format?.zeroPoint ?? 0, value.dtype);
  const result = ctx.builder.op("select", {}, [kept, value, zero], value.dtype, value.shape);
  ctx.define(node.outputs[0]!, { ...x, value: result });
}

/** Ones on a diagonal: a constant, as its shape is. */
function lowerEyeLike(ctx: LoweringContext, node: GraphNode): void {
  const name = node.outputs[0]!;
  const dims = ctx.fixedDims(node.inputs[0]!, node);
  const [rows, columns] = dims as [number, number];
  const k = intAttribute(node, "k") ?? 0;
  const ones = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    if (i + k >= 0 && i + k < columns) ones[i * columns + i + k] = 1;
  }
  const type = ctx.elementTypeOf(name);
  if (isFloat(type)) ctx.define(name, ctx.realConstant(dims, ones));
  else {
    const value = ctx.builder.constant(integerDtype(type), dims, ones);
    ctx.define(name, { value, axes: identityAxes(2) });
  }
}

/** Running sums along an axis: exact, then rounded once. Where data say the axis, along all of them. */
function lowerCumSum(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const source = inOrder(ctx, node.inputs[0]!);
  const x = source.format === undefined ? source : ctx.withoutZeroPoint(source as Real);
  const rank = x.axes.length;
  const back = intAttribute(node, "reverse") === 1;
  const { shape } = x.value;
  const dtype = x.format === undefined && x.value.dtype !== "i64" ? "i32" : "i64";
  const along = (axis: number): FixedValue => {
    const input = back ? math.reversed(x.value, axis) : x.value;
    const sums = math.op("cumsum", { axis, dtype }, [input], dtype, shape);
    const before =
      intAttribute(node, "exclusive") === 1
        ? math.op("sub", {}, [sums, math.cast(input, dtype)], dtype, shape)
        : sums;
    return back ? math.reversed(before, axis) : before;
  };
  const stated = ctx.constant(node.inputs[1]!);
  let value: FixedValue;
  if (stated === undefined) {
    const given = math.reshape(ctx.get(node.inputs[1]!).value, []);
    // An axis that is not there traps.
    const axis = math.checked(given, rank);
    const isAt = (i: number): FixedValue => math.compare("eq", axis, math.scalar(i));
    value = identityAxes(rank)
      .map(along)
      .reduce((before, sums, i) => math.select(isAt(i), sums, before));
  } else {
    const [axis] = constantNumbers(stated);
    value = along(axis! < 0 ? axis! + rank : axis!);
  }
  const name = node.outputs[0]!;
  if (x.format === undefined) {
    defineIntegers(ctx, name, math.cast(value, x.value.dtype));
    return;
  }
  const { scale } = x.format;
  const axes = identityAxes(rank);
  finish(ctx, node, axes, (target) =>
    ctx.rescaled({ value, axes }, scaleRatio(scale, target.scale), target),
  );
}

export const maskRules = {
  CumSum: lowerCumSum,
  EyeLike: lowerEyeLike,
  Hardmax: lowerHardmax,
  OneHot: lowerOneHot,
  Trilu: lowerTrilu,
} as const;
