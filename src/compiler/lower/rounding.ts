/** Floor, Ceil and Round: exact on the integers that hold the argument. */
import type { Expression } from "../expression.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";
import type { Format, Real } from "./real.js";
import { format } from "./real.js";
import { exponentOf, powerOfTwo } from "./scale.js";

const ROUNDINGS: ReadonlySet<string> = new Set(["Ceil", "Floor", "Round"]);
type Rounding = "Ceil" | "Floor" | "Round";

/** What an expression rounds, and how; undefined where its last step is another. */
export function roundingOf(
  expression: Expression,
): { readonly op: Rounding; readonly inner: Expression } | undefined {
  return expression.kind === "function" && ROUNDINGS.has(expression.name)
    ? { op: expression.name as Rounding, inner: expression.a }
    : undefined;
}

/**
 * Rounds a real to whole numbers, which become integers of scale 1. Its argument is taken in
 * steps of a power of two, as fine as the inputs of the model are known: what came out a hair
 * below a whole number or a half is that number.
 *
 * @param reach greatest magnitude of the argument
 */
export function roundedReal(
  ctx: LoweringContext,
  op: Rounding,
  reach: number,
  axes: readonly number[],
  emitArgument: (format: Format) => FixedValue,
): Real {
  const { builder } = ctx;
  const bits = Math.min(
    Math.max(ctx.profile.activation.bits - 3 - exponentOf(Math.max(reach, 1)), 1),
    28,
  );
  const x = emitArgument(format("i32", powerOfTwo(-bits), 0, [-0x3fffffff, 0x3fffffff]));
  const { shape } = x;
  const i32 = (value: number): FixedValue => builder.scalar("i32", BigInt(value));
  const floor = (v: FixedValue): FixedValue => builder.op("shr", {}, [v, i32(bits)], "i32", shape);
  const minus = (v: FixedValue): FixedValue => builder.op("neg", {}, [v], "i32", shape);
  let value: FixedValue;
  if (op === "Floor") value = floor(x);
  else if (op === "Ceil") value = minus(floor(minus(x)));
  else {
    const raised = builder.op("add", {}, [x, i32(1 << (bits - 1))], "i32", shape);
    const up = floor(raised);
    // A half rounds up to an odd number or to an even one, which it is meant to.
    const rest = builder.op("and", {}, [raised, i32(powerOfTwo(bits) - 1)], "i32", shape);
    const tie = builder.op("eq", {}, [rest, i32(0)], "bool", shape);
    const odd = builder.op("and", {}, [up, i32(1)], "i32", shape);
    const excess = builder.op("select", {}, [tie, odd, i32(0)], "i32", shape);
    value = builder.op("sub", {}, [up, excess], "i32", shape);
  }
  const limit = powerOfTwo(30 - bits);
  if (limit > 32_767) return { value, axes, format: format("i32", 1, 0, [-limit, limit]) };
  return { value: ctx.widened(value, "i16"), axes, format: format("i16", 1) };
}
