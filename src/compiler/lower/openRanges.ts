/** What values may become at sizes that calibration did not see. */
import type { ConstantTensor, Dim, GraphNode } from "../graph.js";
import { constantNumbers, intAttribute, intsAttribute, operatorName } from "../graph.js";

/** What is asked of a graph. */
interface Connections {
  producerOf(name: string): GraphNode | undefined;
  shapeOf(name: string): readonly Dim[];
  constant(name: string): ConstantTensor | undefined;
}

/** How many times fewer keys there may be than in calibration before probabilities saturate. */
const FEWER = 8;

/**
 * What a value that is the probabilities of a softmax over an open axis, moved about at most, should
 * reach: among fewer keys than calibration had each is more likely, but none more than 1. Never less
 * than other values with that range. Undefined for other values.
 */
export function probabilityReach(
  graph: Connections,
  name: string,
  greatest: number,
  headroom: number,
): number | undefined {
  if (!isOpenProbability(graph, name)) return undefined;
  return Math.max(headroom * greatest, Math.min(1, FEWER * greatest));
}

function isOpenProbability(graph: Connections, name: string): boolean {
  const node = graph.producerOf(name);
  if (node === undefined) return false;
  const operator = operatorName(node);
  if (operator === "Softmax") {
    const shape = graph.shapeOf(node.outputs[0]!);
    return typeof shape.at(intAttribute(node, "axis") ?? -1) === "string";
  }
  if (MOVES.has(operator)) return isOpenProbability(graph, node.inputs[0]!);
  if (operator !== "Where") return false;
  // Rows without any key are 0 / 0 in floats: exporters put zeros there.
  const isZero = (other: string): boolean => {
    const constant = graph.constant(other);
    return constant !== undefined && constantNumbers(constant).every((x) => x === 0);
  };
  const [, a = "", b = ""] = node.inputs;
  return (isZero(a) && isOpenProbability(graph, b)) || (isZero(b) && isOpenProbability(graph, a));
}

const MOVES: ReadonlySet<string> = new Set([
  "Cast",
  "Expand",
  "Identity",
  "Reshape",
  "Slice",
  "Transpose",
]);

/** Room for sums over so many more elements than in calibration; 24 bits of 31 are left to them. */
const SUM_HEADROOM = 64;
/** Means of fewer elements lie further from the middle; roots of sums grow slower than those. */
const MEAN_HEADROOM = 8;

/**
 * How many times the calibrated range a wide value should hold because it depends linearly on sums
 * or means over an open axis. Undefined for other values.
 */
export function openHeadroom(graph: Connections, name: string): number | undefined {
  const node = graph.producerOf(name);
  if (node === undefined) return undefined;
  const operator = operatorName(node);
  const [first = "", second = ""] = node.inputs;
  const isOpen = (axes: readonly number[]): boolean => {
    const shape = graph.shapeOf(first);
    return axes.some((axis) => typeof shape.at(axis) === "string");
  };
  const reduced = intsAttribute(node, "axes") ?? [];
  if (operator === "ReduceSum") return isOpen(reduced) ? SUM_HEADROOM : undefined;
  if (operator === "ReduceMean") return isOpen(reduced) ? MEAN_HEADROOM : undefined;
  if (operator === "CumSum") {
    const axis = graph.constant(second);
    const axes = axis === undefined ? graph.shapeOf(first).map((_, i) => i) : constantNumbers(axis);
    return isOpen(axes) ? SUM_HEADROOM : undefined;
  }
  if (operator === "MatMul" && graph.constant(second) === undefined)
    // Probabilities times values: a mean.
    return isOpen([-1]) && isOpenProbability(graph, first) ? MEAN_HEADROOM : undefined;
  if (operator === "Sqrt" || operator === "aivm.Unary") {
    return openHeadroom(graph, first) === undefined ? undefined : MEAN_HEADROOM;
  }
  if (MOVES.has(operator)) return openHeadroom(graph, first);
  if (!LINEAR.has(operator)) return undefined;
  if (graph.constant(second) !== undefined) return openHeadroom(graph, first);
  return graph.constant(first) === undefined ? undefined : openHeadroom(graph, second);
}

const LINEAR: ReadonlySet<string> = new Set(["Add", "Gemm", "MatMul", "Mul", "Sub", "aivm.Linear"]);
