/** ONNX's integer arithmetic, modulo 2^bits, over instructions that saturate. */
import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import { CompileError } from "../../core/errors.js";
import type { Bounds } from "../fixed/bounds.js";
import {
  boundsOf,
  differenceBounds,
  isWithin,
  productBounds,
  sumBounds,
  union,
} from "../fixed/bounds.js";
import type { FixedBuilder, FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, ElementType } from "../graph.js";
import { integerDtype } from "./dtypes.js";

/** An integer type of the model, as the program holds it. */
export interface IntegerType extends Bounds {
  readonly bits: number;
  readonly signed: boolean;
  readonly dtype: Dtype;
  /** False for uint64, of which i64 holds the lower half: it saturates at 2^63 − 1. */
  readonly wraps: boolean;
}

const BITS: Readonly<Partial<Record<ElementType, number>>> = {
  int4: 4,
  uint4: 4,
  int8: 8,
  uint8: 8,
  int16: 16,
  uint16: 16,
  int32: 32,
  uint32: 32,
  int64: 64,
  uint64: 64,
};

/** @throws CompileError for types that hold no integers */
export function integerType(type: ElementType): IntegerType {
  const bits = BITS[type];
  if (bits === undefined) {
    throw new CompileError("UnsupportedType", `${type} is no type of integers`, { name: type });
  }
  const signed = !type.startsWith("u");
  const width = 1n << BigInt(bits);
  const dtype = integerDtype(type);
  if (signed) return { bits, signed, dtype, wraps: true, lo: -width / 2n, hi: width / 2n - 1n };
  const hi = type === "uint64" ? DTYPE_INFO.i64.max : width - 1n;
  return { bits, signed, dtype, wraps: type !== "uint64", lo: 0n, hi };
}

type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "min"
  | "max"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | "div.trunc"
  | "mod.trunc"
  | "mod.floor"
  | "eq"
  | "lt"
  | "le";

/** An elementwise instruction over two operands of one dtype; a bigint stands for a scalar. */
export function binary(
  builder: FixedBuilder,
  op: BinaryOp,
  x: FixedValue,
  y: FixedValue | bigint,
): FixedValue {
  const right = typeof y === "bigint" ? builder.scalar(x.dtype, y) : y;
  const dtype = op === "eq" || op === "lt" || op === "le" ? "bool" : x.dtype;
  return builder.op(op, {}, [x, right], dtype, broadcast(x.shape, right.shape));
}

/** The shape of two that fit; names stand for what is not 1. */
export function broadcast(a: readonly Dim[], b: readonly Dim[]): readonly Dim[] {
  if (a.length < b.length) return broadcast(b, a);
  const lead = a.length - b.length;
  return a.map((dim, i) => {
    const other = i < lead ? 1 : b[i - lead]!;
    return dim === 1 || (typeof dim === "string" && typeof other === "number" && other !== 1)
      ? other
      : dim;
  });
}

export function castTo(builder: FixedBuilder, x: FixedValue, dtype: Dtype): FixedValue {
  return x.dtype === dtype ? x : builder.op("cast", { dtype }, [x], dtype, x.shape);
}

const WORD = 0xffffffffn;

/** `x + y` or `x − y` modulo 2^bits; operands and result in the type's dtype. */
export function wrappedSum(
  builder: FixedBuilder,
  x: FixedValue,
  y: FixedValue,
  sign: 1 | -1,
  type: IntegerType,
): FixedValue {
  const op = sign === 1 ? "add" : "sub";
  const exact = (sign === 1 ? sumBounds : differenceBounds)(boundsOf(x), boundsOf(y));
  if (isWithin(exact, type)) return binary(builder, op, x, y);
  if (!type.wraps) return atLeastZero(builder, binary(builder, op, x, y));
  const dtype = roomFor(exact, type);
  if (dtype === undefined) return sumOfHalves(builder, x, y, sign);
  const wide = binary(builder, op, castTo(builder, x, dtype), castTo(builder, y, dtype));
  return wrapped(builder, wide, type);
}

/** `x · y` modulo 2^bits. */
export function wrappedProduct(
  builder: FixedBuilder,
  x: FixedValue,
  y: FixedValue,
  type: IntegerType,
): FixedValue {
  const exact = productBounds(boundsOf(x), boundsOf(y));
  if (isWithin(exact, type) || !type.wraps) return binary(builder, "mul", x, y);
  const dtype = roomFor(exact, type);
  if (dtype !== undefined) {
    const wide = binary(builder, "mul", castTo(builder, x, dtype), castTo(builder, y, dtype));
    return wrapped(builder, wide, type);
  }
  if (type.bits === 64) return productOfHalves(builder, x, y);
  return wrapped(builder, lowProduct(builder, x, y).low, type);
}

/** An exact integer modulo 2^bits, in the type's dtype. */
export function wrapped(builder: FixedBuilder, x: FixedValue, type: IntegerType): FixedValue {
  const bounds = boundsOf(x);
  if (isWithin(bounds, type)) return castTo(builder, x, type.dtype);
  if (!type.wraps) return atLeastZero(builder, castTo(builder, x, type.dtype));
  const mask = (1n << BigInt(type.bits)) - 1n;
  const wide = castTo(builder, x, roomFor(bounds, type)!);
  const low = binary(builder, "and", wide, mask);
  return castTo(builder, type.signed ? signedFrom(builder, low, type.bits) : low, type.dtype);
}

const atLeastZero = (builder: FixedBuilder, x: FixedValue): FixedValue =>
  boundsOf(x).lo >= 0n ? x : binary(builder, "max", x, 0n);

/** The two's complement value of the low bits. */
function signedFrom(builder: FixedBuilder, low: FixedValue, bits: number): FixedValue {
  const half = 1n << BigInt(bits - 1);
  return binary(builder, "sub", binary(builder, "xor", low, half), half);
}

/** The narrowest dtype that holds exact results and the mask of the type. */
function roomFor(exact: Bounds, type: IntegerType): Dtype | undefined {
  const mask = (1n << BigInt(type.bits)) - 1n;
  const needed = type.bits === 64 ? exact : union(exact, { lo: 0n, hi: mask });
  return (["i16", "i32", "i64"] as const).find((dtype) => {
    const { min, max } = DTYPE_INFO[dtype];
    return isWithin(needed, { lo: min, hi: max });
  });
}

/** A sum of 64 bits, from sums of its halves. */
function sumOfHalves(
  builder: FixedBuilder,
  x: FixedValue,
  y: FixedValue,
  sign: 1 | -1,
): FixedValue {
  const op = sign === 1 ? "add" : "sub";
  const low = binary(builder, op, binary(builder, "and", x, WORD), binary(builder, "and", y, WORD));
  const high = binary(builder, op, binary(builder, "shr", x, 32n), binary(builder, "shr", y, 32n));
  return fromHalves(builder, binary(builder, "add", high, binary(builder, "shr", low, 32n)), low);
}

/** `high · 2^32 + (low mod 2^32)` modulo 2^64. */
function fromHalves(builder: FixedBuilder, high: FixedValue, low: FixedValue): FixedValue {
  const top = signedFrom(builder, binary(builder, "and", high, WORD), 32);
  return binary(builder, "or", binary(builder, "shl", top, 32n), binary(builder, "and", low, WORD));
}

/**
 * The product of two numbers of 32 unsigned bits in i64: `carry · 2^32 + (low mod 2^32)`. One
 * factor is split in two, so that no part reaches 2^63.
 */
function lowProduct(
  builder: FixedBuilder,
  x: FixedValue,
  y: FixedValue,
): { readonly low: FixedValue; readonly carry: FixedValue } {
  const near = binary(builder, "mul", x, binary(builder, "and", y, 0xffffn));
  const far = binary(builder, "mul", x, binary(builder, "shr", y, 16n));
  const shifted = binary(builder, "shl", binary(builder, "and", far, 0xffffn), 16n);
  const low = binary(builder, "add", near, shifted);
  const carry = binary(
    builder,
    "add",
    binary(builder, "shr", low, 32n),
    binary(builder, "shr", far, 16n),
  );
  return { low, carry };
}

/** A product of 64 bits, from products of its halves. */
function productOfHalves(builder: FixedBuilder, x: FixedValue, y: FixedValue): FixedValue {
  const [xLow, yLow] = [binary(builder, "and", x, WORD), binary(builder, "and", y, WORD)];
  const { low, carry } = lowProduct(builder, xLow, yLow);
  // |high| ≤ 2^31 times less than 2^32 stays below 2^63.
  const cross = (high: FixedValue, other: FixedValue): FixedValue =>
    binary(builder, "and", binary(builder, "mul", binary(builder, "shr", high, 32n), other), WORD);
  const high = binary(builder, "add", cross(x, yLow), cross(y, xLow));
  return fromHalves(builder, binary(builder, "add", high, carry), low);
}

/** What a host hands in, limited to the values of its type where the dtype holds more. */
export function withinType(
  builder: FixedBuilder,
  x: FixedValue,
  elementType: ElementType,
): FixedValue {
  if (elementType === "bool") return x;
  const { lo, hi } = integerType(elementType);
  if (isWithin(boundsOf(x), { lo, hi })) return x;
  return builder.op("clamp", { lo, hi }, [x], x.dtype, x.shape);
}
