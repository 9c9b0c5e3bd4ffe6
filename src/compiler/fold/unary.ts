import { functions as elementary, isElementary } from "../elementary.js";
import type { Attributes } from "../elementary.js";
import { expressionFunction } from "../evaluateExpression.js";
import { expressionAttribute, isFloat } from "../graph.js";
import type { ElementType } from "../graph.js";
import { countOf, zeros } from "./arrays.js";
import {
  castRounding,
  elementAt,
  foldersFor,
  isInteger,
  rounding,
  storeInteger,
} from "./folder.js";
import type { Folder } from "./folder.js";

const INTEGER: Readonly<Record<string, (x: bigint) => bigint>> = {
  Abs: (x) => (x < 0n ? -x : x),
  BitwiseNot: (x) => ~x,
  Identity: (x) => x,
  Neg: (x) => -x,
  Relu: (x) => (x < 0n ? 0n : x),
  Sign: (x) => (x < 0n ? -1n : x > 0n ? 1n : 0n),
};

/** A function of `elementary.ts` on every element, or the exact integer form of a few. */
const unary: Folder = ([a], view, out, { functions }) => {
  const { opType, attributes } = view.node;
  const data = zeros(out.elementType, countOf(out.dims));
  if (a === undefined || data === undefined) return undefined;
  if (isInteger(out.elementType)) {
    const apply = INTEGER[opType];
    if (apply === undefined) return undefined;
    for (let i = 0; i < data.length; i++) {
      storeInteger(out.elementType, data, i, apply(BigInt(elementAt(a, i))));
    }
    return { ...out, data };
  }
  if (!isElementary(opType) || !isFloat(out.elementType)) return undefined;
  const parameters: Record<string, number | string> = {};
  for (const [name, attribute] of attributes) {
    if (attribute.type === "float" || attribute.type === "string")
      parameters[name] = attribute.value;
  }
  const round = rounding(out.elementType);
  const apply = functions.named[opType];
  const fixed: Attributes = parameters;
  const [from, to] = [a.data as Float64Array, data as Float64Array];
  for (let i = 0; i < to.length; i++) to[i] = round(apply(from[i]!, fixed));
  return { ...out, data };
};

const clip: Folder = ([a], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (a === undefined || data === undefined || view.node.inputs.length > 1) return undefined;
  const [min, max] = [view.float("min", -Infinity), view.float("max", Infinity)];
  for (let i = 0; i < data.length; i++) {
    const x = elementAt(a, i);
    if (typeof x === "number") (data as Float64Array)[i] = Math.min(Math.max(x, min), max);
    else {
      const bound = x < min ? min : x > max ? max : undefined;
      (data as BigInt64Array)[i] = bound === undefined ? x : BigInt(Math.trunc(bound));
    }
  }
  return { ...out, data };
};

const cast: Folder = ([a], _view, out) => {
  const { elementType: to } = out;
  const data = zeros(to, countOf(out.dims));
  if (a === undefined || data === undefined || a.elementType === "string") return undefined;
  const round = castRounding(to);
  for (let i = 0; i < data.length; i++) {
    const value = elementAt(a, i);
    if (to === "bool") (data as Uint8Array)[i] = Number(value) === 0 ? 0 : 1;
    else if (isFloat(to)) (data as Float64Array)[i] = round(Number(value));
    else {
      const whole = typeof value === "bigint" ? value : wholeOf(value, a.elementType, to);
      if (whole === undefined) return undefined; // What NaN becomes differs between runtimes.
      storeInteger(to, data, i, whole);
    }
  }
  return { ...out, data };
};

/** Reals become integers towards zero; of 4 bits, the nearest that there is. */
function wholeOf(value: number, from: ElementType, to: ElementType): bigint | undefined {
  if (isFloat(from) && (to === "int4" || to === "uint4")) {
    const [low, high] = to === "int4" ? [-8, 7] : [0, 15];
    if (value === value) return BigInt(Math.min(Math.max(elementary.Round(value), low), high));
  }
  return truncated(value);
}

function truncated(value: number): bigint | undefined {
  return Number.isFinite(value) && Math.abs(value) < 9223372036854775808
    ? BigInt(Math.trunc(value))
    : undefined;
}

/** Rounded once at the end: the meaning of the expression is over the reals. */
const expression: Folder = ([a], view, out, { functions }) => {
  const tree = expressionAttribute(view.node, "expression");
  if (a === undefined || tree === undefined) return undefined;
  const round = rounding(out.elementType);
  const apply = expressionFunction(tree, functions.named, functions.pow);
  const from = a.data as Float64Array;
  const data = new Float64Array(from.length);
  for (let i = 0; i < data.length; i++) data[i] = round(apply(from[i]!));
  return { ...out, data };
};

export const unaryFolders: Readonly<Record<string, Folder>> = {
  ...foldersFor(Object.keys({ ...INTEGER, ...elementary }).join(" "), unary),
  Clip: clip,
  Cast: cast,
  Identity: ([x]) => x,
};

export const unaryEvaluators: Readonly<Record<string, Folder>> = { "aivm.Unary": expression };
