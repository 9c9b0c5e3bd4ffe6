/** NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: exact sums over the classes that are meant. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { intAttribute, nodeError, stringAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { dividedInto } from "./division.js";
import { uniform } from "./elementwise.js";
import type { UniformReal } from "./elementwise.js";
import { finish } from "./finish.js";
import { narrowed } from "./realReduction.js";
import type { Format } from "./real.js";
import { format, identityAxes } from "./real.js";
import type { Rule } from "./rule.js";
import { roundScale } from "./scale.js";
import { logProbabilities, scoresOf } from "./softmax.js";

/** Bits of logarithms and of weights: their products add up within i64. */
const FACTOR_BITS = 22;
/** Bits of a sum of products. */
const SUM_BITS = 60;

function lossOf(ctx: LoweringContext, node: GraphNode, logProbability: UniformReal): void {
  const { builder } = ctx;
  const x = narrowed(ctx, logProbability, FACTOR_BITS);
  const { shape } = x.value;
  const rank = shape.length;
  const classes = shape[1];
  if (typeof classes !== "number") {
    throw nodeError(
      "OpenDimension",
      node,
      `the number of classes "${String(classes)}" must be known; pin it with --dim ${String(classes)}=N`,
    );
  }
  const along = (dim: Dim): Dim[] => [1, dim, ...new Array<Dim>(rank - 2).fill(1)];
  const one: Dim[] = shape.map((dim, i) => (i === 1 ? 1 : dim));
  const target = ctx.widened(ctx.logical(ctx.get(node.inputs[1]!)).value, "i64");
  const wanted = ctx.reshaped(target, one);
  const numbers = builder.constant(
    "i64",
    along(classes) as number[],
    Array.from({ length: classes }, (_, i) => i),
  );
  const meant = builder.op("eq", {}, [wanted, numbers], "bool", shape);
  const ignored = intAttribute(node, "ignore_index");
  const counted =
    ignored === undefined
      ? meant
      : builder.op(
          "and",
          {},
          [
            meant,
            builder.op(
              "not",
              {},
              [builder.op("eq", {}, [wanted, builder.scalar("i64", BigInt(ignored))], "bool", one)],
              "bool",
              one,
            ),
          ],
          "bool",
          shape,
        );
  const weightName = node.inputs[2] ?? "";
  const weights =
    weightName === ""
      ? undefined
      : narrowed(
          ctx,
          uniform(ctx, ctx.withoutZeroPoint(ctx.logical(ctx.real(weightName, node)))),
          FACTOR_BITS,
        );
  const nothing = builder.scalar("i64", 0n);
  const chosen = (value: FixedValue): FixedValue =>
    builder.op("select", {}, [counted, value, nothing], "i64", shape);
  let unit = x.format.scale;
  let weightUnit = 1;
  let terms: FixedValue;
  let shares: FixedValue;
  if (weights === undefined) {
    terms = chosen(ctx.widened(x.value, "i64"));
    shares = ctx.widened(counted, "i64");
  } else {
    weightUnit = weights.format.scale;
    unit *= weightUnit;
    const factors = ctx.widened(ctx.reshaped(weights.value, along(classes)), "i32");
    const logs = ctx.widened(x.value, "i32");
    terms = chosen(builder.op("mul.wide", { accumulator: "i64" }, [logs, factors], "i64", shape));
    shares = chosen(ctx.widened(factors, "i64"));
  }
  const reduction = stringAttribute(node, "reduction") ?? "mean";
  const all = identityAxes(rank);
  const sum = (value: FixedValue, axes: number[]): FixedValue => {
    const kept = shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
    return builder.op("reduce.sum", { axes, dtype: "i64" }, [value], "i64", kept);
  };
  const result = ctx.shapeOf(node.outputs[0]!);
  const axes = identityAxes(result.length);
  finish(ctx, node, axes, (held) => {
    const emit = (): FixedValue => {
      if (reduction === "mean") {
        const factor = -unit / weightUnit;
        const [total, share] = [sum(terms, all), sum(shares, all)];
        return dividedInto(ctx, total, SUM_BITS, share, factor, held, all, total.shape);
      }
      const value = sum(terms, reduction === "none" ? [1] : all);
      return ctx.rescaled({ value, axes: all }, -unit / (held.scale as number), held);
    };
    return ctx.reshaped(emit(), result);
  });
}

function lowerNegativeLogLikelihood(ctx: LoweringContext, node: GraphNode): void {
  lossOf(
    ctx,
    node,
    ctx.logical(uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node)))),
  );
}

function lowerCrossEntropy(ctx: LoweringContext, node: GraphNode): void {
  const scores = ctx.logical(scoresOf(ctx, node)) as UniformReal;
  const { lo, hi, scale } = scores.format;
  const reach = 2 * Math.max(Math.abs(lo), Math.abs(hi)) * scale + 64;
  const fine: Format = format("i32", roundScale(reach / 0x3fffffff), 0, [-0x3fffffff, 0x3fffffff]);
  const value = logProbabilities(ctx, scores, 1, fine);
  const logs = { value, axes: scores.axes, format: fine } as UniformReal;
  lossOf(ctx, node, logs);
  const name = node.outputs[1] ?? "";
  if (name !== "") ctx.define(name, ctx.requantise(logs, ctx.formats.choose(name, node)));
}

export const lossRules: Readonly<Record<string, Rule>> = {
  NegativeLogLikelihoodLoss: lowerNegativeLogLikelihood,
  SoftmaxCrossEntropyLoss: lowerCrossEntropy,
};
