/** Attention and RotaryEmbedding, written out. */
import { attribute, int64Vector } from "../graph.js";
import type { GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { ContribExpansion } from "./contribExpansion.js";

/** What is added to a score that must not count: far below any other. */
const MASKED = -65_504;

/** Operators of ONNX as few nodes more, so that exporters may say either. */
class Writer extends ContribExpansion {
  ints(hint: string, values: readonly number[]): string {
    return this.constant(hint, int64Vector(values));
  }

  reshape(x: string, shape: readonly number[]): string {
    return this.add("Reshape", [x, this.ints("shape", shape)]);
  }

  transpose(x: string, perm: readonly number[]): string {
    return this.add("Transpose", [x], { perm: attribute.ints(perm) });
  }

  /** 0, 1, … along an axis of x. */
  places(x: string, axis: number): string {
    const part = { start: attribute.int(axis), end: attribute.int(axis + 1) };
    const size = this.reshape(this.add("Shape", [x], part), []);
    const [zero, one] = [0, 1].map((v) =>
      this.constant("place", { ...int64Vector([v]), dims: [] }),
    ) as [string, string];
    return this.add("Range", [zero, size, one]);
  }

  concat(axis: number, ...parts: string[]): string {
    return this.add("Concat", parts, { axis: attribute.int(axis) });
  }

  slice(x: string, axis: number, start: number, end: number, step = 1): string {
    const parameters = [[start], [end], [axis], [step]].map((v) => this.ints("slice", v));
    return this.add("Slice", [x, ...parameters]);
  }
}

/** Beyond the end of any axis. */
const TO_THE_END = Number.MAX_SAFE_INTEGER;

/**
 * Query, key and value by heads, scores over the root of their size, a mask, softmax, and the sum of
 * values by it. Undefined where a causal mask meets past keys, or the scores themselves are wanted.
 */
function attention(view: NodeView): GraphNode[] | undefined {
  const { node } = view;
  const [output = "", presentKey = "", presentValue = "", inner = ""] = node.outputs;
  const rank = view.rank(0);
  if (inner !== "" || output === "" || rank === undefined) return undefined;
  if (rank !== 3 && rank !== 4) throw view.shapeError("query must have 3 or 4 axes");
  const w = new Writer(view);
  const axis = rank - 2;
  const heads = (i: number): number | undefined => {
    const stated = view.int(i === 0 ? "q_num_heads" : "kv_num_heads", 0);
    const found = rank === 4 ? view.shape(i)?.[1] : stated;
    return typeof found === "number" && found > 0 ? found : undefined;
  };
  const [queries, keys] = [heads(0), heads(1)];
  if (queries === undefined || keys === undefined || queries % keys !== 0)
    throw view.error("BadAttribute", "the numbers of heads must be known, and divide");
  const byHeads = (i: number, count: number): string =>
    rank === 4
      ? view.name(i)
      : w.transpose(w.reshape(view.name(i), [0, 0, count, -1]), [0, 2, 1, 3]);
  const query = byHeads(0, queries);
  let key = byHeads(1, keys);
  let value = byHeads(2, keys);
  if (view.has(4)) {
    key = w.concat(2, view.name(4), key);
    value = w.concat(2, view.name(5), value);
  }
  if (presentKey !== "") key = w.rename(w.add("Identity", [key]), presentKey);
  if (presentValue !== "") value = w.rename(w.add("Identity", [value]), presentValue);
  if (keys !== queries) {
    const group = queries / keys;
    const each = Array.from({ length: queries }, (_, i) => Math.floor(i / group));
    const repeated = (x: string): string =>
      w.add("Gather", [x, w.ints("heads", each)], { axis: attribute.int(1) });
    key = repeated(key);
    value = repeated(value);
  }
  const width = view.shape(0)?.at(-1);
  const size = typeof width === "number" ? (rank === 4 ? width : width / queries) : undefined;
  const scale = view.node.attributes.has("scale")
    ? view.float("scale", 1)
    : size === undefined
      ? undefined
      : 1 / Math.sqrt(size);
  if (scale === undefined) return undefined;
  const products = w.add("MatMul", [query, w.transpose(key, [0, 1, 3, 2])]);
  let scores = w.add("Mul", [products, w.number("scale", scale)]);
  if (view.has(3)) {
    scores =
      view.elementType(3) === "bool"
        ? w.add("Where", [view.name(3), scores, w.number("masked", MASKED)])
        : w.add("Add", [scores, view.name(3)]);
  }
  if (view.int("is_causal", 0) === 1) {
    // Where a causal mask begins behind past keys, runtimes do not agree.
    if (view.has(4)) return undefined;
    const [row, column] = [w.places(view.name(0), axis), w.places(view.name(1), axis)];
    const later = w.add("Less", [w.reshape(row, [-1, 1]), column]);
    const mask = w.add("Where", [later, w.number("masked", MASKED), w.number("seen", 0)]);
    scores = w.add("Add", [scores, mask]);
  }
  const softcap = view.float("softcap", 0);
  if (softcap !== 0) {
    const small = w.add("Mul", [scores, w.number("per_cap", 1 / softcap)]);
    scores = w.add("Mul", [w.add("Tanh", [small]), w.number("cap", softcap)]);
  }
  const shares = w.add("Softmax", [scores], { axis: attribute.int(-1) });
  const result = w.add("MatMul", [shares, value]);
  if (rank === 3) w.reshape(w.transpose(result, [0, 2, 1, 3]), [0, 0, -1]);
  return w.finish();
}

/** Turns pairs of elements by the angles whose cosines and sines are given for each position. */
function rotaryEmbedding(view: NodeView): GraphNode[] | undefined {
  const rank = view.rank(0);
  if (rank !== 3 && rank !== 4) return undefined;
  const w = new Writer(view);
  const heads = view.int("num_heads", 0);
  if (rank === 3 && heads <= 0)
    throw view.error("BadAttribute", `attribute "num_heads" is needed for an input of 3 axes`);
  const x =
    rank === 4
      ? view.name(0)
      : w.transpose(w.reshape(view.name(0), [0, 0, heads, -1]), [0, 2, 1, 3]);
  const angles = (i: number): string => {
    const cache = view.name(i);
    const at = view.has(3)
      ? w.add("Gather", [cache, view.name(3)], { axis: attribute.int(0) })
      : cache;
    return w.add("Unsqueeze", [at, w.ints("axis", [1])]);
  };
  const [cos, sin] = [angles(1), angles(2)];
  const part = view.int("rotary_embedding_dim", 0);
  const half = view.shape(1)?.at(-1);
  if (typeof half !== "number") return undefined;
  const turning = part > 0 ? w.slice(x, 3, 0, part) : x;
  const interleaved = view.int("interleaved", 0) === 1;
  const [a, b] = interleaved
    ? [w.slice(turning, 3, 0, TO_THE_END, 2), w.slice(turning, 3, 1, TO_THE_END, 2)]
    : [w.slice(turning, 3, 0, half), w.slice(turning, 3, half, TO_THE_END)];
  const mul = (p: string, q: string): string => w.add("Mul", [p, q]);
  const real = w.add("Sub", [mul(cos, a), mul(sin, b)]);
  const imaginary = w.add("Add", [mul(sin, a), mul(cos, b)]);
  let turned: string;
  if (interleaved) {
    const column = (y: string): string => w.add("Unsqueeze", [y, w.ints("axis", [4])]);
    turned = w.reshape(w.concat(4, column(real), column(imaginary)), [0, 0, 0, 2 * half]);
  } else turned = w.concat(3, real, imaginary);
  if (part > 0) turned = w.concat(3, turned, w.slice(x, 3, part, TO_THE_END));
  if (rank === 3) w.reshape(w.transpose(turned, [0, 2, 1, 3]), [0, 0, -1]);
  return w.finish();
}

/** Operators that become others of ONNX, which are then brought into normal form themselves. */
export const ATTENTION_OPERATORS: Readonly<
  Record<string, (view: NodeView) => GraphNode[] | undefined>
> = {
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
};

/** The nodes that stand for a node of one of those operators. */
export function expandAttention(view: NodeView): GraphNode[] | undefined {
  const { node } = view;
  if (node.domain !== "" || !Object.hasOwn(ATTENTION_OPERATORS, node.opType)) return undefined;
  return ATTENTION_OPERATORS[node.opType]!(view);
}
