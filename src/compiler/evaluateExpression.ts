import { functions, pow } from "./elementary.js";
import type { Expression } from "./expression.js";

/**
 * The value of an expression at `x`, each step rounded once to float64: the same on every engine.
 * Shared subtrees are evaluated once.
 */
export function evaluateExpression(expression: Expression, x: number): number {
  const known = new Map<Expression, number>();
  const evaluate = (e: Expression): number => {
    let value = known.get(e);
    if (value === undefined) known.set(e, (value = step(e)));
    return value;
  };
  const step = (e: Expression): number => {
    switch (e.kind) {
      case "x":
        return x;
      case "constant":
        return e.value;
      case "function":
        return functions[e.name](evaluate(e.a), e.attributes);
      case "binary":
        return combine(e.op, evaluate(e.a), evaluate(e.b));
    }
  };
  return evaluate(expression);
}

function combine(op: (Expression & { kind: "binary" })["op"], a: number, b: number): number {
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return a / b;
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "pow":
      return pow(a, b);
  }
}
