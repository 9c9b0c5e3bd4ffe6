/** QuantizeLinear and DequantizeLinear: the ends of what a quantised model holds in integers. */
import { nodeError } from "../graph.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Dim, ElementType, GraphNode } from "../graph.js";
import { constantNumbers, intAttribute } from "../graph.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";
import { integerDtype } from "./dtypes.js";
import { finish, quantizedFormat } from "./finish.js";
import { binary, quotientToEven, withScalar } from "./quotient.js";
import type { Format, Lowered, Real } from "./real.js";
import { format, identityAxes, maxScale, scaleRatio } from "./real.js";
import { powerOfTwo, roundScale, splitScale } from "./scale.js";
import { dequantised, dequantizedConstant, quantisationScales } from "./weights.js";

/** The greatest integer of 24 bits, which contractions and sums of 32 bits still take. */
const WIDEST = 0x7fffff;

/** The integers of a type of the model. */
export function integerInterval(type: ElementType): readonly [number, number] {
  const bits = Number(/\d+$/.exec(type)?.[0] ?? 1);
  return type.startsWith("int")
    ? [-powerOfTwo(bits - 1), powerOfTwo(bits - 1) - 1]
    : [0, powerOfTwo(bits) - 1];
}

/**
 * Scales or zero points of a node as they meet its input's elements, the input's axes in the
 * model's order: one for the tensor, one along `axis`, or one for each block along it.
 */
export function spread(
  ctx: LoweringContext,
  node: GraphNode,
  parameter: FixedValue,
  shape: readonly Dim[],
): FixedValue {
  const { builder } = ctx;
  const block = intAttribute(node, "block_size") ?? 0;
  const axis = intAttribute(node, "axis");
  if (block !== 0 && axis !== undefined) {
    const length = shape[axis];
    if (typeof length !== "number") {
      throw nodeError(
        "OpenDimension",
        node,
        `axis ${String(axis)} must be known; pin it with --dim`,
      );
    }
    const blocks = builder.constant(
      "i32",
      [length],
      Array.from({ length }, (_, i) => Math.floor(i / block)),
    );
    const dims = parameter.shape.map((dim, i) => (i === axis ? length : dim));
    return builder.op("gather", { axis }, [parameter, blocks], parameter.dtype, dims);
  }
  if (axis === undefined) return ctx.reshaped(parameter, []);
  const dims = shape.map((_, i) => (i === axis ? parameter.shape[0]! : 1));
  return ctx.reshaped(parameter, dims);
}

/** Zero points in the dtype asked for, spread; undefined where there are none or all are 0. */
function zeroPoints(
  ctx: LoweringContext,
  node: GraphNode,
  dtype: "i32" | "i64",
  shape: readonly Dim[],
): FixedValue | undefined {
  const name = node.inputs[2] ?? "";
  if (name === "") return undefined;
  const constant = ctx.constant(name);
  if (constant === undefined)
    return spread(ctx, node, ctx.widened(ctx.logical(ctx.get(name)).value, dtype), shape);
  const values = constantNumbers(constant);
  if (values.every((v) => v === 0)) return undefined;
  return spread(ctx, node, ctx.builder.constant(dtype, constant.dims, values), shape);
}

/** Reals, or integers of the model taken as reals with a scale of 1. */
export function asReal(ctx: LoweringContext, x: Lowered): Real {
  if (x.format !== undefined) return x as Real;
  const value = x.value.dtype === "bool" ? ctx.widened(x.value, "i8") : x.value;
  return { value, axes: x.axes, format: format(value.dtype, 1) };
}

/**
 * Reals to the integers that a quantised model states. Ties go to even, as ONNX has it, wherever
 * the scales let a tie be seen: where they differ by a power of two, and in 32 bits and under
 * scales known only at run time by an exact division.
 */
export function lowerQuantize(ctx: LoweringContext, node: GraphNode): void {
  const output = node.outputs[0]!;
  const given = asReal(ctx, ctx.get(node.inputs[0]!));
  const source =
    typeof given.format.scale === "number"
      ? given
      : ctx.requantise(given, { ...given.format, scale: maxScale(given.format.scale) });
  const target = quantizedFormat(ctx, node);
  const narrow = source.value.dtype !== "i32" && source.value.dtype !== "i64";
  if (target !== undefined && narrow) {
    ctx.define(output, { value: ctx.requantise(source, target).value, axes: source.axes });
    return;
  }
  const x = ctx.logical(ctx.withoutZeroPoint(source));
  const { shape } = x.value;
  const step = x.format.scale as number;
  const quotient = stepsOf(ctx, node, x.value, step);
  const zero = zeroPoints(ctx, node, "i64", shape);
  const shifted = zero === undefined ? quotient : binary(ctx, "add", quotient, zero);
  const type = ctx.elementTypeOf(output);
  ctx.define(output, { value: saturated(ctx, shifted, type), axes: x.axes });
}

/** Integers of the program as integers of a type of the model. */
export function saturated(ctx: LoweringContext, x: FixedValue, type: ElementType): FixedValue {
  const dtype = integerDtype(type);
  const [lo, hi] = integerInterval(type);
  const exact = Number(DTYPE_INFO[dtype].min) === lo && Number(DTYPE_INFO[dtype].max) === hi;
  return ctx.widened(exact ? x : ctx.clamped(x, { lo, hi }), dtype);
}

/** Numerators and denominators stay below this, so that twice their sum is an i64. */
const ROOM = 2n ** 60n;

/** How many of the node's scales go into each real, an i64, ties to even. */
function stepsOf(
  ctx: LoweringContext,
  node: GraphNode,
  integers: FixedValue,
  step: number,
): FixedValue {
  const { builder } = ctx;
  const { shape } = integers;
  const wide = ctx.widened(integers, "i64");
  const scaleName = node.inputs[1]!;
  const constant = ctx.constant(scaleName);
  if (constant !== undefined) {
    const { numerator, shift, denominators } = fractions(step, quantisationScales(node, constant));
    const scaled = withScalar(ctx, "mul", wide, numerator);
    const moved = withScalar(ctx, shift < 0 ? "shr" : "shl", scaled, Math.abs(shift));
    const divisors = builder.constant("i64", constant.dims, denominators);
    return quotientToEven(ctx, within(ctx, moved), spread(ctx, node, divisors, shape));
  }
  const scale = ctx.logical(ctx.real(scaleName, node));
  const unit = maxScale(scale.format.scale);
  const uniform = ctx.requantise(scale, { ...scale.format, scale: unit });
  // step / unit = mantissa · 2^exponent; of 24 bits, if it is none of a few.
  const { mantissa, exponent } = splitScale(step / unit, 24);
  const divisors = ctx.widened(spread(ctx, node, uniform.value, shape), "i64");
  const scaled = withScalar(ctx, "mul", wide, mantissa);
  const up = exponent >= 0 ? withScalar(ctx, "shl", scaled, exponent) : scaled;
  const down = Math.min(-exponent, 28);
  const right = -exponent - down;
  const numerator = right > 0 ? withScalar(ctx, "shr", up, right) : up;
  const denominator = down > 0 ? withScalar(ctx, "shl", divisors, down) : divisors;
  return quotientToEven(ctx, within(ctx, numerator), denominator);
}

/** Saturates what would no longer fit in sums; the quotient saturates its type all the same. */
function within(ctx: LoweringContext, x: FixedValue): FixedValue {
  return ctx.builder.op("clamp", { lo: -ROOM, hi: ROOM }, [x], "i64", x.shape);
}

/** `step / scale` of each scale as `numerator · 2^shift / denominator`, exact where 60 bits hold it. */
function fractions(
  step: number,
  scales: readonly number[],
): { readonly numerator: number; readonly shift: number; readonly denominators: bigint[] } {
  const { mantissa: numerator, exponent } = splitScale(step);
  const parts = scales.map((scale) => splitScale(scale));
  const least = Math.min(...parts.map((part) => part.exponent));
  const common = exponent - least;
  const exact = parts.map(
    (part) => BigInt(part.mantissa) << BigInt(part.exponent - least + Math.max(-common, 0)),
  );
  const greatest = exact.reduce((a, b) => (a > b ? a : b));
  const excess = Math.max(greatest.toString(2).length - 60, 0);
  const denominators = exact.map((d) => d >> BigInt(excess) || 1n);
  return { numerator, shift: Math.max(common, 0) - excess, denominators };
}

/** The integers of a quantised model, seen as reals: with one constant scale, nothing to compute. */
export function lowerDequantize(ctx: LoweringContext, node: GraphNode): void {
  const output = node.outputs[0]!;
  const constant = dequantizedConstant(ctx, node);
  if (constant !== undefined) {
    ctx.defer(output, (): Lowered => ctx.realConstant(constant.dims, dequantised(constant)));
    return;
  }
  const x = ctx.get(node.inputs[0]!);
  if (x.format !== undefined)
    throw nodeError("UnsupportedQuantisation", node, "reals cannot be dequantised");
  const held = quantizedFormat(ctx, node);
  if (held !== undefined && (x.value.dtype !== "i32" || held.zeroPoint === 0)) {
    const real =
      x.value.dtype === "i32" && held.hi > 65_535
        ? fromWide(ctx, node, x, held.scale as number)
        : { value: x.value, axes: x.axes, format: held };
    ctx.define(output, real);
    return;
  }
  const { value, axes } = centred(ctx, node, ctx.logical(x));
  const scale = ctx.constant(node.inputs[1]!);
  const axis = intAttribute(node, "axis");
  if (scale !== undefined && (intAttribute(node, "block_size") ?? 0) === 0) {
    const scales = quantisationScales(node, scale);
    const channels = axis === undefined ? scales[0]! : { axis, scales };
    finish(ctx, node, axes, (target) =>
      ctx.rescaled({ value, axes }, scaleRatio(channels, target.scale), target),
    );
    return;
  }
  const factor = ctx.logical(ctx.real(node.inputs[1]!, node));
  const unit = maxScale(factor.format.scale);
  const uniform = ctx.requantise(factor, { ...factor.format, scale: unit });
  const factors = ctx.widened(spread(ctx, node, uniform.value, value.shape), "i32");
  const product = ctx.builder.op(
    "mul.wide",
    { accumulator: "i64" },
    [value, factors],
    "i64",
    value.shape,
  );
  finish(ctx, node, axes, (target) =>
    ctx.rescaled({ value: product, axes }, scaleRatio(unit, target.scale), target),
  );
}

/** Integers less their zero points, in 32 bits. */
function centred(ctx: LoweringContext, node: GraphNode, x: Lowered): Lowered {
  const wide = ctx.widened(x.value, "i32");
  const zero = zeroPoints(ctx, node, "i32", x.value.shape);
  return { value: zero === undefined ? wide : binary(ctx, "sub", wide, zero), axes: x.axes };
}

/**
 * Integers of 32 bits and more, as many of them as the calibrated range asks for: readers narrow
 * a value by the interval of its integers.
 * @param unit what an integer of 1 stands for
 */
export function fromWide(ctx: LoweringContext, node: GraphNode, x: Lowered, unit: number): Real {
  const range = ctx.rangeOf(node.outputs[0]!);
  const { headroom } = ctx.profile.activation;
  const reach =
    range === undefined
      ? WIDEST
      : (Math.max(Math.abs(range.min), Math.abs(range.max)) * headroom) / unit;
  const scale = reach <= WIDEST ? unit : roundScale((unit * reach) / WIDEST);
  const limit = Math.min(Math.ceil((reach * unit) / scale), WIDEST);
  const held: Format =
    limit <= 32_767 ? format("i16", scale) : format("i32", scale, 0, [-limit, limit]);
  return { value: ctx.rescaled(x, unit / scale, held), axes: x.axes, format: held };
}

/**
 * DynamicQuantizeLinear: the scale is the span of the values, 0 included, over 255, as a float32;
 * all else follows by exact divisions of integers.
 */
export function lowerDynamicQuantize(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const [y, yScale = "", yZero = ""] = node.outputs;
  const x = inSingle(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)));
  const axes = identityAxes(x.value.shape.length);
  const extreme = (op: "reduce.min" | "reduce.max"): FixedValue => {
    const all = builder.op(
      op,
      { axes },
      [x.value],
      x.value.dtype,
      axes.map(() => 1),
    );
    const scalar = ctx.reshaped(axes.length === 0 ? x.value : all, []);
    return withScalar(ctx, op === "reduce.min" ? "min" : "max", ctx.widened(scalar, "i64"), 0);
  };
  const least = extreme("reduce.min");
  const span = withScalar(ctx, "max", binary(ctx, "sub", extreme("reduce.max"), least), 1);
  // Of a span of 1 or more, 2^32 / 255 has the 24 bits of a float32 before the point.
  const fine = withScalar(ctx, "shl", span, SPAN_BITS);
  const exact = withScalar(ctx, "div.floor", fine, 255);
  const [mantissa, exponent] = builder.ops(
    "normalize",
    {},
    [exact],
    [
      { dtype: "i32", shape: [] },
      { dtype: "i32", shape: [] },
    ],
  ) as [FixedValue, FixedValue];
  const whole: Format = { ...format("i64", 1), lo: 0, hi: powerOfTwo(24), ties: "even" };
  const single = ctx.rescaled({ value: mantissa, axes: [] }, powerOfTwo(-7), whole);
  const places = withScalar(ctx, "sub", ctx.widened(exponent, "i64"), 23);
  const scale = binary(ctx, "shl", single, places);
  const steps = (v: FixedValue): FixedValue =>
    quotientToEven(ctx, withScalar(ctx, "shl", v, SPAN_BITS), scale);
  const negative = builder.op("neg", {}, [least], "i64", []);
  const zero = ctx.clamped(steps(negative), { lo: 0, hi: 255 });
  const shifted =
    x.value.dtype === "i32"
      ? binary(ctx, "add", steps(ctx.widened(x.value, "i64")), zero)
      : binary(ctx, "add", roughSteps(ctx, x.value, span), ctx.widened(zero, "i16"));
  ctx.define(y!, { value: ctx.widened(shifted, "u8"), axes: x.axes });
  if (yZero !== "") ctx.define(yZero, { value: ctx.widened(zero, "u8"), axes: [] });
  if (yScale === "") return;
  // The greatest span that the format has, over 255, in 30 bits.
  const { lo, hi } = x.format;
  const greatest = Math.ceil((Math.max(hi, 0) - Math.min(lo, 0)) / 255) + 1;
  const guard = 30 - greatest.toString(2).length;
  const held = format(
    "i32",
    roundScale((x.format.scale as number) * powerOfTwo(-guard)),
    0,
    [0, 0x3fffffff],
  );
  const value = ctx.rescaled({ value: scale, axes: [] }, powerOfTwo(guard - SPAN_BITS), held);
  ctx.define(yScale, { value, axes: [], format: held });
}

/** One scale for the tensor, and no more bits than a float32 has. */
function inSingle(ctx: LoweringContext, x: Real): Real {
  const { scale, lo, hi } = x.format;
  const unit = maxScale(scale);
  const reach = Math.max(-lo, hi);
  if (reach <= WIDEST + 1) return ctx.requantise(x, { ...x.format, scale: unit });
  const held = format("i32", roundScale((unit * reach) / WIDEST), 0, [-WIDEST - 1, WIDEST]);
  return ctx.requantise(x, held);
}

/** `x · 255 / span` by one multiplier: 16 bits of x do not tell ties apart. */
function roughSteps(ctx: LoweringContext, x: FixedValue, span: FixedValue): FixedValue {
  const { builder } = ctx;
  const inverse = binary(ctx, "div.floor", builder.scalar("i64", 255n << 40n), span);
  const kinds = [0, 1].map(() => ({ dtype: "i32", shape: [] }) as const);
  const [multiplier, exponent] = builder.ops("normalize", {}, [inverse], kinds);
  const shift = binary(ctx, "sub", builder.scalar("i32", 70n), exponent!);
  return builder.op(
    "rescale.by",
    { dtype: "i16", zeroPoint: 0n, lo: -32_768n, hi: 32_767n },
    [x, multiplier!, ctx.widened(shift, "i8")],
    "i16",
    x.shape,
  );
}

/** Fractional bits of a dynamic scale while it is computed. */
const SPAN_BITS = 32;
