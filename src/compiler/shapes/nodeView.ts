import type { CompileError } from "../../core/errors.js";
import {
  constantCount,
  constantNumbers,
  floatAttribute,
  intAttribute,
  intsAttribute,
  nodeError,
  stringAttribute,
} from "../graph.js";
import type {
  ConstantTensor,
  Dim,
  ElementType,
  Graph,
  GraphNode,
  Shape,
  ValueInfo,
} from "../graph.js";
import { formatShape } from "./dims.js";

/** What is known while walking a graph: its own facts, and those of the graphs around a body. */
export interface Scope {
  readonly graph: Graph;
  readonly outer: Scope | undefined;
  /**
   * Elements of integer scalars and vectors as far as they are known: shapes on their way to a
   * Reshape, with symbolic dimensions in them.
   */
  readonly contents: Map<string, readonly Dim[]>;
  /** Float scalars and vectors that are sizes, or computed from such. */
  readonly fractions: Map<string, Fraction>;
  /** Elements that folding may still compute, for the model as a whole. */
  readonly budget: { elements: number };
  /** Names of the model's values, bodies included, for the model as a whole. */
  readonly claimed: Set<string>;
  /** Sequences and optionals: the tensors in them. */
  readonly lists: Map<string, readonly string[] | "none">;
}

/** `over / under`: `over` names an int64 value, and so does `under` where it is no number above 0. */
export interface Fraction {
  readonly over: string;
  readonly under: string | number;
}

/** No model needs more axes; more would make work that is quadratic in them. */
export const MAX_RANK = 64;
/** Axes, pads, scales and the like are short; what is longer is data. */
const MAX_PARAMETERS = 4096;

/** A node together with what is known of its operands. */
export class NodeView {
  readonly node: GraphNode;
  readonly scope: Scope;

  constructor(node: GraphNode, scope: Scope) {
    this.node = node;
    this.scope = scope;
  }

  /** Whether optional input `i` is present. */
  has(i: number): boolean {
    return (this.node.inputs[i] ?? "") !== "";
  }

  name(i: number): string {
    return this.node.inputs[i] ?? "";
  }

  shape(i: number): Shape {
    return this.lookUp(i, ({ graph }, name) => graph.values.get(name))?.shape;
  }

  rank(i: number): number | undefined {
    return this.shape(i)?.length;
  }

  elementType(i: number): ElementType | undefined {
    return this.lookUp(i, ({ graph }, name) => graph.values.get(name))?.elementType;
  }

  /** What is known of output `i` so far; the source model may declare it. */
  output(i: number): ValueInfo {
    const known = this.scope.graph.values.get(this.node.outputs[i] ?? "");
    return known ?? { elementType: undefined, shape: undefined };
  }

  constant(i: number): ConstantTensor | undefined {
    return this.lookUp(i, ({ graph }, name) => graph.initializers.get(name));
  }

  /** Elements of a constant input that holds parameters. */
  numbers(i: number): number[] | undefined {
    const constant = this.constant(i);
    if (constant === undefined || constantCount(constant) > MAX_PARAMETERS) return undefined;
    return constantNumbers(constant);
  }

  /** Elements of an integer scalar or vector, with symbolic dimensions in them. */
  contents(i: number): readonly Dim[] | undefined {
    const constant = this.constant(i);
    if (constant !== undefined && isShapeLike(constant)) return constantNumbers(constant);
    return this.lookUp(i, ({ contents }, name) => contents.get(name));
  }

  /** A float input as a fraction of sizes. */
  fraction(i: number): Fraction | undefined {
    return this.lookUp(i, ({ fractions }, name) => fractions.get(name));
  }

  int(attribute: string, fallback: number): number {
    return intAttribute(this.node, attribute) ?? fallback;
  }

  ints(attribute: string): number[] | undefined {
    return intsAttribute(this.node, attribute);
  }

  float(attribute: string, fallback: number): number {
    return floatAttribute(this.node, attribute) ?? fallback;
  }

  string(attribute: string, fallback: string): string {
    return stringAttribute(this.node, attribute) ?? fallback;
  }

  /** Version of the operator set that the node belongs to. */
  get opset(): number {
    return this.scope.graph.opsets.get(this.node.domain) ?? 1;
  }

  /** `axis` counted from the front; refused when outside `rank`. */
  axis(axis: number, rank: number): number {
    const resolved = axis < 0 ? axis + rank : axis;
    if (Number.isInteger(resolved) && resolved >= 0 && resolved < rank) return resolved;
    throw this.error("BadAttribute", `axis ${String(axis)} is outside rank ${String(rank)}`);
  }

  error(code: string, message: string): CompileError {
    return nodeError(code, this.node, message);
  }

  /** An error about operand shapes, which the message lists. */
  shapeError(message: string): CompileError {
    const shapes = this.node.inputs.map((_, i) => formatShape(this.shape(i))).join(", ");
    return this.error("ShapeMismatch", `${message}; operand shapes are ${shapes}`);
  }

  /** Looks a fact up in the innermost graph that declares the name. */
  private lookUp<T>(i: number, fact: (scope: Scope, name: string) => T | undefined): T | undefined {
    const name = this.node.inputs[i] ?? "";
    if (name === "") return undefined;
    for (let scope: Scope | undefined = this.scope; scope !== undefined; scope = scope.outer) {
      if (scope.graph.values.has(name)) return fact(scope, name);
    }
    return undefined;
  }
}

/** Scalars and vectors of integers and booleans short enough to be shapes, axes or indices of dimensions. */
export function isShapeLike(constant: ConstantTensor): boolean {
  return (
    ["int64", "int32", "bool"].includes(constant.elementType) &&
    constant.dims.length <= 1 &&
    constantCount(constant) <= MAX_RANK
  );
}

/** Element types and shapes of a node's outputs, in order; the node is in normal form. */
export type ShapeRule = (view: NodeView) => readonly ValueInfo[];
