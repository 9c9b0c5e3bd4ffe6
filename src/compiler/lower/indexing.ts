/** Operators that index, sort and mask. */
import type { Graph, GraphNode } from "../graph.js";
import type { Refusal } from "../listUnsupported.js";
import { gatheringRules } from "./gathering.js";
import { maskRules } from "./masks.js";
import type { Rule } from "./rule.js";
import { scatteringRules } from "./scattering.js";
import { sortingRules } from "./sorting.js";

export const indexingRules: Readonly<Record<string, Rule>> = {
  ...gatheringRules,
  ...maskRules,
  ...scatteringRules,
  ...sortingRules,
};

/** Refuses a node whose input `i` is known only at run time. */
function wantsConstant(i: number, what: string): Refusal {
  return (graph: Graph, node: GraphNode) =>
    graph.initializers.has(node.inputs[i] ?? "")
      ? undefined
      : `with ${what} known only at run time (pin the input that says it, --pin NAME=VALUE)`;
}

export const indexingRefusals: Readonly<Record<string, Refusal>> = {
  CumSum: wantsConstant(1, "an axis"),
  OneHot: wantsConstant(1, "a depth"),
};
