import { attribute } from "../graph.js";
import type { Attribute, GraphNode } from "../graph.js";

const { int, string } = attribute;
/** Defaults of ONNX floats are float32 numbers. */
const float = (value: number): Attribute => attribute.float(Math.fround(value));

/** Attributes that an operator has by default; normalisation writes them out. */
const DEFAULTS: ReadonlyMap<string, Readonly<Record<string, Attribute>>> = new Map(
  Object.entries({
    ArgMax: { axis: int(0), keepdims: int(1), select_last_index: int(0) },
    ArgMin: { axis: int(0), keepdims: int(1), select_last_index: int(0) },
    AveragePool: { ceil_mode: int(0), count_include_pad: int(0) },
    BatchNormalization: { epsilon: float(1e-5) },
    Celu: { alpha: float(1) },
    CumSum: { exclusive: int(0), reverse: int(0) },
    DepthToSpace: { mode: string("DCR") },
    Elu: { alpha: float(1) },
    GRU: { direction: string("forward"), layout: int(0), linear_before_reset: int(0) },
    Gather: { axis: int(0) },
    GatherElements: { axis: int(0) },
    GatherND: { batch_dims: int(0) },
    Gelu: { approximate: string("none") },
    Gemm: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) },
    GroupNormalization: { epsilon: float(1e-5) },
    HardSigmoid: { alpha: float(0.2), beta: float(0.5) },
    InstanceNormalization: { epsilon: float(1e-5) },
    IsInf: { detect_negative: int(1), detect_positive: int(1) },
    LRN: { alpha: float(1e-4), beta: float(0.75), bias: float(1) },
    LSTM: { direction: string("forward"), layout: int(0), input_forget: int(0) },
    LayerNormalization: { axis: int(-1), epsilon: float(1e-5) },
    LeakyRelu: { alpha: float(0.01) },
    LpNormalization: { axis: int(-1), p: int(2) },
    LpPool: { ceil_mode: int(0), p: int(2) },
    MaxPool: { ceil_mode: int(0), storage_order: int(0) },
    Mod: { fmod: int(0) },
    OneHot: { axis: int(-1) },
    RNN: { direction: string("forward"), layout: int(0) },
    ReverseSequence: { batch_axis: int(1), time_axis: int(0) },
    Scatter: { axis: int(0) },
    Selu: { alpha: float(1.67326319217681884765625), gamma: float(1.05070102214813232421875) },
    ScatterElements: { axis: int(0), reduction: string("none") },
    ScatterND: { reduction: string("none") },
    Shrink: { bias: float(0), lambd: float(0.5) },
    ThresholdedRelu: { alpha: float(1) },
    TopK: { axis: int(-1), largest: int(1), sorted: int(1) },
    Unique: { sorted: int(1) },
    Trilu: { upper: int(1) },
  }),
);

export function writeDefaults(node: GraphNode): void {
  if (node.domain !== "") return;
  for (const [name, value] of Object.entries(DEFAULTS.get(node.opType) ?? {})) {
    if (!node.attributes.has(name)) node.attributes.set(name, value);
  }
}
