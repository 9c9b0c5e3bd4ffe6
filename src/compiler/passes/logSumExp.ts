import type { Graph, GraphNode } from "../graph.js";
import { Rewriter } from "./rewriter.js";

/**
 * `Log(ReduceSum(Exp(x)))` and `ReduceLogSum(Exp(x))` become `ReduceLogSumExp(x)`: fixed point has
 * no room for e^60 next to e^5, and needs none where the greatest x is taken out first.
 */
export function mergeLogSumExp(graph: Graph): void {
  const rewriter = new Rewriter(graph);
  const madeBy = (name: string | undefined, opType: string): GraphNode | undefined => {
    const maker = rewriter.producer(name ?? "");
    const merges = maker?.domain === "" && maker.opType === opType && maker.inputs.length === 1;
    return merges && rewriter.isUsedOnce(name ?? "") ? maker : undefined;
  };
  for (const node of rewriter.sweep()) {
    if (node.domain !== "") continue;
    let sum: GraphNode | undefined;
    if (node.opType === "Log") sum = madeBy(node.inputs[0], "ReduceSum");
    else if (node.opType === "ReduceLogSum") sum = node;
    if (!sum?.attributes.has("axes")) continue;
    const exp = madeBy(sum.inputs[0], "Exp");
    if (exp === undefined) continue;
    node.opType = "ReduceLogSumExp";
    node.attributes = new Map(sum.attributes);
    rewriter.setInputs(node, [...exp.inputs]);
  }
  rewriter.finish();
}
