import { copyGraph } from "./graph.js";
import type { Graph } from "./graph.js";
import { foldAffine } from "./passes/foldAffine.js";
import { foldPad } from "./passes/foldPad.js";
import { groupUnary } from "./passes/groupUnary.js";
import { toLinear } from "./passes/linear.js";
import { simplify } from "./passes/simplify.js";
import { inferShapes } from "./resolve.js";

/**
 * Simplifies a graph in normal form without changing what it computes over the reals. What comes
 * out is in normal form too, with two operators of our own and fewer of ONNX's:
 *
 * | operator | inputs | meaning |
 * |---|---|---|
 * | aivm.Linear | x [..., K], w [K, N], bias [N]? | `x·w + bias`, w and bias constant: Gemm or MatMul by a constant matrix |
 * | aivm.Unary | x | `expression` of each element, see `groupUnary` |
 *
 * Identity is left only between a graph output and an input, constant or other output.
 * BatchNormalization is left only where its parameters are not constant. Weights that passes have
 * changed are unrounded float64.
 *
 * The graph that is handed in is not changed.
 */
export function optimise(graph: Graph): Graph {
  const result = copyGraph(graph);
  simplify(result);
  toLinear(result);
  foldPad(result);
  foldAffine(result);
  simplify(result);
  groupUnary(result);
  inferShapes(result);
  return result;
}
