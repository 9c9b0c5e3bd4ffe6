import { lowerConv, lowerConvTranspose } from "./convolution.js";
import { lowerPad } from "./pad.js";
import { lowerResize } from "./resize.js";
import type { Rule } from "./rule.js";

/** Rules of the operators over space: windows, samples, borders. */
export const spatialRules: Readonly<Record<string, Rule>> = {
  Conv: lowerConv,
  ConvTranspose: lowerConvTranspose,
  Pad: lowerPad,
  Resize: lowerResize,
};
