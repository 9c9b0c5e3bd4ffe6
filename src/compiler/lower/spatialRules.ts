import { lowerConv, lowerConvTranspose } from "./convolution.js";
import { lowerDeformConv } from "./deformConv.js";
import { lowerGridSample, lowerRoiAlign } from "./gridSample.js";
import { lowerLpPool } from "./lpPool.js";
import { lowerPad } from "./pad.js";
import { lowerResize } from "./resize.js";
import type { Rule } from "./rule.js";

/** Rules of the operators over space: windows, samples, borders. */
export const spatialRules: Readonly<Record<string, Rule>> = {
  Conv: lowerConv,
  ConvTranspose: lowerConvTranspose,
  DeformConv: lowerDeformConv,
  GridSample: lowerGridSample,
  LpPool: lowerLpPool,
  Pad: lowerPad,
  Resize: lowerResize,
  RoiAlign: lowerRoiAlign,
};
