import { addConstant, addValue, attribute, int64Vector } from "../graph.js";
import type { Attribute, ConstantTensor, Dim, ElementType, GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";

/** The nodes that replace a composite operator, while they are written down. */
export class Expansion {
  readonly view: NodeView;
  readonly nodes: GraphNode[] = [];

  constructor(view: NodeView) {
    this.view = view;
  }

  /** Adds a node with one result and gives the name of that; element type of the operator's input 0 unless said. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    shape: readonly Dim[] | undefined,
    elementType: ElementType | undefined = this.view.elementType(0),
  ): string {
    const { node, scope } = this.view;
    const suffix = String(this.nodes.length);
    const name = addValue(scope.graph, `${this.#base}#${suffix}`, { elementType, shape });
    this.nodes.push({
      name: `${node.name}#${suffix}`,
      opType,
      domain: "",
      inputs: [...inputs],
      outputs: [name],
      attributes: new Map(Object.entries(attributes)),
    });
    return name;
  }

  reshape(x: string, shape: readonly Dim[], elementType?: ElementType): string {
    return this.op("Reshape", [x], {}, shape, elementType ?? this.#typeOf(x));
  }

  transpose(x: string, perm: readonly number[], shape: readonly Dim[]): string {
    const moved = perm.map((axis) => shape[axis] ?? 1);
    return this.op("Transpose", [x], { perm: attribute.ints(perm) }, moved, this.#typeOf(x));
  }

  /** Adds a constant; it keeps the operator's name, so that reports tell where it is from. */
  constant(hint: string, constant: ConstantTensor): string {
    return addConstant(this.view.scope.graph, `${this.#base}#${hint}`, constant);
  }

  int64(hint: string, values: readonly number[]): string {
    return this.constant(hint, int64Vector(values));
  }

  /** Ends with the last node's result under the operator's own name. */
  finish(output = 0): GraphNode[] {
    const last = this.nodes.at(-1)!;
    const { values } = this.view.scope.graph;
    const name = this.view.node.outputs[output] ?? "";
    const made = last.outputs[0]!;
    const info = values.get(made)!;
    values.delete(made);
    values.set(name, info);
    last.outputs = [name];
    return this.nodes;
  }

  get #base(): string {
    const { node } = this.view;
    return node.outputs.find((o) => o !== "") ?? node.name;
  }

  #typeOf(name: string): ElementType | undefined {
    const { scope } = this.view;
    return scope.graph.values.get(name)?.elementType ?? this.view.elementType(0);
  }
}
