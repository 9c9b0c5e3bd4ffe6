import { lowerConvInteger, lowerMatMulInteger, lowerRequantize } from "./integerProducts.js";
import { lowerDequantize, lowerDynamicQuantize, lowerQuantize } from "./quantised.js";
import type { Rule } from "./rule.js";

/** Operators of quantised models. */
export const quantisedRules: Readonly<Record<string, Rule>> = {
  ConvInteger: lowerConvInteger,
  DequantizeLinear: lowerDequantize,
  DynamicQuantizeLinear: lowerDynamicQuantize,
  MatMulInteger: lowerMatMulInteger,
  QuantizeLinear: lowerQuantize,
  "aivm.Requantize": lowerRequantize,
};
