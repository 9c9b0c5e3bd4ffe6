/** Operators that move, join and resample values. */
import { FROM_OPERAND } from "../../opcodes/movement.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { intAttribute, intsAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish, quantizedFormat } from "./finish.js";
import { IndexMath } from "./indexMath.js";
import type { Format, Lowered, Real } from "./real.js";
import { identityAxes, maxScale, sameFormat } from "./real.js";

export function lowerTranspose(ctx: LoweringContext, node: GraphNode): void {
  const x = ctx.get(node.inputs[0]!);
  const perm = intsAttribute(node, "perm")!;
  const { format: f } = x;
  const axes = x.axes.map((axis) => perm.indexOf(axis));
  const moved: Lowered = { value: x.value, axes };
  if (f === undefined) {
    ctx.define(node.outputs[0]!, moved);
    return;
  }
  const scale =
    typeof f.scale === "number" ? f.scale : { ...f.scale, axis: perm.indexOf(f.scale.axis) };
  ctx.define(node.outputs[0]!, { ...moved, format: { ...f, scale } });
}

export function lowerReshape(ctx: LoweringContext, node: GraphNode): void {
  const shape = ctx.shapeOf(node.outputs[0]!);
  const x = ctx.logical(plain(ctx, ctx.get(node.inputs[0]!)));
  if (node.inputs.length > 1) {
    const dims = shape.map(() => FROM_OPERAND);
    const operands = [x.value, runtimeShape(ctx, node, x.value)];
    const value = ctx.builder.op("reshape", { dims }, operands, x.value.dtype, shape);
    ctx.define(node.outputs[0]!, { ...x, value, axes: identityAxes(shape.length) });
    return;
  }
  ctx.define(node.outputs[0]!, {
    ...x,
    value: ctx.reshaped(x.value, shape),
    axes: identityAxes(shape.length),
  });
}

/** A target that is data: 0 copies an axis, −1 stands for what is left. */
function runtimeShape(ctx: LoweringContext, node: GraphNode, x: FixedValue): FixedValue {
  const math = new IndexMath(ctx, node);
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const one = math.scalar(1, "i64");
  const none = math.scalar(0, "i64");
  const given = math.reshape(math.cast(ctx.logical(ctx.get(node.inputs[1]!)).value, "i64"), [rank]);
  const own = math.op("shape", {}, [x], "i64", [x.shape.length]);
  const missing = math.wideConstant(new Array<bigint>(Math.max(rank - x.shape.length, 0)).fill(1n));
  const copied = math.slice(
    math.concat([own, missing], 0, Math.max(rank, x.shape.length)),
    0,
    0,
    rank,
    rank,
  );
  const target =
    intAttribute(node, "allowzero") === 1
      ? given
      : math.select(math.compare("eq", given, none), copied, given);
  const isOpen = math.compare("lt", target, none);
  const product = (of: FixedValue): FixedValue =>
    math.op("reduce.prod", { axes: [0], dtype: "i64" }, [of], "i64", [1]);
  // Where nothing is left the others may be 0.
  const others = math.arithmetic("max", product(math.select(isOpen, one, target)), one);
  const left = math.arithmetic("div.floor", product(own), others);
  return math.select(isOpen, left, target);
}

/** Broadcast with a target that is data; the instruction keeps an axis where that says 1. */
function expandedByData(ctx: LoweringContext, node: GraphNode, x: FixedValue): FixedValue {
  const math = new IndexMath(ctx, node);
  const shape = ctx.shapeOf(node.outputs[0]!);
  const given = math.cast(ctx.logical(ctx.get(node.inputs[1]!)).value, "i64");
  const lead = shape.length - (given.shape[0] as number);
  const ones = math.wideConstant(new Array<bigint>(lead).fill(1n));
  const target = lead === 0 ? given : math.concat([ones, given], 0, shape.length);
  const dims = shape.map(() => FROM_OPERAND);
  const operands = shape.length === 0 ? [x] : [x, target];
  return ctx.builder.op("expand", { dims }, operands, x.dtype, shape);
}

/** One scale for the whole tensor: what operators that mix axes need. */
export function plain(ctx: LoweringContext, x: Lowered): Lowered {
  if (x.format === undefined || typeof x.format.scale === "number") return x;
  const { dtype, lo, hi, zeroPoint, scale } = x.format;
  return ctx.requantise(x as Real, { dtype, lo, hi, zeroPoint, scale: maxScale(scale) });
}

/** Joins values; each keeps its scale where the readers can take one for each channel. */
export function lowerConcat(ctx: LoweringContext, node: GraphNode): void {
  const axis = intAttribute(node, "axis")!;
  const shape = ctx.shapeOf(node.outputs[0]!);
  const operands = node.inputs.map((name) => ctx.get(name));
  const axes =
    operands.find((x) => x.value.source.kind !== "constant")?.axes ?? identityAxes(shape.length);
  const { builder } = ctx;
  const join = (values: readonly Lowered[], dtype: Format["dtype"]): Lowered["value"] =>
    builder.op(
      "concat",
      { count: values.length, axis: axes.indexOf(axis) },
      values.map((x) => ctx.ordered(x, axes).value),
      dtype,
      axes.map((a) => shape[a]!),
    );
  if (operands[0]!.format === undefined) {
    ctx.define(node.outputs[0]!, { value: join(operands, operands[0]!.value.dtype), axes });
    return;
  }
  const reals = operands as Real[];
  const reader = ctx.soleConsumer(node.outputs[0]!);
  if (reader?.opType === "QuantizeLinear" && quantizedFormat(ctx, reader) !== undefined) {
    // Each part goes to the integers that are stated, with one rounding.
    finish(ctx, node, axes, (target) =>
      join(
        reals.map((x) => ctx.requantise(x, target)),
        target.dtype,
      ),
    );
    return;
  }
  const target = commonFormat(reals) ?? concatFormat(ctx, node, reals, axis);
  if (typeof target.scale === "number" || target.scale.axis !== axis) {
    const value = join(
      reals.map((x) => ctx.requantise(x, target)),
      target.dtype,
    );
    ctx.define(node.outputs[0]!, { value, axes, format: target });
    return;
  }
  const value = join(
    reals.map((x) =>
      x.format.dtype === target.dtype
        ? x
        : ctx.requantise(x, { ...target, scale: maxScale(x.format.scale) }),
    ),
    target.dtype,
  );
  ctx.define(node.outputs[0]!, { value, axes, format: target });
}

function commonFormat(reals: readonly Real[]): Format | undefined {
  const first = reals[0]!.format;
  if (!reals.every((x) => sameFormat(x.format, first))) return undefined;
  const lo = Math.min(...reals.map((x) => x.format.lo));
  const hi = Math.max(...reals.map((x) => x.format.hi));
  return { ...first, lo, hi };
}

/** One scale for all, unless a contraction reads the result and takes a scale a channel. */
function concatFormat(
  ctx: LoweringContext,
  node: GraphNode,
  reals: readonly Real[],
  axis: number,
): Format {
  const chosen = ctx.formats.choose(node.outputs[0]!, node);
  const plainOperands = reals.every(
    (x) => x.format.zeroPoint === 0 && x.format.dtype === chosen.dtype,
  );
  const convolutions = ctx
    .consumersOf(node.outputs[0]!)
    .every((c) => c.opType === "Conv" && c.inputs[0] === node.outputs[0]);
  if (!plainOperands || !convolutions || axis !== 1 || ctx.graph.outputs.includes(node.outputs[0]!))
    return chosen;
  const counted = node.inputs.every((name) => typeof ctx.shapeOf(name)[1] === "number");
  if (!counted) return chosen;
  const scales = node.inputs.flatMap((name, i) => {
    const { scale } = reals[i]!.format;
    if (typeof scale !== "number") return scale.axis === 1 ? [...scale.scales] : [NaN];
    return new Array<number>(Number(ctx.shapeOf(name)[1])).fill(scale);
  });
  if (scales.some(Number.isNaN)) return chosen;
  return { ...chosen, scale: { axis: 1, scales } };
}

export function lowerSlice(ctx: LoweringContext, node: GraphNode): void {
  const x = plain(ctx, ctx.get(node.inputs[0]!));
  const rank = x.axes.length;
  const axes = intsAttribute(node, "axes")!;
  const [starts, ends, steps] = ["starts", "ends", "steps"].map((name) =>
    intsAttribute(node, name)!,
  ) as [number[], number[], number[]];
  const clampInt = (v: number): number => Math.min(Math.max(v, -0x80000000), 0x7fffffff);
  const dims = ctx.shapeOf(node.inputs[0]!);
  const full = {
    starts: new Array<number>(rank).fill(0),
    ends: new Array<number>(rank).fill(0x7fffffff),
    steps: new Array<number>(rank).fill(1),
  };
  axes.forEach((axis, i) => {
    const at = x.axes.indexOf(axis);
    full.starts[at] = clampInt(starts[i]!);
    // On an axis of known size an end of −1 means "past the first", which here is far below it.
    full.ends[at] =
      typeof dims[axis] === "number" && ends[i] === -1 ? -0x80000000 : clampInt(ends[i]!);
    full.steps[at] = clampInt(steps[i]!);
  });
  const shape = ctx.shapeOf(node.outputs[0]!);
  const value = ctx.builder.op(
    "slice",
    full,
    [x.value],
    x.value.dtype,
    x.axes.map((axis) => shape[axis]!),
  );
  ctx.define(node.outputs[0]!, { ...x, value });
}

export function lowerExpand(ctx: LoweringContext, node: GraphNode): void {
  const shape = ctx.shapeOf(node.outputs[0]!);
  const x = ctx.logical(plain(ctx, ctx.get(node.inputs[0]!)));
  const value =
    node.inputs.length > 1 ? expandedByData(ctx, node, x.value) : ctx.expanded(x.value, shape);
  ctx.define(node.outputs[0]!, { ...x, value, axes: identityAxes(shape.length) });
}
