/** Quotients and powers of reals in their simplest form. */
import { constantCount, constantNumbers, isFloat } from "../graph.js";
import type { ConstantTensor } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { binary } from "./elementwiseNormalisers.js";
import { addedConstant, become } from "./normaliser.js";
import type { Normaliser } from "./normaliser.js";
import { mixedPower } from "./piecewiseExpansions.js";

/** Division by constants is a product with their reciprocals. */
const division: Normaliser = (view) => {
  const { node } = view;
  const replaced = binary(view);
  const divisor = view.constant(1);
  if (divisor === undefined || view.constant(0) !== undefined || replaced !== undefined)
    return replaced;
  const inverse = reciprocals(divisor);
  if (inverse === undefined) return undefined;
  node.opType = "Mul";
  node.inputs[1] = addedConstant(view, "reciprocal", inverse);
  return undefined;
};

function reciprocals(divisor: ConstantTensor): ConstantTensor | undefined {
  if (!isFloat(divisor.elementType)) return undefined;
  const data = Float64Array.from(constantNumbers(divisor), (v) => 1 / v);
  return data.every((v) => v !== 0 && Number.isFinite(v)) ? { ...divisor, data } : undefined;
}

/** Powers 1, 2, 1/2 and −1 have operators of their own. */
const power: Normaliser = (view) => {
  const { node } = view;
  const mixed = view.constant(1) === undefined || !isFloat(view.elementType(0));
  const replaced = (mixed ? mixedPower(view) : undefined) ?? binary(view);
  if (replaced !== undefined) return replaced;
  const exponent = scalarOf(view, 1);
  if (exponent === undefined || !isFloat(view.elementType(0)) || view.constant(0) !== undefined)
    return undefined;
  if (exponent === 2) {
    node.opType = "Mul";
    node.inputs[1] = node.inputs[0] ?? "";
  } else if (exponent === 1) become(node, "Identity");
  else if (exponent === 0.5) become(node, "Sqrt");
  else if (exponent === -1) become(node, "Reciprocal");
  return undefined;
};

/** A constant of one element that does not add axes to operand 0. */
function scalarOf(view: NodeView, i: number): number | undefined {
  const constant = view.constant(i);
  const rank = view.rank(0);
  if (
    constant === undefined ||
    constantCount(constant) !== 1 ||
    rank === undefined ||
    constant.dims.length > rank
  )
    return undefined;
  return constantNumbers(constant)[0];
}

export const REAL_NORMALISERS: Readonly<Record<string, Normaliser>> = {
  Div: division,
  Pow: power,
};
