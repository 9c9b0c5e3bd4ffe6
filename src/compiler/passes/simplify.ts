import {
  attribute,
  constantCount,
  constantNumbers,
  floatAttribute,
  intAttribute,
  intsAttribute,
  isFloat,
  isFloat8,
} from "../graph.js";
import type { Dim, Graph, GraphNode, Shape } from "../graph.js";
import { Rewriter } from "./rewriter.js";

function sameShape(a: Shape, b: Shape): boolean {
  return a !== undefined && a.length === b?.length && a.every((dim, i) => dim === b[i]);
}

/**
 * Removes what does nothing: Identity, casts between floating types (the machine has no floats to
 * tell apart) or to the type that is there, Reshapes to the same shape, Transposes that move
 * nothing. Merges Reshape after Reshape and Transpose after Transpose; a Transpose that only moves
 * axes of size 1 becomes a Reshape, a Max or Min against one number a Clip, and a Concat with
 * constants of one number a Pad.
 */
export function simplify(graph: Graph): void {
  const rewriter = new Rewriter(graph);
  for (const node of rewriter.sweep()) {
    if (node.domain !== "") continue;
    if (node.opType === "Max" || node.opType === "Min") extremeToClip(rewriter, node);
    if (node.opType === "Concat") concatToPad(rewriter, node);
    if (node.opType === "Transpose") simplifyTranspose(rewriter, node);
    if (node.opType === "Reshape" && node.inputs.length === 1) mergeReshape(rewriter, node);
    if (doesNothing(rewriter, node)) rewriter.bypass(node);
  }
  rewriter.finish();
}

function doesNothing(rewriter: Rewriter, node: GraphNode): boolean {
  const from = rewriter.info(node.inputs[0]);
  const to = rewriter.info(node.outputs[0]);
  switch (node.opType) {
    case "Identity":
      return true;
    case "Cast":
      return (
        to.elementType !== undefined &&
        (from.elementType === to.elementType ||
          // Casts to 8-bit floats round, and are refused.
          (isFloat(from.elementType) && isFloat(to.elementType) && !isFloat8(to.elementType)))
      );
    case "Reshape":
      return node.inputs.length === 1 && sameShape(from.shape, to.shape);
    case "Transpose":
      return intsAttribute(node, "perm")?.every((p, i) => p === i) === true;
    default:
      return false;
  }
}

function mergeReshape(rewriter: Rewriter, node: GraphNode): void {
  const before = rewriter.producer(node.inputs[0] ?? "");
  if (before?.opType !== "Reshape" || before.domain !== "" || before.inputs.length !== 1) return;
  rewriter.setInputs(node, [...before.inputs]);
}

function simplifyTranspose(rewriter: Rewriter, node: GraphNode): void {
  const before = rewriter.producer(node.inputs[0] ?? "");
  let perm = intsAttribute(node, "perm");
  if (perm === undefined) return;
  const first =
    before?.opType === "Transpose" && before.domain === ""
      ? intsAttribute(before, "perm")
      : undefined;
  if (before !== undefined && first !== undefined) {
    perm = perm.map((p) => first[p] ?? p);
    node.attributes.set("perm", attribute.ints(perm));
    rewriter.setInputs(node, [...before.inputs]);
  }
  const shape: Shape = rewriter.shape(node.inputs[0]);
  const isOne = (dim: Dim | undefined): boolean => dim === 1;
  const moved = perm.filter((p) => !isOne(shape?.[p]));
  const keepsOrder = moved.every((p, i) => i === 0 || (moved[i - 1] ?? 0) < p);
  if (shape !== undefined && keepsOrder && !perm.every((p, i) => p === i)) {
    node.opType = "Reshape";
    node.attributes = new Map();
    mergeReshape(rewriter, node);
  }
}

/** `Max(x, c)` and `Min(x, c)` over floats, c one number that does not enlarge x. */
function extremeToClip(rewriter: Rewriter, node: GraphNode): void {
  const [a = "", b = ""] = node.inputs;
  if (node.inputs.length !== 2 || !isFloat(rewriter.info(a).elementType)) return;
  const [x, c] = rewriter.constant(a) === undefined ? [a, b] : [b, a];
  const constant = rewriter.constant(c);
  const rank = rewriter.shape(x)?.length;
  if (
    constant === undefined ||
    constantCount(constant) !== 1 ||
    rank === undefined ||
    constant.dims.length > rank
  )
    return;
  const [value = 0] = constantNumbers(constant);
  const isMax = node.opType === "Max";
  node.opType = isMax && value === 0 ? "Relu" : "Clip";
  node.attributes = new Map();
  if (node.opType === "Clip") {
    node.attributes.set("min", attribute.float(isMax ? value : -Infinity));
    node.attributes.set("max", attribute.float(isMax ? Infinity : value));
  }
  rewriter.setInputs(node, [x]);
}

/** One value between constants that all hold the same number, as channels are widened with zeros. */
function concatToPad(rewriter: Rewriter, node: GraphNode): void {
  const at = node.inputs.findIndex((name) => rewriter.constant(name) === undefined);
  const others = node.inputs.filter((_, i) => i !== at);
  const constants = others.map((name) => rewriter.constant(name));
  const axis = intAttribute(node, "axis");
  const shape = rewriter.shape(node.outputs[0]);
  const x = node.inputs[at] ?? "";
  const fill = constants.find((constant) => constant && constantCount(constant) !== 0)?.data[0];
  if (axis === undefined || shape === undefined || at < 0 || typeof fill !== "number") return;
  if (!isFloat(rewriter.info(x).elementType)) return;
  const own = rewriter.shape(x);
  let [before, after] = [0, 0];
  for (const [i, name] of node.inputs.entries()) {
    if (i === at) continue;
    const constant = rewriter.constant(name);
    const isFill = (v: unknown): boolean => v === fill;
    if (constant === undefined || !(constant.data as Float64Array).every(isFill)) return;
    // A constant of another size along other axes would be a mistake of the model's.
    if (!constant.dims.every((dim, i) => i === axis || dim === own?.[i])) return;
    if (i < at) before += constant.dims[axis] ?? 0;
    else after += constant.dims[axis] ?? 0;
  }
  const pads = new Array<number>(2 * shape.length).fill(0);
  pads[axis] = before;
  pads[axis + shape.length] = after;
  node.opType = "Pad";
  node.attributes = new Map([
    ["mode", attribute.string("constant")],
    ["pads", attribute.ints(pads)],
    ["value", attribute.float(fill)],
  ]);
  rewriter.setInputs(node, [x]);
}

/** The bounds of a Relu or Clip. */
export function clampBounds(node: GraphNode): readonly [min: number, max: number] | undefined {
  if (node.domain !== "") return undefined;
  if (node.opType === "Relu") return [0, Infinity];
  if (node.opType !== "Clip" || node.inputs.length !== 1) return undefined;
  return [floatAttribute(node, "min") ?? -Infinity, floatAttribute(node, "max") ?? Infinity];
}
