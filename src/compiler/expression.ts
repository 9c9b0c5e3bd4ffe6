/**
 * A real function of one real variable, as a small tree: what an `aivm.Unary` node applies to
 * each element, to become one lookup table.
 *
 * The meaning is over the reals: no rounding between the steps, whatever the float type of the
 * nodes it was made of. Subtrees may be shared objects (x·sigmoid(x) of a long expression), so
 * an evaluator that walks deep trees should memoise by identity.
 */
export type Expression =
  /** The element. */
  | { readonly kind: "x" }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "unary"; readonly op: UnaryFunction; readonly a: Expression }
  | {
      readonly kind: "binary";
      readonly op: BinaryFunction;
      readonly a: Expression;
      readonly b: Expression;
    }
  /** `then` where `a < b`, `otherwise` elsewhere; the branch not taken need not be finite. */
  | {
      readonly kind: "select";
      readonly a: Expression;
      readonly b: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    };

/**
 * - `neg`, `abs`, `sign` (−1, 0, 1), `floor`, `ceil`, `round` (half to even)
 * - `sqrt`, `reciprocal` (1/a), `exp`, `log` (natural)
 * - `sin`, `cos`, `tan`, `asin`, `acos`, `atan`, `sinh`, `cosh`, `asinh`, `acosh`, `atanh`
 * - `sigmoid` 1/(1+e^−a), `tanh`, `erf`, `softplus` log(1+e^a)
 */
export type UnaryFunction =
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "ceil"
  | "round"
  | "sqrt"
  | "reciprocal"
  | "exp"
  | "log"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "asinh"
  | "acosh"
  | "atanh"
  | "sigmoid"
  | "tanh"
  | "erf"
  | "softplus";

/** `pow` is a^b over the reals; `min` and `max` are over two operands. */
export type BinaryFunction = "add" | "sub" | "mul" | "div" | "pow" | "min" | "max";

export const x: Expression = { kind: "x" };

export function constant(value: number): Expression {
  return { kind: "constant", value };
}

export function unary(op: UnaryFunction, a: Expression): Expression {
  return { kind: "unary", op, a };
}

export function binary(op: BinaryFunction, a: Expression, b: Expression): Expression {
  return { kind: "binary", op, a, b };
}

export function select(
  a: Expression,
  b: Expression,
  then: Expression,
  otherwise: Expression,
): Expression {
  return { kind: "select", a, b, then, otherwise };
}
