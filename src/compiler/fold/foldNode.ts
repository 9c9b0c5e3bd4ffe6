import { functions, isElementary, pow } from "../elementary.js";
import type { Attributes } from "../elementary.js";
import { elementCount, isFloat, operatorName, tensorAttribute } from "../graph.js";
import type { ConstantTensor, ElementType, ValueInfo } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import {
  broadcastStrides,
  broadcastTo,
  countOf,
  reshaped,
  strided,
  stridesOf,
  transposed,
  walk,
  zeros,
} from "./arrays.js";

/** Computes output 0 from constant inputs; undefined when the case is left to the machine. */
type Folder = (
  inputs: readonly ConstantTensor[],
  view: NodeView,
  out: KnownInfo,
) => ConstantTensor | undefined;

interface KnownInfo {
  readonly elementType: ElementType;
  readonly dims: readonly number[];
}

/**
 * Rounds a result to its element type as an ONNX runtime does: float32 after every operator,
 * integers modulo their width. Undefined for types whose arithmetic is not folded.
 */
function rounding(type: ElementType): ((value: number) => number) | undefined {
  if (type === "float32") return Math.fround;
  if (type === "float64" || type === "bool") return (value) => value;
  // Their typed arrays wrap on their own; products beyond 2^53 do not occur below 32 bits but here:
  if (type === "int32" || type === "uint32") return undefined;
  return type.startsWith("int") || type.startsWith("uint") ? (value) => value : undefined;
}

type BinaryKernel = {
  readonly number: (a: number, b: number) => number;
  /** For 32- and 64-bit integers, exact before wrapping. Undefined result: not defined (x/0). */
  readonly bigint: (a: bigint, b: bigint) => bigint | undefined;
};

function truncatedModulo(a: number, b: number): number {
  return a - Math.floor(a / b) * b;
}

const BINARY: Readonly<Record<string, BinaryKernel>> = {
  Add: { number: (a, b) => a + b, bigint: (a, b) => a + b },
  Sub: { number: (a, b) => a - b, bigint: (a, b) => a - b },
  Mul: { number: (a, b) => a * b, bigint: (a, b) => a * b },
  Div: { number: (a, b) => a / b, bigint: (a, b) => (b === 0n ? undefined : a / b) },
  Max: { number: Math.max, bigint: (a, b) => (a > b ? a : b) },
  Min: { number: Math.min, bigint: (a, b) => (a < b ? a : b) },
  Mod: {
    number: truncatedModulo,
    bigint: (a, b) => {
      if (b === 0n) return undefined;
      const rest = a % b;
      return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
    },
  },
  Pow: {
    number: pow,
    bigint: (a, b) => {
      if (b < 0n || b > 64n) return undefined;
      let power = 1n;
      for (let i = 0n; i < b; i++) power *= a;
      return power;
    },
  },
  And: { number: (a, b) => a & b, bigint: (a, b) => a & b },
  Or: { number: (a, b) => a | b, bigint: (a, b) => a | b },
  Xor: { number: (a, b) => a ^ b, bigint: (a, b) => a ^ b },
};

const COMPARE: Readonly<Record<string, (a: number | bigint, b: number | bigint) => boolean>> = {
  Equal: (a, b) => a === b,
  Less: (a, b) => a < b,
  LessOrEqual: (a, b) => a <= b,
  Greater: (a, b) => a > b,
  GreaterOrEqual: (a, b) => a >= b,
};

function elementAt(tensor: ConstantTensor, i: number): number | bigint {
  return (tensor.data as ArrayLike<number | bigint>)[i] ?? 0;
}

function pairwise(
  inputs: readonly ConstantTensor[],
  out: KnownInfo,
  visit: (index: number, a: number, b: number) => void,
): void {
  const [a, b] = inputs;
  if (a === undefined || b === undefined) return;
  const offsets = new Float64Array(countOf(out.dims));
  walk(out.dims, broadcastStrides(b.dims, out.dims), 0, (i, offset) => (offsets[i] = offset));
  walk(out.dims, broadcastStrides(a.dims, out.dims), 0, (i, offset) => {
    visit(i, offset, offsets[i] ?? 0);
  });
}

function usesBigint(type: ElementType): boolean {
  return type === "int64" || type === "uint64" || type === "int32" || type === "uint32";
}

const arithmetic: Folder = (inputs, view, out) => {
  const [a, b] = inputs;
  const kernel = BINARY[view.node.opType];
  if (a === undefined || b === undefined || kernel === undefined || inputs.length > 2)
    return undefined;
  if (view.node.opType === "Mod" && isFloat(out.elementType)) return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined || a.elementType !== b.elementType) return undefined;
  let defined = true;
  if (usesBigint(out.elementType)) {
    const wide = out.elementType.endsWith("64");
    pairwise(inputs, out, (i, ai, bi) => {
      const value = kernel.bigint(BigInt(elementAt(a, ai)), BigInt(elementAt(b, bi)));
      if (value === undefined) defined = false;
      // The 64-bit arrays wrap; 32 bits are cut here, before the value becomes a number.
      else if (wide) (data as BigInt64Array)[i] = value;
      else (data as Int32Array)[i] = Number(BigInt.asIntN(32, value));
    });
  } else {
    const round = rounding(out.elementType);
    if (round === undefined || (view.node.opType === "Div" && !isFloat(out.elementType)))
      return undefined;
    pairwise(inputs, out, (i, ai, bi) => {
      (data as Float64Array)[i] = round(
        kernel.number(Number(elementAt(a, ai)), Number(elementAt(b, bi))),
      );
    });
  }
  return defined ? { ...out, data } : undefined;
};

const comparison: Folder = (inputs, view, out) => {
  const [a, b] = inputs;
  const compare = COMPARE[view.node.opType];
  if (a === undefined || b === undefined || compare === undefined || a.elementType === "string")
    return undefined;
  const data = new Uint8Array(countOf(out.dims));
  pairwise(inputs, out, (i, ai, bi) => {
    data[i] = compare(elementAt(a, ai), elementAt(b, bi)) ? 1 : 0;
  });
  return { ...out, data };
};

const where: Folder = ([condition, a, b], _view, out) => {
  if (condition === undefined || a === undefined || b === undefined) return undefined;
  if (a.elementType !== b.elementType) return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  const [c, yes, no] = [condition, a, b].map((t) => broadcastTo(t, out.dims));
  if (data === undefined || c === undefined || yes === undefined || no === undefined)
    return undefined;
  for (let i = 0; i < data.length; i++) {
    (data as Float64Array)[i] = elementAt(elementAt(c, i) === 1 ? yes : no, i) as number;
  }
  return { ...out, data };
};

/** A function of `elementary.ts` on every element, or the exact integer form of a few. */
const unary: Folder = ([a], view, out) => {
  const { opType, attributes } = view.node;
  if (a === undefined) return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined) return undefined;
  if (opType === "Not") {
    for (let i = 0; i < data.length; i++) (data as Uint8Array)[i] = elementAt(a, i) === 0 ? 1 : 0;
    return { ...out, data };
  }
  if (usesBigint(out.elementType)) {
    if (opType !== "Neg" && opType !== "Abs") return undefined;
    for (let i = 0; i < data.length; i++) {
      const value = elementAt(a, i);
      (data as Float64Array)[i] = (opType === "Neg" || value < 0 ? -value : value) as number;
    }
    return { ...out, data };
  }
  const round = rounding(out.elementType);
  if (round === undefined || !isElementary(opType) || !isFloat(out.elementType)) return undefined;
  const parameters: Record<string, number | string> = {};
  for (const [name, attribute] of attributes) {
    if (attribute.type === "float" || attribute.type === "string")
      parameters[name] = attribute.value;
  }
  const apply = functions[opType];
  const fixed: Attributes = parameters;
  for (let i = 0; i < data.length; i++) {
    (data as Float64Array)[i] = round(apply(Number(elementAt(a, i)), fixed));
  }
  return { ...out, data };
};

const clip: Folder = ([a], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (a === undefined || data === undefined || !isFloat(out.elementType)) return undefined;
  const [min, max] = [view.float("min", -Infinity), view.float("max", Infinity)];
  for (let i = 0; i < data.length; i++) {
    (data as Float64Array)[i] = Math.min(Math.max(Number(elementAt(a, i)), min), max);
  }
  return { ...out, data };
};

const cast: Folder = ([a], _view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (a === undefined || data === undefined || a.elementType === "string") return undefined;
  const { elementType: to } = out;
  if (to === "float16" || to === "bfloat16") return undefined;
  for (let i = 0; i < data.length; i++) {
    const value = elementAt(a, i);
    if (to === "bool") (data as Uint8Array)[i] = Number(value) === 0 ? 0 : 1;
    else if (isFloat(to)) {
      (data as Float64Array)[i] = to === "float32" ? Math.fround(Number(value)) : Number(value);
    } else {
      const whole = typeof value === "bigint" ? value : truncated(value);
      if (whole === undefined) return undefined; // What NaN becomes differs between runtimes.
      if (to === "int64" || to === "uint64") (data as BigInt64Array)[i] = whole;
      else (data as Int32Array)[i] = Number(BigInt.asIntN(32, whole));
    }
  }
  return { ...out, data };
};

function truncated(value: number): bigint | undefined {
  return Number.isFinite(value) && Math.abs(value) < 9223372036854775808
    ? BigInt(Math.trunc(value))
    : undefined;
}

const concat: Folder = (inputs, view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  const axis = view.int("axis", 0);
  if (data === undefined || inputs.some((t) => t.elementType !== out.elementType)) return undefined;
  const strides = stridesOf(out.dims);
  let start = 0;
  for (const part of inputs) {
    walk(part.dims, strides, start * (strides[axis] ?? 1), (i, offset) => {
      (data as Float64Array)[offset] = elementAt(part, i) as number;
    });
    start += part.dims[axis] ?? 1;
  }
  return { ...out, data };
};

const gather: Folder = ([x, indices], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || indices === undefined || data === undefined) return undefined;
  const axis = view.int("axis", 0);
  const size = x.dims[axis] ?? 1;
  const inner = countOf(x.dims.slice(axis + 1));
  const outer = countOf(x.dims.slice(0, axis));
  const count = indices.data.length;
  for (let i = 0; i < count; i++) {
    const raw = Number(elementAt(indices, i));
    const index = raw < 0 ? raw + size : raw;
    if (index < 0 || index >= size) {
      throw view.error("BadGraph", `index ${String(raw)} is outside an axis of ${String(size)}`);
    }
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < inner; k++) {
        const value = elementAt(x, (o * size + index) * inner + k);
        (data as Float64Array)[(o * count + i) * inner + k] = value as number;
      }
    }
  }
  return { ...out, data };
};

const slice: Folder = ([x], view, out) => {
  if (x === undefined || !view.node.attributes.has("starts")) return undefined;
  const strides = stridesOf(x.dims);
  const stepped = [...strides];
  let base = 0;
  (view.ints("axes") ?? []).forEach((axis, i) => {
    base += (view.ints("starts")?.[i] ?? 0) * (strides[axis] ?? 0);
    stepped[axis] = (strides[axis] ?? 0) * (view.ints("steps")?.[i] ?? 1);
  });
  return strided(x, out.dims, stepped, base);
};

const constantOfShape: Folder = (_inputs, view, out) => {
  const value = tensorAttribute(view.node, "value");
  const data = zeros(out.elementType, countOf(out.dims));
  if (value?.data.length !== 1 || data === undefined) return undefined;
  (data as Float64Array).fill(elementAt(value, 0) as number);
  return { ...out, data };
};

const range: Folder = ([start, , delta], _view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (start === undefined || delta === undefined || data === undefined) return undefined;
  if (start.elementType !== delta.elementType) return undefined;
  const [first, step] = [elementAt(start, 0), elementAt(delta, 0)];
  for (let i = 0; i < data.length; i++) {
    const value =
      typeof first === "bigint" ? first + BigInt(i) * BigInt(step) : first + i * Number(step);
    (data as Float64Array)[i] = (
      out.elementType === "float32" ? Math.fround(Number(value)) : value
    ) as number;
  }
  return { ...out, data };
};

const pad: Folder = ([x], view, out) => {
  const pads = view.ints("pads");
  if (x === undefined || pads === undefined || view.string("mode", "") !== "constant")
    return undefined;
  if (pads.some((p) => p < 0) || usesBigint(out.elementType)) return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined) return undefined;
  (data as Float64Array).fill(view.float("value", 0));
  const strides = stridesOf(out.dims);
  const base = strides.reduce((sum, stride, i) => sum + stride * (pads[i] ?? 0), 0);
  walk(x.dims, strides, base, (i, offset) => {
    (data as Float64Array)[offset] = elementAt(x, i) as number;
  });
  return { ...out, data };
};

const trilu: Folder = ([x], view, out) => {
  const data = zeros(out.elementType, countOf(out.dims));
  if (x === undefined || data === undefined) return undefined;
  const k = view.numbers(1)?.[0] ?? 0;
  const [rows = 1, columns = 1] = out.dims.slice(-2);
  const upper = view.int("upper", 1) === 1;
  for (let i = 0; i < data.length; i++) {
    const distance = (i % columns) - (Math.floor(i / columns) % rows);
    if (upper ? distance >= k : distance <= k)
      (data as Float64Array)[i] = elementAt(x, i) as number;
  }
  return { ...out, data };
};

/** Sums, products and extremes along axes; exact over integers, float64 then one rounding else. */
const reduce: Folder = ([x], view, out) => {
  const axes = view.ints("axes");
  const round = rounding(out.elementType);
  if (
    x === undefined ||
    axes === undefined ||
    (round === undefined && !usesBigint(out.elementType))
  )
    return undefined;
  const data = zeros(out.elementType, countOf(out.dims));
  if (data === undefined || x.data.length === 0) return undefined;
  const kept = x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const strides = broadcastStrides(kept, x.dims);
  const name = {
    ReduceSum: "Add",
    ReduceMean: "Add",
    ReduceProd: "Mul",
    ReduceMax: "Max",
    ReduceMin: "Min",
  }[view.node.opType];
  const kernel = BINARY[name ?? ""];
  if (kernel === undefined) return undefined;
  const results: (number | bigint | undefined)[] = new Array<undefined>(data.length).fill(
    undefined,
  );
  walk(x.dims, strides, 0, (i, offset) => {
    const value = elementAt(x, i);
    const sum = results[offset];
    if (sum === undefined) results[offset] = value;
    else if (typeof sum === "bigint") results[offset] = kernel.bigint(sum, BigInt(value)) ?? 0n;
    else results[offset] = kernel.number(sum, Number(value));
  });
  const share = view.node.opType === "ReduceMean" ? x.data.length / data.length : 1;
  if (share !== 1 && !isFloat(out.elementType)) return undefined;
  results.forEach((value, i) => {
    const final = typeof value === "number" && round !== undefined ? round(value / share) : value;
    (data as Float64Array)[i] = final as number;
  });
  return { ...out, data };
};

/** A map: an operator of a hostile model may be called "constructor". */
const FOLDERS: ReadonlyMap<string, Folder> = new Map(
  Object.entries({
    ...Object.fromEntries(Object.keys(BINARY).map((name) => [name, arithmetic])),
    ...Object.fromEntries(Object.keys(COMPARE).map((name) => [name, comparison])),
    ...Object.fromEntries(
      ["ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin"].map((n) => [n, reduce]),
    ),
    Not: unary,
    Where: where,
    Clip: clip,
    Cast: cast,
    Identity: ([x]) => x,
    Reshape: ([x], _view, out) => x && reshaped(x, out.dims),
    Transpose: ([x], view) => x && transposed(x, view.ints("perm") ?? []),
    Expand: ([x], _view, out) => x && broadcastTo(x, out.dims),
    Concat: concat,
    Gather: gather,
    Slice: slice,
    ConstantOfShape: constantOfShape,
    Range: range,
    Pad: pad,
    Trilu: trilu,
  }),
);

/**
 * Computes a node whose inputs are all constant, or undefined when it must stay. Arithmetic is
 * IEEE float64 rounded to the element type after each operator, exact for integers, so the result
 * is the same on every machine. Quantised weights (DequantizeLinear) stay as integers.
 */
export function foldNode(view: NodeView, info: ValueInfo): ConstantTensor | undefined {
  const { node } = view;
  const { elementType, shape } = info;
  const count = elementCount(shape);
  if (elementType === undefined || count === undefined) return undefined;
  if (node.outputs.length !== 1 || node.inputs.length === 0) return undefined;
  const folder = FOLDERS.get(operatorName(node)) ?? (isElementary(node.opType) ? unary : undefined);
  if (folder === undefined) return undefined;
  const inputs: ConstantTensor[] = [];
  for (let i = 0; i < node.inputs.length; i++) {
    const constant = view.constant(i);
    if (constant === undefined) return undefined;
    inputs.push(constant);
  }
  const { budget } = view.scope;
  if (count > budget.elements) return undefined;
  budget.elements -= count;
  return folder(inputs, view, { elementType, dims: (shape ?? []) as number[] });
}
