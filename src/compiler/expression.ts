import type { Attributes, ElementaryName } from "./elementary.js";

/**
 * A real function of one real variable, as a small tree: what an `aivm.Unary` node applies to
 * each element, to become one lookup table.
 *
 * The meaning is over the reals: no rounding between the steps, whatever the float type of the
 * nodes it was made of. Subtrees may be shared objects.
 */
export type Expression =
  /** The element. */
  | { readonly kind: "x" }
  | { readonly kind: "constant"; readonly value: number }
  /** One of `elementary.ts`'s functions, with the attributes of the ONNX operator. */
  | {
      readonly kind: "function";
      readonly name: ElementaryName;
      readonly attributes: Attributes;
      readonly a: Expression;
    }
  | {
      readonly kind: "binary";
      readonly op: BinaryOperator;
      readonly a: Expression;
      readonly b: Expression;
    }
  /** a where the condition is not 0, else b. */
  | {
      readonly kind: "select";
      readonly condition: Expression;
      readonly a: Expression;
      readonly b: Expression;
    };

/** `pow` is a^b; `min` and `max` are of two operands; comparisons and logic give 1 and 0. */
export type BinaryOperator =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "min"
  | "max"
  | "equal"
  | "less"
  | "lessOrEqual"
  | "and"
  | "or";

export const x: Expression = { kind: "x" };

export function constant(value: number): Expression {
  return { kind: "constant", value };
}

export function apply(
  name: ElementaryName,
  a: Expression,
  attributes: Attributes = {},
): Expression {
  return { kind: "function", name, attributes, a };
}

export function binary(op: BinaryOperator, a: Expression, b: Expression): Expression {
  return { kind: "binary", op, a, b };
}

export function select(condition: Expression, a: Expression, b: Expression): Expression {
  return { kind: "select", condition, a, b };
}

/** Nodes of the tree, each time it is reached; stops counting above `limit`. */
export function expressionSize(expression: Expression, limit = Infinity): number {
  if (limit <= 0) return 1;
  if (expression.kind === "function") return 1 + expressionSize(expression.a, limit - 1);
  if (expression.kind !== "binary" && expression.kind !== "select") return 1;
  let size = 1;
  if (expression.kind === "select") size += expressionSize(expression.condition, limit - size);
  size += expressionSize(expression.a, limit - size);
  return size + expressionSize(expression.b, limit - size);
}
