/** Operators that take elements or slices by index. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { intAttribute } from "../graph.js";
import type { Dim } from "../graph.js";
import { multiplyDims, productOfDims } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";
import { IndexMath } from "./indexMath.js";
import { plain } from "./movement.js";
import type { Lowered } from "./real.js";
import { identityAxes } from "./real.js";

/** A value of one scale, in the model's order of axes. */
export function inOrder(ctx: LoweringContext, name: string): Lowered {
  return ctx.logical(plain(ctx, ctx.get(name)));
}

/** Defines a result that holds elements of `x`. */
export function defineMoved(
  ctx: LoweringContext,
  name: string,
  x: Lowered,
  value: FixedValue,
): void {
  const shape = ctx.shapeOf(name);
  ctx.define(name, { ...x, value: ctx.reshaped(value, shape), axes: identityAxes(shape.length) });
}

/** Defines an integer or boolean result. */
export function defineIntegers(ctx: LoweringContext, name: string, value: FixedValue): void {
  const shape = ctx.shapeOf(name);
  ctx.define(name, { value: ctx.reshaped(value, shape), axes: identityAxes(shape.length) });
}

/** Elements from one index of an axis to the next, row-major. */
export function stridesOf(dims: readonly Dim[]): Dim[] {
  return dims.map((_, axis) => productOfDims(dims.slice(axis + 1)));
}

/** `y[…, i…, …] = x[…, indices[i…], …]`; negative indices count from the end. */
export function lowerGather(ctx: LoweringContext, node: GraphNode): void {
  const axis = intAttribute(node, "axis")!;
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, node.inputs[0]!);
  const indices = ctx.logical(ctx.get(node.inputs[1]!)).value;
  const index = math.wrapped(indices, math.sizeOf(x.value, axis));
  const shape = ctx.shapeOf(node.outputs[0]!);
  const value = ctx.builder.op("gather", { axis }, [x.value, index], x.value.dtype, shape);
  ctx.define(node.outputs[0]!, { ...x, value, axes: identityAxes(shape.length) });
}

/** Features are the last axis, whatever the shape of the indices: ai.onnx.ml's way. */
export function lowerFeatures(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, node.inputs[0]!);
  const indices = ctx.logical(ctx.get(node.inputs[1]!)).value;
  const flat = math.cast(math.reshape(indices, [productOfDims(indices.shape)]), "i32");
  const value = math.gather(x.value, flat, x.value.shape.length - 1);
  defineMoved(ctx, node.outputs[0]!, x, value);
}

/**
 * Flat indices into a tensor of `x` where `indices` give the coordinate along an axis and their own place gives the others: what GatherElements and ScatterElements mean.
 */
export function elementIndices(
  math: IndexMath,
  x: readonly Dim[],
  axis: number,
  indices: FixedValue,
): FixedValue {
  const dims = indices.shape;
  const strides = stridesOf(x);
  const along = math.checked(indices, x[axis]!);
  const others = math.offsets(
    dims,
    strides.map((stride, i) => (i === axis ? 0 : stride)),
  );
  const flat = math.arithmetic(
    "add",
    math.arithmetic("mul", along, math.size(strides[axis]!)),
    others,
  );
  return math.reshape(flat, [productOfDims(dims)]);
}

function lowerGatherElements(ctx: LoweringContext, node: GraphNode): void {
  const [data, at] = node.inputs as [string, string];
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, data);
  const dims = x.value.shape;
  const indices = ctx.logical(ctx.get(at)).value;
  const flat = elementIndices(math, dims, intAttribute(node, "axis")!, indices);
  const elements = ctx.reshaped(x.value, [productOfDims(dims)]);
  defineMoved(ctx, node.outputs[0]!, x, math.gather(elements, flat));
}

/**
 * Flat indices, of rank 1, of the slices that the last axis of `indices` names, over the first axes
 * of a tensor of `x`: what GatherND and ScatterND mean.
 * @param depth size of that axis
 * @param batch leading axes that both share
 */
export function sliceIndices(
  math: IndexMath,
  x: readonly Dim[],
  indices: FixedValue,
  depth: number,
  batch = 0,
): FixedValue {
  const dims = indices.shape;
  const strides = stridesOf(x.slice(0, batch + depth));
  const places = dims.slice(0, -1);
  const last = dims.length - 1;
  let flat = math.offsets(
    places,
    places.map((_, axis) => (axis < batch ? strides[axis]! : 0)),
  );
  for (let k = 0; k < depth; k++) {
    const column = math.reshape(math.slice(indices, last, k, k + 1, 1), places);
    const along = math.checked(column, x[batch + k]!);
    const own = math.arithmetic("mul", along, math.size(strides[batch + k]!));
    flat = math.arithmetic("add", flat, own);
  }
  // Without a coordinate there is nothing that has the shape of the places yet.
  const all = depth === 0 ? math.expand(flat, places) : flat;
  return math.reshape(all, [productOfDims(places)]);
}

/** The size of the last axis of indices: how many coordinates each has. */
export function depthOf(ctx: LoweringContext, name: string, node: GraphNode): number {
  const depth = ctx.shapeOf(name).at(-1);
  if (typeof depth === "number") return depth;
  const [last] = ctx.fixedDims(name, node).slice(-1);
  return last!;
}

function lowerGatherND(ctx: LoweringContext, node: GraphNode): void {
  const [data, at] = node.inputs as [string, string];
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, data);
  const dims = x.value.shape;
  const depth = depthOf(ctx, at, node);
  const batch = intAttribute(node, "batch_dims")!;
  const indexed = batch + depth;
  const indices = ctx.logical(ctx.get(at)).value;
  const flat = sliceIndices(math, dims, indices, depth, batch);
  const slices = ctx.reshaped(x.value, [
    productOfDims(dims.slice(0, indexed)),
    ...dims.slice(indexed),
  ]);
  defineMoved(ctx, node.outputs[0]!, x, math.gather(slices, flat));
}

/** The first `sequence_lens` steps of each sequence back to front. */
function lowerReverseSequence(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const x = inOrder(ctx, node.inputs[0]!);
  const [first = 1, second = 1, ...rest] = x.value.shape;
  const rows = multiplyDims(first, second);
  const timeAxis = intAttribute(node, "time_axis")!;
  const [time, batch] = timeAxis === 0 ? [first, second] : [second, first];
  const lengths = math.cast(ctx.logical(ctx.get(node.inputs[1]!)).value, "i32");
  const perBatch = math.reshape(lengths, timeAxis === 0 ? [1, batch] : [batch, 1]);
  const step = math.counting(time, 2, timeAxis);
  const back = math.arithmetic("sub", math.arithmetic("sub", perBatch, math.scalar(1)), step);
  const from = math.checked(math.select(math.compare("lt", step, perBatch), back, step), time);
  const row = math.arithmetic(
    "add",
    math.arithmetic("mul", from, math.size(timeAxis === 0 ? batch : 1)),
    math.arithmetic(
      "mul",
      math.counting(batch, 2, 1 - timeAxis),
      math.size(timeAxis === 0 ? 1 : time),
    ),
  );
  const steps = ctx.reshaped(x.value, [rows, ...rest]);
  const value = math.gather(steps, math.reshape(row, [rows]));
  defineMoved(ctx, node.outputs[0]!, x, value);
}

export const gatheringRules = {
  "ai.onnx.ml.ArrayFeatureExtractor": lowerFeatures,
  Gather: lowerGather,
  GatherElements: lowerGatherElements,
  GatherND: lowerGatherND,
  ReverseSequence: lowerReverseSequence,
} as const;
