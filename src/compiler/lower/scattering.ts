/** Operators that put elements or slices where indices say. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { intAttribute, isFloat, nodeError, stringAttribute } from "../graph.js";
import { productOfDims } from "../shapes/dims.js";
import { unpooledDims } from "../shapes/indexingRules.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { defineMoved, depthOf, elementIndices, inOrder, sliceIndices } from "./gathering.js";
import { IndexMath } from "./indexMath.js";
import type { Format, Real } from "./real.js";
import { format, identityAxes, scaleRatio } from "./real.js";
import { powerOfTwo, roundScale, exponentOf } from "./scale.js";

const OPS = {
  none: "scatter",
  add: "scatter.add",
  mul: "scatter.mul",
  max: "scatter.max",
  min: "scatter.min",
} as const;
type Reduction = keyof typeof OPS;

/** Where updates go: slices of `slice` in a tensor of `count` of them. */
interface Target {
  readonly count: Dim;
  readonly slice: readonly Dim[];
  /** Flat indices, of rank 1, and how many there are. */
  readonly indices: FixedValue;
  readonly updates: Dim;
}

function lowerScatterElements(ctx: LoweringContext, node: GraphNode): void {
  const [data, at] = node.inputs as [string, string];
  const math = new IndexMath(ctx, node);
  const dims = ctx.shapeOf(data);
  const index = ctx.logical(ctx.get(at)).value;
  const indices = elementIndices(math, dims, intAttribute(node, "axis")!, index);
  const updates = productOfDims(index.shape);
  lowerScatter(ctx, node, { count: productOfDims(dims), slice: [], indices, updates });
}

function lowerScatterND(ctx: LoweringContext, node: GraphNode): void {
  const [data, at] = node.inputs as [string, string];
  const math = new IndexMath(ctx, node);
  const dims = ctx.shapeOf(data);
  const depth = depthOf(ctx, at, node);
  const places = ctx.logical(ctx.get(at)).value;
  lowerScatter(ctx, node, {
    count: productOfDims(dims.slice(0, depth)),
    slice: dims.slice(depth),
    indices: sliceIndices(math, dims, places, depth),
    updates: productOfDims(places.shape.slice(0, -1)),
  });
}

function lowerScatter(ctx: LoweringContext, node: GraphNode, to: Target): void {
  const reduction = stringAttribute(node, "reduction") ?? "none";
  if (!Object.hasOwn(OPS, reduction))
    throw nodeError("BadAttribute", node, `there is no reduction "${reduction}"`);
  const op = OPS[reduction as Reduction];
  const [data, , updates] = node.inputs as [string, string, string];
  const [x, u] = [inOrder(ctx, data), inOrder(ctx, updates)];
  const shape = ctx.shapeOf(data);
  /** Both in one dtype. */
  const write = (values: FixedValue, own: FixedValue): FixedValue => {
    const slices = ctx.reshaped(values, [to.count, ...to.slice]);
    const operands = [slices, to.indices, ctx.reshaped(own, [to.updates, ...to.slice])];
    const scattered = ctx.builder.op(op, { axis: 0 }, operands, values.dtype, slices.shape);
    return ctx.reshaped(scattered, shape);
  };
  const name = node.outputs[0]!;
  if (!isFloat(ctx.elementTypeOf(name))) {
    if (x.value.dtype === "bool" && (reduction === "add" || reduction === "mul")) {
      throw nodeError("UnsupportedType", node, "booleans cannot be added or multiplied");
    }
    defineMoved(ctx, name, x, write(x.value, u.value));
    return;
  }
  const axes = identityAxes(shape.length);
  const [left, right] = [x, u].map((value) => ctx.withoutZeroPoint(value as Real)) as [Real, Real];
  if (reduction === "add") {
    const reach = Math.max(reachOf(left.format), reachOf(right.format));
    const common = format("i32", roundScale(reach / powerOfTwo(29)));
    const [a, b] = [left, right].map((real) =>
      ctx.widened(ctx.requantise(real, common).value, "i64"),
    ) as [FixedValue, FixedValue];
    const sums = { value: write(a, b), axes };
    finish(ctx, node, axes, (target) =>
      ctx.rescaled(sums, scaleRatio(common.scale, target.scale), target),
    );
  } else if (reduction === "mul") {
    scatterProducts(ctx, node, to, left, right, shape);
  } else {
    finish(ctx, node, axes, (target) =>
      write(ctx.requantise(left, target).value, ctx.requantise(right, target).value),
    );
  }
}

/** The greatest magnitude that a format of one scale holds; of a constant 0 anything. */
function reachOf({ scale, lo, hi, zeroPoint }: Format): number {
  return (scale as number) * (Math.max(Math.abs(lo - zeroPoint), Math.abs(hi - zeroPoint)) || 1);
}

/**
 * Reals that are multiplied have a scale for each factor, so they are multiplied once for each time
 * that an index occurs: by the updates that are the first, the second, … at their place, and by 1
 * elsewhere.
 */
function scatterProducts(
  ctx: LoweringContext,
  node: GraphNode,
  to: Target,
  x: Real,
  updates: Real,
  shape: readonly Dim[],
): void {
  const { builder } = ctx;
  const at = indexConstant(node, to.indices);
  const rounds: number[][] = [];
  const seen = new Map<number, number>();
  at.forEach((place, k) => {
    const round = seen.get(place) ?? 0;
    seen.set(place, round + 1);
    (rounds[round] ??= []).push(k);
  });
  // A power of two, so that 1 is an integer of it.
  const one = powerOfTwo(23);
  const unit = powerOfTwo(exponentOf(Math.max(reachOf(updates.format), 1)) + 1) / one;
  const factors = format("i32", unit);
  const axes = identityAxes(shape.length);
  const slices = ctx.reshaped(ctx.requantise(updates, factors).value, [to.updates, ...to.slice]);
  const full = [to.count, ...to.slice];
  const math = new IndexMath(ctx, node);
  const ones = ctx.expanded(builder.scalar("i32", BigInt(Math.floor(1 / unit))), full);
  const multiplied = (value: Real, round: readonly number[], target: Format): FixedValue => {
    const own = math.gather(slices, math.constant(round));
    const places = math.constant(round.map((k) => at[k]!));
    const factor = ctx.reshaped(
      builder.op("scatter", { axis: 0 }, [ones, places, own], "i32", full),
      shape,
    );
    const wide = ctx.widened(value.value, "i32");
    const product = builder.op("mul.wide", { accumulator: "i64" }, [wide, factor], "i64", shape);
    const scale = (value.format.scale as number) * unit;
    return ctx.rescaled({ value: product, axes }, scaleRatio(scale, target.scale), target);
  };
  const last = rounds.pop();
  if (last === undefined) {
    finish(ctx, node, axes, (target) => ctx.requantise(x, target).value);
    return;
  }
  let value = x;
  for (const round of rounds) {
    const reach = reachOf(value.format) * Math.max(reachOf(updates.format), 1);
    const wider = format("i32", roundScale(reach / powerOfTwo(30)), 0, [
      -powerOfTwo(30),
      powerOfTwo(30),
    ]);
    value = { value: multiplied(value, round, wider), axes, format: wider };
  }
  finish(ctx, node, axes, (target) => multiplied(value, last, target));
}

function indexConstant(node: GraphNode, { source }: FixedValue): number[] {
  if (source.kind === "constant") {
    const bytes = source.constant.bytes();
    return Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  }
  throw nodeError(
    "NotConstant",
    node,
    "products of reals need indices that are constant; pin them with --pin",
  );
}

/** What MaxPool left out is 0. Indices count over the whole tensor that MaxPool read. */
function lowerMaxUnpool(ctx: LoweringContext, node: GraphNode): void {
  const [data, at] = node.inputs as [string, string];
  const math = new IndexMath(ctx, node);
  const { builder } = ctx;
  const real = ctx.withoutZeroPoint(inOrder(ctx, data) as Real);
  const dims = ctx.fixedDims(data, node);
  const count = productOfDims(dims);
  const whole = unpooledDims(node, dims);
  const shape = ctx.fixedDims(node.outputs[0]!, node);
  const { dtype } = real.value;
  const empty = math.expand(builder.scalar(dtype, 0n), [productOfDims(whole)]);
  const indices = math.reshape(math.cast(ctx.logical(ctx.get(at)).value, "i32"), [count]);
  const scattered = builder.op(
    "scatter",
    { axis: 0 },
    [empty, indices, ctx.reshaped(real.value, [count])],
    dtype,
    empty.shape,
  );
  const after = shape.map((dim, axis) => dim - whole[axis]!);
  if (after.some((more) => more < 0))
    throw nodeError("BadAttribute", node, "output_shape is smaller than what was pooled");
  const none = shape.map(() => 0);
  const image = ctx.reshaped(scattered, whole);
  const value = after.every((more) => more === 0)
    ? image
    : builder.op("pad", { before: none, after, interior: none, value: 0n }, [image], dtype, shape);
  defineMoved(ctx, node.outputs[0]!, real, value);
}

export const scatteringRules = {
  MaxUnpool: lowerMaxUnpool,
  Scatter: lowerScatterElements,
  ScatterElements: lowerScatterElements,
  ScatterND: lowerScatterND,
} as const;
