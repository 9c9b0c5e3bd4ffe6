import { elementAt, aroundAxis } from "../compiler/fold/folder.js";
import { countOf, zeros } from "../compiler/fold/arrays.js";
import { graphAttribute, intAttribute, intsAttribute, nodeError } from "../compiler/graph.js";
import type { ConstantTensor, Graph, GraphNode } from "../compiler/graph.js";

/** The values of a graph while it is computed, and how to compute its bodies. */
export interface Frame {
  get(name: string): ConstantTensor;
  set(name: string, tensor: ConstantTensor): void;
  /** Tells whoever measures of a value that was not computed by a node. */
  measure(name: string, tensor: ConstantTensor): void;
  /** A frame for one run of a body. */
  inner(body: Graph): Frame;
  evaluate(node: GraphNode): void;
}

/** A loop that goes on for longer is taken to have no end. */
const MAX_ITERATIONS = 65_536;

/** Runs If, Loop or Scan with the values of `frame` around it. */
export function evaluateControl(node: GraphNode, frame: Frame): ConstantTensor[] {
  if (node.domain === "" && node.opType === "If") return evaluateIf(node, frame);
  if (node.domain === "" && node.opType === "Loop") return evaluateLoop(node, frame);
  if (node.domain === "" && node.opType === "Scan") return evaluateScan(node, frame);
  throw nodeError("NotEvaluated", node, "cannot be computed in floats: the operator is not known");
}

function bodyOf(node: GraphNode, name: string): Graph {
  const body = graphAttribute(node, name);
  if (body !== undefined) return body;
  throw nodeError("BadAttribute", node, `attribute "${name}" is missing`);
}

function runBody(body: Graph, frame: Frame, inputs: readonly ConstantTensor[]): ConstantTensor[] {
  const inner = frame.inner(body);
  body.inputs.forEach((name, i) => {
    const tensor = inputs[i];
    if (tensor === undefined) return;
    inner.set(name, tensor);
    inner.measure(name, tensor);
  });
  for (const node of body.nodes) inner.evaluate(node);
  return body.outputs.map((name) => inner.get(name));
}

function isTrue(tensor: ConstantTensor | undefined): boolean {
  return tensor === undefined || Number(elementAt(tensor, 0)) !== 0;
}

function evaluateIf(node: GraphNode, frame: Frame): ConstantTensor[] {
  const taken = isTrue(frame.get(node.inputs[0] ?? "")) ? "then_branch" : "else_branch";
  return runBody(bodyOf(node, taken), frame, []);
}

function evaluateLoop(node: GraphNode, frame: Frame): ConstantTensor[] {
  const body = bodyOf(node, "body");
  const [limitName = "", conditionName = "", ...carriedNames] = node.inputs;
  const limit = limitName === "" ? Infinity : Number(elementAt(frame.get(limitName), 0));
  let goesOn = isTrue(conditionName === "" ? undefined : frame.get(conditionName));
  let carried = carriedNames.map((name) => frame.get(name));
  const scanned: ConstantTensor[][] = body.outputs.slice(1 + carried.length).map(() => []);
  for (let i = 0; i < limit && goesOn; i++) {
    if (i >= MAX_ITERATIONS) {
      throw nodeError("NotEvaluated", node, `runs more than ${String(MAX_ITERATIONS)} times`);
    }
    const index = { elementType: "int64", dims: [], data: BigInt64Array.of(BigInt(i)) } as const;
    const condition = { elementType: "bool", dims: [], data: Uint8Array.of(1) } as const;
    const [next, ...results] = runBody(body, frame, [index, condition, ...carried]);
    goesOn = isTrue(next);
    carried = results.slice(0, carried.length);
    scanned.forEach((list, k) => list.push(results[carried.length + k]!));
  }
  const stacks = scanned.map((list, k) => {
    const name = body.outputs[1 + carried.length + k] ?? "";
    return stacked(node, body, name, list, 0);
  });
  return [...carried, ...stacks];
}

/** Tensors of one shape along a new axis. */
function stacked(
  node: GraphNode,
  body: Graph,
  name: string,
  list: readonly ConstantTensor[],
  axis: number,
): ConstantTensor {
  const info = body.values.get(name);
  const elementType = list[0]?.elementType ?? info?.elementType ?? "float32";
  // Where nothing was made, the body may still say how large it would have been.
  const dims = list[0]?.dims ?? info?.shape?.map((d) => (typeof d === "number" ? d : 0)) ?? [];
  if (list.some((t) => t.dims.length !== dims.length || t.dims.some((d, i) => d !== dims[i]))) {
    throw nodeError("NotEvaluated", node, `"${name}" has another shape in each iteration`);
  }
  const shape = [...dims.slice(0, axis), list.length, ...dims.slice(axis)];
  const data = zeros(elementType, countOf(shape));
  if (data === undefined) throw nodeError("NotEvaluated", node, `"${name}" holds strings`);
  const inner = countOf(dims.slice(axis));
  const outer = countOf(dims.slice(0, axis));
  list.forEach((tensor, k) => {
    for (let o = 0; o < outer; o++) {
      const piece = (tensor.data as Float64Array).subarray(o * inner, (o + 1) * inner);
      (data as Float64Array).set(piece, (o * list.length + k) * inner);
    }
  });
  return { elementType, dims: shape, data };
}

/** Index `i` of an axis, which goes. */
function taken(x: ConstantTensor, axis: number, i: number): ConstantTensor {
  const { outer, size, inner } = aroundAxis(x.dims, axis);
  const data = zeros(x.elementType, outer * inner)!;
  for (let o = 0; o < outer; o++) {
    const start = (o * size + i) * inner;
    const piece = (x.data as Float64Array).subarray(start, start + inner);
    (data as Float64Array).set(piece, o * inner);
  }
  return { elementType: x.elementType, dims: x.dims.filter((_, d) => d !== axis), data };
}

function evaluateScan(node: GraphNode, frame: Frame): ConstantTensor[] {
  const body = bodyOf(node, "body");
  const scanCount = intAttribute(node, "num_scan_inputs") ?? 0;
  const stateCount = node.inputs.length - scanCount;
  const operands = node.inputs.map((name) => frame.get(name));
  let state = operands.slice(0, stateCount);
  const scans = operands.slice(stateCount).map((x, k) => {
    const axis = intsAttribute(node, "scan_input_axes")?.[k] ?? 0;
    const backwards = intsAttribute(node, "scan_input_directions")?.[k] === 1;
    return { x, axis: axis < 0 ? axis + x.dims.length : axis, backwards };
  });
  const length = scans[0]?.x.dims[scans[0].axis] ?? 0;
  const lists: ConstantTensor[][] = body.outputs.slice(stateCount).map(() => []);
  for (let i = 0; i < length; i++) {
    const parts = scans.map(({ x, axis, backwards }) =>
      taken(x, axis, backwards ? length - 1 - i : i),
    );
    const results = runBody(body, frame, [...state, ...parts]);
    state = results.slice(0, stateCount);
    lists.forEach((list, k) => list.push(results[stateCount + k]!));
  }
  const outputs = lists.map((list, k) => {
    const name = body.outputs[stateCount + k] ?? "";
    const rank = (list[0]?.dims.length ?? 0) + 1;
    const axis = intsAttribute(node, "scan_output_axes")?.[k] ?? 0;
    const ordered =
      intsAttribute(node, "scan_output_directions")?.[k] === 1 ? list.reverse() : list;
    return stacked(node, body, name, ordered, axis < 0 ? axis + rank : axis);
  });
  return [...state, ...outputs];
}
