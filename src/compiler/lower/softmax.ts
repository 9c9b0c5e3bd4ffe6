/** Softmax and its logarithm from exact parts. */
import { functions } from "../elementary.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { intAttribute, isFloat, nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { uniform } from "./elementwise.js";
import { finish } from "./finish.js";
import { functionTable } from "./functionTable.js";
import { addedLog } from "./logarithm.js";
import { binary } from "./quotient.js";
import type { Format, Real } from "./real.js";
import { format, scaleRatio } from "./real.js";
import type { Rule } from "./rule.js";
import { exponentOf, powerOfTwo, scaleByPowerOfTwo } from "./scale.js";
import { wideFunction } from "./wideFunction.js";

/**
 * Fractional bits of exponentials: three more than 16-bit results have, which a table of 2^13
 * segments still reaches; results of more bits, and sums of so many that their roundings would
 * show, take a full table.
 */
const EXP_BITS = { short: 18, long: 24 } as const;
/** Each exponential is off by up to half a unit: of so many the sum is off by 2^−11. */
const SHORT_AXIS = 128;
/** Bits of the reciprocal of a sum of one: what its rounding costs a probability is below 2^−30. */
const RECIPROCAL_BITS = 30;
/** e^−16 is below half a step of 16 bits, e^−22 of 24. */
const LOWEST = { i8: -16, i16: -16, i32: -22 } as const;

export interface Exponentials {
  /** `e^(x − greatest) / unit` in i32. */
  readonly powers: FixedValue;
  readonly unit: number;
  readonly greatest: FixedValue;
  /** `x − greatest`, in i32. */
  readonly below: FixedValue;
}

/** Exponentials of reals below the greatest along some of the program's axes. */
export function exponentials(
  ctx: LoweringContext,
  x: Real & { readonly format: { readonly scale: number } },
  axes: readonly number[],
): Exponentials {
  const { builder } = ctx;
  const { shape } = x.value;
  const kept = shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const scores = ctx.widened(x.value, "i32");
  const greatest = builder.op("reduce.max", { axes: [...axes] }, [scores], "i32", kept);
  const below = builder.op("sub", {}, [scores, greatest], "i32", shape);
  const { dtype } = ctx.profile.activation;
  const terms = axes.reduce<number>((n, axis) => {
    const dim = shape[axis]!;
    return n * (typeof dim === "number" ? dim : Infinity);
  }, 1);
  const unit = powerOfTwo(-EXP_BITS[terms <= SHORT_AXIS && dtype !== "i32" ? "short" : "long"]);
  const output = format("i32", unit, 0, [0, 1 / unit]);
  const domain = [LOWEST[dtype], 0] as const;
  const source = { value: below, axes: x.axes, format: format("i32", x.format.scale) };
  const narrow = (target: Real["format"]): FixedValue =>
    ctx.rescaled(source, scaleRatio(x.format.scale, target.scale), target);
  let powers: FixedValue;
  if (dtype === "i32") powers = wideFunction(ctx, functions.Exp, domain, output, x.axes, narrow);
  else {
    const table = functionTable(functions.Exp, domain, unit, output);
    const entries = builder.constant(table.dtype, [table.entries.length], table.entries);
    const index = narrow(table.argument);
    powers =
      table.kind === "direct"
        ? builder.op("lut", {}, [index, entries], "i32", shape)
        : builder.op(
            "lut.interpolate",
            { segmentsLog2: table.segmentsLog2, guardBits: table.guardBits, dtype: "i32" },
            [index, entries],
            "i32",
            shape,
          );
  }
  return { powers, unit, greatest, below };
}

export function scoresOf(
  ctx: LoweringContext,
  node: GraphNode,
): Real & { readonly format: { readonly scale: number } } {
  if (!isFloat(ctx.elementTypeOf(node.inputs[0]!)))
    throw nodeError("UnsupportedType", node, `${node.opType} needs reals`);
  return uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)));
}

/**
 * Softmax: the greatest score is subtracted in integers, exponentials come from one table, their
 * sum is exact, and products with its reciprocal are rounded once. A quotient an element instead,
 * no more accurate, took four times as long.
 */
function lowerSoftmax(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const x = scoresOf(ctx, node);
  const axis = x.axes.indexOf(intAttribute(node, "axis") ?? x.axes.length - 1);
  const { shape } = x.value;
  const kept = shape.map((dim, i) => (i === axis ? 1 : dim));
  const { powers, unit } = exponentials(ctx, x, [axis]);
  const total = builder.op("reduce.sum", { axes: [axis], dtype: "i64" }, [powers], "i64", kept);
  finish(ctx, node, x.axes, (target) => {
    // The greatest exponential is 1, so the sum is at least that and its reciprocal fits.
    const steps = 1 / (target.scale as number);
    const shift = RECIPROCAL_BITS - 1 - exponentOf(unit) - exponentOf(steps);
    const one = builder.scalar("i64", BigInt(Math.floor(scaleByPowerOfTwo(steps, shift) + 0.5)));
    const reciprocal = ctx.widened(binary(ctx, "div.floor", one, total), "i32");
    const imm = { accumulator: "i64" } as const;
    const value = builder.op("mul.wide", imm, [powers, reciprocal], "i64", shape);
    return ctx.rescaled({ value, axes: x.axes }, powerOfTwo(-shift), target);
  });
}

/** The logarithm of softmax: `x − greatest − log Σ e^(x − greatest)`. */
export function logProbabilities(
  ctx: LoweringContext,
  x: Real & { readonly format: { readonly scale: number } },
  axis: number,
  target: Format,
): FixedValue {
  const { powers, below, unit } = exponentials(ctx, x, [axis]);
  const kept = below.shape.map((dim, i) => (i === axis ? 1 : dim));
  const imm = { axes: [axis], dtype: "i64" } as const;
  const total = ctx.builder.op("reduce.sum", imm, [powers], "i64", kept);
  return addedLog(ctx, below, x.format.scale, total, unit, target, -1);
}

function lowerLogSoftmax(ctx: LoweringContext, node: GraphNode): void {
  const x = scoresOf(ctx, node);
  const axis = x.axes.indexOf(intAttribute(node, "axis")!);
  finish(ctx, node, x.axes, (target) => logProbabilities(ctx, x, axis, target));
}

export const softmaxRules: Readonly<Record<string, Rule>> = {
  LogSoftmax: lowerLogSoftmax,
  Softmax: lowerSoftmax,
};
