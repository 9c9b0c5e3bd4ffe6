import type { NodeView, ShapeRule } from "./nodeView.js";

/** A loss is a number, or one for each target. */
const loss: ShapeRule = (view: NodeView) => {
  const elementType = view.elementType(0);
  const each = view.string("reduction", "mean") === "none";
  return [
    { elementType, shape: each ? view.shape(1) : [] },
    { elementType, shape: view.shape(0) },
  ];
};

export const LOSS_RULES: Readonly<Record<string, ShapeRule>> = {
  NegativeLogLikelihoodLoss: loss,
  SoftmaxCrossEntropyLoss: loss,
};
