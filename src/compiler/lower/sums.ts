/** The end of a contraction: exact sums, what is added to them, and the one rounding. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { plain } from "./movement.js";
import type { Real, Scale } from "./real.js";
import { format, identityAxes, mapScale, maxScale, scaleRatio } from "./real.js";
import { powerOfTwo } from "./scale.js";
import type { WeightSource } from "./weights.js";
import { dequantised, weightSource } from "./weights.js";

/** Exact sums: what an integer of 1 stands for, and which axes of the result they run over. */
export interface Sums {
  readonly value: FixedValue;
  readonly scale: Scale;
  readonly axes: readonly number[];
  /** The greatest magnitude of an integer in each channel, if known. */
  readonly most?: readonly number[];
}

/** What is added to the sums: a row of constants, one an output, or a tensor that broadcasts. */
export type Bias =
  { readonly row: readonly number[] } | { readonly addend: Real; readonly factor: number };

/** The bias that input `index` holds, times `factor`; a row of zeros where there is none. */
export function biasOf(
  ctx: LoweringContext,
  node: GraphNode,
  index: number,
  outputs: number,
  factor = 1,
): Bias {
  const name = node.inputs[index];
  if (name === undefined || name === "") return { row: new Array<number>(outputs).fill(0) };
  const source = weightSource(ctx, node, index);
  const row = source === undefined ? undefined : rowOf(source, outputs);
  if (row !== undefined) return { row: row.map((b) => b * factor) };
  return { addend: ctx.real(name, node), factor };
}

function rowOf(source: WeightSource, outputs: number): readonly number[] | undefined {
  const { dims } = source;
  const count = dims.reduce((a, b) => a * b, 1);
  if (count !== 1 && (count !== outputs || dims.at(-1) !== outputs)) return undefined;
  const reals = Array.from(dequantised(source));
  if (reals.length === 1) return new Array<number>(outputs).fill(reals[0]!);
  return reals;
}

/** Adds a tensor to sums, in units of the sums, and rounds. A row is not added: it is there already. */
export function finishWith(ctx: LoweringContext, node: GraphNode, sums: Sums, bias?: Bias): void {
  const addend = bias !== undefined && "addend" in bias ? bias : undefined;
  const value = addend === undefined ? sums.value : added(ctx, node, sums, addend);
  const most = addend === undefined ? sums.most : undefined;
  const { axes } = sums;
  finish(
    ctx,
    node,
    axes,
    (target) => ctx.rescaled({ value, axes }, scaleRatio(sums.scale, target.scale), target, most),
    "perChannel",
  );
}

function added(
  ctx: LoweringContext,
  node: GraphNode,
  { value, scale, axes }: Sums,
  { addend, factor }: Exclude<Bias, { readonly row: unknown }>,
): FixedValue {
  const { builder } = ctx;
  const x = ctx.logical(ctx.withoutZeroPoint(plain(ctx, addend) as Real));
  const lead = axes.length - x.axes.length;
  if (lead < 0) throw nodeError("UnsupportedShape", node, "the bias has more axes than the result");
  const shape: Dim[] = [...new Array<Dim>(lead).fill(1), ...x.value.shape];
  let term = ctx.ordered(
    { value: ctx.reshaped(x.value, shape), axes: identityAxes(axes.length) },
    axes,
  );
  if (typeof scale !== "number") {
    const at = axes.indexOf(scale.axis);
    const channels = scale.scales.length;
    const dims = term.value.shape.map((_, i) => (i === at ? channels : 1));
    const wide = term.value.shape.map((dim, i) => (i === at ? channels : dim));
    if (term.value.shape[at] !== channels) {
      const { dtype } = term.value;
      term = { ...term, value: builder.op("expand", { dims }, [term.value], dtype, wide) };
    }
  }
  const ratio = mapScale(scaleRatio(maxScale(x.format.scale), scale), (s) => s * factor);
  const units = inUnits(ctx, term, ratio);
  const sums = ctx.widened(value, "i64");
  return builder.op("add", {}, [sums, units], "i64", value.shape);
}

/** Integers in another unit, of 64 bits, however far apart the units are. */
function inUnits(
  ctx: LoweringContext,
  x: { readonly value: FixedValue; readonly axes: readonly number[] },
  ratio: Scale,
): FixedValue {
  const target = format("i64", 1, 0, [-powerOfTwo(62), powerOfTwo(62)]);
  const most = mapScale(ratio, Math.abs);
  if (maxScale(most) < 1 << 28) return ctx.rescaled(x, ratio, target);
  const up = ctx.builder.op(
    "shl",
    {},
    [ctx.widened(x.value, "i64"), ctx.builder.scalar("i64", 24n)],
    "i64",
    x.value.shape,
  );
  return ctx.rescaled(
    { ...x, value: up },
    mapScale(ratio, (s) => s / powerOfTwo(24)),
    target,
  );
}
