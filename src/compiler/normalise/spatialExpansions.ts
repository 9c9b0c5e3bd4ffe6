import { CONTRACTION_EXPANSIONS } from "./contractionExpansions.js";
import { MOVEMENT_EXPANSIONS } from "./movementExpansions.js";
import type { Normaliser } from "./normaliser.js";
import { RESIZE_NORMALISERS } from "./resizeNormalisers.js";
import { SAMPLING_EXPANSIONS } from "./samplingExpansions.js";
import { SPECTRAL_EXPANSIONS } from "./spectralExpansions.js";

/** What moves, samples, convolves and transforms, in terms of less. */
export const SPATIAL_EXPANSIONS: Readonly<Record<string, Normaliser>> = {
  ...CONTRACTION_EXPANSIONS,
  ...MOVEMENT_EXPANSIONS,
  ...RESIZE_NORMALISERS,
  ...SAMPLING_EXPANSIONS,
  ...SPECTRAL_EXPANSIONS,
};
