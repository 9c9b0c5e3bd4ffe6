import { evaluateNode } from "../compiler/fold/evaluateNode.js";
import type { Functions } from "../compiler/fold/folder.js";
import { isFloat, nodeError, readsOf, subgraphs } from "../compiler/graph.js";
import type { ConstantTensor, Graph, GraphNode, ValueInfo } from "../compiler/graph.js";
import { DimValues } from "../compiler/shapes/dimValues.js";
import { CompileError } from "../core/errors.js";
import type { Frame } from "./evaluateControl.js";
import { evaluateControl } from "./evaluateControl.js";
import { FAST_FUNCTIONS } from "./fastFunctions.js";

/** Tensors by value name. */
export type Tensors = ReadonlyMap<string, ConstantTensor>;

/** Called with every tensor that is computed, under its value's name. */
export type Measure = (name: string, tensor: ConstantTensor, inBody: boolean) => void;

export interface EvaluateOptions {
  /** Values of the main graph that were computed elsewhere: what they need is not computed again. */
  readonly known?: Tensors;
  /**
   * Called with each value that is computed; in the bodies of control flow, as often as they run.
   * Values there go by their own names: where two bodies share a name, both are told under it.
   */
  readonly measure?: Measure;
  /** Values to give back; the graph's outputs unless said. */
  readonly wanted?: Iterable<string>;
  /** Values to compute for `measure` only. */
  readonly measured?: Iterable<string>;
  /** Called where a node cannot be computed, which is skipped then with all that needs it. */
  readonly onFailure?: (error: CompileError) => void;
  /** Elementary functions: the host's `Math` unless said. */
  readonly functions?: Functions;
}

/**
 * Computes a graph in normal form, in floats, from data. Element types round as in a runtime:
 * float32 after every operator. Only what is wanted is computed, and what nobody reads any more is
 * let go.
 *
 * @param feeds the graph's inputs by name
 * @returns the values that are wanted
 * @throws CompileError `NotEvaluated` naming the node that cannot be computed
 */
export function evaluateGraph(
  graph: Graph,
  feeds: Tensors,
  options: EvaluateOptions = {},
): Map<string, ConstantTensor> {
  const { known = new Map<string, ConstantTensor>(), functions = FAST_FUNCTIONS } = options;
  const wanted = new Set(options.wanted ?? graph.outputs);
  const frame = new GraphFrame(graph, { functions, measure: options.measure });
  for (const given of [feeds, known]) for (const [name, tensor] of given) frame.set(name, tensor);
  const asked = new Set([...wanted, ...(options.measured ?? [])]);
  const { nodes, lastReads } = planEvaluation(graph, asked, (name) => frame.has(name));
  const failed = new Set<string>();
  for (const [i, node] of nodes.entries()) {
    const skipped = failed.size > 0 && readsOf(node).some((name) => failed.has(name));
    if (skipped || !tryEvaluate(frame, node, options.onFailure))
      for (const name of node.outputs) failed.add(name);
    for (const name of lastReads[i] ?? []) if (!wanted.has(name)) frame.release(name);
  }
  const results = new Map<string, ConstantTensor>();
  for (const name of wanted) if (!failed.has(name)) results.set(name, frame.get(name));
  return results;
}

function tryEvaluate(
  frame: GraphFrame,
  node: GraphNode,
  onFailure: ((error: CompileError) => void) | undefined,
): boolean {
  try {
    frame.evaluate(node);
    return true;
  } catch (error) {
    if (onFailure === undefined || !(error instanceof CompileError)) throw error;
    onFailure(error);
    return false;
  }
}

export interface EvaluationPlan {
  /** Nodes to compute, in order. */
  readonly nodes: readonly GraphNode[];
  /** Values that must be there before: inputs and what is known; constants apart. */
  readonly needs: ReadonlySet<string>;
  /** For each node, the values that no node of the plan reads after it. */
  readonly lastReads: readonly (readonly string[])[];
}

/** What must be computed to have some values. */
export function planEvaluation(
  graph: Graph,
  values: ReadonlySet<string>,
  isKnown: (name: string) => boolean,
): EvaluationPlan {
  const asked = new Set(values);
  const needs = new Set<string>();
  const nodes: GraphNode[] = [];
  const lastReads: string[][] = [];
  const seen = new Set<string>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => asked.has(name) && !isKnown(name))) continue;
    const ends: string[] = [];
    for (const name of readsOf(node)) {
      asked.add(name);
      if (!seen.has(name)) ends.push(name);
      seen.add(name);
    }
    for (const name of node.outputs) if (!seen.has(name)) ends.push(name);
    nodes.push(node);
    lastReads.push(ends);
  }
  const made = new Set(nodes.flatMap((node) => node.outputs));
  for (const name of asked)
    if (!graph.initializers.has(name) && (!made.has(name) || isKnown(name))) needs.add(name);
  return { nodes: nodes.reverse(), needs, lastReads: lastReads.reverse() };
}

interface Surroundings {
  readonly functions: Functions;
  readonly measure: Measure | undefined;
}

/** The values of one graph while it is computed; bodies look names up in the frames around them. */
class GraphFrame implements Frame {
  readonly graph: Graph;
  readonly #surroundings: Surroundings;
  readonly #outer: GraphFrame | undefined;
  readonly #values = new Map<string, ConstantTensor>();
  readonly #dims: DimValues;

  constructor(graph: Graph, surroundings: Surroundings, outer?: GraphFrame) {
    this.graph = graph;
    this.#surroundings = surroundings;
    this.#outer = outer;
    this.#dims = new DimValues(outer === undefined ? undefined : outer.#dims);
  }

  /** A frame for one run of a body of this graph. */
  inner(body: Graph): GraphFrame {
    return new GraphFrame(body, this.#surroundings, this);
  }

  set(name: string, tensor: ConstantTensor): void {
    this.#values.set(name, tensor);
    this.#dims.bind(this.graph.values.get(name)?.shape, tensor.dims);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  release(name: string): void {
    this.#values.delete(name);
  }

  get(name: string): ConstantTensor {
    const found = this.#values.get(name) ?? this.graph.initializers.get(name);
    if (found !== undefined) return found;
    if (this.#outer !== undefined) return this.#outer.get(name);
    throw new CompileError("NotEvaluated", `value "${name}" has not been computed`, { name });
  }

  /** Tells of a value that was computed or handed to a body. */
  measure(name: string, tensor: ConstantTensor): void {
    this.#surroundings.measure?.(name, tensor, this.#outer !== undefined);
  }

  evaluate(node: GraphNode): void {
    const results =
      subgraphs(node).length > 0 ? evaluateControl(node, this) : this.#evaluateFlat(node);
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      const tensor = results[i];
      if (tensor === undefined) throw nodeError("NotEvaluated", node, `gives no "${name}"`);
      this.set(name, tensor);
      this.measure(name, tensor);
    });
  }

  infoOf(name: string): ValueInfo | undefined {
    return this.graph.values.get(name) ?? this.#outer?.infoOf(name);
  }

  #evaluateFlat(node: GraphNode): (ConstantTensor | undefined)[] {
    return evaluateNode(
      node,
      node.inputs.map((name) => (name === "" ? undefined : this.get(name))),
      {
        declared: node.inputs.map((name) => this.infoOf(name)?.shape),
        outputs: node.outputs.map((name) => {
          const info = this.infoOf(name);
          return { elementType: info?.elementType, shape: this.#dims.close(info?.shape) };
        }),
        functions: this.#surroundings.functions,
      },
    );
  }
}

/** Float values that bodies of the graph make, in any depth. */
export function bodyValues(node: GraphNode): string[] {
  return subgraphs(node).flatMap((body) => {
    const names = body.nodes.flatMap((inner) => [...inner.outputs, ...bodyValues(inner)]);
    return [...body.inputs, ...names].filter(
      (name) => name !== "" && isFloat(body.values.get(name)?.elementType),
    );
  });
}
