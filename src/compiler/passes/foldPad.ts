import {
  attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from "../graph.js";
import type { Graph, GraphNode } from "../graph.js";
import { Rewriter } from "./rewriter.js";
import { clampBounds } from "./simplify.js";

/** Exporters write it for −∞. */
const LOWEST_FLOAT32 = -3.4028234663852886e38;

/**
 * Folds a Pad by zeros over spatial axes into the Conv or pool that alone reads it. A MaxPool pads
 * by −∞, so there the data must be known not to be negative.
 */
export function foldPad(graph: Graph): void {
  const rewriter = new Rewriter(graph);
  for (const node of rewriter.sweep()) {
    if (node.opType !== "Pad" || node.domain !== "") continue;
    const output = node.outputs[0] ?? "";
    const pads = intsAttribute(node, "pads");
    if (pads === undefined || stringAttribute(node, "mode") !== "constant") continue;
    if (!rewriter.isUsedOnce(output)) continue;
    const [reader] = rewriter.readersOf(output);
    if (reader === undefined || reader.domain !== "" || reader.inputs[0] !== output) continue;
    const rank = pads.length / 2;
    const outside = pads.some((p, i) => p < 0 || (i % rank < 2 && p !== 0));
    const own = intsAttribute(reader, "pads") ?? [];
    const spatial = pads.filter((_, i) => i % rank >= 2);
    if (outside || own.length !== spatial.length) continue;
    if (!canPad(rewriter, reader, node, spatial)) continue;
    reader.attributes.set("pads", attribute.ints(own.map((p, i) => p + (spatial[i] ?? 0))));
    rewriter.setInput(reader, 0, node.inputs[0] ?? "");
    rewriter.remove(node);
  }
  rewriter.finish();
}

function canPad(
  rewriter: Rewriter,
  reader: GraphNode,
  pad: GraphNode,
  spatial: readonly number[],
): boolean {
  const own = intsAttribute(reader, "pads") ?? [];
  const value = floatAttribute(pad, "value") ?? 0;
  if (reader.opType === "Conv") return value === 0;
  if (reader.opType === "AveragePool") {
    const counts = intAttribute(reader, "count_include_pad") === 1;
    if (value !== 0 || intAttribute(reader, "ceil_mode") === 1) return false;
    if (!counts && own.some((p) => p !== 0)) return false;
    reader.attributes.set("count_include_pad", attribute.int(1));
    return true;
  }
  if (reader.opType !== "MaxPool" || intAttribute(reader, "ceil_mode") === 1) return false;
  // Indices of maxima count in the padded image.
  if (reader.outputs.length > 1) return false;
  // No window may lie in the padding alone.
  const kernel = intsAttribute(reader, "kernel_shape") ?? [];
  const fits = own.every((p, i) => p + (spatial[i] ?? 0) < (kernel[i % kernel.length] ?? 0));
  const maker = rewriter.producer(pad.inputs[0] ?? "");
  const atLeastZero = maker !== undefined && (clampBounds(maker)?.[0] ?? -1) >= 0;
  return fits && (value <= LOWEST_FLOAT32 || (value === 0 && atLeastZero));
}
