import { addConstant, addValue, attribute } from "../graph.js";
import type { Attribute, ConstantTensor, GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";

const UNKNOWN = { elementType: undefined, shape: undefined };

/**
 * Nodes that stand for an operator, to be normalised themselves: types and shapes of what is between
 * them are inferred then.
 */
export class ContribExpansion {
  readonly #view: NodeView;
  readonly #nodes: GraphNode[] = [];

  constructor(view: NodeView) {
    this.#view = view;
  }

  /** Adds a node and gives the name of its one result. */
  add(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    return this.results(opType, inputs, 1, attributes)[0]!;
  }

  /** Adds a node with several results. */
  results(
    opType: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): readonly string[] {
    const { node, scope } = this.#view;
    const base = `${this.#base}#${String(this.#nodes.length)}`;
    const outputs = Array.from({ length: count }, (_, i) =>
      addValue(scope.graph, i === 0 ? base : `${base}.${String(i)}`, { ...UNKNOWN }),
    );
    const given = [...inputs];
    while (given.at(-1) === "") given.pop();
    this.#nodes.push({
      name: `${node.name}#${String(this.#nodes.length)}`,
      opType,
      domain: "",
      inputs: given,
      outputs: [...outputs],
      attributes: new Map(Object.entries(attributes)),
    });
    return outputs;
  }

  /** Input `i` in reals, by the scale and zero point behind it. */
  dequantised(i: number, axis = 1): string {
    const inputs = [0, 1, 2].map((k) => this.#view.name(i + k));
    return this.add("DequantizeLinear", inputs, { axis: attribute.int(axis) });
  }

  /** Ends with `x` in integers, by the scale and zero point that inputs `i` and `i + 1` hold. */
  quantised(x: string, i: number): GraphNode[] {
    this.add("QuantizeLinear", [x, this.#view.name(i), this.#view.name(i + 1)]);
    return this.finish();
  }

  /** A float32 scalar. */
  number(hint: string, value: number): string {
    return this.constant(hint, {
      elementType: "float32",
      dims: [],
      data: Float64Array.of(value),
    });
  }

  constant(hint: string, constant: ConstantTensor): string {
    return addConstant(this.#view.scope.graph, `${this.#base}#${hint}`, constant);
  }

  /** Gives a result that was added another name. */
  rename(from: string, to: string): string {
    this.#view.scope.graph.values.delete(from);
    for (const node of this.#nodes) {
      node.inputs = node.inputs.map((name) => (name === from ? to : name));
      node.outputs = node.outputs.map((name) => (name === from ? to : name));
    }
    return to;
  }

  /** Ends: the last node's result is the operator's own. */
  finish(): GraphNode[] {
    const output = this.#view.node.outputs[0] ?? "";
    const last = this.#nodes.at(-1)!;
    if (output !== "") this.rename(last.outputs[0]!, output);
    return this.#nodes;
  }

  get #base(): string {
    const { node } = this.#view;
    return node.outputs.find((name) => name !== "") ?? node.name;
  }
}
