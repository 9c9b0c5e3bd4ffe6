/** Bodies of If, Loop and Scan: what is known of them when compiling. */
import {
  addConstant,
  attribute,
  capturedBy,
  constantNumbers,
  copyGraph,
  freshName,
  graphAttribute,
  int64Vector,
  subgraphs,
} from "./graph.js";
import type { ConstantTensor, Dim, Graph, GraphNode, ValueInfo } from "./graph.js";
import { expandScan } from "./scan.js";
import type { NodeView, Scope } from "./shapes/nodeView.js";

/** What `resolve` does to a graph. */
export type Resolve = (graph: Graph, outer: Scope) => void;

/** A loop of known length is written out where that makes no more nodes than this. */
const MOST_UNROLLED_NODES = 1024;
const MOST_UNROLLED_ROUNDS = 64;
/** Rounds of inference until the shapes that a loop carries hold for all of its rounds. */
const SHAPE_ROUNDS = 4;

/**
 * The nodes that stand for a node of control flow: the branch of an If on a constant, the rounds of
 * a short Loop of known length, the Loop that a Scan is. Undefined where it stays what it is.
 */
export function expandControl(view: NodeView, resolve: Resolve): GraphNode[] | undefined {
  const { node, scope } = view;
  if (node.domain !== "") return undefined;
  if (node.opType === "If") {
    const [then, otherwise] = ["then_branch", "else_branch"].map((name) =>
      graphAttribute(node, name),
    );
    if (then === undefined || otherwise === undefined) return undefined;
    const condition = view.numbers(0)?.[0] ?? (isSqueezeOrNot(then, otherwise) ? 1 : undefined);
    if (condition === undefined) return undefined;
    const branch = condition === 0 ? otherwise : then;
    const { nodes, outputs } = inlined(branch, scope.graph, node.name, new Map(), false);
    return [...nodes, ...named(node, outputs)];
  }
  if (node.opType === "Scan") return expandScan(view, (body) => resolveBody(body, view, resolve));
  if (node.opType === "Loop") return unrolled(view);
  return undefined;
}

/**
 * A Squeeze, or the tensor as it is: how exporters write the squeezing of an axis whose size they do
 * not know. Ranks are fixed here, so the axis is taken to be of size 1; that the Reshape which the
 * Squeeze becomes keeps all elements is checked in every run.
 */
function isSqueezeOrNot(then: Graph, otherwise: Graph): boolean {
  const only = (body: Graph): GraphNode | undefined => {
    const nodes = body.nodes.filter(({ opType }) => opType !== "Constant");
    const [node] = nodes;
    return nodes.length === 1 && node?.outputs[0] === body.outputs[0] ? node : undefined;
  };
  const squeeze = only(then);
  const name = squeeze?.domain === "" && squeeze.opType === "Squeeze" ? squeeze.inputs[0] : "";
  const kept = otherwise.nodes.length === 0 ? otherwise.outputs[0] : undefined;
  const identity = only(otherwise);
  const same = kept ?? (identity?.opType === "Identity" ? identity.inputs[0] : undefined);
  return name !== "" && name === same && then.outputs.length === 1;
}

/** Resolves the bodies of a node; those of a Loop for all of its rounds. */
export function resolveBodies(view: NodeView, resolve: Resolve): void {
  const { node } = view;
  const body =
    node.opType === "Loop" && node.domain === "" ? graphAttribute(node, "body") : undefined;
  if (body !== undefined) {
    node.attributes.set("body", attribute.graph(resolvedLoop(view, body, resolve)));
    return;
  }
  for (const other of subgraphs(node)) {
    claimNames(other, view.scope, node.name);
    resolveBody(other, view, resolve);
  }
}

function resolveBody(body: Graph, view: NodeView, resolve: Resolve): void {
  resolve(body, view.scope);
  adoptConstants(body, view.scope);
}

/** A body holds the constants that it reads, so that passes see them. */
function adoptConstants(body: Graph, outer: Scope): void {
  for (const name of capturedBy(body)) {
    let scope: Scope | undefined = outer;
    while (scope !== undefined && !scope.graph.values.has(name)) scope = scope.outer;
    const constant = scope?.graph.initializers.get(name);
    if (constant === undefined) continue;
    body.initializers.set(name, constant);
    body.values.set(name, { elementType: constant.elementType, shape: constant.dims });
  }
}

const localNames = (body: Graph): Set<string> => {
  const names = new Set([...body.inputs, ...body.initializers.keys()]);
  for (const { outputs } of body.nodes) for (const name of outputs) names.add(name);
  names.delete("");
  return names;
};

/**
 * Gives other names to values of a body that another graph of the model has too: calibration knows
 * values by their names.
 */
function claimNames(body: Graph, scope: Scope, prefix: string): void {
  const { claimed } = scope;
  const names = new Map<string, string>();
  for (const name of localNames(body)) {
    let free = name;
    for (let n = 1; claimed.has(free); n++)
      free = `${prefix}/${name}${n === 1 ? "" : `_${String(n)}`}`;
    claimed.add(free);
    if (free !== name) names.set(name, free);
  }
  if (names.size > 0) renameLocals(body, names);
}

function renameLocals(body: Graph, names: ReadonlyMap<string, string>): void {
  const renamed = (name: string): string => names.get(name) ?? name;
  renameReads(body, names);
  body.inputs = body.inputs.map(renamed);
  for (const node of body.nodes) node.outputs = node.outputs.map(renamed);
  body.initializers = new Map(Array.from(body.initializers, ([name, c]) => [renamed(name), c]));
  body.values = new Map(Array.from(body.values, ([name, info]) => [renamed(name), info]));
}

/** Renames what a graph and the bodies in it read and give; names that those declare are theirs. */
function renameReads(graph: Graph, names: ReadonlyMap<string, string>): void {
  const renamed = (name: string): string => names.get(name) ?? name;
  graph.outputs = graph.outputs.map(renamed);
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map(renamed);
    for (const body of subgraphs(node)) {
      const own = localNames(body);
      renameReads(body, new Map([...names].filter(([name]) => !own.has(name))));
    }
  }
}

interface Inlined {
  readonly nodes: readonly GraphNode[];
  /** Names of the results in the graph around the body. */
  readonly outputs: readonly string[];
}

/**
 * Moves a copy of a body's nodes and constants out into the graph.
 * @param bindings what the body's inputs are out there
 * @param always whether all names are new, as a body that is written out again needs it
 */
export function inlined(
  original: Graph,
  graph: Graph,
  label: string,
  bindings: ReadonlyMap<string, string>,
  always: boolean,
): Inlined {
  const body = copyGraph(original);
  const names = new Map<string, string>();
  for (const name of localNames(body)) {
    const bound = bindings.get(name);
    if (bound !== undefined) names.set(name, bound);
    else if (always || graph.values.has(name))
      names.set(name, freshName(graph, `${label}#${name}`));
  }
  const local = localNames(body);
  renameLocals(body, names);
  for (const node of body.nodes) node.name = `${label}/${node.name}`;
  for (const name of local) {
    const now = names.get(name) ?? name;
    const constant = body.initializers.get(now);
    const info = body.values.get(now) ?? { elementType: undefined, shape: undefined };
    if (bindings.has(name)) continue;
    if (constant !== undefined) graph.initializers.set(now, constant);
    // The results of a branch that is taken may be declared in the graph already.
    if (!graph.values.has(now) || constant !== undefined) graph.values.set(now, info);
  }
  return { nodes: body.nodes, outputs: body.outputs };
}

/** Gives values the names that a node's outputs have. */
function named(node: GraphNode, values: readonly string[]): GraphNode[] {
  return node.outputs.flatMap((output, i) =>
    output === ""
      ? []
      : [plainNode(`${node.name}#${String(i)}`, "Identity", [values[i] ?? ""], output)],
  );
}

function plainNode(name: string, opType: string, inputs: string[], output: string): GraphNode {
  return { name, opType, domain: "", inputs, outputs: [output], attributes: new Map() };
}

/** Whether the condition that a Loop's body gives is always true if it was: only a count ends it. */
export function goesOn(body: Graph): boolean {
  let name = body.outputs[0] ?? "";
  for (;;) {
    if (name === body.inputs[1]) return true;
    const constant = body.initializers.get(name);
    if (constant !== undefined) return constantNumbers(constant)[0] !== 0;
    const maker = body.nodes.find(({ outputs }) => outputs.includes(name));
    if (maker?.domain !== "") return false;
    const value = maker.attributes.get("value");
    if (maker.opType === "Constant" && value?.type === "tensor")
      return constantNumbers(value.value)[0] !== 0;
    if (maker.opType !== "Identity") return false;
    name = maker.inputs[0] ?? "";
  }
}

const TRUE: ConstantTensor = { elementType: "bool", dims: [], data: Uint8Array.of(1) };

/** The rounds of a Loop, one after the other, where they are few and known. */
function unrolled(view: NodeView): GraphNode[] | undefined {
  const { node, scope } = view;
  const { graph } = scope;
  const body = graphAttribute(node, "body");
  const condition = view.has(1) ? view.numbers(1)?.[0] : 1;
  const trips = view.has(0) ? view.numbers(0)?.[0] : undefined;
  if (body === undefined || condition === undefined) return undefined;
  const rounds = condition === 0 ? 0 : trips;
  const carriedCount = node.inputs.length - 2;
  const hasScans = node.outputs.slice(Math.max(carriedCount, 0)).some((name) => name !== "");
  if (rounds === undefined || (rounds > 0 && !goesOn(body))) return undefined;
  if (rounds > MOST_UNROLLED_ROUNDS || rounds * body.nodes.length > MOST_UNROLLED_NODES)
    return undefined;
  // What no round has made has no known shape.
  if (rounds <= 0 && hasScans) return undefined;

  const nodes: GraphNode[] = [];
  let carried = node.inputs.slice(2);
  const scans: string[][] = [];
  for (let round = 0; round < rounds; round++) {
    const label = `${node.name}#${String(round)}`;
    const iteration: ConstantTensor = { ...int64Vector([round]), dims: [] };
    const given = [
      addConstant(graph, `${label}#iteration`, iteration),
      addConstant(graph, `${label}#condition`, TRUE),
      ...carried,
    ];
    const bindings = new Map(body.inputs.map((name, i) => [name, given[i] ?? ""]));
    const { nodes: more, outputs } = inlined(body, graph, label, bindings, true);
    nodes.push(...more);
    carried = outputs.slice(1, 1 + carried.length);
    outputs.slice(1 + carried.length).forEach((name, k) => {
      if ((node.outputs[carried.length + k] ?? "") === "") return;
      const row = freshName(graph, `${label}#row${String(k)}`);
      graph.values.set(row, { elementType: undefined, shape: undefined });
      nodes.push(unsqueezed(view, row, name));
      (scans[k] ??= []).push(row);
    });
  }
  nodes.push(...named({ ...node, outputs: node.outputs.slice(0, carried.length) }, carried));
  scans.forEach((rows, k) => {
    const output = node.outputs[carried.length + k]!;
    const concat = plainNode(`${node.name}#scan${String(k)}`, "Concat", rows, output);
    concat.attributes.set("axis", attribute.int(0));
    nodes.push(concat);
  });
  return nodes;
}

/** An Unsqueeze at axis 0, as the model's operator set spells it. */
function unsqueezed(view: NodeView, output: string, input: string): GraphNode {
  const node = plainNode(`${output}#unsqueeze`, "Unsqueeze", [input], output);
  if (view.opset < 13) node.attributes.set("axes", attribute.ints([0]));
  else node.inputs.push(addConstant(view.scope.graph, `${output}#axes`, int64Vector([0])));
  return node;
}

/** A copy of a loop's body, resolved for shapes that hold in every round. */
function resolvedLoop(view: NodeView, original: Graph, resolve: Resolve): Graph {
  claimNames(original, view.scope, view.node.name);
  const [iteration = "", condition = "", ...carried] = original.inputs;
  let infos = carried.map((_, k): ValueInfo => ({
    elementType: view.elementType(2 + k),
    shape: view.shape(2 + k),
  }));
  for (let round = 1; ; round++) {
    const body = copyGraph(original);
    body.values.set(iteration, { elementType: "int64", shape: [] });
    body.values.set(condition, { elementType: "bool", shape: [] });
    carried.forEach((name, k) => body.values.set(name, infos[k]!));
    resolveBody(body, view, resolve);
    const next = infos.map((info, k) => generalised(info, resultOf(body, 1 + k), carried[k]!));
    const settled = next.every((info, k) => info === infos[k]);
    if (settled || round === SHAPE_ROUNDS) return body;
    infos = next;
  }
}

const resultOf = (body: Graph, i: number): ValueInfo | undefined =>
  body.values.get(body.outputs[i] ?? "");

/** What is true of a value when a round begins and when it ends; the same object if nothing new. */
function generalised(before: ValueInfo, after: ValueInfo | undefined, name: string): ValueInfo {
  const { shape } = before;
  if (shape === undefined) return before;
  if (after?.shape !== undefined && after.shape.length !== shape.length)
    return { ...before, shape: undefined };
  const dims = shape.map((dim, axis): Dim =>
    after?.shape?.[axis] === dim ? dim : `${name}_${String(axis)}`,
  );
  return dims.every((dim, axis) => dim === shape[axis]) ? before : { ...before, shape: dims };
}
