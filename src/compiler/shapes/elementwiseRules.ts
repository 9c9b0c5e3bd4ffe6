import { expressionAttribute, isFloat, stringAttribute } from "../graph.js";
import type { ElementType, Shape, ValueInfo } from "../graph.js";
import { broadcastShapes } from "./dims.js";
import type { NodeView, ShapeRule } from "./nodeView.js";

function broadcast(view: NodeView): Shape {
  const shapes = view.node.inputs.map((_, i) => view.shape(i));
  const result = broadcastShapes(shapes);
  if (result === "mismatch") throw view.shapeError("operands do not broadcast");
  return result;
}

/**
 * Operands must agree in type: ONNX converts nothing by itself. Floats of different widths meet where
 * a pass has dropped the Cast between them, which has no effect here; the widest says what results are.
 */
export function commonType(view: NodeView, from = 0): ElementType | undefined {
  let common = view.elementType(from);
  for (let i = from + 1; i < view.node.inputs.length; i++) {
    const other = view.elementType(i);
    if (common === undefined || other === undefined || common === other) continue;
    if (!isFloat(common) || !isFloat(other)) {
      throw view.error("TypeMismatch", `operands are ${common} and ${other}; types must agree`);
    }
    if (floatBits(other) > floatBits(common)) common = other;
  }
  return common;
}

const floatBits = (type: ElementType): number => Number(/^b?float(\d+)/.exec(type)?.[1] ?? 0);

const arithmetic: ShapeRule = (view) => [{ elementType: commonType(view), shape: broadcast(view) }];
const predicate: ShapeRule = (view) => {
  commonType(view);
  return [{ elementType: "bool", shape: broadcast(view) }];
};
/** Same type and shape as the first operand. */
const same: ShapeRule = (view) => [{ elementType: view.elementType(0), shape: view.shape(0) }];
const sameShapeBool: ShapeRule = (view) => [{ elementType: "bool", shape: view.shape(0) }];

function rulesFor(names: string, rule: ShapeRule): Record<string, ShapeRule> {
  return Object.fromEntries(names.split(" ").map((name) => [name, rule]));
}

const quantised = (view: NodeView, elementType: ElementType | undefined): ValueInfo => ({
  elementType,
  shape: view.shape(0),
});

export const ELEMENTWISE_RULES: Readonly<Record<string, ShapeRule>> = {
  ...rulesFor(
    "Add Sub Mul Div Mod Max Min Sum Mean And Or Xor BitwiseAnd BitwiseOr BitwiseXor BitShift",
    arithmetic,
  ),
  ...rulesFor("Equal Greater GreaterOrEqual Less LessOrEqual", predicate),
  ...rulesFor("IsNaN IsInf", sameShapeBool),
  ...rulesFor(
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumSum Elu Erf Exp Floor Gelu " +
      "HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LeakyRelu Log LogSoftmax LpNormalization " +
      "MeanVarianceNormalization Mish Neg Not RMSNormalization Reciprocal Relu Round ScatterElements ScatterND Scatter Selu Shrink " +
      "Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Trilu GroupNormalization",
    same,
  ),
  // The slope broadcasts to the data, the exponent's type is its own.
  PRelu: same,
  Pow: (view) => [{ elementType: view.elementType(0), shape: broadcast(view) }],
  Where: (view) => [{ elementType: commonType(view, 1), shape: broadcast(view) }],
  Cast: (view) => [
    { elementType: stringAttribute(view.node, "to") as ElementType, shape: view.shape(0) },
  ],
  "aivm.Unary": (view) => {
    if (expressionAttribute(view.node, "expression") === undefined) {
      throw view.error("BadAttribute", `attribute "expression" is missing`);
    }
    return same(view);
  },
  QuantizeLinear: (view) => [quantised(view, view.has(2) ? view.elementType(2) : "uint8")],
  DequantizeLinear: (view) => [quantised(view, view.elementType(1))],
  DynamicQuantizeLinear: (view) => [
    quantised(view, "uint8"),
    { elementType: "float32", shape: [] },
    { elementType: "uint8", shape: [] },
  ],
};
