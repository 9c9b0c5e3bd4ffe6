import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";

/**
 * How an operand of shape `from` lies in a result of shape `to` that it broadcasts to: the same
 * elements, one value, a value per element of the last axis, a value per row, or otherwise.
 */
export type Lay = "same" | "scalar" | "last" | "row" | "other";

export function layOf(from: Shape, to: Shape): Lay {
  const count = elementCount(from);
  if (count === elementCount(to)) return "same";
  if (count === 1) return "scalar";
  const last = to[to.length - 1]!;
  const own = from[from.length - 1]!;
  if (own === last && count === last) return "last";
  if (own === 1 && count * last === elementCount(to)) return "row";
  return "other";
}
