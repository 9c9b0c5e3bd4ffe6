/**
 * Operators outside the ONNX standard that onnxruntime's quantiser and optimiser write into models,
 * in terms of standard ones. Quantised ones dequantise, compute in reals and quantise again, which
 * the lowering turns into integer arithmetic with one rounding.
 */
import { attribute } from "../graph.js";
import type { Attribute, GraphNode } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { ContribExpansion } from "./contribExpansion.js";
import { matmulNBits } from "./matmulNBits.js";

type Contrib = (view: NodeView) => GraphNode[];

/** A quantised operator of two tensors, each with scale and zero point, then those of the result. */
const quantisedBinary =
  (opType: string): Contrib =>
  (view) => {
    const e = new ContribExpansion(view);
    const y = e.add(opType, [e.dequantised(0), e.dequantised(3)]);
    return e.quantised(y, 6);
  };

/** A quantised operator of one tensor; attributes go along, but for what only concerns layout. */
const quantisedUnary =
  (opType: string): Contrib =>
  (view) => {
    refuseChannelsLast(view);
    const e = new ContribExpansion(view);
    return e.quantised(e.add(opType, [e.dequantised(0)], attributesOf(view, "channels_last")), 3);
  };

const quantisedSoftmax: Contrib = (view) => {
  const rank = view.rank(0);
  const axis = view.int("axis", -1);
  if (view.int("opset", 13) < 13 && (rank === undefined || view.axis(axis, rank) !== rank - 1))
    throw view.error("UnsupportedOperator", "a softmax over several axes at once is not supported");
  const e = new ContribExpansion(view);
  return e.quantised(e.add("Softmax", [e.dequantised(0)], { axis: attribute.int(-1) }), 3);
};

const quantisedConcat: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const count = Math.floor((view.node.inputs.length - 2) / 3);
  const parts = Array.from({ length: count }, (_, i) => e.dequantised(2 + 3 * i));
  return e.quantised(e.add("Concat", parts, attributesOf(view)), 0);
};

const quantisedWhere: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const y = e.add("Where", [view.name(0), e.dequantised(1), e.dequantised(4)]);
  return e.quantised(y, 7);
};

/** The bias is in steps of the product of both scales, and takes part in alpha. */
const quantisedGemm: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const transB = view.int("transB", 0);
  const inputs = [e.dequantised(0), e.dequantised(3, transB === 1 ? 0 : 1)];
  const alpha = attribute.float(view.float("alpha", 1));
  if (view.has(6)) {
    const scale = e.add("Mul", [view.name(1), view.name(4)]);
    const axis = attribute.int((view.rank(6) ?? 1) - 1);
    inputs.push(e.add("DequantizeLinear", [view.name(6), scale], { axis }));
  }
  const y = e.add("Gemm", inputs, {
    alpha,
    beta: alpha,
    transA: attribute.int(view.int("transA", 0)),
    transB: attribute.int(transB),
  });
  return view.has(7) ? e.quantised(y, 7) : e.finish();
};

/** Integer products of a and b, to reals by both scales, and a bias. */
function scaledProducts(
  e: ContribExpansion,
  inputs: readonly string[],
  scales: readonly string[],
  bias: string,
): GraphNode[] {
  const sums = e.add("MatMulInteger", inputs);
  const reals = e.add("Cast", [sums], { to: attribute.int(FLOAT32) });
  const product = e.add("Mul", [reals, e.add("Mul", scales)]);
  if (bias !== "") e.add("Add", [product, bias]);
  return e.finish();
}

/** ONNX's number for float32. */
const FLOAT32 = 1;

const matmulIntegerToFloat: Contrib = (view) =>
  scaledProducts(
    new ContribExpansion(view),
    [0, 1, 4, 5].map((i) => view.name(i)),
    [view.name(2), view.name(3)],
    view.name(6),
  );

const dynamicQuantizeMatMul: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const [a, scale, zero] = e.results("DynamicQuantizeLinear", [view.name(0)], 3);
  const inputs = [a!, view.name(1), zero!, view.name(3)];
  return scaledProducts(e, inputs, [scale!, view.name(2)], view.name(4));
};

const fusedMatMul: Contrib = (view) => {
  if (view.int("transBatchA", 0) !== 0 || view.int("transBatchB", 0) !== 0)
    throw view.error("UnsupportedOperator", "transposed batches are not supported");
  const e = new ContribExpansion(view);
  const [a, b] = [0, 1].map((i) => {
    if (view.int(i === 0 ? "transA" : "transB", 0) === 0) return view.name(i);
    const rank = view.rank(i);
    if (rank === undefined || rank < 2) throw view.shapeError("a transposed operand is a matrix");
    const perm = Array.from({ length: rank }, (_, axis) => axis);
    [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
    return e.add("Transpose", [view.name(i)], { perm: attribute.ints(perm) });
  });
  const product = e.add("MatMul", [a!, b!]);
  const alpha = view.float("alpha", 1);
  if (alpha !== 1) e.add("Mul", [product, e.number("alpha", alpha)]);
  return e.finish();
};

/** A convolution, perhaps a sum with another tensor, and what the optimiser put behind them. */
const fusedConv: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const inputs = [0, 1, 2].map((i) => view.name(i)).filter((name, i) => i < 2 || name !== "");
  const attributes = attributesOf(view, "activation", "activation_params");
  const sums = e.add("Conv", inputs, attributes);
  const total = view.has(3) ? e.add("Add", [sums, view.name(3)]) : sums;
  const given = view.node.attributes.get("activation_params");
  activated(e, view, total, given?.type === "floats" ? given.value : []);
  return e.finish();
};

const fusedGemm: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const names = ["activation", "activation_alpha", "activation_beta", "activation_gamma"];
  const y = e.add(
    "Gemm",
    view.node.inputs.filter((name) => name !== ""),
    attributesOf(view, ...names),
  );
  const parameters = names.slice(1).map((name) => view.float(name, NaN));
  activated(e, view, y, parameters);
  return e.finish();
};

/** The names under which activations take their parameters. */
const ACTIVATIONS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    "": [],
    Relu: [],
    Sigmoid: [],
    Tanh: [],
    LeakyRelu: ["alpha"],
    HardSigmoid: ["alpha", "beta"],
  }),
);

function activated(
  e: ContribExpansion,
  view: NodeView,
  x: string,
  parameters: readonly number[],
): void {
  const opType = view.string("activation", "");
  if (opType === "Clip") {
    e.add("Clip", [x, ...parameters.slice(0, 2).map((v, i) => e.number(`bound${String(i)}`, v))]);
    return;
  }
  const names = ACTIVATIONS.get(opType);
  if (names === undefined)
    throw view.error("UnsupportedOperator", `the activation "${opType}" is not supported`);
  if (opType === "") return;
  const given = names
    .map((name, i): [string, number] => [name, parameters[i] ?? NaN])
    .filter(([, value]) => !Number.isNaN(value))
    .map(([name, value]): [string, Attribute] => [name, attribute.float(value)]);
  e.add(opType, [x], Object.fromEntries(given));
}

/** GELU of a sum with a bias where there is one. */
const gelu =
  (approximate: "none" | "tanh"): Contrib =>
  (view) => {
    const e = new ContribExpansion(view);
    const x = view.has(1) ? e.add("Add", [view.name(0), view.name(1)]) : view.name(0);
    // The standard's Gelu, under its own operator set.
    e.add("Gelu", [x], { approximate: attribute.string(approximate) });
    return e.finish();
  };

const quickGelu: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const x = view.name(0);
  const scaled = e.add("Mul", [x, e.number("alpha", view.float("alpha", 1.702))]);
  e.add("Mul", [x, e.add("Sigmoid", [scaled])]);
  return e.finish();
};

/** The sum of a layer and what skips it, which is the fourth output too. */
function skipSum(e: ContribExpansion, view: NodeView, bias: number): string {
  if (view.node.outputs.slice(1, 3).some((name) => name !== ""))
    throw view.error("UnsupportedOutput", "mean and deviation as outputs are not supported");
  let sum = e.add("Add", [view.name(0), view.name(1)]);
  if (view.has(bias)) sum = e.add("Add", [sum, view.name(bias)]);
  const wanted = view.node.outputs[3] ?? "";
  return wanted === "" ? sum : e.rename(sum, wanted);
}

const skipLayerNormalization: Contrib = (view) => {
  const e = new ContribExpansion(view);
  const sum = skipSum(e, view, 4);
  const inputs = [sum, view.name(2), ...(view.has(3) ? [view.name(3)] : [])];
  e.add("LayerNormalization", inputs, {
    axis: attribute.int(-1),
    epsilon: attribute.float(view.float("epsilon", 1e-12)),
  });
  return e.finish();
};

/** x / √(mean x² + ε) · scale, over the last axis. */
function rootMeanSquare(e: ContribExpansion, x: string, scale: string, epsilon: number): void {
  const mean = e.add("ReduceMean", [e.add("Mul", [x, x])], { axes: attribute.ints([-1]) });
  const root = e.add("Sqrt", [e.add("Add", [mean, e.number("epsilon", epsilon)])]);
  e.add("Mul", [e.add("Div", [x, root]), scale]);
}

const skipSimplifiedLayerNormalization: Contrib = (view) => {
  const e = new ContribExpansion(view);
  rootMeanSquare(e, skipSum(e, view, 3), view.name(2), view.float("epsilon", 1e-12));
  return e.finish();
};

const simplifiedLayerNormalization: Contrib = (view) => {
  const rank = view.rank(0);
  if (rank === undefined || view.axis(view.int("axis", -1), rank) !== rank - 1)
    throw view.error("UnsupportedOperator", "only the last axis is supported");
  if ((view.node.outputs[1] ?? "") !== "")
    throw view.error("UnsupportedOutput", "the deviation as an output is not supported");
  const e = new ContribExpansion(view);
  rootMeanSquare(e, view.name(0), view.name(1), view.float("epsilon", 1e-5));
  return e.finish();
};

/** The standard operator of the same name and meaning. */
const standard: Contrib = (view) => {
  refuseChannelsLast(view);
  view.node.domain = "";
  view.node.attributes.delete("channels_last");
  return [view.node];
};

function refuseChannelsLast(view: NodeView): void {
  if (view.int("channels_last", 0) !== 0)
    throw view.error("UnsupportedOperator", "channels_last is not supported");
}

function attributesOf(view: NodeView, ...without: readonly string[]): Record<string, Attribute> {
  const kept = Array.from(view.node.attributes).filter(([name]) => !without.includes(name));
  return Object.fromEntries(kept);
}

/** By name within the domain `com.microsoft`. */
const CONTRIB: ReadonlyMap<string, Contrib> = new Map(
  Object.entries({
    BiasGelu: gelu("none"),
    DequantizeLinear: standard,
    DynamicQuantizeMatMul: dynamicQuantizeMatMul,
    FastGelu: gelu("tanh"),
    FusedConv: fusedConv,
    FusedGemm: fusedGemm,
    FusedMatMul: fusedMatMul,
    Gelu: gelu("none"),
    MatMulIntegerToFloat: matmulIntegerToFloat,
    MatMulNBits: matmulNBits,
    QGemm: quantisedGemm,
    QLinearAdd: quantisedBinary("Add"),
    QLinearAveragePool: quantisedUnary("AveragePool"),
    QLinearConcat: quantisedConcat,
    QLinearConv: standard,
    QLinearGlobalAveragePool: quantisedUnary("GlobalAveragePool"),
    QLinearLeakyRelu: quantisedUnary("LeakyRelu"),
    QLinearMul: quantisedBinary("Mul"),
    QLinearReduceMean: quantisedUnary("ReduceMean"),
    QLinearSigmoid: quantisedUnary("Sigmoid"),
    QLinearSoftmax: quantisedSoftmax,
    QLinearWhere: quantisedWhere,
    QuantizeLinear: standard,
    QuickGelu: quickGelu,
    SkipLayerNormalization: skipLayerNormalization,
    SkipSimplifiedLayerNormalization: skipSimplifiedLayerNormalization,
  }),
);

/** Names of the operators of `com.microsoft` that are expanded. */
export const CONTRIB_OPERATORS: readonly string[] = [...CONTRIB.keys()];

/**
 * The standard operators that one of onnxruntime's own stands for, still to be normalised; undefined
 * for other operators.
 */
export function expandContrib(view: NodeView): GraphNode[] | undefined {
  const { node } = view;
  if (node.domain === "com.microsoft") return CONTRIB.get(node.opType)?.(view);
  // onnxruntime has this one in the standard's domain.
  if (node.domain === "" && node.opType === "SimplifiedLayerNormalization")
    return simplifiedLayerNormalization(view);
  return undefined;
}
