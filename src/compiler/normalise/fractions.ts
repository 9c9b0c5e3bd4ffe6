/** Arithmetic on sizes that a model does in floats, done in integers. */
import { addConstant, attribute, isFloat } from "../graph.js";
import type { ConstantTensor, GraphNode } from "../graph.js";
import { divisorOf, rationalOf } from "../shapes/ratios.js";
import type { Fraction, NodeView } from "../shapes/nodeView.js";
import { Expansion } from "./expansion.js";

/** Elements of a constant that may be a scale or a vector of them. */
const MAX_LENGTH = 64;

/**
 * Exporters write the sizes of an interpolation as `Cast → Div → Ceil → Cast`: a ceiling of what
 * fixed point rounds is one too many whenever the rounding is upwards. Each such float is followed
 * as a fraction of integers, which are written next to it, and the Cast back to integers reads
 * those. The floats go with the dead code, or stay for whoever wants them as floats.
 *
 * @returns the node with what belongs to it; undefined where it has no part in this
 */
export function followFractions(view: NodeView): GraphNode[] | undefined {
  const { node, scope } = view;
  const [output = ""] = node.outputs;
  if (node.domain !== "" || scope.fractions.has(output)) return undefined;
  const rule = RULES[node.opType];
  if (rule === undefined || !Object.hasOwn(RULES, node.opType)) return undefined;
  const writer = new FractionWriter(view);
  const fraction = rule(view, writer);
  if (fraction === undefined) return undefined;
  if (fraction !== "replaced") {
    scope.fractions.set(output, fraction);
    return [...writer.nodes, node];
  }
  return writer.nodes;
}

class FractionWriter extends Expansion {
  /** A node over integers. */
  integer(opType: string, inputs: readonly string[]): string {
    return this.op(opType, inputs, {}, undefined, "int64");
  }

  number(value: number): string {
    return this.constant("number", {
      elementType: "int64",
      dims: [],
      data: BigInt64Array.of(BigInt(value)),
    });
  }

  times(x: string, factor: string | number): string {
    if (factor === 1) return x;
    return this.integer("Mul", [x, typeof factor === "number" ? this.number(factor) : factor]);
  }

  /** ⌊over / under⌋ of sizes, which are not negative. */
  whole({ over, under }: Fraction): string {
    if (under === 1) return over;
    return this.integer("Div", [over, typeof under === "number" ? this.number(under) : under]);
  }

  /** The product of two denominators. */
  product(a: Fraction["under"], b: Fraction["under"]): Fraction["under"] {
    if (typeof a === "number" && typeof b === "number") return a * b;
    return typeof a === "number" ? this.times(b as string, a) : this.times(a, b);
  }
}

type FractionRule = (view: NodeView, writer: FractionWriter) => Fraction | "replaced" | undefined;

/** Operand `i` as a fraction: what is followed, or a constant of ratios with small denominators. */
function operand(view: NodeView, i: number): Fraction | undefined {
  const constant = view.constant(i);
  return constant === undefined ? view.fraction(i) : constantFraction(view, constant);
}

function constantFraction(view: NodeView, constant: ConstantTensor): Fraction | undefined {
  const { dims, data, elementType } = constant;
  if (!isFloat(elementType) || dims.length > 1 || data.length > MAX_LENGTH) return undefined;
  const ratios = Array.from(data as Float64Array, (x) =>
    x === 0 ? ([0, 1] as const) : x < 0 ? undefined : rationalOf(x),
  );
  if (!ratios.every((ratio) => ratio !== undefined)) return undefined;
  const under = ratios.reduce((a, [, b]) => (a / divisorOf(a, b)) * b, 1);
  if (!Number.isSafeInteger(under)) return undefined;
  const numbers = ratios.map(([p, q]) => BigInt(p * (under / q)));
  const hint = `${view.node.outputs[0] ?? ""}#ratio`;
  const over = addConstant(view.scope.graph, hint, {
    elementType: "int64",
    dims,
    data: BigInt64Array.from(numbers),
  });
  return { over, under };
}

/** Both operands, of which one at least is followed. */
function operands(view: NodeView): readonly [Fraction, Fraction] | undefined {
  if (view.fraction(0) === undefined && view.fraction(1) === undefined) return undefined;
  const a = operand(view, 0);
  const b = operand(view, 1);
  return a === undefined || b === undefined ? undefined : [a, b];
}

const cast: FractionRule = (view, writer) => {
  const target = view.node.attributes.get("to");
  if (target?.type !== "int" && target?.type !== "string") return undefined;
  const to = targetOf(target.value);
  const from = view.elementType(0);
  const fraction = view.fraction(0);
  if (fraction !== undefined) {
    if (to === "float") return fraction;
    if (to !== "int64" && to !== "int32") return undefined;
    writer.op("Cast", [writer.whole(fraction)], { to: attribute.string(to) }, undefined, to);
    writer.finish();
    return "replaced";
  }
  const sizes = view.contents(0);
  const open = sizes?.some((dim) => typeof dim === "string") === true;
  if (to !== "float" || !open || (from !== "int64" && from !== "int32")) return undefined;
  const over =
    from === "int64"
      ? view.name(0)
      : writer.op("Cast", [view.name(0)], { to: attribute.string("int64") }, undefined, "int64");
  return { over, under: 1 };
};

/** ONNX's numbers of the types, and the names that normal forms have. */
function targetOf(to: bigint | number | string): "float" | "int32" | "int64" | undefined {
  const known = TYPES.find(([, ...names]) =>
    names.includes(typeof to === "bigint" ? Number(to) : to),
  );
  return known?.[0];
}

const TYPES: readonly (readonly ["float" | "int32" | "int64", ...(number | string)[]])[] = [
  ["float", 1, 10, 11, 16, "float32", "float16", "float64", "bfloat16"],
  ["int32", 6, "int32"],
  ["int64", 7, "int64"],
];

const sum =
  (opType: "Add" | "Sub"): FractionRule =>
  (view, writer) => {
    const both = operands(view);
    if (both === undefined) return undefined;
    const [a, b] = both;
    if (a.under === b.under)
      return { over: writer.integer(opType, [a.over, b.over]), under: a.under };
    const left = writer.times(a.over, b.under);
    const right = writer.times(b.over, a.under);
    return {
      over: writer.integer(opType, [left, right]),
      under: writer.product(a.under, b.under),
    };
  };

/** The same operator on the numerators, which have one denominator. */
const moved: FractionRule = (view, writer) => {
  const { node } = view;
  const fraction = view.fraction(0);
  if (fraction === undefined || typeof fraction.under !== "number") return undefined;
  const inputs = [fraction.over, ...node.inputs.slice(1)];
  const attributes = Object.fromEntries(node.attributes);
  const over = writer.op(node.opType, inputs, attributes, undefined, "int64");
  return { over, under: fraction.under };
};

const RULES: Readonly<Record<string, FractionRule>> = {
  Add: sum("Add"),
  Cast: cast,
  Ceil: (view, writer) => {
    const x = view.fraction(0);
    if (x === undefined || x.under === 1) return x;
    const above =
      typeof x.under === "number"
        ? writer.number(x.under - 1)
        : writer.integer("Sub", [x.under, writer.number(1)]);
    const over = writer.integer("Add", [x.over, above]);
    return { over: writer.whole({ over, under: x.under }), under: 1 };
  },
  Concat: (view, writer) => {
    const { inputs } = view.node;
    if (inputs.every((_, i) => view.fraction(i) === undefined)) return undefined;
    const parts = inputs.map((_, i) => operand(view, i));
    if (!parts.every((part) => typeof part?.under === "number")) return undefined;
    const plain = parts as readonly { over: string; under: number }[];
    const under = plain.reduce((a, { under: b }) => (a / divisorOf(a, b)) * b, 1);
    const over = plain.map((part) => writer.times(part.over, under / part.under));
    const axis = { axis: attribute.int(0) };
    return { over: writer.op("Concat", over, axis, undefined, "int64"), under };
  },
  Div: (view, writer) => {
    const both = operands(view);
    if (both === undefined) return undefined;
    const [a, b] = both;
    // A constant divides by its number, so that formulas of sizes stay simple.
    const over = writer.times(a.over, b.under);
    const number = view.numbers(1);
    const divisor = constantOf(view, b.over);
    if (number !== undefined && divisor === undefined) return undefined;
    if (divisor === 0) return undefined;
    return { over, under: writer.product(a.under, divisor ?? b.over) };
  },
  Floor: (view, writer) => {
    const x = view.fraction(0);
    return x && { over: writer.whole(x), under: 1 };
  },
  Gather: moved,
  Identity: moved,
  Mul: (view, writer) => {
    const both = operands(view);
    if (both === undefined) return undefined;
    const [a, b] = both;
    return {
      over: writer.integer("Mul", [a.over, b.over]),
      under: writer.product(a.under, b.under),
    };
  },
  Reshape: moved,
  Slice: moved,
  Squeeze: moved,
  Sub: sum("Sub"),
  Unsqueeze: moved,
};

/** The number that all elements of an integer constant are. */
function constantOf({ scope }: NodeView, name: string): number | undefined {
  const constant = scope.graph.initializers.get(name);
  if (constant === undefined) return undefined;
  const numbers = Array.from(constant.data as BigInt64Array, Number);
  return numbers.every((n) => n === numbers[0]) ? numbers[0] : undefined;
}
