import type { GraphNode } from "../graph.js";
import type { LoweringContext } from "./context.js";

/** Writes the program of one node, and defines its outputs in the context. */
export type Rule = (ctx: LoweringContext, node: GraphNode) => void;
