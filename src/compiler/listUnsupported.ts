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
    TopK: "k",
    Transpose: "perm",
  }),
);

/** Operators whose other inputs must be gone, as their meaning is in the output's shape. */
const SINGLE_INPUT = new Set(["Reshape", "Expand", "Clip"]);

/**
 * Throws one error that lists every node whose operator is not in `supported` (names as
 * `operatorName` gives them), and every node whose parameters are known only at run time.
 *
 * @throws CompileError `UnsupportedOperator`
 */
export function listUnsupported(graph: Graph, supported: ReadonlySet<string>): void {
  const byReason = new Map<string, string[]>();
  collect(graph, supported, byReason);
  if (byReason.size === 0) return;
  const lines = [...byReason].map(([reason, names]) => `  ${reason}: ${names.join(", ")}`);
  throw new CompileError(
    "UnsupportedOperator",
    `the model uses operators that cannot be compiled:\n${lines.join("\n")}`,
  );
}

function collect(
  graph: Graph,
  supported: ReadonlySet<string>,
  byReason: Map<string, string[]>,
): void {
  for (const node of graph.nodes) {
    const reason = reasonAgainst(node, supported);
    if (reason !== undefined) {
      const names = byReason.get(reason);
      if (names === undefined) byReason.set(reason, [`"${node.name}"`]);
      else names.push(`"${node.name}"`);
    }
    for (const body of subgraphs(node)) collect(body, supported, byReason);
  }
}

function reasonAgainst(node: GraphNode, supported: ReadonlySet<string>): string | undefined {
  const name = operatorName(node);
  if (!supported.has(name)) return name;
  if (node.domain !== "") return undefined;
  const required = REQUIRED.get(node.opType);
  if (required !== undefined && !node.attributes.has(required)) {
    return `${name} with ${required} known only at run time`;
  }
  if (SINGLE_INPUT.has(node.opType) && node.inputs.length > 1) {
    return `${name} with parameters known only at run time`;
  }
  return undefined;
}
