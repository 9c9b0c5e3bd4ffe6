import { capturedBy, copyGraph, subgraphs } from "./graph.js";
import type { Graph } from "./graph.js";
import { foldAffine } from "./passes/foldAffine.js";
import { foldPad } from "./passes/foldPad.js";
import { groupUnary } from "./passes/groupUnary.js";
import { toLinear } from "./passes/linear.js";
import { mergeLogSumExp } from "./passes/logSumExp.js";
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
  runPasses(result, []);
  inferShapes(result);
  return result;
}

/** Passes over a graph and then over the bodies in it, which take what they capture for inputs. */
function runPasses(result: Graph, outer: readonly Graph[]): void {
  const captured = outer.length === 0 ? [] : capturedBy(result);
  for (const name of captured) {
    const home = outer.find(({ values }) => values.has(name));
    result.values.set(name, home?.values.get(name) ?? { elementType: undefined, shape: undefined });
  }
  result.inputs.push(...captured);
  simplify(result);
  toLinear(result);
  foldPad(result);
  foldAffine(result);
  simplify(result);
  mergeLogSumExp(result);
  groupUnary(result);
  result.inputs = result.inputs.filter((name) => !captured.includes(name));
  for (const name of captured) result.values.delete(name);
  for (const node of result.nodes)
    for (const body of subgraphs(node)) runPasses(body, [result, ...outer]);
}
