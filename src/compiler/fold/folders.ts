/** Which operators of the normal form can be computed from data, and by what. */
import { arithmeticFolders } from "./arithmetic.js";
import { comparisonFolders } from "./comparison.js";
import { contractionEvaluators } from "./contraction.js";
import type { Folder, ShapingFolder } from "./folder.js";
import { indexingFolders, indexingShapers } from "./indexing.js";
import { movementFolders } from "./movement.js";
import { normalisationEvaluators } from "./normalisation.js";
import { quantisedEvaluators } from "./quantised.js";
import { recurrentEvaluators } from "./recurrent.js";
import { reductionFolders } from "./reduction.js";
import { resizeEvaluators } from "./resize.js";
import { samplingEvaluators } from "./sampling.js";
import { unaryEvaluators, unaryFolders } from "./unary.js";
import { windowEvaluators } from "./window.js";

/**
 * What the compiler computes ahead where inputs are constant. Their work is in proportion to what
 * they read and make, so that a budget of elements bounds it. A map: an operator of a hostile
 * model may be called "constructor".
 */
export const FOLDERS: ReadonlyMap<string, Folder> = new Map(
  Object.entries({
    ...unaryFolders,
    ...arithmeticFolders,
    ...comparisonFolders,
    ...movementFolders,
    ...indexingFolders,
    ...reductionFolders,
  }),
);

/** Likewise, where the shape of the result depends on elements. */
export const SHAPERS: ReadonlyMap<string, ShapingFolder> = new Map(
  Object.entries({ ...indexingShapers }),
);

/** What is computed only where a model is run in floats (`evaluateNode`). */
export const EVALUATORS: ReadonlyMap<string, Folder> = new Map(
  Object.entries({
    ...unaryEvaluators,
    ...contractionEvaluators,
    ...windowEvaluators,
    ...normalisationEvaluators,
    ...quantisedEvaluators,
    ...resizeEvaluators,
    ...samplingEvaluators,
    ...recurrentEvaluators,
  }),
);
