import type { GraphNode } from "./graph.js";
import { writeDefaults } from "./normalise/defaults.js";
import { ELEMENTWISE_NORMALISERS } from "./normalise/elementwiseNormalisers.js";
import { MOVEMENT_NORMALISERS } from "./normalise/movementNormalisers.js";
import type { Normaliser } from "./normalise/normaliser.js";
import { PIECEWISE_EXPANSIONS } from "./normalise/piecewiseExpansions.js";
import { QUANTISED_NORMALISERS } from "./normalise/quantisedNormalisers.js";
import { REAL_NORMALISERS } from "./normalise/realNormalisers.js";
import { SPATIAL_EXPANSIONS } from "./normalise/spatialExpansions.js";
import { WINDOW_NORMALISERS } from "./normalise/windowNormalisers.js";
import type { NodeView } from "./shapes/nodeView.js";

const NORMALISERS: ReadonlyMap<string, Normaliser> = new Map([
  ...Object.entries(ELEMENTWISE_NORMALISERS),
  ...Object.entries(MOVEMENT_NORMALISERS),
  ...Object.entries(QUANTISED_NORMALISERS),
  ...Object.entries(REAL_NORMALISERS),
  ...Object.entries(WINDOW_NORMALISERS),
  ...Object.entries(SPATIAL_EXPANSIONS),
  ...Object.entries(PIECEWISE_EXPANSIONS),
]);

/**
 * Brings one node into the normal form below, whatever operator set it was written for.
 *
 * In normal form every attribute of an operator that has a default is written out, axes count
 * from the front, and what ONNX lets vary at run time but the model holds constant (axes, pads,
 * bounds, shapes) is an attribute; the input that carried it is gone. A node whose parameter
 * really is known only at run time keeps its inputs and lacks the attribute: `listUnsupported`
 * reports it.
 *
 * | operator | inputs | attributes and meaning |
 * |---|---|---|
 * | Constant | – | none are left: their values are initializers |
 * | Identity | x | also what Dropout, a Cast, Slice, Pad, Expand, … without effect become |
 * | Reshape | x, target? | the target is the output's shape in `values`; it stays an input where it is data, and `allowzero` with it. Flatten, Squeeze and Unsqueeze are Reshapes |
 * | Expand | x, target? | likewise |
 * | Transpose | x | `perm` |
 * | Slice | x | `axes` ascending, `starts`, `ends`, `steps`. On an axis of known size: element k is `start + k·step`, their number is the output's size; `end` is in range, and −1 under a falling step means "past the first". On a symbolic axis bounds are as ONNX has them (negative: from the end; 2^53−1: to the end). Split becomes Slices. Slice, Pad, Tile and Split by amounts that are open or data become Gathers of Ranges |
 * | Concat | x… | `axis`; two inputs or more |
 * | Gather, GatherElements | x, indices | `axis` |
 * | Pad | x | `pads` (begin of every axis, then end of every axis; may be negative), `mode`, `value` |
 * | Tile | x | `repeats`; only where the rank of x is not known. Else Tile becomes Reshapes and Expands |
 * | Resize | x, sizes? | `scales` (one an axis; 0: the quotient of sizes of which one is open), `mode` nearest, linear or cubic, `coordinate_transformation_mode`, `nearest_mode`, `cubic_coeff_a`, `exclude_outside`, `antialias`; `roi` and `extrapolation_value` for tf_crop_and_resize; sizes are the output's shape, or the input that stays where nothing else says them. Upsample is a Resize |
 * | DepthToSpace, SpaceToDepth, CenterCropPad | – | Reshapes and Transposes; Slice and Pad |
 * | ConstantOfShape | shape | `value`, one element; folded where the shape is known |
 * | Conv | x, w, bias? | `kernel_shape`, `strides`, `dilations` (one a spatial axis), `pads` (begins, then ends), `group`; no `auto_pad` |
 * | ConvTranspose | x, w, bias? | likewise and `output_padding`; no `output_shape` |
 * | MaxPool, AveragePool, LpPool | x | `kernel_shape`, `strides`, `dilations`, `pads`, `ceil_mode`; `count_include_pad`; `p` |
 * | BatchNormalization | x, scale, bias, mean, var | `epsilon`; one output |
 * | MatMul | a, b | both of two axes or more: a vector is reshaped to a matrix |
 * | Gemm | a, b, c? | `alpha`, `beta`, `transA`, `transB` |
 * | Softmax, LogSoftmax, Hardmax | x | `axis`: over that one axis (older ones over several axes get Reshapes around them) |
 * | Reduce… | x | `axes` ascending, all listed; `keepdims` |
 * | ArgMax, ArgMin | x | `axis`, `keepdims`, `select_last_index` |
 * | TopK | x, k? | `k` unless it is data, `axis`, `largest`, `sorted` |
 * | Clip | x | `min`, `max`, ±Infinity for none. Clip to [0, ∞) is a Relu |
 * | Cast | x | `to`, a string: the `ElementType`. CastLike is a Cast |
 * | Sum, Max, Min, Mean | x… | two inputs or more; a Sum of two is an Add |
 * | QuantizeLinear, DequantizeLinear | x, scale, zero? | `axis` where the scale is per channel, absent where it is one number; `block_size` where it is for a block of the axis; the zero point's type is the integer type, uint8 without one |
 * | LayerNormalization | x, scale, bias? | `axis`, `epsilon` |
 * | If | condition | bodies; a constant condition leaves the branch's nodes only |
 *
 * Elementwise operators broadcast as numpy does in all versions. Outputs that nobody reads are ""
 * (trailing ones are gone).
 *
 * @returns the nodes to put in its place
 */
export function normaliseNode(view: NodeView): GraphNode[] {
  const { node } = view;
  if (node.domain !== "") return [node];
  writeDefaults(node);
  return NORMALISERS.get(node.opType)?.(view) ?? [node];
}
