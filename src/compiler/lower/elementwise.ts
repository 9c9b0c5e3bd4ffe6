/** Sums, differences, products, extremes, activations and quantisation, element by element. */
import { DTYPE_INFO } from "../../core/dtype.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { floatAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { outputOf } from "./context.js";
import { pairedDtypes } from "./dtypes.js";
import { finish, multiplyScales, withInterval } from "./finish.js";
import type { Format, Lowered, Real } from "./real.js";
import { format, identityAxes, mapScale, maxScale, scaleRatio } from "./real.js";
import { exponentOf, powerOfTwo, roundScale, scaleByPowerOfTwo } from "./scale.js";

/** Operands of one rank and one order of axes, that of the first that spans the result. */
export function aligned<L extends Lowered>(
  ctx: LoweringContext,
  operands: readonly L[],
  rank: number,
): { operands: L[]; axes: readonly number[] } {
  const widest = operands.find((x) => x.axes.length === rank && x.value.source.kind !== "constant");
  const axes = widest?.axes ?? identityAxes(rank);
  return {
    axes,
    operands: operands.map((x) => {
      if (x.axes.length === 0) return x;
      const lead = rank - x.axes.length;
      if (lead === 0) return ctx.ordered(x, axes);
      const inOrder = ctx.logical(x);
      const shape: Dim[] = [...new Array<Dim>(lead).fill(1), ...inOrder.value.shape];
      return ctx.ordered(shifted(ctx, inOrder, shape, lead), axes);
    }),
  };
}

/** The same value under `lead` more axes of 1 in front; channel scales move with their axis. */
function shifted<L extends Lowered>(
  ctx: LoweringContext,
  x: L,
  shape: readonly Dim[],
  lead: number,
): L {
  const value = ctx.reshaped(x.value, shape);
  const axes = identityAxes(shape.length);
  const { format: f } = x;
  if (f === undefined || typeof f.scale === "number") return { ...x, value, axes };
  return { ...x, value, axes, format: { ...f, scale: { ...f.scale, axis: f.scale.axis + lead } } };
}

/** a + b or a − b, each at its own scale, rounded once. */
export function lowerSum(ctx: LoweringContext, node: GraphNode, sign: 1 | -1): void {
  if (sign === 1 && lowerScores(ctx, node)) return;
  lowerScaledSum(ctx, node, sign, 1);
}

/** The mean of all operands: a sum of reals each that many times as small. */
export function lowerMean(ctx: LoweringContext, node: GraphNode): void {
  lowerScaledSum(ctx, node, 1, node.inputs.length);
}

function lowerScaledSum(
  ctx: LoweringContext,
  node: GraphNode,
  sign: 1 | -1,
  divisor: number,
): void {
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const reals = node.inputs.map((name) => {
    const x = ctx.withoutZeroPoint(ctx.real(name, node));
    return { ...x, format: { ...x.format, scale: mapScale(x.format.scale, (s) => s / divisor) } };
  });
  const { operands, axes } = aligned(ctx, reals, rank);
  let left = uniform(ctx, operands[0]!);
  for (let i = 1; i < operands.length - 1; i++)
    left = wideSum(ctx, node, left, uniform(ctx, operands[i]!), axes);
  const right = uniform(ctx, operands[operands.length - 1]!);
  const shape = physicalShape(ctx, node, axes);
  finish(ctx, node, axes, (target) => scaledSum(ctx, left, right, sign, target, shape));
}

/** Scales that differ by less, relative to their size, make sums that differ by less than a score's step. */
const SAME_SCALE = powerOfTwo(-29);

/**
 * Scores and what masks them, in the format of the sum: one addition of integers, where the larger
 * operand is in that format already.
 */
function lowerScores(ctx: LoweringContext, node: GraphNode): boolean {
  const output = node.outputs[0]!;
  if (node.inputs.length !== 2 || !ctx.masks.isScore(output)) return false;
  const shape = ctx.shapeOf(output);
  const target = ctx.formats.choose(output, node);
  if (target.dtype !== "i32" || typeof target.scale !== "number") return false;
  const { scale } = target;
  const scores = { ...target, scale };
  const alike = (x: Real): boolean =>
    x.format.dtype === "i32" &&
    typeof x.format.scale === "number" &&
    Math.abs(x.format.scale / scale - 1) <= SAME_SCALE;
  const spans = (x: Real): boolean =>
    x.value.shape.length === shape.length &&
    x.axes.every((axis, i) => x.value.shape[i] === shape[axis]);
  const terms = node.inputs.map((name): Real | undefined => {
    const constant = ctx.constant(name);
    if (constant !== undefined) return ctx.constantIn(scores, constant, name);
    const x = ctx.withoutZeroPoint(ctx.real(name, node));
    return alike(x) ? x : spans(x) ? undefined : ctx.requantise(x, target);
  });
  if (!terms.every((x) => x !== undefined)) return false;
  const { operands, axes } = aligned(ctx, terms, shape.length);
  const [a, b] = operands as [Real, Real];
  const value = ctx.builder.op(
    "add",
    {},
    [a.value, b.value],
    "i32",
    physicalShape(ctx, node, axes),
  );
  const { min, max } = DTYPE_INFO.i32;
  const lo = Math.max(a.format.lo + b.format.lo, Number(min));
  const hi = Math.min(a.format.hi + b.format.hi, Number(max));
  ctx.define(output, { value, axes, format: { ...target, lo, hi } });
  return true;
}

/** Dimensions of a node's result in the program's order of axes. */
export function physicalShape(
  ctx: LoweringContext,
  node: GraphNode,
  axes: readonly number[],
): Dim[] {
  const shape = ctx.shapeOf(node.outputs[0]!);
  return axes.map((axis) => shape[axis]!);
}

/** One scale for the whole tensor, in 32 bits where channels had their own. */
export function uniform(ctx: LoweringContext, x: Real): Real & { format: { scale: number } } {
  const { scale, lo, hi } = x.format;
  if (typeof scale === "number") return x as Real & { format: { scale: number } };
  const fine = roundScale(maxScale(scale) / 256);
  const reach = Math.min(Math.max(Math.abs(lo), hi) * 256, 0x7fffffff);
  return ctx.requantise(x, format("i32", fine, 0, [-reach, reach])) as Real & {
    format: { scale: number };
  };
}

export type UniformReal = Real & { format: { scale: number } };

/** Ratio of the factors of two operands beyond which they are brought nearer. */
const MOST_APART = 4096;

/** `rescale.add` with both factors over one power of two, as fine as 31 bits and shift 62 allow. */
export function scaledSum(
  ctx: LoweringContext,
  a: UniformReal,
  b: UniformReal,
  sign: 1 | -1,
  target: Format,
  shape: readonly Dim[],
): FixedValue {
  const to = target.scale as number;
  const ra = a.format.scale / to;
  const rb = b.format.scale / to;
  if (Math.max(ra, rb) > Math.min(ra, rb) * MOST_APART) {
    // Under one shift the lesser factor would keep too few bits: one operand changes its step first.
    const coarse = Math.max(ra, rb) >= MOST_APART / 256;
    const step = coarse ? to : to / 256;
    const fine = format("i32", step, 0, [-0x3fffffff, 0x3fffffff]);
    const near = (x: UniformReal): UniformReal => ctx.requantise(x, fine) as UniformReal;
    if (ra > rb === coarse) return scaledSum(ctx, near(a), b, sign, target, shape);
    return scaledSum(ctx, a, near(b), sign, target, shape);
  }
  // i32 operands times 31-bit factors would leave no room for the sum.
  const bits = a.value.dtype === "i32" || b.value.dtype === "i32" ? 29 : 30;
  const shift = Math.min(Math.max(bits - exponentOf(Math.max(ra, rb)), 1), 62);
  const factor = (r: number): number =>
    Math.min(Math.floor(scaleByPowerOfTwo(r, shift) + 0.5), 0x7fffffff);
  return ctx.builder.op(
    "rescale.add",
    {
      aMultiplier: factor(ra),
      bMultiplier: sign * factor(rb),
      shift,
      ...outputOf(target),
    },
    [a.value, b.value],
    target.dtype,
    shape,
  );
}

/** A partial sum of many operands, in 32 bits. */
function wideSum(
  ctx: LoweringContext,
  node: GraphNode,
  a: UniformReal,
  b: UniformReal,
  axes: readonly number[],
): UniformReal {
  const reach =
    Math.max(Math.abs(a.format.lo), a.format.hi) * a.format.scale +
    Math.max(Math.abs(b.format.lo), b.format.hi) * b.format.scale;
  const target = format("i32", roundScale(reach / 0x3fffffff)) as UniformReal["format"];
  return {
    value: scaledSum(ctx, a, b, 1, target, physicalShape(ctx, node, axes)),
    axes,
    format: target,
  };
}

/**
 * Scores times a positive constant: the same integers at another scale, which 31 bits round; what a
 * quantised model computes its scales by must be exact where a quotient is a tie.
 */
function lowerFactor(ctx: LoweringContext, node: GraphNode): boolean {
  const output = node.outputs[0]!;
  const name = node.inputs.find((input) => ctx.constant(input) === undefined);
  if (name === undefined || ctx.masks.termOf(name) === undefined) return false;
  const factor = ctx.masks.factor(node, name);
  if (factor === undefined || ctx.formats.heldFor(output) !== undefined) return false;
  const x = ctx.real(name, node);
  if (x.axes.length !== ctx.shapeOf(output).length) return false;
  const scale = mapScale(x.format.scale, (s) => roundScale(s * factor));
  ctx.define(output, { ...x, format: { ...x.format, scale } });
  return true;
}

/** a · b: an exact product, one rescale. */
export function lowerProduct(ctx: LoweringContext, node: GraphNode): void {
  if (lowerFactor(ctx, node)) return;
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const reals = node.inputs.map((name) => ctx.withoutZeroPoint(ctx.real(name, node)));
  const { operands, axes } = aligned(ctx, reals, rank);
  const [a, b] = inPairOrder(operands as [Real, Real]);
  const scale = multiplyScales(a.format.scale, b.format.scale);
  const accumulator = a.value.dtype === "i32" ? "i64" : "i32";
  const shape = physicalShape(ctx, node, axes);
  const product = ctx.builder.op(
    "mul.wide",
    { accumulator },
    paired(ctx, a.value, b.value),
    accumulator,
    shape,
  );
  finish(
    ctx,
    node,
    axes,
    (target) => ctx.rescaled({ value: product, axes }, scaleRatio(scale, target.scale), target),
    "perChannel",
  );
}

/** The wider operand first: pairs are i16·i8 and i32·i16, not the other way round. */
function inPairOrder([a, b]: readonly [Real, Real]): readonly [Real, Real] {
  const width = { bool: 0, i8: 1, u8: 2, i16: 3, i32: 4, i64: 5 } as const;
  return width[a.value.dtype] >= width[b.value.dtype] ? [a, b] : [b, a];
}

function paired(ctx: LoweringContext, a: FixedValue, b: FixedValue): FixedValue[] {
  const [left, right] = pairedDtypes(a.dtype, b.dtype);
  return [ctx.widened(a, left), ctx.widened(b, right)];
}

/** Elementwise extremes: both operands in the result's format, then the instruction. */
export function lowerExtreme(ctx: LoweringContext, node: GraphNode, op: "min" | "max"): void {
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const { operands, axes } = aligned(
    ctx,
    node.inputs.map((name) => ctx.real(name, node)),
    rank,
  );
  const shape = physicalShape(ctx, node, axes);
  finish(ctx, node, axes, (target) =>
    operands
      .map((x) => ctx.requantise(x, target).value)
      .reduce((a, b) => ctx.builder.op(op, {}, [a, b], target.dtype, shape)),
  );
}

/** Clip: between constants a clamp, between what is known only at run time two extremes. */
export function lowerClip(ctx: LoweringContext, node: GraphNode): void {
  const [min, max] = [floatAttribute(node, "min"), floatAttribute(node, "max")];
  if (min !== undefined && max !== undefined) {
    lowerClamp(ctx, node, [min, max]);
    return;
  }
  const present = node.inputs.filter((name) => name !== "").map((name) => ctx.real(name, node));
  const { operands, axes } = aligned(ctx, present, ctx.shapeOf(node.outputs[0]!).length);
  const ops = (["max", "min"] as const).filter((_, i) => (node.inputs[i + 1] ?? "") !== "");
  const shape = physicalShape(ctx, node, axes);
  finish(ctx, node, axes, (target) => {
    const [x, ...bounds] = operands.map((operand) => ctx.requantise(operand, target).value);
    return bounds.reduce(
      (value, bound, i) => ctx.builder.op(ops[i]!, {}, [value, bound], target.dtype, shape),
      x!,
    );
  });
}

/** Relu and Clip that nothing could take in: a clamp in the operand's own format if that reaches. */
export function lowerClamp(
  ctx: LoweringContext,
  node: GraphNode,
  interval: readonly [number, number],
): void {
  const x = ctx.real(node.inputs[0]!, node);
  const exact =
    typeof x.format.scale === "number" || interval.every((v) => v === 0 || !Number.isFinite(v));
  const input = exact ? x : ctx.requantise(x, format(x.format.dtype, maxScale(x.format.scale), 0));
  const { lo, hi, zeroPoint, scale } = input.format;
  const beyond =
    interval[0] > (hi - zeroPoint) * maxScale(scale) ||
    interval[1] < (lo - zeroPoint) * maxScale(scale);
  if (beyond) {
    const target = withInterval(ctx.formats.choose(node.outputs[0]!, node, interval), interval);
    ctx.define(node.outputs[0]!, ctx.requantise(input, target));
    return;
  }
  const target = withInterval(input.format, interval);
  const value = ctx.clamped(input.value, target);
  ctx.define(node.outputs[0]!, { value, axes: input.axes, format: target });
}

/** Absolute values and negatives keep their format. */
export function lowerSigned(ctx: LoweringContext, node: GraphNode, op: "abs" | "neg"): void {
  const apply = (x: FixedValue): FixedValue => ctx.builder.op(op, {}, [x], x.dtype, x.shape);
  const x = ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node));
  // Nothing unsigned has a negative.
  const value = apply(x.value.dtype === "u8" ? ctx.widened(x.value, "i16") : x.value);
  const { lo, hi } = x.format;
  const limit = Number(DTYPE_INFO[value.dtype].max);
  const interval =
    op === "neg"
      ? { lo: -hi, hi: Math.min(-lo, limit) }
      : { lo: Math.max(lo, -hi, 0), hi: Math.min(Math.max(hi, -lo), limit) };
  const held = { ...x.format, dtype: value.dtype, ...interval };
  ctx.define(node.outputs[0]!, { ...x, value, format: held });
}

/** PRelu: x where it is not negative, slope · x elsewhere; both rounded once. */
export function lowerPRelu(ctx: LoweringContext, node: GraphNode): void {
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const input = ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node));
  const { operands, axes } = aligned(ctx, [input, ctx.real(node.inputs[1]!, node)], rank);
  const [x, factor] = operands as [Real, Real];
  const { builder } = ctx;
  const shape = physicalShape(ctx, node, axes);
  const [a, b] = inPairOrder([x, factor]);
  const product = builder.op(
    "mul.wide",
    { accumulator: "i64" },
    paired(ctx, a.value, b.value),
    "i64",
    shape,
  );
  const scale = multiplyScales(x.format.scale, factor.format.scale);
  finish(
    ctx,
    node,
    axes,
    (target) => {
      const negative = ctx.rescaled(
        { value: product, axes },
        scaleRatio(scale, target.scale),
        target,
      );
      const positive = ctx.rescaled(x, scaleRatio(x.format.scale, target.scale), target);
      const zero = builder.scalar(x.value.dtype, 0n);
      const below = builder.op("lt", {}, [x.value, zero], "bool", x.value.shape);
      return builder.op("select", {}, [below, negative, positive], target.dtype, shape);
    },
    "perChannel",
  );
}
