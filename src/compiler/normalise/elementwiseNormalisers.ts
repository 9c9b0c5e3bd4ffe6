import { attribute } from "../graph.js";
import type { Dim, ElementType, GraphNode } from "../graph.js";
import { DATA_TYPE } from "../onnx/schema.js";
import { elementTypeOf } from "../onnx/tensor.js";
import type { NodeView } from "../shapes/nodeView.js";
import { addedConstant, addedNode, become, keepInputs, setInt, setInts } from "./normaliser.js";
import type { Normaliser } from "./normaliser.js";

/** Before operator set 7 an operand was lined up with `axis` instead of with the last axis. */
const oldBroadcast: Normaliser = (view) => {
  const { node } = view;
  const axis = view.int("axis", -1);
  const broadcast = view.int("broadcast", 0) === 1;
  node.attributes.delete("axis");
  node.attributes.delete("broadcast");
  node.attributes.delete("consumed_inputs");
  const [a, b] = [view.shape(0), view.shape(1)];
  if (!broadcast || axis < 0 || a === undefined || b === undefined) return undefined;
  const trailing = a.length - axis - b.length;
  if (trailing <= 0) return undefined;
  const shape: Dim[] = [...b, ...new Array<number>(trailing).fill(1)];
  const info = { elementType: view.elementType(1), shape };
  const aligned = addedNode(view, "aligned", "Reshape", [view.name(1)], {}, info);
  node.inputs[1] = aligned.outputs[0] ?? "";
  return [aligned, node];
};

/** Operands lined up from the last axis. */
export const binary: Normaliser = (view) => (view.opset < 7 ? oldBroadcast(view) : undefined);

/** One operand is no sum at all, two are an `Add`; `Max`, `Min` and `Mean` of two or more stay. */
const variadic: Normaliser = (view) => {
  const { node } = view;
  if (node.inputs.length === 1) become(node, "Identity");
  else if (node.inputs.length === 2 && node.opType === "Sum") node.opType = "Add";
  return undefined;
};

const FLOAT32_MAX = 3.4028234663852886e38;

/** Constant bounds become attributes; ±Infinity stands for none. */
const clip: Normaliser = (view) => {
  const bound = (name: string, i: number, none: number): number | undefined => {
    const value = view.has(i) ? view.numbers(i)?.[0] : view.float(name, none);
    return value !== undefined && Math.abs(value) >= FLOAT32_MAX
      ? Math.sign(value) * Infinity
      : value;
  };
  const min = bound("min", 1, -Infinity);
  const max = bound("max", 2, Infinity);
  if (min === undefined || max === undefined) return undefined;
  if (min === -Infinity && max === Infinity) become(view.node, "Identity");
  else if (min === 0 && max === Infinity) become(view.node, "Relu");
  else become(view.node, "Clip", { min: attribute.float(min), max: attribute.float(max) });
  return undefined;
};

/** Without training, Dropout hands its input on; the mask is all true. */
const dropout: Normaliser = (view) => {
  const { node } = view;
  if (view.has(2) && view.numbers(2)?.[0] !== 0) return undefined;
  const mask = node.outputs[1] ?? "";
  if (mask !== "") {
    const shape = view.shape(0);
    if (shape === undefined || shape.some((dim) => typeof dim === "string")) return undefined;
    const dims = shape as number[];
    const one = { elementType: "bool", dims: [1], data: Uint8Array.of(1) } as const;
    const size = addedConstant(view, "shape", {
      elementType: "int64",
      dims: [dims.length],
      data: BigInt64Array.from(dims, (d) => BigInt(d)),
    });
    const all: GraphNode = {
      name: `${node.name}#mask`,
      opType: "ConstantOfShape",
      domain: "",
      inputs: [size],
      outputs: [mask],
      attributes: new Map([["value", attribute.tensor(one)]]),
    };
    become(node, "Identity");
    return [node, all];
  }
  become(node, "Identity");
  return undefined;
};

/** `to` as the name of the element type. */
const cast: Normaliser = (view) => {
  const { node } = view;
  const to =
    node.opType === "CastLike"
      ? view.elementType(1)
      : node.attributes.get("to")?.type === "string"
        ? oldTypeName(view)
        : elementTypeOf(view.int("to", 0), `the target of node "${node.name}"`);
  if (to !== undefined) become(node, "Cast", { to: attribute.string(to) });
  return undefined;
};

/** Operator sets 1 to 5 wrote the type's name, in capitals. */
function oldTypeName(view: NodeView): ElementType {
  const name = view.string("to", "").toLowerCase();
  const aliases: Readonly<Record<string, ElementType>> = { float: "float32", double: "float64" };
  const found = aliases[name] ?? Object.values(DATA_TYPE).find((type) => type === name);
  if (found === undefined) throw view.error("BadAttribute", `cast to "${name}" is not known`);
  return found;
}

/** `axes` becomes an attribute that lists every axis, in order; `keepdims` is written out. */
const reduce: Normaliser = (view) => {
  const { node } = view;
  const rank = view.rank(0);
  const keep = view.int("keepdims", 1);
  const given = view.ints("axes") ?? (view.has(1) ? view.numbers(1) : []);
  setInt(node, "keepdims", keep);
  if (rank === undefined || given === undefined) return undefined;
  if (given.length === 0 && view.int("noop_with_empty_axes", 0) === 1) {
    if (/^Reduce(Sum|Mean|Max|Min|Prod)$/.test(node.opType)) {
      become(node, "Identity");
      return undefined;
    }
  }
  const all = Array.from({ length: rank }, (_, i) => i);
  const noop = view.int("noop_with_empty_axes", 0) === 1;
  const axes = given.length === 0 && !noop ? all : given.map((axis) => view.axis(axis, rank));
  setInts(
    node,
    "axes",
    [...new Set(axes)].sort((a, b) => a - b),
  );
  node.attributes.delete("noop_with_empty_axes");
  keepInputs(node, 1);
  return undefined;
};

const argument: Normaliser = (view) => {
  const rank = view.rank(0);
  if (rank !== undefined && rank > 0)
    setInt(view.node, "axis", view.axis(view.int("axis", 0), rank));
  return undefined;
};

/** Before operator set 7 a slope of one axis ran over the channels, axis 1. */
const prelu: Normaliser = (view) => {
  const [x, slope] = [view.shape(0), view.shape(1)];
  const channels = slope?.[0];
  if (view.opset >= 7 || x === undefined || slope?.length !== 1 || channels === 1) return undefined;
  const shape: Dim[] = [channels ?? 1, ...new Array<number>(Math.max(x.length - 2, 0)).fill(1)];
  const info = { elementType: view.elementType(1), shape };
  const aligned = addedNode(view, "slope", "Reshape", [view.name(1)], {}, info);
  view.node.inputs[1] = aligned.outputs[0] ?? "";
  return [aligned, view.node];
};

const REDUCTIONS =
  "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare";
const BINARY = "Add Sub Mul Div Pow And Or Xor Equal Greater Less";

function all(names: string, normaliser: Normaliser): Record<string, Normaliser> {
  return Object.fromEntries(names.split(" ").map((name) => [name, normaliser]));
}

export const ELEMENTWISE_NORMALISERS: Readonly<Record<string, Normaliser>> = {
  ...all(BINARY, binary),
  ...all("Sum Max Min Mean", variadic),
  ...all(REDUCTIONS, reduce),
  ...all("Cast CastLike", cast),
  ...all("ArgMax ArgMin", argument),
  Clip: clip,
  Dropout: dropout,
  PRelu: prelu,
};
