/** Powers whose exponents are tensors. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { isFloat } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { aligned, physicalShape, uniform } from "./elementwise.js";
import type { UniformReal } from "./elementwise.js";
import { finish } from "./finish.js";
import { log2Of, logInteger } from "./logarithm.js";
import { powerOf } from "./realReduction.js";
import type { Format, Real } from "./real.js";
import { format } from "./real.js";
import type { Rule } from "./rule.js";

/** Operand `i` in i32; whole exponents are reals in steps of 1. */
function operand(ctx: LoweringContext, node: GraphNode, i: number): UniformReal {
  const lowered = ctx.get(node.inputs[i]!);
  const real: Real =
    lowered.format === undefined
      ? { value: ctx.widened(lowered.value, "i32"), axes: lowered.axes, format: format("i32", 1) }
      : (lowered as Real);
  const x = uniform(ctx, ctx.withoutZeroPoint(real));
  return { ...x, value: ctx.widened(x.value, "i32") };
}

/**
 * `x^y = 2^(y·log2 |x|)`, negative where x is negative and y odd. What is not a real number (a
 * fractional power of a negative one) is taken of the magnitude.
 */
function lowerPower(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const rank = ctx.shapeOf(node.outputs[0]!).length;
  const both = [operand(ctx, node, 0), operand(ctx, node, 1)];
  const { operands, axes } = aligned(ctx, both, rank);
  const [x, y] = operands as [UniformReal, UniformReal];
  const shape = physicalShape(ctx, node, axes);
  const zero = builder.scalar("i32", 0n);
  const own = x.value.shape;
  const size = builder.op("abs", {}, [x.value], "i32", own);
  const logs = builder.op(
    "add",
    {},
    [log2Of(ctx, size), builder.scalar("i32", logInteger(x.format.scale))],
    "i32",
    own,
  );
  const products = builder.op("mul.wide", { accumulator: "i64" }, [y.value, logs], "i64", shape);
  const exponent = ctx.rescaled({ value: products, axes }, y.format.scale, format("i32", 1));
  const whole = ctx.rescaled(y, y.format.scale, format("i32", 1));
  const isOdd = ctx.widened(
    builder.op("and", {}, [whole, builder.scalar("i32", 1n)], "i32", y.value.shape),
    "bool",
  );
  const conjunction = (a: FixedValue, b: FixedValue): FixedValue =>
    builder.op("and", {}, [a, b], "bool", shape);
  const below = (a: FixedValue, b: FixedValue, of: readonly (string | number)[]): FixedValue =>
    builder.op("lt", {}, [a, b], "bool", of);
  const negative = conjunction(below(x.value, zero, own), isOdd);
  const nothing = conjunction(
    builder.op("eq", {}, [x.value, zero], "bool", own),
    below(zero, y.value, y.value.shape),
  );
  const emit = (target: Format): FixedValue => {
    const magnitude = powerOf(ctx, ctx.widened(exponent, "i64"), target);
    const opposite = builder.op("neg", {}, [magnitude], "i32", shape);
    const signed = builder.op("select", {}, [negative, opposite, magnitude], "i32", shape);
    const value = builder.op("select", {}, [nothing, zero, signed], "i32", shape);
    return ctx.rescaled({ value, axes }, 1, target);
  };
  const output = node.outputs[0]!;
  const next = ctx.soleConsumer(output);
  if (next?.opType === "Cast" && !isFloat(ctx.elementTypeOf(next.outputs[0]!))) {
    // A power of whole numbers must not be truncated to the next lower one.
    const near = format("i32", WHOLE_STEP);
    ctx.define(output, { value: emit(near), axes, format: near });
    return;
  }
  finish(ctx, node, axes, emit);
}

/** Results that are about to be truncated come in steps that are coarser than their error. */
const WHOLE_STEP = 1 / 256;

export const powerRules: Readonly<Record<string, Rule>> = { Pow: lowerPower };
