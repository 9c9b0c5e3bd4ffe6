/** After how much of its argument an expression repeats. */
import type { TensorRange } from "../calibration.js";
import type { Expression } from "../expression.js";

/** The nearest double to 2π. */
const TURN = 6.283185307179586;
const CIRCULAR: ReadonlySet<string> = new Set(["Cos", "Sin", "Tan"]);
/** Below so many turns a table over the domain is fine enough. */
const FEW_TURNS = 2;

/** After how much of its argument an expression repeats; undefined where it does not, or is constant. */
export function periodOf(expression: Expression): number | undefined {
  const period = repeats(expression);
  return period === 0 ? undefined : period;
}

/** The period, 0 of a constant. */
function repeats(expression: Expression): number | undefined {
  switch (expression.kind) {
    case "x":
      return undefined;
    case "constant":
      return 0;
    case "function": {
      const slope = CIRCULAR.has(expression.name) ? slopeOf(expression.a) : undefined;
      return slope === undefined || slope === 0 ? repeats(expression.a) : TURN / Math.abs(slope);
    }
    case "binary":
      return shared([expression.a, expression.b]);
    case "select":
      return shared([expression.condition, expression.a, expression.b]);
  }
}

function shared(parts: readonly Expression[]): number | undefined {
  let period = 0;
  for (const part of parts) {
    const own = repeats(part);
    if (own === undefined || (own !== 0 && period !== 0 && own !== period)) return undefined;
    period = own || period;
  }
  return period;
}

/** The factor of x in an expression that is linear in it. */
function slopeOf(expression: Expression): number | undefined {
  if (expression.kind === "x") return 1;
  if (expression.kind === "constant") return 0;
  if (expression.kind === "function") {
    const a = expression.name === "Neg" ? slopeOf(expression.a) : undefined;
    return a === undefined ? undefined : -a;
  }
  if (expression.kind !== "binary") return undefined;
  const [a, b] = [slopeOf(expression.a), slopeOf(expression.b)];
  if (a === undefined || b === undefined) return undefined;
  const { a: first, b: second } = expression;
  if (expression.op === "add") return a + b;
  if (expression.op === "sub") return a - b;
  if (expression.op === "div") return second.kind === "constant" ? a / second.value : undefined;
  if (expression.op !== "mul") return undefined;
  if (second.kind === "constant") return a * second.value;
  return first.kind === "constant" ? b * first.value : undefined;
}

/** Whether a function repeats so often over what it may be asked that its argument is to be wide. */
export function runsOverTurns(
  expression: Expression,
  range: Pick<TensorRange, "min" | "max"> | undefined,
  headroom: number,
): boolean {
  const period = periodOf(expression);
  if (period === undefined || range === undefined) return false;
  return Math.max(Math.abs(range.min), Math.abs(range.max)) * headroom > FEW_TURNS * period;
}
