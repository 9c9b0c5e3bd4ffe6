/** Shapes as values, and tensors whose shapes are values. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { ConstantTensor, GraphNode } from "../graph.js";
import { intAttribute, isFloat, nodeError, tensorAttribute } from "../graph.js";
import { remainderUnit } from "./comparison.js";
import type { LoweringContext } from "./context.js";
import { uniform } from "./elementwise.js";
import { finish } from "./finish.js";
import type { Lowered } from "./real.js";
import { identityAxes } from "./real.js";
import type { Rule } from "./rule.js";
import { binary, castTo, integerType, wrapped } from "./wrapping.js";

/** The sizes of the model's axes from `start` to `end`. */
const lowerShape: Rule = (ctx, node) => {
  const { value, axes } = ctx.get(node.inputs[0]!);
  const { builder } = ctx;
  const wanted = identityAxes(axes.length)
    .slice(intAttribute(node, "start") ?? 0, intAttribute(node, "end"))
    .map((axis) => axes.indexOf(axis));
  const sizes = builder.op("shape", {}, [value], "i64", [axes.length]);
  const all = wanted.length === axes.length && wanted.every((axis, i) => axis === i);
  const indices = builder.constant("i32", [wanted.length], wanted);
  const picked = all
    ? sizes
    : builder.op("gather", { axis: 0 }, [sizes, indices], "i64", [wanted.length]);
  ctx.define(node.outputs[0]!, { value: picked, axes: [0] });
};

const lowerSize: Rule = (ctx, node) => {
  const { value, axes } = ctx.get(node.inputs[0]!);
  const { builder } = ctx;
  const sizes = builder.op("shape", {}, [value], "i64", [axes.length]);
  const product = builder.op("reduce.prod", { axes: [0], dtype: "i64" }, [sizes], "i64", [1]);
  ctx.define(node.outputs[0]!, { value: ctx.reshaped(product, []), axes: [] });
};

/** A tensor of one number, of the shape that input 0 holds. */
const lowerConstantOfShape: Rule = (ctx, node) => {
  const name = node.outputs[0]!;
  const shape = ctx.shapeOf(name);
  const given: ConstantTensor = tensorAttribute(node, "value") ?? {
    elementType: "float32",
    dims: [1],
    data: Float64Array.of(0),
  };
  const scalar = { ...given, dims: [] };
  const filled: Lowered = isFloat(given.elementType)
    ? ctx.realConstant([], Float64Array.from(given.data as Float64Array))
    : ctx.integerConstant(scalar);
  const { value } = filled;
  const dims = shape.map(() => FROM_OPERAND);
  const sizes = castTo(ctx.builder, ctx.get(node.inputs[0]!).value, "i64");
  const operands = dims.length === 0 ? [value] : [value, sizes];
  ctx.define(name, {
    ...filled,
    value: ctx.builder.op("expand", { dims }, operands, value.dtype, shape),
    axes: identityAxes(shape.length),
  });
};

/** An entry of dims that the shape operand gives. */
const FROM_OPERAND = -2;

/** start + i · delta, as long as that is before limit. */
const lowerRange: Rule = (ctx, node) => {
  const name = node.outputs[0]!;
  if (isFloat(ctx.elementTypeOf(name))) {
    lowerRealRange(ctx, node);
    return;
  }
  const { builder } = ctx;
  const [start, limit, delta] = node.inputs.map((input) =>
    castTo(builder, ctx.reshaped(ctx.get(input).value, []), "i64"),
  ) as [FixedValue, FixedValue, FixedValue];
  // ⌈a / b⌉ = −⌊−a / b⌋
  const back = binary(builder, "sub", start, limit);
  const count = builder.op(
    "neg",
    {},
    [builder.op("div.floor", {}, [back, delta], "i64", [])],
    "i64",
    [],
  );
  const steps = binary(builder, "mul", iota(ctx, node, count), delta);
  const value = binary(builder, "add", steps, start);
  const type = integerType(ctx.elementTypeOf(name));
  ctx.define(name, { value: wrapped(builder, value, type), axes: [0] });
};

/** 0, 1, … in i64, as many as `count` says where that is not known by now. */
function iota(ctx: LoweringContext, node: GraphNode, count: FixedValue): FixedValue {
  const { builder } = ctx;
  const [length] = ctx.shapeOf(node.outputs[0]!);
  if (length === undefined) throw nodeError("BadGraph", node, "its result must have one axis");
  if (typeof length === "number")
    return castTo(builder, builder.op("iota", { dims: [length] }, [], "i32", [length]), "i64");
  const positive = ctx.reshaped(binary(builder, "max", count, 0n), [1]);
  const numbers = builder.op("iota", { dims: [FROM_OPERAND] }, [positive], "i32", [length]);
  return castTo(builder, numbers, "i64");
}

/** Bits that a quotient keeps while it is told from the whole number next to it. */
const FRACTION_BITS = 10;

/** All in one unit, exactly, and one rounding at the end. */
function lowerRealRange(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const reals = node.inputs.map((name) => {
    const x = uniform(ctx, ctx.withoutZeroPoint(ctx.real(name, node)));
    return { ...x, value: ctx.reshaped(x.value, []) };
  });
  // Room for the fraction of the count; products with indices stay within the span.
  const unit = remainderUnit(reals, 50);
  const [start, limit, delta] = reals.map(({ value, format: { scale } }) =>
    binary(builder, "mul", castTo(builder, value, "i64"), BigInt(Math.floor(scale / unit + 0.5))),
  ) as [FixedValue, FixedValue, FixedValue];
  const span = binary(builder, "sub", limit, start);
  const ratio = builder.op(
    "div.floor",
    {},
    [binary(builder, "shl", span, BigInt(FRACTION_BITS)), delta],
    "i64",
    [],
  );
  // A hair above a whole number is that number.
  const most = (1n << BigInt(FRACTION_BITS)) - 2n;
  const count = binary(builder, "shr", binary(builder, "add", ratio, most), BigInt(FRACTION_BITS));
  const steps = binary(builder, "mul", iota(ctx, node, count), delta);
  const sum = binary(builder, "add", steps, start);
  finish(ctx, node, [0], (target) =>
    ctx.rescaled({ value: sum, axes: [0] }, unit / (target.scale as number), target),
  );
}

export const sizeRules: Readonly<Record<string, Rule>> = {
  ConstantOfShape: lowerConstantOfShape,
  Range: lowerRange,
  Shape: lowerShape,
  Size: lowerSize,
};
