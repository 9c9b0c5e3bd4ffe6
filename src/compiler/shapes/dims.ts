import { CompileError } from "../../core/errors.js";
import type { Dim, Shape } from "../graph.js";
import { divisorOf } from "./ratios.js";

/**
 * Arithmetic over dimensions that may be symbolic. A symbolic dimension is a text: the name of a
 * dimension, a product of names, or a quotient `⌊(multiplier · name + offset) / divisor⌋` of
 * either, kept in lowest terms, so that sizes that are equal mostly have equal texts. Two equal
 * texts always mean equal numbers; two different ones may.
 */

/** `⌊(multiplier · name + offset) / divisor⌋`, in lowest terms; the name itself is 1, 0, 1. */
export interface Quotient {
  readonly name: string;
  readonly multiplier: number;
  readonly offset: number;
  readonly divisor: number;
}

/** Formulas that double with every node would fill the memory. */
const MAX_FORMULA = 2000;

const QUOTIENT = /^⌊\((\d+)·\[(.+)\]([+-]\d+)\)\/(\d+)⌋$/;

/** A symbolic dimension taken apart; what is no quotient is the name of its own. */
export function quotientOf(dim: string): Quotient {
  const match = QUOTIENT.exec(dim);
  if (match === null) return { name: dim, multiplier: 1, offset: 0, divisor: 1 };
  const [, multiplier, name = "", offset, divisor] = match;
  return { name, multiplier: Number(multiplier), offset: Number(offset), divisor: Number(divisor) };
}

function textOf({ name, multiplier, offset, divisor }: Quotient): Dim {
  if (multiplier === 0) return Math.floor(offset / divisor);
  const common = divisorOf(multiplier, divisor);
  // ⌊(g·m·n + o) / (g·d)⌋ = ⌊(m·n + ⌊o/g⌋) / d⌋
  const m = multiplier / common;
  const o = Math.floor(offset / common);
  const d = divisor / common;
  if (m === 1 && o === 0 && d === 1) return name;
  if (![m, o, d].every(Number.isSafeInteger)) throw tooLong(name);
  return checked(`⌊(${String(m)}·[${name}]${o < 0 ? "" : "+"}${String(o)})/${String(d)}⌋`);
}

function checked(text: string): string {
  if (text.length > MAX_FORMULA) throw tooLong(text);
  return text;
}

function tooLong(text: string): CompileError {
  return new CompileError(
    "BadDim",
    `a dimension's formula grows too long (${text.slice(0, 60)}…); bind the model's open dimensions`,
  );
}

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number") return typeof b === "number" ? a + b : addDims(b, a);
  const x = quotientOf(a);
  if (typeof b === "number") return textOf({ ...x, offset: x.offset + b * x.divisor });
  const y = quotientOf(b);
  if (x.name !== y.name || x.divisor !== 1 || y.divisor !== 1) {
    const [first, second] = a <= b ? [a, b] : [b, a];
    return checked(`[${first}]+[${second}]`);
  }
  return textOf({
    ...x,
    multiplier: x.multiplier + y.multiplier,
    offset: x.offset + y.offset,
  });
}

export function subtractDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (a === b) return 0;
  if (typeof b === "number") return addDims(a, -b);
  if (typeof a === "string") {
    const x = quotientOf(a);
    const y = quotientOf(b);
    if (x.name === y.name && x.divisor === 1 && y.divisor === 1 && x.multiplier >= y.multiplier) {
      return textOf({
        ...x,
        multiplier: x.multiplier - y.multiplier,
        offset: x.offset - y.offset,
      });
    }
  }
  return checked(`[${String(a)}]-[${b}]`);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === "number") return multiplyDims(b, a);
  const x = factored(a);
  if (typeof b === "number") {
    const whole = quotientOf(a);
    if (b > 0 && whole.divisor === 1) {
      return textOf({ ...whole, multiplier: whole.multiplier * b, offset: whole.offset * b });
    }
    return product(x.factors, x.multiplier * b);
  }
  const y = factored(b);
  return product([...x.factors, ...y.factors], x.multiplier * y.multiplier);
}

/** A dimension as a number times names (or formulas that are no product). */
function factored(dim: string): { multiplier: number; factors: readonly string[] } {
  const { name, multiplier, offset, divisor } = quotientOf(dim);
  if (offset !== 0 || divisor !== 1) return { multiplier: 1, factors: [dim] };
  return { multiplier, factors: factorsOf(name) };
}

/** The factors of a product of names, `[a]·[b]` as a and b; else the name alone. */
export function factorsOf(name: string): readonly string[] {
  const factors: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < name.length; i++) {
    if (name[i] === "[" && depth++ === 0) start = i + 1;
    if (name[i] !== "]" || --depth > 0) continue;
    factors.push(name.slice(start, i));
    if (i + 1 < name.length && name.slice(i + 1, i + 3) !== "·[") return [name];
    if (i + 1 < name.length) i++;
  }
  return name.startsWith("[") && depth === 0 && factors.length > 1 ? factors : [name];
}

function product(factors: readonly string[], multiplier: number): Dim {
  const [only = "", ...others] = factors;
  if (factors.length === 0) return multiplier;
  const sorted = [...factors].sort();
  const name =
    others.length === 0 ? only : checked(sorted.map((factor) => `[${factor}]`).join("·"));
  return textOf({ name, multiplier, offset: 0, divisor: 1 });
}

/** The quotient of two products of dimensions, or undefined where it is no such product itself. */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  const parts = (dim: Dim): { multiplier: number; factors: readonly string[] } =>
    typeof dim === "number" ? { multiplier: dim, factors: [] } : factored(dim);
  const x = parts(a);
  const y = parts(b);
  const left = [...x.factors];
  for (const factor of y.factors) {
    const at = left.indexOf(factor);
    if (at < 0) return undefined;
    left.splice(at, 1);
  }
  if (y.multiplier === 0) return undefined;
  return floorDivideDim(product(left, x.multiplier), y.multiplier);
}

export function floorDivideDim(a: Dim, divisor: number): Dim {
  if (typeof a === "number") return Math.floor(a / divisor);
  const x = quotientOf(a);
  return textOf({ ...x, divisor: x.divisor * divisor });
}

export function ceilDivideDim(a: Dim, divisor: number): Dim {
  if (typeof a === "number") return Math.ceil(a / divisor);
  return floorDivideDim(addDims(a, divisor - 1), divisor);
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
