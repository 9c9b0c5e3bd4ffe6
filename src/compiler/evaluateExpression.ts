import { functions, pow } from "./elementary.js";
import type { BinaryOperator, Expression } from "./expression.js";

const OPERATORS: Readonly<Record<BinaryOperator, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow,
  min: Math.min,
  max: Math.max,
};

/**
 * The function's value at `at`, each step correctly rounded to float64: the same number on every
 * machine, and near enough to the real one for a table of 16 bits.
 */
export function evaluateExpression(expression: Expression, at: number): number {
  switch (expression.kind) {
    case "x":
      return at;
    case "constant":
      return expression.value;
    case "function":
      return functions[expression.name](
        evaluateExpression(expression.a, at),
        expression.attributes,
      );
    case "binary": {
      const a = evaluateExpression(expression.a, at);
      const b = expression.b === expression.a ? a : evaluateExpression(expression.b, at);
      return OPERATORS[expression.op](a, b);
    }
  }
}
