import { CompileError } from "../core/errors.js";
import { int64Vector, nodeError, operatorName, readsOf, sortNodes, subgraphs } from "./graph.js";
import type { ConstantTensor, Dim, Graph, GraphNode, ValueInfo } from "./graph.js";
import { expandControl, resolveBodies } from "./controlFlow.js";
import { FOLDING_BUDGET } from "./fold/arrays.js";
import { foldNode } from "./fold/foldNode.js";
import { normaliseNode } from "./normalise.js";
import { expandAttention } from "./normalise/attentionExpansions.js";
import { expandContrib } from "./normalise/contribExpansions.js";
import { followFractions } from "./normalise/fractions.js";
import { expandSequence } from "./sequences.js";
import { inferContents } from "./shapes/contents.js";
import { MAX_RANK, NodeView } from "./shapes/nodeView.js";
import type { Scope } from "./shapes/nodeView.js";
import { SHAPE_RULES } from "./shapes/rules.js";

/**
 * Walks a graph once, in order: brings every node into normal form, infers the types and shapes of
 * its outputs, and replaces it by a constant where all it needs is known. The three belong
 * together: a Reshape's target may be computed from shapes, and a shape may depend on it.
 *
 * Bodies of control flow are resolved in turn, or take the place of their node where that is known
 * when compiling.
 *
 * @throws CompileError
 */
export function resolve(graph: Graph, outer?: Scope): void {
  const scope = scopeOf(graph, outer);
  checkRanks(graph);
  dropUnreadOutputs(graph);
  const queue = [...graph.nodes].reverse();
  graph.nodes = [];
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    const value = node.opType === "Constant" && node.domain === "" ? constantOf(node) : undefined;
    if (value !== undefined) {
      setConstant(graph, node.outputs[0] ?? "", value);
      continue;
    }
    const given = new NodeView(node, scope);
    const expanded =
      expandSequence(given) ??
      expandControl(given, resolve) ??
      expandContrib(given) ??
      expandAttention(given) ??
      followFractions(given);
    if (expanded !== undefined) {
      queue.push(...expanded.reverse());
      continue;
    }
    resolveBodies(new NodeView(node, scope), resolve);
    for (const normal of normaliseNode(new NodeView(node, scope))) {
      const view = new NodeView(normal, scope);
      inferNode(view);
      if (!fold(view)) graph.nodes.push(normal);
    }
  }
  checkOutputs(scope);
  sortNodes(graph, visibleFrom(outer));
}

function checkOutputs({ graph, outer, lists }: Scope): void {
  const list = graph.outputs.find((name) => lists.has(name));
  if (list === undefined) return;
  throw new CompileError(
    "UnsupportedType",
    outer === undefined
      ? `output "${list}" is a sequence or an optional; a module gives tensors: take them out in the model`
      : `"${list}", which a branch or loop that runs as the data say gives, is a sequence or an optional; only tensors can be, or pin what decides`,
    { name: list },
  );
}

/** Infers types and shapes again, after passes have changed a graph in normal form. */
export function inferShapes(graph: Graph, outer?: Scope): void {
  const scope = scopeOf(graph, outer);
  for (const node of graph.nodes) {
    for (const body of subgraphs(node)) inferShapes(body, scope);
    inferNode(new NodeView(node, scope));
  }
}

function scopeOf(graph: Graph, outer: Scope | undefined): Scope {
  const budget = outer?.budget ?? { elements: FOLDING_BUDGET };
  const claimed = outer?.claimed ?? new Set(graph.values.keys());
  const [contents, fractions, lists] = [new Map(), new Map(), new Map()];
  return { graph, outer, contents, fractions, budget, claimed, lists };
}

function checkRanks(graph: Graph): void {
  for (const [name, { shape }] of graph.values) {
    if ((shape?.length ?? 0) > MAX_RANK) {
      throw new CompileError("BadGraph", `value "${name}" has more than ${String(MAX_RANK)} axes`, {
        name,
      });
    }
  }
}

function visibleFrom(scope: Scope | undefined): Set<string> {
  const names = new Set<string>();
  for (let s = scope; s !== undefined; s = s.outer)
    for (const name of s.graph.values.keys()) names.add(name);
  return names;
}

function dropUnreadOutputs(graph: Graph): void {
  const read = new Set(graph.outputs);
  for (const node of graph.nodes) for (const name of readsOf(node)) read.add(name);
  for (const node of graph.nodes) {
    node.outputs = node.outputs.map((name) => (read.has(name) ? name : ""));
    // A Split's parts are counted; a node of which nothing is read goes with the dead code.
    if (node.opType === "Split") continue;
    while (node.outputs.length > 1 && node.outputs.at(-1) === "") node.outputs.pop();
  }
  graph.nodes = graph.nodes.filter((node) => node.outputs.some((name) => name !== ""));
}

/** What inference finds goes before what the model declares. */
function inferNode(view: NodeView): void {
  const { node, scope } = view;
  const inferred = SHAPE_RULES.get(operatorName(node))?.(view) ?? [];
  node.outputs.forEach((name, i) => {
    if (name === "") return;
    if ((inferred[i]?.shape?.length ?? 0) > MAX_RANK) {
      throw view.shapeError(`the result has more than ${String(MAX_RANK)} axes`);
    }
    const declared = view.output(i);
    scope.graph.values.set(name, {
      elementType: inferred[i]?.elementType ?? declared.elementType,
      shape: inferred[i]?.shape ?? declared.shape,
    });
  });
  const contents = inferContents(view);
  if (contents !== undefined) scope.contents.set(node.outputs[0] ?? "", contents);
}

function fold(view: NodeView): boolean {
  const { node, scope } = view;
  const output = node.outputs[0] ?? "";
  const info = view.output(0);
  const constant = constantFromContents(info, scope.contents.get(output)) ?? foldNode(view, info);
  if (constant === undefined) return false;
  setConstant(scope.graph, output, constant);
  return true;
}

function constantFromContents(
  info: ValueInfo,
  contents: readonly Dim[] | undefined,
): ConstantTensor | undefined {
  if (contents?.every((dim) => typeof dim === "number") !== true) return undefined;
  if ((info.shape?.length ?? 0) > 1) return undefined;
  const numbers = contents as readonly number[];
  const dims = info.shape?.length === 0 ? [] : [numbers.length];
  if (info.elementType === "bool")
    return { elementType: "bool", dims, data: Uint8Array.from(numbers) };
  if (info.elementType === "int32")
    return { elementType: "int32", dims, data: Int32Array.from(numbers) };
  return { ...int64Vector(numbers), dims };
}

function setConstant(graph: Graph, name: string, constant: ConstantTensor): void {
  graph.initializers.set(name, constant);
  graph.values.set(name, { elementType: constant.elementType, shape: constant.dims });
}

/** The value of a Constant node, in whichever of its attributes it is. */
function constantOf(node: GraphNode): ConstantTensor {
  for (const [name, a] of node.attributes) {
    if (a.type === "tensor") return a.value;
    if (name === "value_float" && a.type === "float") {
      return { elementType: "float32", dims: [], data: Float64Array.of(a.value) };
    }
    if (name === "value_floats" && a.type === "floats") {
      return { elementType: "float32", dims: [a.value.length], data: Float64Array.from(a.value) };
    }
    if (name === "value_int" && a.type === "int") {
      return { elementType: "int64", dims: [], data: BigInt64Array.of(a.value) };
    }
    if (name === "value_ints" && a.type === "ints") {
      return { elementType: "int64", dims: [a.value.length], data: BigInt64Array.from(a.value) };
    }
    if (name === "value_string" && a.type === "string") {
      return { elementType: "string", dims: [], data: [a.value] };
    }
    if (name === "value_strings" && a.type === "strings") {
      return { elementType: "string", dims: [a.value.length], data: a.value };
    }
  }
  throw nodeError("BadAttribute", node, "holds no value that is supported");
}
