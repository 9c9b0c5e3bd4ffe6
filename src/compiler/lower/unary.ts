/** Functions of one variable. */
import { DTYPE_INFO } from "../../core/dtype.js";
import type { GraphNode } from "../graph.js";
import { expressionAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { lowerByteFunction, lowerFunction } from "./finish.js";
import { roundingOf } from "./rounding.js";
import { lowerRounding } from "./wholeNumbers.js";

/** A function of one variable of a value that something else reads too. */
export function lowerUnary(ctx: LoweringContext, node: GraphNode): void {
  const rounding = roundingOf(expressionAttribute(node, "expression")!);
  if (rounding?.inner.kind === "x") {
    lowerRounding(ctx, node, rounding.op);
    return;
  }
  const x = ctx.real(node.inputs[0]!, node);
  if (DTYPE_INFO[x.value.dtype].bits === 8 && typeof x.format.scale === "number") {
    lowerByteFunction(ctx, node, x);
    return;
  }
  lowerFunction(ctx, node, x.axes, (target) => ctx.requantise(x, target).value);
}
