import { elementTypeOf } from "../onnx/tensor.js";
import { countOf, zeros } from "../fold/arrays.js";
import { attribute, isFloat } from "../graph.js";
import type { GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { Expansion } from "./expansion.js";
import { addedConstant, setInt } from "./normaliser.js";
import type { Normaliser } from "./normaliser.js";

/**
 * `axis` stays only where there are scales along it; `block_size` where each is for a block of it. The
 * type that is quantised to is that of the zero point.
 */
const quantisation: Normaliser = (view) => {
  const { node } = view;
  const scale = view.shape(1);
  const target = view.int("output_dtype", 0);
  if (node.opType === "QuantizeLinear" && !view.has(2) && target !== 0) {
    const elementType = elementTypeOf(target, `the target of node "${node.name}"`);
    const dims = (scale ?? []).map((dim) => (typeof dim === "number" ? dim : 1));
    const data = zeros(elementType, countOf(dims));
    if (data === undefined || elementType === "bool" || data instanceof Float64Array)
      throw view.error("UnsupportedType", `quantising to ${elementType} is not supported`);
    node.inputs[2] = addedConstant(view, "zero_point", { elementType, dims, data });
  }
  node.attributes.delete("output_dtype");
  node.attributes.delete("saturate");
  node.attributes.delete("precision");
  const block = view.int("block_size", 0);
  if (block < 0) throw view.error("BadAttribute", `block_size ${String(block)} is negative`);
  if (block === 0) node.attributes.delete("block_size");
  const rank = view.rank(0);
  const perTensor = scale?.length === 0 || (scale?.length === 1 && scale[0] === 1);
  if (perTensor) node.attributes.delete("axis");
  else if (rank !== undefined) setInt(node, "axis", view.axis(view.int("axis", 1), rank));
  return node.opType === "DequantizeLinear" && isFloat(view.elementType(0))
    ? scaledFloats(view)
    : undefined;
};

/** Floats of 8 bits are reals already, with a zero point of 0: what is left is a product. */
function scaledFloats(view: NodeView): GraphNode[] {
  if (view.node.attributes.has("block_size"))
    throw view.error("UnsupportedOperator", "blocks of 8-bit floats are not supported");
  const e = new Expansion(view);
  const [shape, type] = [view.shape(0), view.elementType(1)];
  const to = attribute.string(type ?? "float32");
  const x = e.op("Cast", [view.name(0)], { to }, shape, type);
  const axis = view.node.attributes.has("axis") ? view.int("axis", 1) : undefined;
  const along = shape?.map((dim, i) => (i === axis ? dim : 1)) ?? [];
  const scale = e.reshape(view.name(1), axis === undefined ? [] : along, type);
  e.op("Mul", [x, scale], {}, shape, type);
  return e.finish();
}

export const QUANTISED_NORMALISERS: Readonly<Record<string, Normaliser>> = {
  DequantizeLinear: quantisation,
  QuantizeLinear: quantisation,
};
