import { CompileError } from "../../core/errors.js";
import type { AttributeProto, FunctionProto, GraphProto, NodeProto } from "./schema.js";

/** Calls nested deeper than this are taken for recursion. */
const MAX_CALL_DEPTH = 32;
/** Nodes after inlining; functions that call each other twice grow exponentially. */
const MAX_NODES = 1_000_000;

type FunctionKey = string;

function keyOf(f: { domain?: string; name?: string; overload?: string }): FunctionKey {
  return JSON.stringify([f.domain ?? "", f.name ?? "", f.overload ?? ""]);
}

/**
 * Replaces every call of a function that the model itself defines by the function's nodes, in
 * bodies too. Values and nodes inside get the call's name in front: `call/inner`.
 *
 * A function's own operator set versions are taken to be the model's: exporters write them equal.
 *
 * @throws CompileError `BadGraph` when functions call themselves, or the result is absurdly large
 */
export function inlineFunctions(
  graph: GraphProto,
  functions: readonly FunctionProto[],
): GraphProto {
  if (functions.length === 0) return graph;
  const inliner = new Inliner(functions);
  return inliner.graph(graph, 0);
}

class Inliner {
  private readonly functions: ReadonlyMap<FunctionKey, FunctionProto>;
  private calls = 0;
  private nodes = 0;

  constructor(functions: readonly FunctionProto[]) {
    this.functions = new Map(functions.map((f) => [keyOf(f), f]));
  }

  graph(graph: GraphProto, depth: number): GraphProto {
    return { ...graph, node: (graph.node ?? []).flatMap((node) => this.node(node, depth)) };
  }

  private node(node: NodeProto, depth: number): NodeProto[] {
    if (++this.nodes > MAX_NODES) {
      throw new CompileError(
        "BadGraph",
        `the model's functions expand to over ${String(MAX_NODES)} nodes`,
      );
    }
    const f = this.functions.get(
      keyOf({
        domain: node.domain ?? "",
        name: node.opType ?? "",
        overload: node.overload ?? "",
      }),
    );
    if (f === undefined) {
      if (node.attribute?.some((a) => a.g !== undefined) !== true) return [node];
      const attribute = node.attribute.map((a) =>
        a.g === undefined ? a : { ...a, g: this.graph(a.g, depth) },
      );
      return [{ ...node, attribute }];
    }
    if (depth >= MAX_CALL_DEPTH) {
      throw new CompileError("BadGraph", `function "${f.name ?? ""}" calls itself`, {
        name: f.name ?? "",
      });
    }

    this.calls++;
    const prefix = `${node.name ?? ""}#${f.name ?? ""}${String(this.calls)}/`;
    const names = new Map<string, string>();
    (f.input ?? []).forEach((formal, i) => names.set(formal, node.input?.[i] ?? ""));
    (f.output ?? []).forEach((formal, i) => {
      const actual = node.output?.[i] ?? "";
      if (actual !== "") names.set(formal, actual);
    });
    const actuals = new Map<string, AttributeProto>();
    for (const a of f.attributeProto ?? []) actuals.set(a.name ?? "", a);
    for (const a of node.attribute ?? []) actuals.set(a.name ?? "", a);
    return (f.node ?? []).flatMap((inner) =>
      this.node(instantiate(inner, prefix, names, actuals), depth + 1),
    );
  }
}

function rename(name: string, prefix: string, names: ReadonlyMap<string, string>): string {
  return name === "" ? "" : (names.get(name) ?? prefix + name);
}

function instantiate(
  node: NodeProto,
  prefix: string,
  names: ReadonlyMap<string, string>,
  actuals: ReadonlyMap<string, AttributeProto>,
): NodeProto {
  return {
    ...node,
    name: prefix + (node.name ?? ""),
    input: (node.input ?? []).map((n) => rename(n, prefix, names)),
    output: (node.output ?? []).map((n) => rename(n, prefix, names)),
    attribute: (node.attribute ?? []).flatMap((a) => {
      if (a.refAttrName !== undefined && a.refAttrName !== "") {
        // A reference to an attribute that the call leaves out: so does the node.
        const actual = actuals.get(a.refAttrName);
        return actual === undefined ? [] : [{ ...actual, name: a.name ?? "" }];
      }
      if (a.g === undefined) return [a];
      return [{ ...a, g: instantiateGraph(a.g, prefix, names, actuals) }];
    }),
  };
}

function instantiateGraph(
  graph: GraphProto,
  prefix: string,
  names: ReadonlyMap<string, string>,
  actuals: ReadonlyMap<string, AttributeProto>,
): GraphProto {
  const renamed = <T extends { name?: string }>(item: T): T => ({
    ...item,
    name: rename(item.name ?? "", prefix, names),
  });
  return {
    ...graph,
    input: (graph.input ?? []).map(renamed),
    output: (graph.output ?? []).map(renamed),
    valueInfo: (graph.valueInfo ?? []).map(renamed),
    initializer: (graph.initializer ?? []).map(renamed),
    node: (graph.node ?? []).map((n) => instantiate(n, prefix, names, actuals)),
  };
}
