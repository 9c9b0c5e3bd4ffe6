/** Casts between reals, integers and booleans. */
import type { GraphNode } from "../graph.js";
import { isFloat, isFloat8 } from "../graph.js";
import type { Refusal } from "../listUnsupported.js";
import type { LoweringContext } from "./context.js";
import { uniform } from "./elementwise.js";
import { fromWide } from "./quantised.js";
import type { Real } from "./real.js";
import { format } from "./real.js";
import { truncated } from "./wholeNumbers.js";
import { castTo, integerType, wrapped } from "./wrapping.js";

/**
 * Between float types nothing changes. Integers become reals as they are; reals become integers
 * towards 0, and saturate beyond the type; integers of too many bits lose the upper ones.
 */
export function lowerCast(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const x = ctx.get(node.inputs[0]!);
  const name = node.outputs[0]!;
  const to = ctx.elementTypeOf(name);
  const { value } = x;
  if (isFloat(to)) {
    if (x.format !== undefined) return ctx.define(name, x);
    if (value.dtype === "i32" || value.dtype === "i64")
      return ctx.define(name, fromWide(ctx, node, x, 1));
    const held = castTo(builder, value, value.dtype === "bool" ? "i8" : value.dtype);
    return ctx.define(name, { value: held, axes: x.axes, format: format(held.dtype, 1) });
  }
  if (to === "bool") {
    const zeroAtZero = x.format === undefined ? x : ctx.withoutZeroPoint(x as Real);
    return ctx.define(name, { value: castTo(builder, zeroAtZero.value, "bool"), axes: x.axes });
  }
  const type = integerType(to);
  if (x.format === undefined) {
    const whole =
      value.dtype === "bool" ? castTo(builder, value, type.dtype) : wrapped(builder, value, type);
    return ctx.define(name, { value: whole, axes: x.axes });
  }
  const whole = truncated(ctx, uniform(ctx, ctx.withoutZeroPoint(x as Real)));
  const within = builder.op("clamp", { lo: type.lo, hi: type.hi }, [whole], "i64", whole.shape);
  ctx.define(name, { value: castTo(builder, within, type.dtype), axes: x.axes });
}

/** What no integers stand for. */
export const castRefusal: Refusal = (graph, node) => {
  const [from, to] = [node.inputs[0] ?? "", node.outputs[0] ?? ""].map(
    (name) => graph.values.get(name)?.elementType,
  );
  if (from === "string" || to === "string") return "from or to strings, of which there are none";
  return isFloat8(to)
    ? `to ${String(to)}, whose rounding is not computed; cast to float16`
    : undefined;
};
