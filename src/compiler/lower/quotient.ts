/** Elementwise arithmetic in 64 bits, and quotients of integers as ONNX rounds them. */
import { InternalError } from "../../core/errors.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import { broadcastShapes } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";

type Binary =
  "add" | "sub" | "mul" | "div.floor" | "mod.floor" | "and" | "shl" | "shr" | "max" | "min";

/** An instruction over two operands of one dtype, whose shapes broadcast. */
export function binary(ctx: LoweringContext, op: Binary, a: FixedValue, b: FixedValue): FixedValue {
  const shape = broadcastShapes([a.shape, b.shape]);
  if (shape === undefined || shape === "mismatch" || a.dtype !== b.dtype)
    throw new InternalError(`operands of ${op} do not fit`, { name: ctx.builder.origin });
  return ctx.builder.op(op, {}, [a, b], a.dtype, shape);
}

/** `a op b` with a number, in a's dtype. */
export function withScalar(
  ctx: LoweringContext,
  op: Binary,
  a: FixedValue,
  b: number | bigint,
): FixedValue {
  return binary(ctx, op, a, ctx.builder.scalar(a.dtype, BigInt(b)));
}

/** Fraction bits of a float32. */
const FRACTION_BITS = 23;

/**
 * `a / b` of i64 as float32 divides and rounds it: to 24 bits, then to the nearest integer, ties to
 * even. What lies closer to a tie than a float32 can tell is one. |a| and b up to 2^60, b > 0; by 0
 * it is the greatest or least i64, or 0.
 */
export function quotientToEven(ctx: LoweringContext, a: FixedValue, b: FixedValue): FixedValue {
  const { builder } = ctx;
  const denominator = withScalar(ctx, "shl", b, 1);
  const numerator = binary(ctx, "add", withScalar(ctx, "shl", a, 1), b);
  const up = binary(ctx, "div.floor", numerator, denominator);
  // a/b is rest / (2b) above the tie up − ½, and what is missing to 2b below the tie up + ½.
  const rest = binary(ctx, "sub", numerator, binary(ctx, "mul", up, denominator));
  const doubled = withScalar(ctx, "shl", up, 1);
  const isTie = (distance: FixedValue, twiceTie: FixedValue): FixedValue => {
    const { shape } = twiceTie;
    const magnitude = builder.op("abs", {}, [twiceTie], "i64", shape);
    const kinds = [0, 1].map(() => ({ dtype: "i32", shape }) as const);
    const exponent = builder.ops("normalize", {}, [magnitude], kinds)[1]!;
    const least = builder.scalar("i32", BigInt(FRACTION_BITS + 1));
    const places = ctx.widened(binary(ctx, "sub", least, exponent), "i64");
    const reach = binary(ctx, "shr", b, places);
    const near = builder.op("le", {}, [distance, reach], "bool", shape);
    return binary(ctx, "and", ctx.widened(near, "i64"), up);
  };
  const down = isTie(rest, withScalar(ctx, "sub", doubled, 1));
  const missing = binary(ctx, "sub", denominator, rest);
  const further = isTie(missing, withScalar(ctx, "add", doubled, 1));
  return binary(ctx, "add", binary(ctx, "sub", up, down), further);
}
