/** Operators that move, join and resample values. */
import { CompileError } from "../../core/errors.js";
import type { Dim, GraphNode } from "../graph.js";
import {
  constantNumbers,
  intAttribute,
  intsAttribute,
  nodeError,
  stringAttribute,
} from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import type { Format, Lowered, Real } from "./real.js";
import { channelsLast, identityAxes, mapScale, maxScale, sameFormat, scaleRatio } from "./real.js";

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
  ctx.define(node.outputs[0]!, {
    ...x,
    value: ctx.reshaped(x.value, shape),
    axes: identityAxes(shape.length),
  });
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
  const chosen = ctx.chooseFormat(node.outputs[0]!, node);
  const plainOperands = reals.every(
    (x) => x.format.zeroPoint === 0 && x.format.dtype === chosen.dtype,
  );
  const convolutions = ctx
    .consumersOf(node.outputs[0]!)
    .every((c) => c.opType === "Conv" && c.inputs[0] === node.outputs[0]);
  if (!plainOperands || !convolutions || axis !== 1 || ctx.graph.outputs.includes(node.outputs[0]!))
    return chosen;
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
  const value = ctx.expanded(x.value, shape);
  ctx.define(node.outputs[0]!, { ...x, value, axes: identityAxes(shape.length) });
}

export function lowerGather(ctx: LoweringContext, node: GraphNode): void {
  const axis = intAttribute(node, "axis") ?? 0;
  const x = ctx.logical(plain(ctx, ctx.get(node.inputs[0]!)));
  const indices = ctx.requireConstant(node, 1);
  const dim = ctx.shapeOf(node.inputs[0]!)[axis];
  if (typeof dim !== "number")
    throw nodeError("OpenDimension", node, "the gathered axis must be of known size");
  const positive = constantNumbers(indices).map((i) => (i < 0 ? i + dim : i));
  if (positive.some((i) => i < 0 || i >= dim))
    throw nodeError("BadIndex", node, `an index lies outside the axis of ${String(dim)}`);
  const shape = ctx.shapeOf(node.outputs[0]!);
  const value = ctx.builder.op(
    "gather",
    { axis },
    [x.value, ctx.builder.constant("i32", indices.dims, positive)],
    x.value.dtype,
    shape,
  );
  ctx.define(node.outputs[0]!, { ...x, value, axes: identityAxes(shape.length) });
}

/** How an output index maps to an input position, as a ratio of integers. */
interface Mapping {
  readonly numerator: number;
  readonly denominator: number;
  readonly offset: number;
}

/** Resize of the spatial axes, nearest or linear. */
export function lowerResize(ctx: LoweringContext, node: GraphNode): void {
  const input = ctx.fixedDims(node.inputs[0]!, node);
  const output = ctx.fixedDims(node.outputs[0]!, node);
  const rank = input.length;
  const mode = stringAttribute(node, "mode") ?? "nearest";
  const transform = stringAttribute(node, "coordinate_transformation_mode") ?? "half_pixel";
  if (rank < 3 || rank > 5 || input[0] !== output[0] || input[1] !== output[1]) {
    throw nodeError(
      "UnsupportedResize",
      node,
      "only the spatial axes of an N, C, spatial… tensor can be resized",
    );
  }
  if (mode === "cubic")
    throw nodeError("UnsupportedMode", node, "cubic interpolation is not supported");
  const x = ctx.ordered(ctx.get(node.inputs[0]!), channelsLast(rank));
  const scales = floatsOf(node);
  const shrinks = output.some((dim, i) => dim < input[i]!);
  if (shrinks && (intAttribute(node, "antialias") ?? 0) === 1)
    throw nodeError("UnsupportedMode", node, "antialiasing is not supported");
  const maps = input
    .slice(2)
    .map((dim, i) => mapping(node, transform, dim, output[i + 2]!, scales?.[i + 2]));
  const sizes = output.slice(2);
  const shape: Dim[] = channelsLast(rank).map((axis) => output[axis]!);
  if (mode === "nearest") {
    const rounded = maps.map((m) => nearest(node, m));
    const value = ctx.builder.op(
      "resize.nearest",
      { sizes, ...columns(rounded) },
      [x.value],
      x.value.dtype,
      shape,
    );
    ctx.define(node.outputs[0]!, { ...x, value });
    return;
  }
  if (x.format === undefined)
    throw nodeError("UnsupportedType", node, "linear interpolation needs reals");
  const real = ctx.withoutZeroPoint(x as Real);
  const total = maps.reduce((product, m) => product * m.denominator, 1);
  const sums = ctx.builder.op(
    "resize.linear",
    { sizes, ...columns(maps), dtype: "i64" },
    [real.value],
    "i64",
    shape,
  );
  finish(
    ctx,
    node,
    real.axes,
    (target) =>
      ctx.rescaled(
        { value: sums, axes: real.axes },
        mapScale(scaleRatio(real.format.scale, target.scale), (s) => s / total),
        target,
      ),
    "perChannel",
  );
}

function columns(maps: readonly Mapping[]) {
  return {
    numerators: maps.map((m) => m.numerator),
    denominators: maps.map((m) => m.denominator),
    offsets: maps.map((m) => m.offset),
  };
}

function floatsOf(node: GraphNode): readonly number[] | undefined {
  const scales = node.attributes.get("scales");
  return scales?.type === "floats" ? scales.value : undefined;
}

/** Input position of output index i: (p·i + o) / q, exactly. */
function mapping(
  node: GraphNode,
  transform: string,
  input: number,
  output: number,
  scale: number | undefined,
): Mapping {
  // The ratio input/output, as the model gives it where that is the size itself.
  let [p, q] = reduced(input, output);
  if (scale !== undefined && Math.floor(input * scale) === output && input * scale !== output) {
    const ratio = rational(1 / scale);
    if (ratio === undefined)
      throw nodeError(
        "UnsupportedResize",
        node,
        `scale ${String(scale)} is not a ratio of small integers`,
      );
    [p, q] = ratio;
  }
  switch (transform) {
    case "asymmetric":
      return { numerator: p, denominator: q, offset: 0 };
    case "half_pixel":
    case "pytorch_half_pixel":
      if (transform === "pytorch_half_pixel" && output === 1)
        return { numerator: 1, denominator: 1, offset: 0 };
      // ((i + ½)·p/q − ½) = (2·p·i + p − q) / 2q
      return { numerator: 2 * p, denominator: 2 * q, offset: p - q };
    case "align_corners":
      return output === 1
        ? { numerator: 1, denominator: 1, offset: 0 }
        : { ...fraction(input - 1, output - 1), offset: 0 };
    default:
      throw nodeError(
        "UnsupportedMode",
        node,
        `coordinate transformation "${transform}" is not supported`,
      );
  }
}

function fraction(a: number, b: number): { numerator: number; denominator: number } {
  if (a === 0) return { numerator: 1, denominator: 65_535 };
  const [numerator, denominator] = reduced(a, b);
  return { numerator, denominator };
}

function reduced(a: number, b: number): [number, number] {
  let x = a;
  let y = b;
  while (y !== 0) [x, y] = [y, x % y];
  return [a / x, b / x];
}

/** The ratio with the smallest denominator within float32 rounding, or none below 65,536. */
function rational(x: number): [number, number] | undefined {
  for (let q = 1; q < 65_536; q++) {
    const p = Math.floor(x * q + 0.5);
    if (p > 0 && Math.abs(p / q - x) <= x * 1e-6) return [p, q];
  }
  return undefined;
}

/** Folds the rounding of `nearest_mode` into the offset: the instruction takes the floor. */
function nearest(node: GraphNode, { numerator, denominator, offset }: Mapping): Mapping {
  const mode = stringAttribute(node, "nearest_mode") ?? "round_prefer_floor";
  switch (mode) {
    case "floor":
      return { numerator, denominator, offset };
    case "ceil":
      return { numerator, denominator, offset: offset + denominator - 1 };
    case "round_prefer_ceil":
      return {
        numerator: 2 * numerator,
        denominator: 2 * denominator,
        offset: 2 * offset + denominator,
      };
    case "round_prefer_floor":
      return {
        numerator: 2 * numerator,
        denominator: 2 * denominator,
        offset: 2 * offset + denominator - 1,
      };
    default:
      throw new CompileError(
        "UnsupportedMode",
        `nearest mode "${mode}" of "${node.name}" is unknown`,
        { name: node.name },
      );
  }
}
