/** Padding: with a value, or with elements of the tensor itself. */
import { DTYPE_INFO } from "../../core/dtype.js";
import { copyAxis } from "../../opcodes/movement.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { floatAttribute, intsAttribute, nodeError, stringAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { plain } from "./movement.js";
import type { Format, Lowered, Real } from "./real.js";
import { maxScale } from "./real.js";

export function lowerPad(ctx: LoweringContext, node: GraphNode): void {
  const mode = stringAttribute(node, "mode") ?? "constant";
  const pads = intsAttribute(node, "pads")!;
  const source = plain(ctx, ctx.get(node.inputs[0]!));
  const rank = source.axes.length;
  const positive = pads.map((p) => Math.max(p, 0));
  if (mode !== "constant") {
    // What is cut off takes part in neither mirroring nor repetition.
    const cut = cropped(ctx, node, source, pads);
    ctx.define(node.outputs[0]!, mirrored(ctx, node, cut, positive, mode));
    return;
  }
  const fill = floatAttribute(node, "value") ?? 0;
  if (Number.isNaN(fill)) throw nodeError("NotFinite", node, "the padding is NaN");
  const held = source.format === undefined ? source : reaching(ctx, node, source as Real, fill);
  const x = cropped(ctx, node, held, pads);
  const shape = ctx.shapeOf(node.outputs[0]!);
  const { format: f } = x;
  const value = f === undefined ? fill : integerIn(f, fill);
  if (positive.every((p) => p === 0)) {
    ctx.define(node.outputs[0]!, x);
    return;
  }
  const padded = ctx.builder.op(
    "pad",
    {
      before: x.axes.map((axis) => positive[axis]!),
      after: x.axes.map((axis) => positive[axis + rank]!),
      interior: x.axes.map(() => 0),
      value: BigInt(value),
    },
    [x.value],
    x.value.dtype,
    x.axes.map((axis) => shape[axis]!),
  );
  const format =
    f === undefined
      ? {}
      : { format: { ...f, lo: Math.min(f.lo, value), hi: Math.max(f.hi, value) } };
  ctx.define(node.outputs[0]!, { ...x, value: padded, ...format });
}

/** Takes away what negative pads take away. */
function cropped(
  ctx: LoweringContext,
  node: GraphNode,
  x: Lowered,
  pads: readonly number[],
): Lowered {
  if (pads.every((p) => p >= 0)) return x;
  const rank = x.axes.length;
  const dims = ctx.shapeOf(node.inputs[0]!);
  const shape = dims.map((dim, axis) => {
    const less = Math.min(pads[axis]!, 0) + Math.min(pads[axis + rank]!, 0);
    if (less === 0) return dim;
    if (typeof dim === "number") return Math.max(dim + less, 0);
    throw nodeError(
      "OpenDimension",
      node,
      `negative padding needs dimension "${dim}" to be known; pin it with --dim ${dim}=N`,
    );
  });
  const value = ctx.builder.op(
    "slice",
    {
      starts: x.axes.map((axis) => Math.max(-pads[axis]!, 0)),
      ends: x.axes.map((axis) => (pads[axis + rank]! < 0 ? pads[axis + rank]! : 0x7fffffff)),
      steps: x.axes.map(() => 1),
    },
    [x.value],
    x.value.dtype,
    x.axes.map((axis) => shape[axis]!),
  );
  return { ...x, value };
}

/** Padding with elements of the tensor: along each axis, each result takes one of them. */
function mirrored(
  ctx: LoweringContext,
  node: GraphNode,
  x: Lowered,
  pads: readonly number[],
  mode: string,
): Lowered {
  const rank = x.axes.length;
  let { value } = x;
  x.axes.forEach((axis, at) => {
    const [before, after] = [pads[axis]!, pads[axis + rank]!];
    if (before === 0 && after === 0) return;
    const size = value.shape[at]!;
    if (typeof size !== "number") {
      const length = ctx.shapeOf(node.outputs[0]!)[axis]!;
      value = mirroredOpen(ctx, node, value, at, [before, after], length, mode);
      return;
    }
    if (size === 0)
      throw nodeError("UnsupportedPads", node, `axis ${String(axis)} is empty, nothing can pad it`);
    const indices = Array.from({ length: before + size + after }, (_, i) =>
      sourceIndex(node, i - before, size, mode),
    );
    value = ctx.builder.op(
      "gather",
      { axis: at },
      [value, ctx.builder.constant("i32", [indices.length], indices)],
      value.dtype,
      value.shape.map((dim, i) => (i === at ? indices.length : dim)),
    );
  });
  return { ...x, value };
}

/** Likewise along an axis that is open: parts of it in front and behind, which it must be long enough for. */
function mirroredOpen(
  ctx: LoweringContext,
  node: GraphNode,
  x: FixedValue,
  axis: number,
  [before, after]: readonly [number, number],
  length: Dim,
  mode: string,
): FixedValue {
  const part = (start: number, end: number, step: number, count: number): FixedValue => {
    const at = (chosen: number, other: number): number[] =>
      x.shape.map((_, i) => (i === axis ? chosen : other));
    const imm = { starts: at(start, 0), ends: at(end, WHOLE), steps: at(step, 1) };
    const shape = x.shape.map((dim, i) => (i === axis ? count : dim));
    const cut = ctx.builder.op("slice", imm, [x], x.dtype, shape);
    // Fails in a run where the axis is too short for the part.
    const dims = shape.map((_, i) => (i === axis ? count : copyAxis(i)));
    return ctx.builder.op("reshape", { dims }, [cut], x.dtype, shape);
  };
  const repeated = (one: FixedValue, count: number): FixedValue =>
    ctx.expanded(
      one,
      x.shape.map((dim, i) => (i === axis ? count : dim)),
    );
  const parts = {
    reflect: () => [part(before, 0, -1, before), part(-2, -2 - after, -1, after)],
    edge: () => [repeated(part(0, 1, 1, 1), before), repeated(part(-1, WHOLE, 1, 1), after)],
    wrap: () => [part(-before, WHOLE, 1, before), part(0, after, 1, after)],
  };
  if (!Object.hasOwn(parts, mode))
    throw nodeError("UnsupportedMode", node, `padding mode "${mode}" is not one that ONNX has`);
  const [front, back] = parts[mode as keyof typeof parts]() as [FixedValue, FixedValue];
  const all = [...(before > 0 ? [front] : []), x, ...(after > 0 ? [back] : [])];
  const shape = x.shape.map((dim, i) => (i === axis ? length : dim));
  return ctx.builder.op("concat", { count: all.length, axis }, all, x.dtype, shape);
}

/** The end of an axis of any size, as `slice` takes it. */
const WHOLE = 0x7fffffff;

/** Where position `i` of an axis of `size`, continued beyond both ends, reads. */
function sourceIndex(node: GraphNode, i: number, size: number, mode: string): number {
  const modulo = (a: number, b: number): number => ((a % b) + b) % b;
  switch (mode) {
    case "edge":
      return Math.min(Math.max(i, 0), size - 1);
    case "wrap":
      return modulo(i, size);
    case "reflect": {
      const at = modulo(i, Math.max(2 * (size - 1), 1));
      return Math.min(at, 2 * (size - 1) - at);
    }
    default:
      throw nodeError("UnsupportedMode", node, `padding mode "${mode}" is not one that ONNX has`);
  }
}

/** `x` in a format that holds `fill` too; an infinity is its least or greatest integer. */
function reaching(ctx: LoweringContext, node: GraphNode, x: Real, fill: number): Real {
  const { scale, zeroPoint } = x.format;
  const integer = Math.floor(fill / maxScale(scale) + 0.5) + zeroPoint;
  if (!Number.isFinite(fill) || integer === integerIn(x.format, fill)) return x;
  return ctx.requantise(x, ctx.formats.choose(node.outputs[0]!, node));
}

/** The nearest integer that a format's dtype holds, of 32 bits those that contractions take. */
function integerIn({ dtype, scale, zeroPoint, lo, hi }: Format, real: number): number {
  const { min, max } = DTYPE_INFO[dtype];
  const least = dtype === "i32" ? Math.min(lo, -0x7fffff) : Number(min);
  const greatest = dtype === "i32" ? Math.max(hi, 0x7fffff) : Number(max);
  const integer = Math.floor(real / maxScale(scale) + 0.5) + zeroPoint;
  return Math.min(Math.max(integer, least), greatest);
}
