import { readsOf, sortNodes, subgraphs } from "../graph.js";
import type { ConstantTensor, Graph, GraphNode, Shape, ValueInfo } from "../graph.js";

/**
 * A graph being rewritten: who makes and who reads each value is kept up to date, so that a pass
 * is one sweep over the nodes. `finish` puts the result back into the graph.
 */
export class Rewriter {
  readonly graph: Graph;
  private readonly nodes: Set<GraphNode>;
  private readonly producers = new Map<string, GraphNode>();
  /** How often each node reads a value. */
  private readonly readers = new Map<string, Map<GraphNode, number>>();
  private readonly outputs: Set<string>;

  constructor(graph: Graph) {
    this.graph = graph;
    this.nodes = new Set(graph.nodes);
    this.outputs = new Set(graph.outputs);
    for (const node of graph.nodes) this.index(node);
  }

  /** The nodes as they were when the sweep began, those removed since left out. */
  *sweep(): Generator<GraphNode> {
    for (const node of [...this.nodes]) if (this.nodes.has(node)) yield node;
  }

  producer(name: string): GraphNode | undefined {
    return this.producers.get(name);
  }

  constant(name: string | undefined): ConstantTensor | undefined {
    return name === undefined ? undefined : this.graph.initializers.get(name);
  }

  info(name: string | undefined): ValueInfo {
    return this.graph.values.get(name ?? "") ?? { elementType: undefined, shape: undefined };
  }

  shape(name: string | undefined): Shape {
    return this.info(name).shape;
  }

  isOutput(name: string): boolean {
    return this.outputs.has(name);
  }

  /** The nodes that read a value, each once. */
  readersOf(name: string): GraphNode[] {
    return [...(this.readers.get(name)?.keys() ?? [])];
  }

  /** Whether one operand of one node is all that a value is used for. */
  isUsedOnce(name: string): boolean {
    if (this.outputs.has(name)) return false;
    const readers = [...(this.readers.get(name)?.values() ?? [])];
    return readers.length === 1 && readers[0] === 1;
  }

  setInputs(node: GraphNode, inputs: string[]): void {
    this.unindex(node);
    node.inputs = inputs;
    this.index(node);
  }

  setInput(node: GraphNode, i: number, name: string): void {
    this.setInputs(
      node,
      node.inputs.map((input, j) => (i === j ? name : input)),
    );
  }

  add(node: GraphNode): void {
    this.nodes.add(node);
    this.index(node);
  }

  remove(node: GraphNode): void {
    this.nodes.delete(node);
    this.unindex(node);
  }

  /** Lets `maker` produce `later`, which `node` made out of its output; `node` goes. */
  absorb(maker: GraphNode, node: GraphNode): void {
    const later = node.outputs[0] ?? "";
    this.remove(node);
    this.unindex(maker);
    maker.outputs = [later];
    this.index(maker);
  }

  /**
   * Removes a node whose output equals its first input. Stays when both names must survive: the
   * output of the graph that is also an input, a constant or another output.
   *
   * @returns whether the node is gone
   */
  bypass(node: GraphNode): boolean {
    const from = node.inputs[0] ?? "";
    const to = node.outputs[0] ?? "";
    if (!this.outputs.has(to)) {
      this.remove(node);
      this.redirect(to, from);
      return true;
    }
    const maker = this.producers.get(from);
    if (maker === undefined || this.outputs.has(from)) return false;
    this.remove(node);
    this.unindex(maker);
    maker.outputs = maker.outputs.map((name) => (name === from ? to : name));
    this.index(maker);
    this.redirect(from, to);
    return true;
  }

  /** Removes what no output needs, and puts the nodes back in order. */
  finish(): void {
    const { graph } = this;
    graph.nodes = [...this.nodes];
    removeDeadCode(graph);
    sortNodes(graph);
  }

  private redirect(from: string, to: string): void {
    for (const reader of this.readersOf(from)) {
      this.unindex(reader);
      renameReads(reader, from, to);
      this.index(reader);
    }
  }

  private index(node: GraphNode): void {
    for (const output of node.outputs) if (output !== "") this.producers.set(output, node);
    for (const read of readsOf(node)) {
      let counts = this.readers.get(read);
      if (counts === undefined) this.readers.set(read, (counts = new Map()));
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
  }

  private unindex(node: GraphNode): void {
    for (const output of node.outputs) {
      if (this.producers.get(output) === node) this.producers.delete(output);
    }
    for (const read of readsOf(node)) this.readers.get(read)?.delete(node);
  }
}

function renameReads(node: GraphNode, from: string, to: string): void {
  node.inputs = node.inputs.map((name) => (name === from ? to : name));
  for (const body of subgraphs(node)) {
    body.outputs = body.outputs.map((name) => (name === from ? to : name));
    for (const inner of body.nodes) renameReads(inner, from, to);
  }
}

/** Removes nodes, constants and value entries that no output of the graph depends on. */
export function removeDeadCode(graph: Graph): void {
  const producers = new Map<string, GraphNode>();
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node);
  const live = new Set<GraphNode>();
  const needed = new Set<string>([...graph.inputs, ...graph.outputs]);
  const pending = [...needed];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = producers.get(name);
    if (node === undefined || live.has(node)) continue;
    live.add(node);
    for (const output of node.outputs) needed.add(output);
    for (const read of readsOf(node)) {
      if (needed.has(read) && !producers.has(read)) continue;
      needed.add(read);
      pending.push(read);
    }
  }
  graph.nodes = graph.nodes.filter((node) => live.has(node));
  for (const name of graph.initializers.keys()) {
    if (!needed.has(name)) graph.initializers.delete(name);
  }
  for (const name of graph.values.keys()) if (!needed.has(name)) graph.values.delete(name);
}
