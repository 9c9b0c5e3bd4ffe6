/** Which operators there are, and how each is lowered. */
import type { Graph, GraphNode } from "../graph.js";
import { isFloat, operatorName } from "../graph.js";
import type { Refusal, Support } from "../listUnsupported.js";
import type { LoweringContext } from "./context.js";
import { controlRules } from "./control.js";
import { determinantRefusal, determinantRules } from "./determinant.js";
import { divisionRules } from "./division.js";
import { lowerGemm, lowerMatMul } from "./contraction.js";
import { castRefusal, lowerCast } from "./cast.js";
import { comparisonRules, remainderRules } from "./comparison.js";
import {
  lowerClamp,
  lowerClip,
  lowerExtreme,
  lowerMean,
  lowerPRelu,
  lowerProduct,
  lowerSigned,
  lowerSum,
} from "./elementwise.js";
import { indexingRefusals, indexingRules } from "./indexing.js";
import { lowerConcat, lowerExpand, lowerReshape, lowerSlice, lowerTranspose } from "./movement.js";
import { integerRules, logicRules } from "./integer.js";
import { quantisedRules } from "./quantisedRules.js";
import { recurrentRules } from "./recurrent.js";
import {
  lowerArg,
  lowerAveragePool,
  lowerGlobalPool,
  lowerMaxPool,
  lowerReduce,
} from "./reduction.js";
import { lossRules } from "./losses.js";
import { normalizationRules } from "./normalization.js";
import { powerRules } from "./power.js";
import { realReductionRules, reductionRefusals } from "./realReduction.js";
import type { Rule } from "./rule.js";
import { sizeRules } from "./sizes.js";
import { lowerUnary } from "./unary.js";
import { lowerSign } from "./wholeNumbers.js";
import { spatialRules } from "./spatialRules.js";
import { softmaxRules } from "./softmax.js";
import { resizeRefusal } from "./openResize.js";
import { wantsSizes } from "./wantsSizes.js";

/** Rules by operator, in the normal form of `normalise.ts`. */
const RULES: Readonly<Record<string, Rule>> = {
  Abs: (ctx, node) => lowerSigned(ctx, node, "abs"),
  Add: (ctx, node) => lowerSum(ctx, node, 1),
  ArgMax: (ctx, node) => lowerArg(ctx, node, "argmax"),
  ArgMin: (ctx, node) => lowerArg(ctx, node, "argmin"),
  AveragePool: lowerAveragePool,
  Cast: lowerCast,
  Clip: lowerClip,
  Concat: lowerConcat,
  Expand: lowerExpand,
  Gemm: lowerGemm,
  GlobalAveragePool: (ctx, node) => lowerGlobalPool(ctx, node, "mean"),
  GlobalMaxPool: (ctx, node) => lowerGlobalPool(ctx, node, "max"),
  Identity: (ctx, node) => ctx.define(node.outputs[0]!, ctx.get(node.inputs[0]!)),
  MatMul: lowerMatMul,
  Max: (ctx, node) => lowerExtreme(ctx, node, "max"),
  MaxPool: lowerMaxPool,
  Mean: lowerMean,
  Min: (ctx, node) => lowerExtreme(ctx, node, "min"),
  Mul: lowerProduct,
  Neg: (ctx, node) => lowerSigned(ctx, node, "neg"),
  PRelu: lowerPRelu,
  ReduceMax: (ctx, node) => lowerReduce(ctx, node, "max"),
  ReduceMean: (ctx, node) => lowerReduce(ctx, node, "mean"),
  ReduceMin: (ctx, node) => lowerReduce(ctx, node, "min"),
  ReduceSum: (ctx, node) => lowerReduce(ctx, node, "sum"),
  Relu: (ctx, node) => lowerClamp(ctx, node, [0, Infinity]),
  Reshape: lowerReshape,
  Sign: lowerSign,
  Slice: lowerSlice,
  Sub: (ctx, node) => lowerSum(ctx, node, -1),
  Sum: (ctx, node) => lowerSum(ctx, node, 1),
  Transpose: lowerTranspose,
  ...determinantRules,
  ...divisionRules,
  ...indexingRules,
  ...quantisedRules,
  ...spatialRules,
  ...lossRules,
  ...normalizationRules,
  ...powerRules,
  ...realReductionRules,
  ...softmaxRules,
  "aivm.Linear": lowerMatMul,
  "aivm.Unary": lowerUnary,
  ...controlRules((ctx) => lowerNodes(ctx, () => undefined)),
  ...recurrentRules,
  ...comparisonRules,
  ...logicRules,
  ...remainderRules,
  ...sizeRules,
};

/** Integers of the model have rules of their own where they are not mere movement. */
function ruleFor({ values }: Graph, node: GraphNode): Rule | undefined {
  const name = operatorName(node);
  const type = values.get(node.outputs[0] ?? "")?.elementType;
  if (isFloat(type) || !Object.hasOwn(integerRules, name)) return RULES[name];
  return integerRules[name];
}

/**
 * What stands against single nodes, by operator, beyond parameters that must be constants: so that
 * all of it is said at once, before the long work. Operators without a rule may have one too, to say
 * why they cannot have a meaning in integers.
 */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  ...indexingRefusals,
  ...reductionRefusals,
  Cast: castRefusal,
  DFT: wantsSizes(0),
  DeformConv: wantsSizes(0, 1),
  Det: determinantRefusal,
  EyeLike: wantsSizes(0),
  GridSample: wantsSizes(0, 1),
  MaxUnpool: wantsSizes(0),
  Resize: resizeRefusal,
  RoiAlign: wantsSizes(0, 1),
  TfIdfVectorizer: wantsSizes(0),
  Unique: wantsSizes(0),
};

/** Operators that can be lowered. */
export const SUPPORTED: ReadonlySet<string> = new Set([
  ...Object.keys(RULES),
  ...Object.keys(integerRules),
]);

/** Operators that have a meaning over integers alone. */
const overReals = Object.keys(integerRules)
  .filter((name) => !Object.hasOwn(RULES, name))
  .map((name): [string, Refusal] => [
    name,
    (graph, node) => (ruleFor(graph, node) === undefined ? "over reals" : undefined),
  ]);

/** What can be lowered and what cannot, as `listUnsupported` takes it. */
export const SUPPORT: Support = {
  supported: SUPPORTED,
  refusals: new Map([...overReals, ...Object.entries(REFUSALS)]),
};

/** Lowers every node of the context's graph, in order. */
export function lowerNodes(ctx: LoweringContext, onNode: (done: number) => void): void {
  ctx.graph.nodes.forEach((node, i) => {
    onNode(i);
    if (ctx.absorbed.has(node)) return;
    ctx.builder.origin = node.name;
    ruleFor(ctx.graph, node)!(ctx, node);
  });
}
