/** TfIdfVectorizer over integers: how often each n-gram of a pool occurs. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import {
  floatsAttribute,
  intAttribute,
  intsAttribute,
  isFloat,
  nodeError,
  stringAttribute,
} from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { inOrder } from "./gathering.js";
import { IndexMath } from "./indexMath.js";
import { identityAxes } from "./real.js";

export function lowerNgrams(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const input = node.inputs[0]!;
  if (isFloat(ctx.elementTypeOf(input)))
    throw nodeError("UnsupportedType", node, "n-grams of reals are not supported");
  const dims = ctx.fixedDims(input, node);
  const length = dims[dims.length - 1]!;
  const rows = dims.length === 1 ? 1 : dims[0]!;
  const name = node.outputs[0]!;
  const shape = ctx.fixedDims(name, node);
  const slots = shape[shape.length - 1]!;
  const x = math.cast(inOrder(ctx, input).value, "i64");
  const tokens = math.reshape(x, [rows, length]);

  const slotOf = intsAttribute(node, "ngram_indexes")!;
  const counts: FixedValue[] = [];
  const places: number[] = [];
  let before = 0;
  for (const [n, pool] of pools(node)) {
    if (
      n >= intAttribute(node, "min_gram_length")! &&
      n <= intAttribute(node, "max_gram_length")!
    ) {
      const skips = n === 1 ? 0 : intAttribute(node, "max_skip_count")!;
      for (let skip = 0; skip <= skips; skip++) {
        if ((n - 1) * (skip + 1) >= length) continue;
        counts.push(occurrences(math, tokens, pool, n, skip + 1));
        for (let g = 0; g < pool.length / n; g++) places.push(slotOf[before + g]!);
      }
    }
    before += pool.length / n;
  }
  const none = math.constant(new Array<number>(rows * slots).fill(0), [rows, slots]);
  const sums =
    counts.length === 0
      ? none
      : math.op(
          "scatter.add",
          { axis: 1 },
          [none, math.constant(places), math.concat(counts, 1, places.length)],
          "i32",
          [rows, slots],
        );
  const mode = stringAttribute(node, "mode");
  const value = ctx.reshaped(
    mode === "IDF" ? math.arithmetic("min", sums, math.scalar(1)) : sums,
    shape,
  );
  const weights = new Array<number>(slots).fill(1);
  if (mode !== "TF") {
    // The pool's order is that of the n-grams, not of their slots.
    floatsAttribute(node, "weights")?.forEach((weight, g) => (weights[slotOf[g]!] = weight));
  }
  finish(ctx, node, identityAxes(shape.length), (target) =>
    ctx.rescaledByPosition(
      value,
      [slots],
      weights.map((weight) => weight / (target.scale as number)),
      target,
    ),
  );
}

/** Lengths of n-grams and the pool of each, n numbers an n-gram. */
function pools(node: GraphNode): [number, bigint[]][] {
  const pool = node.attributes.get("pool_int64s");
  if (pool?.type !== "ints")
    throw nodeError("UnsupportedType", node, "n-grams of strings are not supported");
  const starts = intsAttribute(node, "ngram_counts")!;
  return starts.map((start, i) => [i + 1, pool.value.slice(start, starts[i + 1])]);
}

/** How often each n-gram occurs in each row, its tokens `stride` apart: [rows, n-grams]. */
function occurrences(
  math: IndexMath,
  tokens: FixedValue,
  pool: readonly bigint[],
  n: number,
  stride: number,
): FixedValue {
  const [rows, length] = tokens.shape as [number, number];
  const starts = length - (n - 1) * stride;
  const grams = pool.length / n;
  let all: FixedValue | undefined;
  for (let j = 0; j < n; j++) {
    const wanted = pool.filter((_, i) => i % n === j);
    const taken = math.slice(tokens, 1, j * stride, j * stride + starts, starts);
    const same = math.compare(
      "eq",
      math.reshape(taken, [rows, starts, 1]),
      math.wideConstant(wanted),
    );
    all = all === undefined ? same : math.arithmetic("and", all, same);
  }
  const ones = math.cast(all!, "u8");
  const sums = math.op("reduce.sum", { axes: [1], dtype: "i32" }, [ones], "i32", [rows, 1, grams]);
  return math.reshape(sums, [rows, grams]);
}
