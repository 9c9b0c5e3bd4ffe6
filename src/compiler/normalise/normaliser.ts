import { addConstant, addValue, attribute } from "../graph.js";
import type { Attribute, ConstantTensor, Dim, GraphNode, Shape, ValueInfo } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";

/**
 * Brings a node into normal form. Gives the nodes that replace it, or undefined when it was
 * changed in place. Everything known of its operands is at hand; its outputs are inferred after.
 */
export type Normaliser = (view: NodeView) => GraphNode[] | undefined;

export function setInt(node: GraphNode, name: string, value: number): void {
  node.attributes.set(name, attribute.int(value));
}

export function setInts(node: GraphNode, name: string, values: readonly number[]): void {
  node.attributes.set(name, attribute.ints(values));
}

/** Removes input `i` and all after it. */
export function keepInputs(node: GraphNode, count: number): void {
  node.inputs.length = Math.min(node.inputs.length, count);
  while (node.inputs.at(-1) === "") node.inputs.pop();
}

/** Turns a node into another operator of the same first input and first output. */
export function become(
  node: GraphNode,
  opType: string,
  attributes: Readonly<Record<string, Attribute>> = {},
): void {
  node.opType = opType;
  node.domain = "";
  node.inputs = node.inputs.slice(0, 1);
  node.outputs = node.outputs.slice(0, 1);
  node.attributes = new Map(Object.entries(attributes));
}

/** Turns a node into a `Reshape` to `shape`, or an `Identity` when that changes nothing. */
export function becomeReshape(view: NodeView, shape: readonly Dim[]): void {
  const from = view.shape(0);
  const unchanged = from?.length === shape.length && from.every((dim, i) => dim === shape[i]);
  become(view.node, unchanged ? "Identity" : "Reshape");
  declareOutput(view, shape);
}

/** Writes down the shape of output 0, where the shape is what defines the node. */
export function declareOutput(view: NodeView, shape: Shape): void {
  const name = view.node.outputs[0] ?? "";
  view.scope.graph.values.set(name, { elementType: view.elementType(0), shape });
}

/** A node that normalisation adds next to `view.node`; its output gets a fresh name. */
export function addedNode(
  view: NodeView,
  suffix: string,
  opType: string,
  inputs: string[],
  attributes: Readonly<Record<string, Attribute>>,
  info: ValueInfo,
): GraphNode {
  const base = view.node.outputs.find((o) => o !== "") ?? view.node.name;
  return {
    name: `${view.node.name}#${suffix}`,
    opType,
    domain: "",
    inputs,
    outputs: [addValue(view.scope.graph, `${base}#${suffix}`, info)],
    attributes: new Map(Object.entries(attributes)),
  };
}

/** A constant that normalisation adds next to `view.node`. */
export function addedConstant(view: NodeView, suffix: string, constant: ConstantTensor): string {
  const base = view.node.outputs.find((o) => o !== "") ?? view.node.name;
  return addConstant(view.scope.graph, `${base}#${suffix}`, constant);
}
