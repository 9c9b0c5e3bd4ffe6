/** MatMulInteger, ConvInteger and what rounds their sums: exact products of a quantised model. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import { constantNumbers, intAttribute, intsAttribute, nodeError } from "../graph.js";
import type { ConstantTensor, Dim, GraphNode } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { outputOf } from "./context.js";
import { integerDtype, pairedDtypes } from "./dtypes.js";
import { integerInterval, saturated } from "./quantised.js";
import { binary, withScalar } from "./quotient.js";
import type { Format, Lowered, Real } from "./real.js";
import { channelsLast, format, identityAxes, maxScale } from "./real.js";
import type { Rule } from "./rule.js";
import { splitScale } from "./scale.js";
import { quantisationScales } from "./weights.js";

/** Integers whose zero point has been taken off, or is `zero`, to be taken off the sums. */
interface Operand {
  readonly value: FixedValue;
  /** Bits of the integers; of u8 without its sign. */
  readonly bits: number;
}

const narrow = (value: FixedValue): Operand => ({ value, bits: 8 });

/** `x − zero` in 16 bits, where 9 hold it. */
function centred(ctx: LoweringContext, x: FixedValue, zero: FixedValue | undefined): Operand {
  if (zero === undefined) return narrow(x);
  const value = binary(ctx, "sub", ctx.widened(x, "i16"), ctx.widened(zero, "i16"));
  return { value, bits: 9 };
}

/** The zero point behind input `index`; undefined where there is none or all of it is 0. */
function zeroPoint(ctx: LoweringContext, node: GraphNode, index: number): FixedValue | undefined {
  const name = node.inputs[index] ?? "";
  if (name === "") return undefined;
  const constant = ctx.constant(name);
  if (constant !== undefined && constantNumbers(constant).every((v) => v === 0)) return undefined;
  return ctx.logical(ctx.get(name)).value;
}

/** A zero point for the tensor as a number, 0 without one; undefined where there are many or it is not known. */
function constantZero(ctx: LoweringContext, name: string): number | undefined {
  if (name === "") return 0;
  const constant = ctx.constant(name);
  if (constant === undefined) return undefined;
  const [first = 0, ...others] = constantNumbers(constant);
  return others.every((v) => v === first) ? first : undefined;
}

/** Constant integers less their zero points, in the narrowest dtype that holds them. */
function constantOperand(
  ctx: LoweringContext,
  dims: readonly number[],
  values: readonly number[],
): Operand {
  const least = values.reduce((a, b) => Math.min(a, b), 0);
  const greatest = values.reduce((a, b) => Math.max(a, b), 0);
  if (least >= -128 && greatest <= 127) return narrow(ctx.builder.constant("i8", dims, values));
  return { value: ctx.builder.constant("i16", dims, values), bits: 9 };
}

/** Zero points along the axis of a constant, or one for all of it, as a function of the element. */
function zeroOf(
  node: GraphNode,
  zero: ConstantTensor | undefined,
  length: number,
): (index: number) => number {
  if (zero === undefined) return () => 0;
  const zeros = constantNumbers(zero);
  if (zeros.length === 1) return () => zeros[0]!;
  if (zeros.length === length) return (index) => zeros[index]!;
  throw nodeError(
    "BadQuantisation",
    node,
    `${String(zeros.length)} zero points do not fit an axis of ${String(length)}`,
  );
}

/** Operands brought to a pair that there is, with the bits of each and an accumulator that holds the sums. */
function products(ctx: LoweringContext, a: Operand, b: Operand, terms: Dim) {
  const [left, right] = pairedDtypes(a.value.dtype, b.value.dtype);
  const bitsAs = (x: Operand, dtype: string): number =>
    x.value.dtype === "u8" && dtype !== "u8" ? 9 : x.bits;
  const bits = { aBits: bitsAs(a, left), bBits: bitsAs(b, right) };
  // Of 8 bits without a sign, 256 is the bound as of 9 with one.
  const greatest = (x: Operand): number => (x.value.dtype === "u8" || x.bits === 9 ? 256 : 128);
  const holds = typeof terms === "number" && terms * greatest(a) * greatest(b) <= 0x7fffffff;
  const accumulator = holds ? ("i32" as const) : ("i64" as const);
  return {
    imm: { ...bits, accumulator },
    operands: [ctx.widened(a.value, left), ctx.widened(b.value, right)],
    accumulator,
  };
}

/** Which inputs of a node are what; absent ones are beyond its inputs. */
interface Places {
  readonly x: number;
  readonly w: number;
  readonly xZero: number;
  readonly wZero: number;
}

/** As MatMulInteger and ConvInteger have them. */
const BARE: Places = { x: 0, w: 1, xZero: 2, wZero: 3 };
/** As QLinearMatMul and QLinearConv have them, with scales in between. */
const SCALED: Places = { x: 0, w: 3, xZero: 2, wZero: 5 };

/** Exact sums of products of two matrices, in 32 bits as ONNX has them. */
function matmulSums(ctx: LoweringContext, node: GraphNode, places: Places): Lowered {
  const [aName, bName, bZeroName] = [places.x, places.w, places.wZero].map(
    (i) => node.inputs[i] ?? "",
  ) as [string, string, string];
  const shape = ctx.shapeOf(node.outputs[0]!);
  const a = asMatrix(ctx, ctx.logical(ctx.get(aName)).value, "row");
  const constant = ctx.constant(bName);
  const inner = a.shape.at(-1)!;
  const { builder } = ctx;
  const zeroA = rowwise(ctx, zeroPoint(ctx, node, places.xZero), a.shape.length);
  let sums: FixedValue;
  if (constant?.dims.length === 2) {
    const [rows, columns] = constant.dims as [number, number];
    const zero = bZeroName === "" ? undefined : ctx.requireConstant(node, places.wZero);
    const zeroB = zeroOf(node, zero, columns);
    const values = constantNumbers(constant).map((v, i) => v - zeroB(i % columns));
    const b = constantOperand(ctx, constant.dims, values);
    sums = multiplied(ctx, narrow(a), b, rows);
    if (zeroA !== undefined) {
      // Σ (a − z)·b = Σ a·b − z·Σ b
      const totals = new Array<number>(columns).fill(0);
      values.forEach((v, i) => (totals[i % columns]! += v));
      const columnSums = builder.constant("i32", [columns], totals);
      const correction = binary(ctx, "mul", ctx.widened(zeroA, "i32"), columnSums);
      sums = binary(ctx, "sub", ctx.widened(sums, "i32"), correction);
    }
  } else {
    const b = asMatrix(ctx, ctx.logical(ctx.get(bName)).value, "column");
    const zeroB = columnwise(ctx, zeroPoint(ctx, node, places.wZero), b.shape.length);
    sums = multiplied(ctx, centred(ctx, a, zeroA), centred(ctx, b, zeroB), inner);
  }
  const value = ctx.reshaped(ctx.widened(sums, "i32"), shape);
  return { value, axes: identityAxes(shape.length) };
}

function multiplied(ctx: LoweringContext, a: Operand, b: Operand, terms: Dim): FixedValue {
  const { imm, operands, accumulator } = products(ctx, a, b, terms);
  const lead = Math.max(a.value.shape.length, b.value.shape.length) - 2;
  const at = (x: FixedValue, i: number): Dim => x.shape[i - lead + x.shape.length - 2] ?? 1;
  const batch = Array.from({ length: lead }, (_, i) => {
    const [left, right] = [at(a.value, i), at(b.value, i)];
    return left === 1 ? right : left;
  });
  const shape = [...batch, a.value.shape.at(-2)!, b.value.shape.at(-1)!];
  return ctx.builder.op("matmul", imm, operands, accumulator, shape);
}

/** A vector as the one row or column that it is in a product. */
function asMatrix(ctx: LoweringContext, x: FixedValue, kind: "row" | "column"): FixedValue {
  if (x.shape.length !== 1) return x;
  return ctx.reshaped(x, kind === "row" ? [1, x.shape[0]!] : [x.shape[0]!, 1]);
}

/** Zero points of rows: a vector of them stands beside the matrix. */
function rowwise(
  ctx: LoweringContext,
  zero: FixedValue | undefined,
  rank: number,
): FixedValue | undefined {
  if (zero?.shape.length !== 1) return zero;
  if (zero.shape[0] === 1) return ctx.reshaped(zero, []);
  return ctx.reshaped(zero, rank < 2 ? zero.shape : [zero.shape[0]!, 1]);
}

/** Zero points of columns: a vector of them is a row. */
function columnwise(
  ctx: LoweringContext,
  zero: FixedValue | undefined,
  rank: number,
): FixedValue | undefined {
  return zero?.shape.length === 1 && (zero.shape[0] === 1 || rank < 2)
    ? ctx.reshaped(zero, [])
    : zero;
}

/** Exact sums of a convolution, in 32 bits. Padding stands for 0, that is, for the zero point. */
function convSums(ctx: LoweringContext, node: GraphNode, places: Places): Lowered {
  const [xName, wName, xZeroName] = [places.x, places.w, places.xZero].map(
    (i) => node.inputs[i] ?? "",
  ) as [string, string, string];
  const dims = ctx.fixedDims(wName, node);
  const rank = dims.length;
  const [outputs, perGroup, ...kernel] = dims as [number, number, ...number[]];
  const ones = new Array<number>(rank - 2).fill(1);
  const { builder } = ctx;

  const given = ctx.ordered(ctx.get(xName), channelsLast(rank)).value;
  const constant = ctx.constant(wName);
  const kernelSums =
    constant === undefined ? undefined : constantKernel(ctx, node, places, constant);
  const zero = kernelSums === undefined ? undefined : constantZero(ctx, xZeroName);
  // With a zero point that is known, the sums are corrected instead of every element of x.
  const x =
    zero === undefined ? centred(ctx, given, zeroPoint(ctx, node, places.xZero)) : narrow(given);
  const w = kernelSums?.kernel ?? runtimeKernel(ctx, node, places, dims);
  const terms = perGroup * kernel.reduce((a, b) => a * b, 1);
  const { imm, operands, accumulator } = products(ctx, x, w, terms);
  const shape = ctx.shapeOf(node.outputs[0]!);
  const axes = channelsLast(rank);
  const sums = builder.op(
    "conv",
    {
      ...imm,
      strides: intsAttribute(node, "strides") ?? ones,
      dilations: intsAttribute(node, "dilations") ?? ones,
      pads: intsAttribute(node, "pads") ?? [...ones, ...ones].map(() => 0),
      groups: intAttribute(node, "group") ?? 1,
      padValue: BigInt(zero ?? 0),
    },
    operands,
    accumulator,
    axes.map((axis) => shape[axis]!),
  );
  let value = ctx.widened(sums, "i32");
  if (zero !== undefined && zero !== 0) {
    const correction = kernelSums!.totals.map((total) => -zero * total);
    value = binary(ctx, "add", value, builder.constant("i32", [outputs], correction));
  }
  return { value, axes };
}

/** A constant kernel less its zero points as taps, inputs, outputs; and what each output's sum to. */
function constantKernel(
  ctx: LoweringContext,
  node: GraphNode,
  places: Places,
  constant: ConstantTensor,
): { readonly kernel: Operand; readonly totals: readonly number[] } {
  const [outputs, perGroup, ...kernel] = constant.dims as [number, number, ...number[]];
  const taps = kernel.reduce((a, b) => a * b, 1);
  const zeroName = node.inputs[places.wZero] ?? "";
  const zero = zeroName === "" ? undefined : ctx.requireConstant(node, places.wZero);
  const zeroAt = zeroOf(node, zero, outputs);
  const given = constantNumbers(constant);
  const values = new Array<number>(given.length);
  const totals = new Array<number>(outputs).fill(0);
  for (let t = 0; t < taps; t++) {
    for (let c = 0; c < perGroup; c++) {
      for (let o = 0; o < outputs; o++) {
        const v = given[(o * perGroup + c) * taps + t]! - zeroAt(o);
        values[(t * perGroup + c) * outputs + o] = v;
        totals[o]! += v;
      }
    }
  }
  return { kernel: constantOperand(ctx, [...kernel, perGroup, outputs], values), totals };
}

/** A kernel known only at run time, likewise. */
function runtimeKernel(
  ctx: LoweringContext,
  node: GraphNode,
  places: Places,
  dims: readonly number[],
): Operand {
  const given = ctx.logical(ctx.get(node.inputs[places.w]!)).value;
  const zero = zeroPoint(ctx, node, places.wZero);
  const perOutput = zero !== undefined && zero.shape.length === 1 && zero.shape[0] !== 1;
  const shape = perOutput ? [dims[0]!, ...dims.slice(1).map(() => 1)] : [];
  const { value, bits } = centred(ctx, given, zero && ctx.reshaped(zero, shape));
  const perm = [...identityAxes(dims.length).slice(2), 1, 0];
  const moved = perm.map((axis) => dims[axis]!);
  return { bits, value: ctx.builder.op("transpose", { perm }, [value], value.dtype, moved) };
}

/** Where QLinearMatMul and QLinearConv have the scales of a, b and y, and the zero point of y. */
const SCALES = [1, 4, 6] as const;
const ZERO = 7;

/**
 * Sums of products of integers with scales a and b, to integers of scale y. Where all scales are
 * constant it is one rescale; else its factors are computed when running.
 * @param axis of the result that the weights' outputs lie along
 */
function requantised(ctx: LoweringContext, node: GraphNode, sums: Lowered, axis: number): Lowered {
  const type = ctx.elementTypeOf(node.outputs[0]!);
  const [lo, hi] = integerInterval(type);
  const zeroName = node.inputs[ZERO] ?? "";
  const zero = constantZero(ctx, zeroName);
  const target: Format = {
    ...format(integerDtype(type), 1, zero ?? 0, [lo, hi]),
    ties: "even",
  };
  const [a, b, y] = SCALES.map((i) => {
    const constant = ctx.constant(node.inputs[i]!);
    return constant === undefined ? undefined : quantisationScales(node, constant);
  });
  if (a?.length === 1 && b !== undefined && y?.length === 1 && zero !== undefined) {
    const factors = b.map((s) => (s * a[0]!) / y[0]!);
    const factor = factors.length === 1 ? factors[0]! : { axis, scales: factors };
    return { value: ctx.rescaled(sums, factor, target), axes: sums.axes };
  }
  const { value, axes } = ctx.logical(sums);
  const { multiplier, shift } = runtimeFactor(
    ctx,
    ...(SCALES.map((i) => scaleOperand(ctx, node, i, axis)) as [Real, Real, Real]),
  );
  const held = zero === undefined ? format("i32", 1, 0, [-0x40000000, 0x40000000]) : target;
  const rounded = ctx.builder.op(
    "rescale.by",
    outputOf(held),
    [value, multiplier, shift],
    held.dtype,
    value.shape,
  );
  if (zero !== undefined) return { value: rounded, axes };
  const given = ctx.logical(ctx.get(zeroName)).value;
  const point = alongAxis(ctx, node, ctx.widened(given, "i32"), axis - 1);
  return { value: saturated(ctx, binary(ctx, "add", rounded, point), type), axes };
}

/** One real of a single scale that broadcasts to the sums. */
function scaleOperand(ctx: LoweringContext, node: GraphNode, index: number, axis: number): Real {
  const given = ctx.logical(ctx.real(node.inputs[index]!, node));
  const unit = maxScale(given.format.scale);
  const uniform = ctx.requantise(given, { ...given.format, scale: unit });
  // What a vector belongs to: b to outputs, the others to a matrix's rows, the axis before.
  const along = index === SCALES[1] ? axis : axis - 1;
  return { ...uniform, value: alongAxis(ctx, node, uniform.value, along) };
}

/** A vector as it stands along an axis of the result. */
function alongAxis(ctx: LoweringContext, node: GraphNode, x: FixedValue, axis: number): FixedValue {
  if (x.shape.length === 0 || (x.shape.length === 1 && x.shape[0] === 1))
    return ctx.reshaped(x, []);
  if (x.shape.length > 1) return x;
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  return ctx.reshaped(
    x,
    Array.from({ length: rank }, (_, i) => (i === axis ? x.shape[0]! : 1)),
  );
}

/** `a · b / y` of positive reals, as the multipliers and shifts of `rescale.by`. */
function runtimeFactor(
  ctx: LoweringContext,
  a: Real,
  b: Real,
  y: Real,
): { readonly multiplier: FixedValue; readonly shift: FixedValue } {
  const { builder } = ctx;
  const bitsOf = (x: Real): number => Math.max(x.format.hi, 1).toString(2).length;
  const room = Math.max(62 - bitsOf(a) - bitsOf(b), 0);
  const product = binary(ctx, "mul", ctx.widened(a.value, "i64"), ctx.widened(b.value, "i64"));
  const quotient = binary(
    ctx,
    "div.floor",
    withScalar(ctx, "shl", product, room),
    ctx.widened(y.value, "i64"),
  );
  const [units, ...others] = [a, b, y].map((x) => splitScale(maxScale(x.format.scale))) as [
    ReturnType<typeof splitScale>,
    ...ReturnType<typeof splitScale>[],
  ];
  const ratio = (units.mantissa * others[0]!.mantissa) / others[1]!.mantissa;
  const { mantissa, exponent: ratioExponent } = splitScale(ratio);
  const constantExponent =
    units.exponent + others[0]!.exponent - others[1]!.exponent + ratioExponent - room;
  const split = (x: FixedValue): readonly [FixedValue, FixedValue] =>
    builder.ops(
      "normalize",
      {},
      [x],
      [
        { dtype: "i32", shape: x.shape },
        { dtype: "i32", shape: x.shape },
      ],
    ) as [FixedValue, FixedValue];
  let [multiplier, exponent] = split(quotient);
  let fixed = constantExponent - 30;
  if (mantissa !== 1) {
    const [m, e] = split(withScalar(ctx, "mul", ctx.widened(multiplier, "i64"), mantissa));
    multiplier = m;
    exponent = binary(ctx, "add", exponent, e);
    fixed -= 30;
  }
  // value = multiplier · 2^(exponent + fixed)
  const places = withScalar(
    ctx,
    "sub",
    builder.op("neg", {}, [exponent], "i32", exponent.shape),
    fixed,
  );
  const shift = ctx.widened(ctx.clamped(places, { lo: 1, hi: 62 }), "i8");
  return { multiplier, shift };
}

/** A bias of sums: one integer an output, along axis 1 of the model's result. */
function withBias(ctx: LoweringContext, node: GraphNode, sums: Lowered, index: number): Lowered {
  const name = node.inputs[index] ?? "";
  if (name === "") return sums;
  const bias = ctx.logical(ctx.get(name)).value;
  const at = sums.axes.indexOf(1);
  const shape = sums.axes.map((_, i) => (i === at ? bias.shape[0]! : 1)).slice(at);
  return { ...sums, value: binary(ctx, "add", sums.value, ctx.reshaped(bias, shape)) };
}

/** Products of integers, as they are or rounded to the scale that a quantised model states. */
export const integerProductRules: Readonly<Record<string, Rule>> = {
  ConvInteger: (ctx, node) => ctx.define(node.outputs[0]!, convSums(ctx, node, BARE)),
  MatMulInteger: (ctx, node) => ctx.define(node.outputs[0]!, matmulSums(ctx, node, BARE)),
  QLinearConv: (ctx, node) => {
    const sums = withBias(ctx, node, convSums(ctx, node, SCALED), 8);
    ctx.define(node.outputs[0]!, requantised(ctx, node, sums, 1));
  },
  QLinearMatMul: (ctx, node) => {
    const sums = matmulSums(ctx, node, SCALED);
    ctx.define(node.outputs[0]!, requantised(ctx, node, sums, sums.axes.length - 1));
  },
};
