import { integerProductRules } from "./integerProducts.js";
import { lowerDequantize, lowerDynamicQuantize, lowerQuantize } from "./quantised.js";
import type { Rule } from "./rule.js";

/** Operators of quantised models. */
export const quantisedRules: Readonly<Record<string, Rule>> = {
  ...integerProductRules,
  DequantizeLinear: lowerDequantize,
  DynamicQuantizeLinear: lowerDynamicQuantize,
  QuantizeLinear: lowerQuantize,
};
