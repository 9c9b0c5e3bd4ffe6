import { addConstant, floatAttribute, intAttribute, isFloat } from "../graph.js";
import type { ConstantTensor, Graph, GraphNode } from "../graph.js";
import { derivedTensor } from "../lazyTensor.js";
import { transposed } from "../fold/arrays.js";
import { Rewriter } from "./rewriter.js";

/**
 * Products with a constant matrix become `aivm.Linear`: inputs x [..., K], w [K, N] and perhaps
 * bias [N], all but x constant; y = x·w + bias. Gemm's factors and transposition go into w and
 * bias, in float64. A MatMul over a single index is an outer product, and becomes a Mul: it sums
 * nothing, and its constants need not be weights of few bits. A Gemm or MatMul that is not of these
 * kinds, quantised ones included, stays.
 */
export function toLinear(graph: Graph): void {
  const rewriter = new Rewriter(graph);
  for (const node of rewriter.sweep()) {
    if (node.domain !== "") continue;
    if (node.opType === "Gemm") gemmToLinear(rewriter, node);
    if (node.opType !== "MatMul") continue;
    if (isOuter(rewriter, node)) node.opType = "Mul";
    else matmulToLinear(rewriter, node);
  }
  rewriter.finish();
}

function isOuter(rewriter: Rewriter, { inputs: [a = "", b = ""] }: GraphNode): boolean {
  const [left, right] = [rewriter.shape(a) ?? [], rewriter.shape(b) ?? []];
  if (left.length < 2 || right.length < 2 || !isFloat(rewriter.info(a).elementType)) return false;
  const [rows, columns] = right.slice(-2);
  return left[left.length - 1] === 1 && rows === 1 && columns !== 1;
}

function scaled(constant: ConstantTensor, factor: number): Float64Array {
  return (constant.data as Float64Array).map((v) => v * factor);
}

function gemmToLinear(rewriter: Rewriter, node: GraphNode): void {
  const [x = "", bName = "", cName = ""] = node.inputs;
  const b = rewriter.constant(bName);
  if (b === undefined || !isFloat(b.elementType) || intAttribute(node, "transA") === 1) return;
  const turned = intAttribute(node, "transB") === 1;
  const dims = turned ? [...b.dims].reverse() : b.dims;
  const columns = dims[1];
  if (dims.length !== 2 || columns === undefined) return;
  let bias: Float64Array | undefined;
  if (cName !== "") {
    const c = rewriter.constant(cName);
    // A bias that differs from row to row is none.
    if (c === undefined || (c.dims.length === 2 && c.dims[0] !== 1)) return;
    const values = scaled(c, floatAttribute(node, "beta") ?? 1);
    bias = values.length === 1 ? new Float64Array(columns).fill(values[0] ?? 0) : values;
    if (bias.length !== columns) return;
  }
  const alpha = floatAttribute(node, "alpha") ?? 1;
  const weights = derivedTensor(b, b.elementType, dims, (source) =>
    scaled(turned ? (transposed(source, [1, 0]) ?? source) : source, alpha),
  );
  become(rewriter, node, x, weights, bias);
}

function matmulToLinear(rewriter: Rewriter, node: GraphNode): void {
  const [x = "", bName = ""] = node.inputs;
  const b = rewriter.constant(bName);
  const rank = rewriter.shape(x)?.length ?? 0;
  if (b === undefined || !isFloat(b.elementType) || rank < 2 || rank < b.dims.length) return;
  // A batch of one matrix is that matrix.
  if (b.dims.length < 2 || b.dims.slice(0, -2).some((dim) => dim !== 1)) return;
  const weights = derivedTensor(b, b.elementType, b.dims.slice(-2), ({ data }) => data);
  become(rewriter, node, x, weights, undefined);
}

function become(
  rewriter: Rewriter,
  node: GraphNode,
  x: string,
  weights: ConstantTensor,
  bias: Float64Array | undefined,
): void {
  const output = node.outputs[0] ?? "";
  const { elementType } = weights;
  const inputs = [x, addConstant(rewriter.graph, `${output}#weights`, weights)];
  if (bias !== undefined) {
    const constant = { elementType, dims: [bias.length], data: bias };
    inputs.push(addConstant(rewriter.graph, `${output}#bias`, constant));
  }
  node.opType = "Linear";
  node.domain = "aivm";
  node.attributes = new Map();
  rewriter.setInputs(node, inputs);
}
