/** Integer and boolean operators of the model, exact, element by element. */
import { boundsOf } from "../fixed/bounds.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { floatAttribute, intAttribute, nodeError, stringAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { aligned } from "./elementwise.js";
import type { Lowered } from "./real.js";
import type { IntegerType } from "./wrapping.js";
import { binary, broadcast, castTo, integerType, wrappedProduct, wrappedSum } from "./wrapping.js";

type Rule = (ctx: LoweringContext, node: GraphNode) => void;

/** The operands of a node in one order of axes; absent ones are left out. */
function operandsOf(
  ctx: LoweringContext,
  node: GraphNode,
): { readonly values: FixedValue[]; readonly axes: readonly number[] } {
  const given = node.inputs.filter((name) => name !== "").map((name) => ctx.get(name));
  const { operands, axes } = aligned(ctx, given, ctx.shapeOf(node.outputs[0]!).length);
  return { values: operands.map((x) => x.value), axes };
}

function typeOf(ctx: LoweringContext, node: GraphNode): IntegerType {
  return integerType(ctx.elementTypeOf(node.outputs[0]!));
}

/** A rule from a function of the operands. */
function elementwise(
  make: (
    ctx: LoweringContext,
    node: GraphNode,
    operands: readonly FixedValue[],
    type: IntegerType,
  ) => FixedValue,
): Rule {
  return (ctx, node) => {
    const { values, axes } = operandsOf(ctx, node);
    ctx.define(node.outputs[0]!, { value: make(ctx, node, values, typeOf(ctx, node)), axes });
  };
}

/** The instruction itself, from left to right: it cannot leave the type. */
const direct = (op: Parameters<typeof binary>[1]): Rule =>
  elementwise(({ builder }, _node, operands) =>
    operands.reduce((a, b) => binary(builder, op, a, b)),
  );

const sum = (sign: 1 | -1): Rule =>
  elementwise(({ builder }, _node, operands, type) =>
    operands.reduce((a, b) => wrappedSum(builder, a, b, sign, type)),
  );

const product = elementwise(({ builder }, _node, operands, type) =>
  operands.reduce((a, b) => wrappedProduct(builder, a, b, type)),
);

const negated = ({ builder }: LoweringContext, x: FixedValue, type: IntegerType): FixedValue =>
  wrappedSum(builder, builder.scalar(x.dtype, 0n), x, -1, type);

/** The sign that the divisor gives, or the one that the dividend gives (fmod). */
const remainder: Rule = (ctx, node) =>
  direct(intAttribute(node, "fmod") === 1 ? "mod.trunc" : "mod.floor")(ctx, node);

/** Shifts of unsigned types; what is shifted out is gone. */
const shift = elementwise(({ builder }, node, [x, count], type) => {
  if (stringAttribute(node, "direction") === "RIGHT") return binary(builder, "shr", x!, count!);
  const kept = binary(builder, "shr", builder.scalar(x!.dtype, type.hi), count!);
  return binary(builder, "shl", binary(builder, "and", x!, kept), count!);
});

const complement = elementwise(({ builder }, node, [x], type) => {
  if (!type.wraps) {
    throw nodeError(
      "UnsupportedType",
      node,
      "the complement of a uint64 is beyond 2^63, where none is held; cast to int64 first",
    );
  }
  return type.signed || (type.dtype === "u8" && type.bits === 8)
    ? builder.op("not", {}, [x!], x!.dtype, x!.shape)
    : binary(builder, "xor", x!, type.hi);
});

/** By the 63rd power, whatever is neither 0 nor ±1 has left every type: more only tells even from odd. */
const MOST = 63n;

/** Powers by squaring. Negative exponents give what truncation leaves of a fraction. */
const power = elementwise(({ builder }, _node, [base, exponent], type) => {
  const x = base!;
  const times = (a: FixedValue, b: FixedValue): FixedValue => wrappedProduct(builder, a, b, type);
  const { lo, hi } = boundsOf(exponent!);
  if (lo === hi && lo >= 0n) {
    let result: FixedValue | undefined;
    let square = x;
    for (let e = lo; e > 0n; e >>= 1n) {
      if ((e & 1n) === 1n) result = result === undefined ? square : times(result, square);
      if (e > 1n) square = times(square, square);
    }
    return result ?? binary(builder, "or", binary(builder, "and", x, 0n), 1n);
  }
  const select = (condition: FixedValue, yes: FixedValue, no: FixedValue): FixedValue =>
    builder.op(
      "select",
      {},
      [condition, yes, no],
      yes.dtype,
      broadcast(condition.shape, broadcast(yes.shape, no.shape)),
    );
  let counts = castTo(builder, exponent!, "i64");
  if (hi > MOST) {
    const even = binary(builder, "or", binary(builder, "and", counts, 1n), MOST - 1n);
    counts = select(binary(builder, "lt", counts, MOST + 1n), counts, even);
  }
  const hasBit = (bit: bigint): FixedValue =>
    castTo(builder, binary(builder, "and", binary(builder, "shr", counts, bit), 1n), "bool");
  let result = select(hasBit(0n), x, builder.scalar(type.dtype, 1n));
  let square = x;
  for (let bit = 1n; 1n << bit <= (hi < MOST ? hi : MOST); bit++) {
    square = times(square, square);
    result = select(hasBit(bit), times(result, square), result);
  }
  if (lo >= 0n) return result;
  // 1 / x^n is 1 or −1 where x is, and nothing else that is whole.
  const size = builder.op("abs", {}, [x], x.dtype, x.shape);
  const kept = select(binary(builder, "eq", size, 1n), result, builder.scalar(type.dtype, 0n));
  return select(binary(builder, "lt", counts, 0n), kept, result);
});

const sign: Rule = elementwise(({ builder }, _node, [x], type) =>
  builder.op("clamp", { lo: type.signed ? -1n : 0n, hi: 1n }, [x!], x!.dtype, x!.shape),
);

/** Constant bounds are attributes, others are operands. */
const clip: Rule = (ctx, node) => {
  const { builder } = ctx;
  const type = typeOf(ctx, node);
  const [min, max] = [floatAttribute(node, "min"), floatAttribute(node, "max")];
  if (min !== undefined && max !== undefined) {
    const x = ctx.get(node.inputs[0]!);
    const bounds = {
      lo: boundOf(Math.ceil(min), type, type.lo),
      hi: boundOf(Math.floor(max), type, type.hi),
    };
    ctx.define(node.outputs[0]!, { ...x, value: clampedTo(ctx, x, bounds) });
    return;
  }
  const names = [node.inputs[0]!, node.inputs[1] ?? "", node.inputs[2] ?? ""];
  const { values, axes } = operandsOf(ctx, node);
  let next = 1;
  let value = values[0]!;
  if (names[1] !== "") value = binary(builder, "max", value, values[next++]!);
  if (names[2] !== "") value = binary(builder, "min", value, values[next]!);
  ctx.define(node.outputs[0]!, { value, axes });
};

/** From 2^53 on a bound stands for none: doubles cannot tell them apart. */
function boundOf(bound: number, type: IntegerType, absent: bigint): bigint {
  if (Math.abs(bound) >= Number.MAX_SAFE_INTEGER) return absent;
  const whole = BigInt(bound);
  return whole < type.lo ? type.lo : whole > type.hi ? type.hi : whole;
}

function clampedTo(
  ctx: LoweringContext,
  { value }: Lowered,
  bounds: { lo: bigint; hi: bigint },
): FixedValue {
  // Where the bounds cross, ONNX gives the upper one.
  const lo = bounds.lo > bounds.hi ? bounds.hi : bounds.lo;
  return ctx.builder.op("clamp", { lo, hi: bounds.hi }, [value], value.dtype, value.shape);
}

const relu: Rule = (ctx, node) => {
  const x = ctx.get(node.inputs[0]!);
  ctx.define(node.outputs[0]!, {
    ...x,
    value: clampedTo(ctx, x, { lo: 0n, hi: typeOf(ctx, node).hi }),
  });
};

/** Rules of operators over integers; the same operators over reals have others. */
export const integerRules: Readonly<Record<string, Rule>> = {
  Abs: elementwise((ctx, _node, [x], type) =>
    type.signed ? binary(ctx.builder, "max", x!, negated(ctx, x!, type)) : x!,
  ),
  Add: sum(1),
  BitShift: shift,
  BitwiseAnd: direct("and"),
  BitwiseNot: complement,
  BitwiseOr: direct("or"),
  BitwiseXor: direct("xor"),
  Clip: clip,
  Div: direct("div.trunc"),
  Max: direct("max"),
  Min: direct("min"),
  Mod: remainder,
  Mul: product,
  Neg: elementwise((ctx, _node, [x], type) => negated(ctx, x!, type)),
  Pow: power,
  Relu: relu,
  Sign: sign,
  Sub: sum(-1),
  Sum: sum(1),
};

/** Logic: bool in, bool out. */
const logic =
  (op: "and" | "or" | "xor"): Rule =>
  (ctx, node) => {
    const { values, axes } = operandsOf(ctx, node);
    const value = values.reduce((a, b) => binary(ctx.builder, op, a, b));
    ctx.define(node.outputs[0]!, { value, axes });
  };

export const logicRules: Readonly<Record<string, Rule>> = {
  And: logic("and"),
  Not: (ctx, node) => {
    const x = ctx.get(node.inputs[0]!);
    const value = ctx.builder.op("not", {}, [x.value], "bool", x.value.shape);
    ctx.define(node.outputs[0]!, { ...x, value });
  },
  Or: logic("or"),
  Xor: logic("xor"),
};
