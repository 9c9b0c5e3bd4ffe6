/** Which values are held in 31 bits whatever the profile. */
import type { TensorRange } from "../calibration.js";
import type { Expression } from "../expression.js";
import type { GraphNode } from "../graph.js";
import { expressionAttribute, operatorName } from "../graph.js";
import { runsOverTurns } from "./period.js";
import { WIDE } from "./profile.js";

/** What `WideValues` asks of a graph. */
interface Connections {
  consumersOf(name: string): readonly GraphNode[];
  constant(name: string): unknown;
  rangeOf(name: string): TensorRange | undefined;
}

/**
 * Operators whose result depends on ratios or differences of their operands, not on their sizes
 * next to the greatest: a small denominator, ε or score would be a handful of steps of 16 bits.
 */
const READERS: ReadonlySet<string> = new Set([
  "BatchNormalization",
  "Div",
  "GroupNormalization",
  "InstanceNormalization",
  "LayerNormalization",
  "LogSoftmax",
  "LpNormalization",
  "MeanVarianceNormalization",
  "NegativeLogLikelihoodLoss",
  "Pow",
  "RMSNormalization",
  "Reciprocal",
  "ReduceLogSumExp",
  "Softmax",
  "SoftmaxCrossEntropyLoss",
  "Sqrt",
]);
/** What sums or moves: its operands are wide where its result is. */
const CARRIERS: ReadonlySet<string> = new Set([
  "Add",
  "Expand",
  "Identity",
  "Max",
  "Min",
  "Neg",
  "Abs",
  "Clip",
  "Relu",
  "ReduceMax",
  "ReduceMean",
  "ReduceSum",
  "Reshape",
  "Slice",
  "Sub",
  "Sum",
  "Transpose",
]);

/** What moves angles, or adds them up: many turns leave few of 16 bits to the last one. */
const ANGLES: ReadonlySet<string> = new Set([
  ...CARRIERS,
  "Concat",
  "Gather",
  "Mul",
  "Split",
  "Squeeze",
  "Unsqueeze",
]);

const STEEP: ReadonlySet<string> = new Set([
  "Exp",
  "Expm1",
  "Log",
  "Log1p",
  "Reciprocal",
  "Rsqrt",
  "Sqrt",
]);

/** Whether a function has exponentials, logarithms, roots or quotients in it. */
function dependsOnRatios(expression: Expression): boolean {
  if (expression.kind === "function")
    return STEEP.has(expression.name) || dependsOnRatios(expression.a);
  if (expression.kind !== "binary") return false;
  if (expression.op === "div" || expression.op === "pow") return true;
  return dependsOnRatios(expression.a) || dependsOnRatios(expression.b);
}

/** Finds, from its readers, whether a value must be wide. Answers are remembered. */
export class WideValues {
  readonly #graph: Connections;
  readonly #known = new Map<string, boolean>();
  readonly #angles = new Map<string, boolean>();

  constructor(graph: Connections) {
    this.#graph = graph;
  }

  /** States what no reader of the graph says; before anybody asks. */
  add(name: string): void {
    this.#known.set(name, true);
  }

  has(name: string): boolean {
    let known = this.#known.get(name);
    if (known === undefined) {
      // Graphs have no cycles, but long chains must not be walked again from each of their values.
      known =
        this.#isAngle(name) || this.#graph.consumersOf(name).some((node) => this.#asks(node, name));
      this.#known.set(name, known);
    }
    return known;
  }

  /** Whether a value is moved, scaled and added up to the argument of a function that repeats. */
  #isAngle(name: string): boolean {
    let known = this.#angles.get(name);
    if (known === undefined) {
      known = this.#graph.consumersOf(name).some((node) => {
        if (operatorName(node) !== "aivm.Unary")
          return ANGLES.has(operatorName(node)) && node.outputs.some((y) => this.#isAngle(y));
        const expression = expressionAttribute(node, "expression") ?? { kind: "x" };
        return runsOverTurns(expression, this.#graph.rangeOf(name), WIDE.headroom);
      });
      this.#angles.set(name, known);
    }
    return known;
  }

  #asks(node: GraphNode, name: string): boolean {
    const operator = operatorName(node);
    if (READERS.has(operator) || this.#isMagnitude(node)) return true;
    if (operator === "aivm.Unary")
      return dependsOnRatios(expressionAttribute(node, "expression") ?? { kind: "x" });
    if (!CARRIERS.has(operator) && !this.#isScaling(node, name)) return false;
    return node.outputs.some((output) => output !== "" && this.has(output));
  }

  /**
   * A square of which, or of a sum of such, only a root is taken: the magnitude of a spectrum, in
   * which what is quiet counts as much as what is loud.
   */
  #isMagnitude(node: GraphNode): boolean {
    if (operatorName(node) !== "Mul" || node.inputs[0] !== node.inputs[1]) return false;
    const rooted = (name: string): boolean => {
      const readers = this.#graph.consumersOf(name);
      return (
        readers.length > 0 &&
        readers.every(
          (next) =>
            operatorName(next) === "Sqrt" ||
            (operatorName(next) === "Add" && rooted(next.outputs[0]!)),
        )
      );
    };
    return rooted(node.outputs[0]!);
  }

  /** A product with a constant. */
  #isScaling({ opType, domain, inputs }: GraphNode, name: string): boolean {
    if (domain !== "" || opType !== "Mul") return false;
    return inputs.some((other) => other !== name && this.#graph.constant(other) !== undefined);
  }
}
