import { CompileError } from "../../core/errors.js";
import type { Dim, Shape } from "../graph.js";

/**
 * Arithmetic over dimensions that may be symbolic. A result that is not a number is a formula over
 * named dimensions, in a text of its own such as `floor((width+1)/2)`. Two equal texts always mean
 * equal numbers; two different ones may.
 */

/** Formulas that double with every node would fill the memory. */
const MAX_FORMULA = 2000;

function formula(text: string): string {
  if (text.length <= MAX_FORMULA) return text;
  throw new CompileError(
    "BadDim",
    `a dimension's formula grows too long (${text.slice(0, 60)}…); bind the model's open dimensions`,
  );
}

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number") return typeof b === "number" ? a + b : addDims(b, a);
  if (typeof b === "string") return formula(`(${a}+${b})`);
  const [base, offset] = splitOffset(a);
  const total = offset + b;
  if (total === 0) return base;
  return total < 0 ? `(${base}${String(total)})` : `(${base}+${String(total)})`;
}

/** `(w+3)` as `w` and 3, so that sums of constants stay one constant. */
function splitOffset(formula: string): [base: string, offset: number] {
  const match = /^\((.+)([+-]\d+)\)$/.exec(formula);
  const base = match?.[1] ?? "";
  if (match === null || !isBalanced(base)) return [formula, 0];
  return [base, Number(match[2])];
}

/** Whether every parenthesis closes inside: `a+1)*(b` is no formula of its own. */
function isBalanced(text: string): boolean {
  let depth = 0;
  for (const c of text) {
    if (c === "(") depth++;
    if (c === ")" && --depth < 0) return false;
  }
  return depth === 0;
}

export function subtractDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (a === b) return 0;
  if (typeof b === "number") return addDims(a, -b);
  return formula(`(${String(a)}-${String(b)})`);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  if (b === 1) return a;
  // Numbers in front, then names in order: a·b and b·a get one text.
  const [first, second] =
    typeof a === "number" || (typeof b === "string" && a <= b) ? [a, b] : [b, a];
  return formula(`${String(first)}*${String(second)}`);
}

export function floorDivideDim(a: Dim, divisor: number): Dim {
  if (typeof a === "number") return Math.floor(a / divisor);
  return divisor === 1 ? a : `floor(${a}/${String(divisor)})`;
}

export function ceilDivideDim(a: Dim, divisor: number): Dim {
  if (typeof a === "number") return Math.ceil(a / divisor);
  return divisor === 1 ? a : `ceil(${a}/${String(divisor)})`;
}

export function productOfDims(dims: readonly Dim[]): Dim {
  return dims.reduce(multiplyDims, 1);
}

/**
 * The shape of an elementwise result, or undefined when a rank is unknown. A symbolic dimension
 * against another than 1 is taken to be equal to it, as the operator demands.
 *
 * @returns "mismatch" when two numbers differ and neither is 1
 */
export function broadcastShapes(shapes: readonly Shape[]): Shape | "mismatch" {
  let result: Dim[] = [];
  for (const shape of shapes) {
    if (shape === undefined) return undefined;
    const rank = Math.max(result.length, shape.length);
    const next: Dim[] = [];
    for (let i = 0; i < rank; i++) {
      const a = result[i - (rank - result.length)] ?? 1;
      const b = shape[i - (rank - shape.length)] ?? 1;
      if (a === 1 || a === b) next.push(b);
      else if (b === 1) next.push(a);
      else if (typeof a === "number" && typeof b === "number") return "mismatch";
      else next.push(typeof a === "number" ? a : typeof b === "number" ? b : a);
    }
    result = next;
  }
  return result;
}

export function formatShape(shape: Shape): string {
  return shape === undefined ? "[?]" : `[${shape.join(", ")}]`;
}
