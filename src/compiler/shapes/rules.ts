import type { ShapeRule } from "./nodeView.js";
import { ELEMENTWISE_RULES } from "./elementwiseRules.js";
import { INDEXING_RULES } from "./indexingRules.js";
import { LOSS_RULES } from "./lossRules.js";
import { MOVEMENT_RULES } from "./movementRules.js";
import { NETWORK_RULES } from "./networkRules.js";
import { SPATIAL_RULES } from "./spatialRules.js";

/** Shape rules by `operatorName`. */
export const SHAPE_RULES: ReadonlyMap<string, ShapeRule> = new Map([
  ...Object.entries(ELEMENTWISE_RULES),
  ...Object.entries(INDEXING_RULES),
  ...Object.entries(LOSS_RULES),
  ...Object.entries(MOVEMENT_RULES),
  ...Object.entries(NETWORK_RULES),
  ...Object.entries(SPATIAL_RULES),
]);
