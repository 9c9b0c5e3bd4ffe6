import { attribute, elementCount, isFloat, nodeError, operatorName } from "../graph.js";
import type { ConstantTensor, ElementType, Graph, GraphNode, Shape, ValueInfo } from "../graph.js";
import { realised } from "../lazyTensor.js";
import { normaliseNode } from "../normalise.js";
import { clampSlice } from "../normalise/movementNormalisers.js";
import { NodeView } from "../shapes/nodeView.js";
import type { Scope } from "../shapes/nodeView.js";
import { SHAPE_RULES } from "../shapes/rules.js";
import type { FoldInputs, Functions, KnownInfo } from "./folder.js";
import { EVALUATORS, FOLDERS, SHAPERS } from "./folders.js";

/** A tensor of more elements is refused: it takes a gibibyte. */
const MAX_ELEMENTS = 1 << 27;

/** Versions under which the normal form reads as what it is: operator sets that took no turn since. */
const LATEST = new Map([["", 23]]);

export interface NodeEvaluation {
  /** Shapes of the inputs as the graph has them: an axis that was open there has other rules. */
  readonly declared: readonly Shape[];
  /** What is known of the outputs, dimensions in numbers; where shapes are what defines the node. */
  readonly outputs: readonly ValueInfo[];
  readonly functions: Functions;
}

/**
 * Computes a node of the normal form, bodies apart, in floats from data: every operator that has a
 * folder, on any shape. Parameters that are known only at run time are known here.
 *
 * @returns the node's outputs in order; undefined where nobody wants one
 * @throws CompileError `NotEvaluated` naming the node where the operator or the case is not known
 */
export function evaluateNode(
  node: GraphNode,
  inputs: FoldInputs,
  { declared, outputs, functions }: NodeEvaluation,
): (ConstantTensor | undefined)[] {
  const own = { ...node, attributes: new Map(node.attributes) };
  const graph = scratchGraph(own, ofOneFloat(inputs), outputs);
  const scope: Scope = {
    graph,
    outer: undefined,
    contents: new Map(),
    budget: { elements: MAX_ELEMENTS },
    claimed: new Set(),
    fractions: new Map(),
    lists: new Map(),
  };
  if (node.opType === "Slice" && node.domain === "") closeSlice(own, declared[0], inputs[0]);
  // Of a value without a rank, normalisation knew nothing: axes may still count from the end.
  const unranked = declared.some((shape, i) => shape === undefined && inputs[i] !== undefined);
  if (unranked || !evaluateStatic(own, scope, functions)) {
    // Once more through normalisation: what was known only at run time is constant now.
    const fresh = { ...own, inputs: [...own.inputs], outputs: [...own.outputs] };
    for (const normal of normaliseNode(new NodeView(fresh, scope))) {
      if (!evaluateStatic(normal, scope, functions)) {
        throw nodeError(
          "NotEvaluated",
          node,
          "cannot be computed in floats: the operator, its element type or this case of it is not known",
        );
      }
    }
  }
  return node.outputs.map((name) => (name === "" ? undefined : graph.initializers.get(name)));
}

const WIDTHS: readonly ElementType[] = ["float64", "float32", "float16", "bfloat16"];

/** Passes drop casts between floats: where operands differ, the widest type counts. */
function ofOneFloat(inputs: FoldInputs): FoldInputs {
  const types = new Set(
    inputs.flatMap((t) => (t && isFloat(t.elementType) ? [t.elementType] : [])),
  );
  const widest = WIDTHS.find((type) => types.has(type));
  if (types.size < 2 || widest === undefined) return inputs;
  return inputs.map((t) => (t && isFloat(t.elementType) ? { ...t, elementType: widest } : t));
}

function scratchGraph(node: GraphNode, inputs: FoldInputs, outputs: readonly ValueInfo[]): Graph {
  const graph: Graph = {
    name: node.name,
    inputs: [],
    outputs: node.outputs,
    nodes: [],
    initializers: new Map(),
    values: new Map(),
    opsets: LATEST,
  };
  node.inputs.forEach((name, i) => {
    const tensor = inputs[i];
    if (tensor !== undefined) setConstant(graph, name, tensor);
  });
  node.outputs.forEach((name, i) => {
    const info = outputs[i];
    if (name !== "" && info !== undefined) graph.values.set(name, info);
  });
  return graph;
}

function setConstant(graph: Graph, name: string, tensor: ConstantTensor): void {
  graph.initializers.set(name, tensor);
  graph.values.set(name, { elementType: tensor.elementType, shape: tensor.dims });
}

/** On an axis that is open in the graph, bounds are as ONNX has them, from either end. */
function closeSlice(node: GraphNode, declared: Shape, x: ConstantTensor | undefined): void {
  const [axes, starts, ends, steps] = ["axes", "starts", "ends", "steps"].map((name) => {
    const a = node.attributes.get(name);
    return a?.type === "ints" ? a.value.map(Number) : undefined;
  });
  if (x === undefined || !axes || !starts || !ends || !steps) return;
  axes.forEach((axis, i) => {
    if (typeof declared?.[axis] === "number") return;
    [starts[i], ends[i]] = clampSlice(
      starts[i] ?? 0,
      ends[i] ?? 0,
      steps[i] ?? 1,
      x.dims[axis] ?? 1,
    );
  });
  node.attributes.set("starts", attribute.ints(starts));
  node.attributes.set("ends", attribute.ints(ends));
}

/** Computes a node whose parameters are all attributes; false where there is no way. */
function evaluateStatic(node: GraphNode, scope: Scope, functions: Functions): boolean {
  try {
    return evaluateChecked(node, scope, functions);
  } catch (error) {
    // Operands whose types or sizes do not go together, which shape rules let pass.
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw nodeError("NotEvaluated", node, `cannot be computed in floats: ${error.message}`);
  }
}

function evaluateChecked(node: GraphNode, scope: Scope, functions: Functions): boolean {
  const { graph } = scope;
  const view = new NodeView(node, scope);
  const name = operatorName(node);
  const inputs = node.inputs.map((_, i) => {
    const constant = view.constant(i);
    return constant && realised(constant);
  });
  const shaper = SHAPERS.get(name);
  let results: readonly ConstantTensor[] | undefined;
  if (shaper !== undefined) results = shaper(inputs, view, { functions });
  else {
    const folder = FOLDERS.get(name) ?? EVALUATORS.get(name);
    const inferred = SHAPE_RULES.get(name)?.(view) ?? [];
    const outs = node.outputs.map((output, i) => outputInfo(node, view, output, inferred[i], i));
    const [out] = outs;
    if (folder === undefined || out === undefined || outs.includes(undefined)) return false;
    const result = folder(inputs, view, out, { outs: outs as KnownInfo[], functions });
    if (result === undefined) return false;
    results = Array.isArray(result)
      ? (result as readonly ConstantTensor[])
      : [result as ConstantTensor];
  }
  if (results === undefined) return false;
  node.outputs.forEach((output, i) => {
    const tensor = results[i];
    if (output !== "" && tensor !== undefined) setConstant(graph, output, tensor);
  });
  return node.outputs.every((output) => output === "" || graph.initializers.has(output));
}

/** Type and sizes of an output; undefined where they are not known. */
function outputInfo(
  node: GraphNode,
  view: NodeView,
  output: string,
  inferred: ValueInfo | undefined,
  i: number,
): KnownInfo | undefined {
  const declared = view.output(i);
  const elementType = inferred?.elementType ?? declared.elementType;
  const closed = (shape: Shape): boolean => elementCount(shape) !== undefined;
  const shape =
    [inferred?.shape, declared.shape].find(closed) ?? derived(view, node, declared.shape);
  const count = elementCount(shape) ?? 0;
  if (count > MAX_ELEMENTS) {
    throw nodeError(
      "TooLarge",
      node,
      `its result has ${String(count)} elements, more than ${String(MAX_ELEMENTS)}`,
    );
  }
  const sizes = shape?.filter((dim) => typeof dim === "number" && dim >= 0);
  const known = shape !== undefined && sizes?.length === shape.length;
  // Nobody asks for it, but the order counts.
  if (output === "")
    return { elementType: elementType ?? "float32", dims: known ? (shape as number[]) : [] };
  if (elementType === undefined || !known) return undefined;
  return { elementType, dims: shape as number[] };
}

/** A Reshape with one axis that is still open: the elements say how long it is. */
function derived(view: NodeView, node: GraphNode, shape: Shape): Shape {
  const open = shape?.filter((dim) => typeof dim === "string") ?? [];
  const count = elementCount(view.shape(0));
  if (node.opType !== "Reshape" || shape === undefined || open.length !== 1) return undefined;
  if (node.inputs.length > 1 || count === undefined) return undefined;
  const rest = shape.reduce<number>((p, dim) => (typeof dim === "number" ? p * dim : p), 1);
  if (rest === 0 || count % rest !== 0) return undefined;
  return shape.map((dim) => (typeof dim === "number" ? dim : count / rest));
}
