import { isElementary } from "../elementary.js";
import type { Attributes } from "../elementary.js";
import { apply, binary, constant, expressionSize, select, x } from "../expression.js";
import type { BinaryOperator, Expression } from "../expression.js";
import { attribute, constantCount, constantNumbers, isFloat } from "../graph.js";
import type { Graph, GraphNode } from "../graph.js";
import { Rewriter } from "./rewriter.js";
import { clampBounds } from "./simplify.js";

/** Larger trees are cut: the rest reads the value so far. */
const MAX_EXPRESSION = 200;

/**
 * How much a step asks for a table of its own:
 * - `free`: part of a rescale, or one cheap instruction; groups of these alone stay as they are;
 * - `wide`: a square, root or reciprocal, which norms are made of and which must not be tabled on
 *   their own, because their range is wide;
 * - `table`: everything else.
 */
type Cost = "free" | "wide" | "table";

interface Step {
  readonly root: string;
  readonly expression: Expression;
  readonly cost: Cost;
}

const BINARY: ReadonlyMap<string, BinaryOperator> = new Map(
  Object.entries({
    Add: "add",
    Sub: "sub",
    Mul: "mul",
    Div: "div",
    Pow: "pow",
    Max: "max",
    Min: "min",
  } as const),
);

/** Comparisons, and the operands of which they are another. */
const COMPARISONS: ReadonlyMap<string, readonly [op: BinaryOperator, exchanged: boolean]> = new Map(
  Object.entries({
    Equal: ["equal", false],
    Greater: ["less", true],
    GreaterOrEqual: ["lessOrEqual", true],
    Less: ["less", false],
    LessOrEqual: ["lessOrEqual", false],
  } as const),
);

const FREE = new Set(["Abs", "Neg"]);
const WIDE = new Set(["Sqrt", "Reciprocal"]);
/** Exact in a few instructions over whole numbers, and meaningless to interpolate. */
const LEFT_ALONE = new Set(["Identity", "Relu", "Sign"]);

/**
 * Replaces every subgraph of one tensor and scalar constants that needs a table (Sigmoid, SiLU,
 * hard-swish, GELU however it was exported) by one `aivm.Unary` node with the attribute
 * `expression`. Values inside that others read too are kept, computed on their own.
 *
 * Relu, Clip and sums and products with a scalar stay when they stand alone: a rescale does them
 * for nothing. So do squares, roots and reciprocals without a table function among them, and
 * comparisons and choices: these are exact, and where they jump a table would not be.
 */
export function groupUnary(graph: Graph): void {
  const rewriter = new Rewriter(graph);
  const steps = new Map<string, Step>();
  for (const node of graph.nodes) {
    const step = stepOf(rewriter, node, steps);
    if (step !== undefined) steps.set(node.outputs[0] ?? "", step);
  }
  for (const node of rewriter.sweep()) {
    const output = node.outputs[0] ?? "";
    const step = steps.get(output);
    if (step?.cost !== "table") continue;
    // Only the ends of groups: what another step of the same group reads alone lives inside it.
    const inside =
      !rewriter.isOutput(output) &&
      rewriter.readersOf(output).every((reader) => {
        const next = steps.get(reader.outputs[0] ?? "");
        return next?.root === step.root && next.cost === "table";
      });
    if (inside) continue;
    node.opType = "Unary";
    node.domain = "aivm";
    node.attributes = new Map([["expression", attribute.expression(step.expression)]]);
    rewriter.setInputs(node, [step.root]);
  }
  rewriter.finish();
}

function stepOf(
  rewriter: Rewriter,
  node: GraphNode,
  steps: ReadonlyMap<string, Step>,
): Step | undefined {
  const output = node.outputs[0] ?? "";
  if (node.domain !== "" || node.outputs.length !== 1) return undefined;
  const type = rewriter.info(output).elementType;
  const step =
    type === "bool"
      ? condition(rewriter, node, steps)
      : isFloat(type)
        ? rawStep(rewriter, node, steps)
        : undefined;
  if (step === undefined || expressionSize(step.expression, MAX_EXPRESSION) >= MAX_EXPRESSION) {
    return undefined;
  }
  return step;
}

function rawStep(
  rewriter: Rewriter,
  node: GraphNode,
  steps: ReadonlyMap<string, Step>,
): Step | undefined {
  const operand = (name: string): Step | undefined => operandOf(rewriter, steps, name);
  const [a = "", b = ""] = node.inputs;
  if (node.opType === "Where") return choice(rewriter, node, steps);
  const first = operand(a);

  const bounds = clampBounds(node);
  if (bounds !== undefined) {
    if (first === undefined) return undefined;
    const [min, max] = bounds;
    let expression = first.expression;
    if (min !== -Infinity) expression = binary("max", expression, constant(min));
    if (max !== Infinity) expression = binary("min", expression, constant(max));
    return { ...first, expression };
  }

  const op = BINARY.get(node.opType);
  if (op !== undefined) {
    if (node.inputs.length !== 2) return undefined;
    const second = operand(b);
    if (first !== undefined && second !== undefined) return combined(op, first, second);
    const tensor = first ?? second;
    const value = scalar(rewriter, first === undefined ? a : b, first === undefined ? b : a);
    if (tensor === undefined || value === undefined) return undefined;
    const c = constant(value);
    const expression =
      first === undefined ? binary(op, c, tensor.expression) : binary(op, tensor.expression, c);
    return {
      root: tensor.root,
      expression,
      cost: dearest(tensor.cost, scalarCost(op, value, first === undefined)),
    };
  }

  if (node.opType === "PRelu" && first !== undefined) {
    const slope = scalar(rewriter, b, a);
    if (slope === undefined) return undefined;
    return {
      ...first,
      expression: apply("LeakyRelu", first.expression, { alpha: slope }),
      cost: "table",
    };
  }
  if (!isElementary(node.opType) || LEFT_ALONE.has(node.opType)) return undefined;
  if (node.inputs.length !== 1 || first === undefined) return undefined;
  const cost = FREE.has(node.opType) ? "free" : WIDE.has(node.opType) ? "wide" : "table";
  return {
    root: first.root,
    expression: apply(node.opType, first.expression, parametersOf(node)),
    cost: dearest(first.cost, cost),
  };
}

function operandOf(
  rewriter: Rewriter,
  steps: ReadonlyMap<string, Step>,
  name: string,
): Step | undefined {
  if (rewriter.constant(name) !== undefined) return undefined;
  if (!isFloat(rewriter.info(name).elementType)) return undefined;
  return steps.get(name) ?? { root: name, expression: x, cost: "free" };
}

/** Operands that are functions of one tensor or scalars, and that tensor. */
function sharing(
  rewriter: Rewriter,
  steps: ReadonlyMap<string, Step>,
  names: readonly string[],
  output: string,
): { readonly root: string; readonly of: readonly Expression[]; readonly cost: Cost } | undefined {
  let root: string | undefined;
  let cost: Cost = "free";
  const of: Expression[] = [];
  for (const name of names) {
    const isBool = rewriter.info(name).elementType === "bool";
    const step = isBool ? steps.get(name) : operandOf(rewriter, steps, name);
    const value = step === undefined && !isBool ? scalar(rewriter, name, output) : undefined;
    if (step === undefined && value === undefined) return undefined;
    if (step !== undefined && step.root !== (root ?? step.root)) return undefined;
    root = step?.root ?? root;
    cost = dearest(cost, step?.cost ?? "free");
    of.push(step?.expression ?? constant(value!));
  }
  if (root === undefined) return undefined;
  // A scalar with more axes than the tensor would add them.
  const sameRank = rewriter.shape(root)?.length === rewriter.shape(output)?.length;
  return sameRank ? { root, of, cost } : undefined;
}

/** A condition on one tensor: it lives inside a group only, as a table gives no booleans. */
function condition(
  rewriter: Rewriter,
  node: GraphNode,
  steps: ReadonlyMap<string, Step>,
): Step | undefined {
  const shared = sharing(rewriter, steps, node.inputs, node.outputs[0] ?? "");
  if (shared === undefined || shared.cost === "table") return undefined;
  const { root, cost } = shared;
  const [a = x, b = x] = shared.of;
  const compared = COMPARISONS.get(node.opType);
  if (compared !== undefined) {
    const [op, exchanged] = compared;
    return { root, cost, expression: exchanged ? binary(op, b, a) : binary(op, a, b) };
  }
  const not = (e: Expression): Expression => binary("equal", e, constant(0));
  if (node.opType === "Not") return { root, cost, expression: not(a) };
  if (node.opType === "And") return { root, cost, expression: binary("and", a, b) };
  if (node.opType === "Or") return { root, cost, expression: binary("or", a, b) };
  if (node.opType === "Xor") return { root, cost, expression: not(binary("equal", a, b)) };
  return undefined;
}

/** A choice between functions of the tensor that decides. */
function choice(
  rewriter: Rewriter,
  node: GraphNode,
  steps: ReadonlyMap<string, Step>,
): Step | undefined {
  const shared = sharing(rewriter, steps, node.inputs, node.outputs[0] ?? "");
  if (shared === undefined) return undefined;
  const [decides = x, a = x, b = x] = shared.of;
  return { root: shared.root, cost: shared.cost, expression: select(decides, a, b) };
}

/** Two functions of one tensor; a square is wide, any other combination wants a table. */
function combined(op: BinaryOperator, a: Step, b: Step): Step | undefined {
  if (a.root !== b.root) return undefined;
  const isSquare = op === "mul" && a.expression === b.expression;
  const own: Cost = isSquare ? "wide" : "table";
  return {
    root: a.root,
    expression: binary(op, a.expression, b.expression),
    cost: dearest(dearest(a.cost, b.cost), own),
  };
}

function scalarCost(op: BinaryOperator, value: number, constantFirst: boolean): Cost {
  if (op === "div") return constantFirst ? "wide" : "free";
  if (op !== "pow") return "free";
  return !constantFirst && (value === 2 || value === 0.5 || value === -1) ? "wide" : "table";
}

function dearest(a: Cost, b: Cost): Cost {
  if (a === "table" || b === "table") return "table";
  return a === "wide" || b === "wide" ? "wide" : "free";
}

/** A constant of one element that does not add axes to what it meets. */
function scalar(rewriter: Rewriter, name: string, other: string): number | undefined {
  const found = rewriter.constant(name);
  const rank = rewriter.shape(other)?.length;
  if (
    found === undefined ||
    constantCount(found) !== 1 ||
    rank === undefined ||
    found.dims.length > rank
  )
    return undefined;
  const [value] = constantNumbers(found);
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

function parametersOf(node: GraphNode): Attributes {
  const parameters: Record<string, number | string> = {};
  for (const [name, a] of node.attributes) {
    if (a.type === "float" || a.type === "string") parameters[name] = a.value;
  }
  return parameters;
}
