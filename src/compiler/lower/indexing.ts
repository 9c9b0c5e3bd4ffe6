/** Operators that index, sort and mask. */
import type { Graph, GraphNode } from "../graph.js";
import type { Refusal } from "../listUnsupported.js";
import { gatheringRules } from "./gathering.js";
import { maskRules } from "./masks.js";
import { lowerNgrams } from "./ngrams.js";
import type { Rule } from "./rule.js";
import { scatteringRules } from "./scattering.js";
import { sortingRules } from "./sorting.js";
import { lowerSuppression } from "./suppression.js";
import { wantsSizes } from "./wantsSizes.js";

export const indexingRules: Readonly<Record<string, Rule>> = {
  ...gatheringRules,
  ...maskRules,
  ...scatteringRules,
  ...sortingRules,
  NonMaxSuppression: lowerSuppression,
  TfIdfVectorizer: lowerNgrams,
};

/** Refuses a node whose input `i` is known only at run time. */
function wantsConstant(i: number, what: string): Refusal {
  return (graph: Graph, node: GraphNode) =>
    (node.inputs[i] ?? "") === "" || graph.initializers.has(node.inputs[i]!)
      ? undefined
      : `with ${what} known only at run time (pin the input that says it, --pin NAME=VALUE)`;
}

export const indexingRefusals: Readonly<Record<string, Refusal>> = {
  NonMaxSuppression: (graph, node) =>
    [
      wantsConstant(2, "a number of boxes"),
      wantsConstant(3, "a threshold"),
      wantsConstant(4, "a threshold"),
      wantsSizes(0, 1),
    ]
      .map((refusal) => refusal(graph, node))
      .find((reason) => reason !== undefined),
};
