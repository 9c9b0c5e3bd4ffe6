import { CompileError } from "../core/errors.js";
import { operatorName, subgraphs } from "./graph.js";
import type { Graph, GraphNode } from "./graph.js";

/** Attributes that the normal form has, unless they are known only when running. */
const REQUIRED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ArgMax: "axis",
    ArgMin: "axis",
    AveragePool: "pads",
    Conv: "pads",
    ConvTranspose: "pads",
    LpPool: "pads",
    MaxPool: "pads",
    Pad: "pads",
    ReduceL1: "axes",
    ReduceL2: "axes",
    ReduceLogSum: "axes",
    ReduceLogSumExp: "axes",
    ReduceMax: "axes",
    ReduceMean: "axes",
    ReduceMin: "axes",
    ReduceProd: "axes",
    ReduceSum: "axes",
    ReduceSumSquare: "axes",
    Resize: "scales",
    Slice: "starts",
    Tile: "repeats",
    Transpose: "perm",
  }),
);

/** Says why a node of an operator that can be lowered, or of one that never can, is refused. */
export type Refusal = (graph: Graph, node: GraphNode) => string | undefined;

export interface Support {
  /** Operators that can be lowered, as `operatorName` gives them. */
  readonly supported: ReadonlySet<string>;
  /** What else stands against a node, by operator: the reason and what to do. */
  readonly refusals: ReadonlyMap<string, Refusal>;
}

/**
 * Throws one error that lists every node that cannot be lowered: its operator is not supported, its
 * parameters are known only at run time, or something else stands against it.
 *
 * @throws CompileError `UnsupportedOperator`
 */
export function listUnsupported(graph: Graph, support: Support): void {
  const byReason = new Map<string, string[]>();
  collect(graph, support, byReason);
  if (byReason.size === 0) return;
  const lines = [...byReason].map(([reason, names]) => `  ${reason}: ${names.join(", ")}`);
  throw new CompileError(
    "UnsupportedOperator",
    `the model uses operators that cannot be compiled:\n${lines.join("\n")}`,
  );
}

function collect(graph: Graph, support: Support, byReason: Map<string, string[]>): void {
  for (const node of graph.nodes) {
    const reason = reasonAgainst(graph, node, support);
    if (reason !== undefined) {
      const names = byReason.get(reason);
      if (names === undefined) byReason.set(reason, [`"${node.name}"`]);
      else names.push(`"${node.name}"`);
    }
    for (const body of subgraphs(node)) collect(body, support, byReason);
  }
}

const isSized = (graph: Graph, node: GraphNode): boolean =>
  graph.values.get(node.outputs[0] ?? "")?.shape !== undefined;

function reasonAgainst(
  graph: Graph,
  node: GraphNode,
  { supported, refusals }: Support,
): string | undefined {
  const name = operatorName(node);
  const refusal = refusals.get(name)?.(graph, node);
  if (refusal !== undefined) return `${name}, ${refusal}`;
  if (!supported.has(name)) return name;
  if (node.domain !== "") return undefined;
  const required = REQUIRED.get(node.opType);
  if (required !== undefined && !node.attributes.has(required)) {
    return `${name} with ${required} known only at run time (pin the input that says it, --pin NAME=VALUE)`;
  }
  // A target that is data gives all but the rank.
  const shaped = node.opType === "Expand" || node.opType === "Reshape";
  if (shaped && node.inputs.length > 1 && !isSized(graph, node)) {
    return `${name} with parameters known only at run time (pin the inputs that say them, --pin NAME=VALUE)`;
  }
  return undefined;
}
