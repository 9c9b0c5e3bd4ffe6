import type { Dim, GraphNode } from "../graph.js";
import { intsAttribute } from "../graph.js";
import { productOfDims } from "./dims.js";
import type { NodeView, ShapeRule } from "./nodeView.js";

/** How many there are is known when running: a name of the node's own. */
function openCount(view: NodeView): string {
  return `${view.node.outputs.find((name) => name !== "") ?? view.node.name}_count`;
}

const compress: ShapeRule = (view) => {
  const x = view.shape(0);
  const elementType = view.elementType(0);
  const chosen = view.constant(1);
  const count: Dim =
    chosen === undefined
      ? openCount(view)
      : Array.from(chosen.data as ArrayLike<number>).filter((v) => v !== 0).length;
  if (!view.node.attributes.has("axis")) return [{ elementType, shape: [count] }];
  if (x === undefined) return [{ elementType, shape: undefined }];
  const axis = view.axis(view.int("axis", 0), x.length);
  return [{ elementType, shape: x.map((dim, i) => (i === axis ? count : dim)) }];
};

const unique: ShapeRule = (view) => {
  const x = view.shape(0);
  const elementType = view.elementType(0);
  const count = openCount(view);
  const known = view.node.attributes.has("axis");
  const axis = known && x !== undefined ? view.axis(view.int("axis", 0), x.length) : 0;
  const values = known ? x?.map((dim, i) => (i === axis ? count : dim)) : [count];
  const all = x === undefined ? undefined : known ? x[axis] : productOfDims(x);
  const counts = { elementType: "int64", shape: [count] } as const;
  return [
    { elementType, shape: values },
    counts,
    { elementType: "int64", shape: all === undefined ? undefined : [all] },
    counts,
  ];
};

/** Dimensions of what MaxPool read, by the attributes of a MaxUnpool. */
export function unpooledDims(node: GraphNode, x: readonly number[]): number[] {
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  const strides = intsAttribute(node, "strides") ?? kernel.map(() => 1);
  const pads = intsAttribute(node, "pads") ?? [...kernel, ...kernel].map(() => 0);
  return x.map((dim, axis) => {
    const i = axis - 2;
    if (i < 0) return dim;
    const padded = (pads[i] ?? 0) + (pads[i + kernel.length] ?? 0);
    return (dim - 1) * (strides[i] ?? 1) - padded + (kernel[i] ?? 1);
  });
}

const maxUnpool: ShapeRule = (view) => {
  const x = view.shape(0);
  const elementType = view.elementType(0);
  if (view.has(2)) {
    const stated = view.numbers(2);
    const open = x?.map((_, i) => `${view.node.outputs[0] ?? ""}_${String(i)}`);
    return [{ elementType, shape: stated ?? open }];
  }
  if (x?.every((dim) => typeof dim === "number") !== true)
    return [{ elementType, shape: undefined }];
  return [{ elementType, shape: unpooledDims(view.node, x as number[]) }];
};

const featureExtractor: ShapeRule = (view) => {
  const x = view.shape(0);
  const indices = view.shape(1);
  const elementType = view.elementType(0);
  if (x === undefined || indices === undefined) return [{ elementType, shape: undefined }];
  const lead = x.length === 1 ? [1] : x.slice(0, -1);
  return [{ elementType, shape: [...lead, productOfDims(indices)] }];
};

const suppression: ShapeRule = (view) => [{ elementType: "int64", shape: [openCount(view), 3] }];

const ngrams: ShapeRule = (view) => {
  const slots = Math.max(-1, ...(view.ints("ngram_indexes") ?? [])) + 1;
  const lead = view.shape(0)?.slice(0, -1);
  return [{ elementType: "float32", shape: lead === undefined ? undefined : [...lead, slots] }];
};

const same: ShapeRule = (view) => [{ elementType: view.elementType(0), shape: view.shape(0) }];

export const INDEXING_RULES: Readonly<Record<string, ShapeRule>> = {
  "ai.onnx.ml.ArrayFeatureExtractor": featureExtractor,
  Compress: compress,
  MaxUnpool: maxUnpool,
  NonMaxSuppression: suppression,
  ReverseSequence: same,
  TfIdfVectorizer: ngrams,
  Unique: unique,
};
