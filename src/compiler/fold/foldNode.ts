import { derivedTensor, isLazy, realised } from "../lazyTensor.js";
import { constantCount, elementCount, nodeError, operatorName } from "../graph.js";
import type { ConstantTensor, ValueInfo } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { EXACT_FUNCTIONS } from "./folder.js";
import type { FoldInputs } from "./folder.js";
import { FOLDERS, SHAPERS } from "./folders.js";

/** What neither multiplies elements nor depends on them, nor on anything outside the node. */
const MOVES = new Set([
  "Cast",
  "Flatten",
  "Identity",
  "Reshape",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);

/**
 * Computes a node whose inputs are all constant, or undefined when it must stay. Arithmetic is
 * IEEE float64 rounded to the element type after each operator, exact for integers, so the result
 * is the same on every machine. Quantised weights (DequantizeLinear) stay as integers.
 */
export function foldNode(view: NodeView, info: ValueInfo): ConstantTensor | undefined {
  const { node } = view;
  if (node.outputs.length !== 1 || node.inputs.length === 0) return undefined;
  const name = operatorName(node);
  const [folder, shaper] = [FOLDERS.get(name), SHAPERS.get(name)];
  if (folder === undefined && shaper === undefined) return undefined;
  const inputs: (ConstantTensor | undefined)[] = [];
  for (let i = 0; i < node.inputs.length; i++) {
    const constant = view.constant(i);
    if (constant === undefined && view.has(i)) return undefined;
    inputs.push(constant);
  }
  const { elementType, shape } = info;
  const count = elementCount(shape);
  if (folder !== undefined && (elementType === undefined || count === undefined)) return undefined;
  // What is read costs time, what is made memory.
  const { budget } = view.scope;
  const [x] = inputs;
  // A move of data that the file holds makes no more of them, and nothing until it is read.
  if (isLazy(x) && x && MOVES.has(name) && elementType !== undefined && count !== undefined) {
    return derivedTensor(x, elementType, shape as number[], (source) => {
      const made = computed(view, info, [source, ...inputs.slice(1)]);
      if (made !== undefined) return made.data;
      throw nodeError("BadGraph", node, "cannot be computed from its constants");
    });
  }
  const cost = inputs.reduce((most, t) => Math.max(most, t ? constantCount(t) : 0), count ?? 0);
  if (cost > budget.elements) return undefined;
  budget.elements -= cost;
  try {
    return computed(
      view,
      info,
      inputs.map((t) => t && realised(t)),
    );
  } catch (error) {
    // Operands whose types or sizes do not go together: whoever reads the node says so.
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function computed(
  view: NodeView,
  { elementType, shape }: ValueInfo,
  inputs: FoldInputs,
): ConstantTensor | undefined {
  const name = operatorName(view.node);
  const [folder, shaper] = [FOLDERS.get(name), SHAPERS.get(name)];
  const context = { outs: [], functions: EXACT_FUNCTIONS };
  if (shaper !== undefined) return shaper(inputs, view, context)?.[0];
  if (folder === undefined || elementType === undefined) return undefined;
  const out = { elementType, dims: (shape ?? []) as number[] };
  const result = folder(inputs, view, out, { ...context, outs: [out] });
  return Array.isArray(result)
    ? (result as readonly ConstantTensor[])[0]
    : (result as ConstantTensor);
}
