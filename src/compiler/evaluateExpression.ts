import { functions, pow } from "./elementary.js";
import type { ElementaryFunction, ElementaryName } from "./elementary.js";
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
      case "select":
        return evaluate(evaluate(e.condition) !== 0 ? e.a : e.b);
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
    case "equal":
      return a === b ? 1 : 0;
    case "less":
      return a < b ? 1 : 0;
    case "lessOrEqual":
      return a <= b ? 1 : 0;
    case "and":
      return a !== 0 && b !== 0 ? 1 : 0;
    case "or":
      return a !== 0 || b !== 0 ? 1 : 0;
  }
}

/**
 * An expression as a function, over elementary functions of the caller's choice: quicker than
 * `evaluateExpression` where it is called often.
 */
export function expressionFunction(
  expression: Expression,
  named: Readonly<Record<ElementaryName, ElementaryFunction>>,
  power: (x: number, y: number) => number,
): (x: number) => number {
  const build = (e: Expression): ((x: number) => number) => {
    switch (e.kind) {
      case "x":
        return (x) => x;
      case "constant":
        return () => e.value;
      case "function": {
        const [a, f] = [build(e.a), named[e.name]];
        return (x) => f(a(x), e.attributes);
      }
      case "binary": {
        const [a, b] = [build(e.a), build(e.b)];
        if (e.op === "pow") return (x) => power(a(x), b(x));
        return (x) => combine(e.op, a(x), b(x));
      }
      case "select": {
        const [condition, a, b] = [build(e.condition), build(e.a), build(e.b)];
        return (x) => (condition(x) !== 0 ? a(x) : b(x));
      }
    }
  };
  return build(expression);
}

const REMEMBERED = new WeakMap<Expression, (x: number) => number>();

/**
 * An expression as a function that remembers its results for as long as the expression lives:
 * tables ask twice for many of them, and again whenever the same graph is lowered.
 */
export function functionOf(expression: Expression): (x: number) => number {
  const known = REMEMBERED.get(expression);
  if (known !== undefined) return known;
  const results = new Map<number, number>();
  const f = (x: number): number => {
    // A map takes −0 for 0; poles do not.
    if (x === 0) return evaluateExpression(expression, x);
    let y = results.get(x);
    if (y === undefined) results.set(x, (y = evaluateExpression(expression, x)));
    return y;
  };
  REMEMBERED.set(expression, f);
  return f;
}
