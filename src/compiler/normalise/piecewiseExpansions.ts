/** Functions that jump: a table would blur the jump, comparisons and choices are exact. */
import { attribute, isFloat } from "../graph.js";
import { Expansion } from "./expansion.js";
import type { Normaliser } from "./normaliser.js";

/** x above alpha, 0 elsewhere. */
const thresholdedRelu: Normaliser = (view) => {
  const [shape, elementType] = [view.shape(0), view.elementType(0)];
  if (!isFloat(elementType) || elementType === undefined) return undefined;
  const e = new Expansion(view);
  const number = (hint: string, value: number): string =>
    e.constant(hint, { elementType, dims: [], data: Float64Array.of(value) });
  const x = view.name(0);
  const alpha = number("alpha", view.float("alpha", 1));
  const above = e.op("Greater", [x, alpha], {}, shape, "bool");
  e.op("Where", [above, x, number("zero", 0)], {}, shape);
  return e.finish();
};

/** x + bias below −lambd, x − bias above lambd, 0 between. */
const shrink: Normaliser = (view) => {
  const [shape, elementType] = [view.shape(0), view.elementType(0)];
  if (!isFloat(elementType) || elementType === undefined) return undefined;
  const e = new Expansion(view);
  const number = (hint: string, value: number): string =>
    e.constant(hint, { elementType, dims: [], data: Float64Array.of(value) });
  const [x, lambd, bias] = [view.name(0), view.float("lambd", 0.5), view.float("bias", 0)];
  const moved = (by: number, hint: string): string =>
    by === 0 ? x : e.op("Add", [x, number(hint, by)], {}, shape);
  const below = e.op("Less", [x, number("low", -lambd)], {}, shape, "bool");
  const above = e.op("Greater", [x, number("high", lambd)], {}, shape, "bool");
  const right = e.op("Where", [above, moved(-bias, "down"), number("zero", 0)], {}, shape);
  e.op("Where", [below, moved(bias, "up"), right], {}, shape);
  return e.finish();
};

/** Powers of one type: what is whole and what is real meet as reals, and a whole result is cut. */
export const mixedPower: Normaliser = (view) => {
  const [base, power] = [view.elementType(0), view.elementType(1)];
  if (base === undefined || power === undefined || isFloat(base) === isFloat(power)) {
    return undefined;
  }
  const e = new Expansion(view);
  const shape = view.output(0).shape;
  const cast = (
    name: string,
    to: typeof base,
    from: (typeof view)["node"]["inputs"][number],
  ): string =>
    e.op(
      "Cast",
      [name],
      { to: attribute.string(to) },
      e.view.scope.graph.values.get(from)?.shape,
      to,
    );
  const [x, y] = [view.name(0), view.name(1)];
  if (isFloat(base)) {
    e.op("Pow", [x, cast(y, base, y)], {}, shape, base);
    return e.finish();
  }
  const exponents = view.numbers(1);
  if (exponents?.every((v) => Number.isInteger(v) && v >= 0) === true) {
    e.op("Pow", [x, cast(y, "int64", y)], {}, shape, base);
    return e.finish();
  }
  const result = e.op("Pow", [cast(x, power, x), y], {}, shape, power);
  e.op("Cast", [result], { to: attribute.string(base) }, shape, base);
  return e.finish();
};

export const PIECEWISE_EXPANSIONS: Readonly<Record<string, Normaliser>> = {
  Shrink: shrink,
  ThresholdedRelu: thresholdedRelu,
};
