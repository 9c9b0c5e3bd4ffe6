/** Products with the weights of RNN, GRU and LSTM, constant or not. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { bitsAs, contractionInput } from "./contraction.js";
import { pairedDtypes } from "./dtypes.js";
import type { Format, Real } from "./real.js";
import { identityAxes, scaleRatio } from "./real.js";
import { exponentOf } from "./scale.js";
import { dequantised, quantiseColumns, weightSource } from "./weights.js";

/** Weights [rows, columns] of one direction, or a vector [rows]: reals, or a value of the program. */
export type Weights =
  | { readonly dims: readonly number[]; readonly reals: Float64Array }
  | { readonly dims: readonly number[]; readonly value: Real };

/** What an operand holds for one direction; undefined where it is absent. */
export function weightsOf(
  ctx: LoweringContext,
  node: GraphNode,
  index: number,
  direction: number,
): Weights | undefined {
  const name = node.inputs[index] ?? "";
  if (name === "") return undefined;
  const [, ...dims] = ctx.fixedDims(name, node);
  const source = weightSource(ctx, node, index);
  if (source !== undefined) {
    const count = dims.reduce((a, b) => a * b, 1);
    return { dims, reals: dequantised(source).slice(direction * count, (direction + 1) * count) };
  }
  const x = ctx.logical(ctx.withoutZeroPoint(ctx.real(name, node)));
  if (typeof x.format.scale !== "number") {
    throw nodeError("UnsupportedScale", node, `"${name}" must have one scale`);
  }
  const value = ctx.reshaped(sliced(ctx, x.value, 0, direction, direction + 1), dims);
  return { dims, value: { ...x, value, axes: identityAxes(dims.length) } };
}

/** Rows `from` to `to` of weights. */
export function rowsOf(ctx: LoweringContext, w: Weights, from: number, to: number): Weights {
  const [, ...rest] = w.dims;
  const dims = [to - from, ...rest];
  if ("reals" in w) {
    const count = rest.reduce((a, b) => a * b, 1);
    return { dims, reals: w.reals.slice(from * count, to * count) };
  }
  return { dims, value: { ...w.value, value: sliced(ctx, w.value.value, 0, from, to) } };
}

/** A regular part of one axis. */
export function sliced(
  ctx: LoweringContext,
  x: FixedValue,
  axis: number,
  from: number,
  to: number,
): FixedValue {
  const rank = x.shape.length;
  if (from === 0 && to === x.shape[axis]) return x;
  const at = (chosen: number, other: number): number[] =>
    identityAxes(rank).map((i) => (i === axis ? chosen : other));
  return ctx.builder.op(
    "slice",
    { starts: at(from, 0), ends: at(to, 0x7fffffff), steps: at(1, 1) },
    [x],
    x.dtype,
    x.shape.map((dim, i) => (i === axis ? to - from : dim)),
  );
}

/** Sums of vectors of weights as integers of a format; undefined where all are absent. */
export function vectorOf(
  ctx: LoweringContext,
  parts: readonly (Weights | undefined)[],
  target: Format,
): FixedValue | undefined {
  const { builder } = ctx;
  const present = parts.filter((part) => part !== undefined);
  const constants = present.flatMap((part) => ("reals" in part ? [part] : []));
  const values = present.flatMap((part) =>
    "reals" in part ? [] : [ctx.requantise(part.value, target).value],
  );
  const [first] = constants;
  if (first !== undefined) {
    const sum = first.reals.map((_, i) => constants.reduce((s, part) => s + part.reals[i]!, 0));
    if (sum.some((v) => v !== 0)) {
      const unit = target.scale as number;
      const integers = Array.from(sum, (v) =>
        Math.min(Math.max(Math.floor(v / unit + 0.5), target.lo), target.hi),
      );
      values.push(builder.constant(target.dtype, first.dims, integers));
    }
  }
  if (values.length === 0) return undefined;
  return values.reduce((a, b) => builder.op("add", {}, [a, b], target.dtype, a.shape));
}

/** x · wᵀ, rounded once into a format whose scale is one number; x is […, columns], axes in order. */
export type Product = (x: Real, target: Format) => FixedValue;

/** The product with weights, which are laid out here, outside of any loop. */
export function productWith(ctx: LoweringContext, w: Weights): Product {
  return "reals" in w ? constantProduct(ctx, w) : valueProduct(ctx, w.value);
}

function constantProduct(
  ctx: LoweringContext,
  { dims, reals }: Extract<Weights, { readonly reals: Float64Array }>,
): Product {
  const { builder, profile } = ctx;
  const [rows, columns] = dims as [number, number];
  const turned = new Float64Array(rows * columns);
  for (let k = 0; k < columns; k++)
    for (let o = 0; o < rows; o++) turned[k * rows + o] = reals[o * columns + k]!;
  // A recurrence adds its errors up: its weights keep all of their bits.
  const weight = { ...profile.weight, least: profile.weight.most };
  const zeros = new Array<number>(rows).fill(0);
  const quantised = quantiseColumns(turned, rows, zeros, [-1, 1], weight);
  return (given, target) => {
    const x = ctx.withoutZeroPoint(given);
    const shape: Dim[] = [...x.value.shape.slice(0, -1), rows];
    const [left, right] = pairedDtypes(x.value.dtype, quantised.dtype);
    const aBits = bitsAs(x.format, left);
    const wide = exponentOf(columns) + aBits + quantised.bits > 32;
    const accumulator = wide || left === "i32" ? "i64" : "i32";
    const sums = builder.op(
      "matmul",
      { aBits, bBits: quantised.bits, accumulator },
      [ctx.widened(x.value, left), builder.constant(right, [columns, rows], quantised.integers)],
      accumulator,
      shape,
    );
    const unit = x.format.scale as number;
    const scale = { axis: shape.length - 1, scales: quantised.scales.map((s) => s * unit) };
    const axes = identityAxes(shape.length);
    return ctx.rescaled({ value: sums, axes }, scaleRatio(scale, target.scale), target);
  };
}

function valueProduct(ctx: LoweringContext, w: Real): Product {
  const { builder } = ctx;
  const b = contractionInput(ctx, w);
  const [rows, columns] = b.value.shape as [Dim, Dim];
  const turned = builder.op("transpose", { perm: [1, 0] }, [b.value], b.value.dtype, [
    columns,
    rows,
  ]);
  return (x, target) => {
    const a = ctx.withoutZeroPoint(x);
    const shape: Dim[] = [...a.value.shape.slice(0, -1), rows];
    const [left, right] = pairedDtypes(a.value.dtype, turned.dtype);
    const sums = builder.op(
      "matmul",
      { aBits: bitsAs(a.format, left), bBits: bitsAs(b.format, right), accumulator: "i64" },
      [ctx.widened(a.value, left), ctx.widened(turned, right)],
      "i64",
      shape,
    );
    const scale = (a.format.scale as number) * (b.format.scale as number);
    const axes = identityAxes(shape.length);
    return ctx.rescaled({ value: sums, axes }, scale / (target.scale as number), target);
  };
}
