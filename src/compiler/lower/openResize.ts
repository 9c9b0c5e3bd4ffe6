/** Resize where sizes are open: positions and weights are computed when running. */
import { FROM_OPERAND } from "../../opcodes/movement.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  nodeError,
  stringAttribute,
} from "../graph.js";
import type { Refusal } from "../listUnsupported.js";
import { rationalOf } from "../shapes/ratios.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { IndexMath } from "./indexMath.js";
import { plain } from "./movement.js";
import type { Real } from "./real.js";
import { format, scaleRatio } from "./real.js";
import { powerOfTwo } from "./scale.js";
import { wantsSizes } from "./wantsSizes.js";
import { Wide } from "./wideArithmetic.js";

/** Fractional bits of weights, as where they are known. */
const WEIGHT_BITS = 22;
const ONE = 1n << BigInt(WEIGHT_BITS);
/** What integers between two axes may reach. */
const BETWEEN = 0x1ffffff;
/** No row of weights of a cubic kernel has magnitudes that add up to more. */
const REACH = 2;

/** Positions along an axis as ratios: `numerators` is over the outputs, both in i64. */
interface Positions {
  readonly numerators: FixedValue;
  readonly denominator: FixedValue;
  /** The last index of the input, in i64. */
  readonly last: FixedValue;
}

/** Elements that an output takes, by their indices in i32, and their weights. */
interface Tap {
  readonly index: FixedValue;
  readonly weight: FixedValue;
}

/** Resizes one axis after the other. */
export function lowerOpenResize(ctx: LoweringContext, node: GraphNode): void {
  const input = ctx.shapeOf(node.inputs[0]!);
  const output = ctx.shapeOf(node.outputs[0]!);
  const scales = floatsAttribute(node, "scales")!;
  const axes = input.map((_, axis) => axis).filter((axis) => scales[axis] !== 1);
  const mode = stringAttribute(node, "mode") ?? "nearest";
  const closed = closedAttribute(node);
  if (closed !== undefined) throw openError(node, closed);
  const along = (axis: number): Positions => positions(ctx, node, axis, scales[axis]!);
  const math = new IndexMath(ctx, node);
  const x = plain(ctx, ctx.get(node.inputs[0]!));
  if (mode === "nearest") {
    const value = axes.reduce((current, axis) => {
      const index = math.cast(nearestIndices(ctx, node, along(axis)), "i32");
      return taken(ctx, current, x.axes.indexOf(axis), index, output[axis]!);
    }, x.value);
    ctx.define(node.outputs[0]!, { ...x, value });
    return;
  }
  let current = ctx.withoutZeroPoint(x as Real);
  const { axes: order } = current;
  axes.forEach((axis, i) => {
    const taps =
      mode === "linear" ? linearTaps(ctx, along(axis)) : cubicTaps(ctx, node, along(axis));
    const at = order.indexOf(axis);
    const sums = weighted(ctx, math, current, at, taps, output[axis]!);
    const unit = (current.format.scale as number) / powerOfTwo(WEIGHT_BITS);
    if (i === axes.length - 1) {
      finish(ctx, node, order, (target) =>
        ctx.rescaled({ value: sums, axes: order }, scaleRatio(unit, target.scale), target),
      );
      return;
    }
    const held = Math.max(-current.format.lo, current.format.hi) * REACH * powerOfTwo(WEIGHT_BITS);
    const between = format("i32", unit * Math.max(held / BETWEEN, 1), 0, [-BETWEEN - 1, BETWEEN]);
    const factor = unit / (between.scale as number);
    const value = ctx.rescaled({ value: sums, axes: order }, factor, between);
    current = { value, axes: order, format: between };
  });
}

/** Coordinate transformations that positions of open sizes can have. */
const TRANSFORMS: ReadonlySet<string> = new Set([
  "align_corners",
  "asymmetric",
  "half_pixel",
  "pytorch_half_pixel",
  "tf_half_pixel_for_nn",
]);

/** What a Resize asks for that can only be done with sizes that are known when compiling. */
function closedAttribute(node: GraphNode): string | undefined {
  const scales = floatsAttribute(node, "scales") ?? [];
  const mode = stringAttribute(node, "mode") ?? "nearest";
  const transform = stringAttribute(node, "coordinate_transformation_mode") ?? "half_pixel";
  const shrinks = scales.some((scale) => scale < 1);
  if (mode === "cubic" && intAttribute(node, "exclude_outside") === 1) return "exclude_outside";
  if (mode !== "nearest" && shrinks && intAttribute(node, "antialias") === 1) return "antialias";
  const moves = scales.some((scale) => scale !== 1);
  return moves && !TRANSFORMS.has(transform)
    ? `coordinate transformation "${transform}"`
    : undefined;
}

export const resizeRefusal: Refusal = (graph, node) => {
  const closed = closedAttribute(node);
  const open = closed === undefined ? undefined : wantsSizes(0)(graph, node);
  return open === undefined ? undefined : `with ${closed} ${open}`;
};

const openError = (node: GraphNode, what: string): Error =>
  nodeError("OpenDimension", node, `${what} needs sizes to be known; pin them with --dim`);

/** The size of an axis of the result in i64, from the operand that says it where there is one. */
function sizeOf(ctx: LoweringContext, node: GraphNode, axis: number): FixedValue {
  const math = new IndexMath(ctx, node);
  const dim = ctx.shapeOf(node.outputs[0]!)[axis]!;
  const sizes = node.inputs[1];
  if (sizes === undefined) return math.cast(math.size(dim), "i64");
  const index = math.constant([axis]);
  const given = math.cast(ctx.logical(ctx.get(sizes)).value, "i64");
  return math.reshape(math.gather(given, index), []);
}

/** Where outputs lie on their axis: `(p·i + o) / q`, exactly. */
function positions(ctx: LoweringContext, node: GraphNode, axis: number, scale: number): Positions {
  const wide = new Wide(ctx);
  const math = new IndexMath(ctx, node);
  const size = math.cast(math.size(ctx.shapeOf(node.inputs[0]!)[axis]!), "i64");
  const output = sizeOf(ctx, node, axis);
  // A scale of 0 stands for the quotient of the sizes.
  const [a, b] = scale === 0 ? [0, 0] : (rationalOf(scale) ?? [0, 0]);
  if (scale !== 0 && a === 0)
    throw nodeError("UnsupportedScale", node, `a scale of ${String(scale)} is no simple ratio`);
  const [p, q] = scale === 0 ? [size, output] : [math.scalar(b, "i64"), math.scalar(a, "i64")];
  const length = ctx.reshaped(output, [1]);
  const shape = [ctx.shapeOf(node.outputs[0]!)[axis]!];
  const counted = ctx.builder.op("iota", { dims: [FROM_OPERAND] }, [length], "i32", shape);
  const i = ctx.widened(counted, "i64");
  const last = wide.sub(size, 1n);
  const transform = stringAttribute(node, "coordinate_transformation_mode") ?? "half_pixel";
  const odd = wide.add(wide.mul(i, 2n), 1n);
  switch (transform) {
    case "asymmetric":
      return { numerators: wide.mul(i, p), denominator: q, last };
    case "tf_half_pixel_for_nn":
      return { numerators: wide.mul(odd, p), denominator: wide.mul(q, 2n), last };
    case "half_pixel":
    case "pytorch_half_pixel": {
      // ((i + ½)·p/q − ½) = ((2·i + 1)·p − q) / 2q; PyTorch's of a single element is 0.
      const shifted = wide.sub(wide.mul(odd, p), q);
      const several = wide.min(wide.sub(output, 1n), 1n);
      const numerators = transform === "half_pixel" ? shifted : wide.mul(shifted, several);
      return { numerators, denominator: wide.mul(q, 2n), last };
    }
    case "align_corners": {
      // Over the length before it was cut to a whole number: (size·a − b) / b of a known scale.
      const steps = scale === 0 ? wide.sub(output, 1n) : wide.sub(wide.mul(size, q), p);
      const factor = scale === 0 ? last : wide.mul(last, p);
      return { numerators: wide.mul(i, factor), denominator: wide.max(steps, 1n), last };
    }
    default:
      throw openError(node, `coordinate transformation "${transform}"`);
  }
}

function nearestIndices(
  ctx: LoweringContext,
  node: GraphNode,
  { numerators: n, denominator: d, last }: Positions,
): FixedValue {
  const wide = new Wide(ctx);
  const floor = (): FixedValue => {
    switch (stringAttribute(node, "nearest_mode") ?? "round_prefer_floor") {
      case "floor":
        return wide.quotient(n, d);
      case "ceil":
        return wide.quotient(wide.add(n, wide.sub(d, 1n)), d);
      case "round_prefer_ceil":
        return wide.quotient(wide.add(wide.mul(n, 2n), d), wide.mul(d, 2n));
      default:
        return wide.quotient(wide.add(wide.mul(n, 2n), wide.sub(d, 1n)), wide.mul(d, 2n));
    }
  };
  return within(wide, floor(), last);
}

const within = (wide: Wide, index: FixedValue, last: FixedValue): FixedValue =>
  wide.min(wide.max(index, 0n), last);

/** The element below a position, and how far above it the position lies, with `WEIGHT_BITS`. */
function split(wide: Wide, n: FixedValue, d: FixedValue): [below: FixedValue, part: FixedValue] {
  const below = wide.quotient(n, d);
  const rest = wide.shl(wide.sub(n, wide.mul(below, d)), WEIGHT_BITS);
  return [below, wide.quotient(wide.add(rest, wide.shr(d, 1)), d)];
}

function linearTaps(ctx: LoweringContext, { numerators, denominator, last }: Positions): Tap[] {
  const wide = new Wide(ctx);
  const held = wide.min(wide.max(numerators, 0n), wide.mul(last, denominator));
  const [below, part] = split(wide, held, denominator);
  return [
    { index: below, weight: wide.sub(ONE, part) },
    { index: wide.min(wide.add(below, 1n), last), weight: part },
  ];
}

/** Keys' kernel: with t the part, `a·t·(1−t)²`, `(a+2)·t³ − (a+3)·t² + 1` and their mirror images. */
function cubicTaps(
  ctx: LoweringContext,
  node: GraphNode,
  { numerators, denominator, last }: Positions,
): Tap[] {
  const wide = new Wide(ctx);
  const a = floatAttribute(node, "cubic_coeff_a") ?? -0.75;
  const fixed = (x: number): bigint => BigInt(Math.floor(x * powerOfTwo(WEIGHT_BITS) + 0.5));
  const times = (x: FixedValue, y: FixedValue | bigint): FixedValue =>
    wide.shr(wide.mul(x, y), WEIGHT_BITS);
  const [below, t] = split(wide, numerators, denominator);
  const mirrored = wide.sub(ONE, t);
  const outer = times(times(times(t, mirrored), mirrored), fixed(a));
  const far = times(times(times(t, mirrored), t), fixed(a));
  const square = times(t, t);
  const inner = wide.add(
    wide.sub(times(times(square, t), fixed(a + 2)), times(square, fixed(a + 3))),
    ONE,
  );
  const rest = wide.sub(wide.sub(wide.sub(ONE, outer), inner), far);
  return [outer, inner, rest, far].map((weight, k) => ({
    index: within(wide, wide.add(below, BigInt(k - 1)), last),
    weight,
  }));
}

function taken(
  ctx: LoweringContext,
  x: FixedValue,
  at: number,
  index: FixedValue,
  size: Dim,
): FixedValue {
  const shape = x.shape.map((dim, i) => (i === at ? size : dim));
  return ctx.builder.op("gather", { axis: at }, [x, index], x.dtype, shape);
}

/** `Σ x[…, index, …] · weight` along an axis, exactly. */
function weighted(
  ctx: LoweringContext,
  math: IndexMath,
  x: Real,
  at: number,
  taps: readonly Tap[],
  size: Dim,
): FixedValue {
  const wide = new Wide(ctx);
  const column = x.value.shape.map((_, i) => (i === at ? size : 1));
  const terms = taps.map(({ index, weight }) => {
    const elements = ctx.widened(taken(ctx, x.value, at, math.cast(index, "i32"), size), "i32");
    const factors = ctx.reshaped(math.cast(weight, "i32"), column);
    const accumulator = { accumulator: "i64" } as const;
    return ctx.builder.op("mul.wide", accumulator, [elements, factors], "i64", elements.shape);
  });
  return terms.reduce((a, b) => wide.add(a, b));
}
