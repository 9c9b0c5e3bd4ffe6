import type { GraphNode } from "../graph.js";
import { nodeError } from "../graph.js";

/**
 * Inputs and outputs of operators as the schemas of ONNX name them: `x?` may be absent, `x+` are one
 * or more, `x*` none or more. `Name@11` says how they are from version 11 of the operator set on.
 */
const STANDARD: Readonly<Record<string, string>> = {
  Abs: "X -> Y",
  Acos: "input -> output",
  Acosh: "input -> output",
  Add: "A B -> C",
  AffineGrid: "theta size -> grid",
  And: "A B -> C",
  ArgMax: "data -> reduced",
  ArgMin: "data -> reduced",
  Asin: "input -> output",
  Asinh: "input -> output",
  Atan: "input -> output",
  Atanh: "input -> output",
  Attention:
    "Q K V attn_mask? past_key? past_value? -> Y present_key? present_value? qk_matmul_output?",
  "Attention@24":
    "Q K V attn_mask? past_key? past_value? nonpad_kv_seqlen? -> Y present_key? present_value? qk_matmul_output?",
  AveragePool: "X -> Y",
  BatchNormalization: "X scale B mean var -> Y mean? var? saved_mean? saved_var?",
  "BatchNormalization@14": "X scale B input_mean input_var -> Y running_mean? running_var?",
  Bernoulli: "input -> output",
  BitCast: "input -> output",
  BitShift: "X Y -> Z",
  BitwiseAnd: "A B -> C",
  BitwiseNot: "X -> Y",
  BitwiseOr: "A B -> C",
  BitwiseXor: "A B -> C",
  BlackmanWindow: "size -> output",
  Cast: "input -> output",
  CastLike: "input target_type -> output",
  CausalConvWithState: "input weight bias? past_state? -> output present_state",
  Ceil: "X -> Y",
  Celu: "X -> Y",
  CenterCropPad: "input_data shape -> output_data",
  Clip: "input -> output",
  "Clip@11": "input min? max? -> output",
  Col2Im: "input image_shape block_shape -> output",
  Compress: "input condition -> output",
  Concat: "inputs+ -> concat_result",
  ConcatFromSequence: "input_sequence -> concat_result",
  Constant: "-> output",
  ConstantOfShape: "input -> output",
  Conv: "X W B? -> Y",
  ConvInteger: "x w x_zero_point? w_zero_point? -> y",
  ConvTranspose: "X W B? -> Y",
  Cos: "input -> output",
  Cosh: "input -> output",
  CumProd: "x axis -> y",
  CumSum: "x axis -> y",
  DFT: "input dft_length? -> output",
  "DFT@20": "input dft_length? axis? -> output",
  DeformConv: "X W offset B? mask? -> Y",
  DepthToSpace: "input -> output",
  DequantizeLinear: "x x_scale x_zero_point? -> y",
  Det: "X -> Y",
  Div: "A B -> C",
  Dropout: "data -> output mask?",
  "Dropout@12": "data ratio? training_mode? -> output mask?",
  DynamicQuantizeLinear: "x -> y y_scale y_zero_point",
  Einsum: "Inputs+ -> Output",
  Elu: "X -> Y",
  Equal: "A B -> C",
  Erf: "input -> output",
  Exp: "input -> output",
  Expand: "input shape -> output",
  EyeLike: "input -> output",
  Flatten: "input -> output",
  Floor: "X -> Y",
  GRU: "X W R B? sequence_lens? initial_h? -> Y? Y_h",
  "GRU@3": "X W R B? sequence_lens? initial_h? -> Y? Y_h?",
  Gather: "data indices -> output",
  GatherElements: "data indices -> output",
  GatherND: "data indices -> output",
  Gelu: "X -> Y",
  Gemm: "A B C -> Y",
  "Gemm@11": "A B C? -> Y",
  GlobalAveragePool: "X -> Y",
  GlobalLpPool: "X -> Y",
  GlobalMaxPool: "X -> Y",
  Greater: "A B -> C",
  GreaterOrEqual: "A B -> C",
  GridSample: "X grid -> Y",
  GroupNormalization: "X scale bias -> Y",
  HammingWindow: "size -> output",
  HannWindow: "size -> output",
  HardSigmoid: "X -> Y",
  HardSwish: "X -> Y",
  Hardmax: "input -> output",
  Identity: "input -> output",
  If: "cond -> outputs+",
  ImageDecoder: "encoded_stream -> image",
  InstanceNormalization: "input scale B -> output",
  IsInf: "X -> Y",
  IsNaN: "X -> Y",
  LRN: "X -> Y",
  LSTM: "X W R B? sequence_lens? initial_h? initial_c? P? -> Y? Y_h? Y_c?",
  LayerNormalization: "X Scale B? -> Y Mean? InvStdDev?",
  LeakyRelu: "X -> Y",
  Less: "A B -> C",
  LessOrEqual: "A B -> C",
  LinearAttention: "query key value past_state? decay? beta? -> output present_state",
  Log: "input -> output",
  LogSoftmax: "input -> output",
  Loop: "M? cond? v_initial+ -> v_final_and_scan_outputs+",
  "Loop@11": "M? cond? v_initial* -> v_final_and_scan_outputs+",
  LpNormalization: "input -> output",
  LpPool: "X -> Y",
  MatMul: "A B -> Y",
  MatMulInteger: "A B a_zero_point? b_zero_point? -> Y",
  Max: "data_0+ -> max",
  MaxPool: "X -> Y",
  "MaxPool@8": "X -> Y Indices?",
  MaxRoiPool: "X rois -> Y",
  MaxUnpool: "X I output_shape? -> output",
  Mean: "data_0+ -> mean",
  MeanVarianceNormalization: "X -> Y",
  MelWeightMatrix:
    "num_mel_bins dft_length sample_rate lower_edge_hertz upper_edge_hertz -> output",
  Min: "data_0+ -> min",
  Mish: "X -> Y",
  Mod: "A B -> C",
  Mul: "A B -> C",
  Multinomial: "input -> output",
  Neg: "X -> Y",
  NegativeLogLikelihoodLoss: "input target weight? -> loss",
  NonMaxSuppression:
    "boxes scores max_output_boxes_per_class? iou_threshold? score_threshold? -> selected_indices",
  NonZero: "X -> Y",
  Not: "X -> Y",
  OneHot: "indices depth values -> output",
  Optional: "input? -> output",
  OptionalGetElement: "input -> output",
  OptionalHasElement: "input -> output",
  "OptionalHasElement@18": "input? -> output",
  Or: "A B -> C",
  PRelu: "X slope -> Y",
  Pad: "data -> output",
  "Pad@11": "data pads constant_value? -> output",
  "Pad@18": "data pads constant_value? axes? -> output",
  Pow: "X Y -> Z",
  QLinearConv: "x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B? -> y",
  QLinearMatMul: "a a_scale a_zero_point b b_scale b_zero_point y_scale y_zero_point -> y",
  QuantizeLinear: "x y_scale y_zero_point? -> y",
  RMSNormalization: "X scale -> Y",
  RNN: "X W R B? sequence_lens? initial_h? -> Y? Y_h?",
  RandomNormal: "-> output",
  RandomNormalLike: "input -> output",
  RandomUniform: "-> output",
  RandomUniformLike: "input -> output",
  Range: "start limit delta -> output",
  Reciprocal: "X -> Y",
  ReduceL1: "data -> reduced",
  "ReduceL1@18": "data axes? -> reduced",
  ReduceL2: "data -> reduced",
  "ReduceL2@18": "data axes? -> reduced",
  ReduceLogSum: "data -> reduced",
  "ReduceLogSum@18": "data axes? -> reduced",
  ReduceLogSumExp: "data -> reduced",
  "ReduceLogSumExp@18": "data axes? -> reduced",
  ReduceMax: "data -> reduced",
  "ReduceMax@18": "data axes? -> reduced",
  ReduceMean: "data -> reduced",
  "ReduceMean@18": "data axes? -> reduced",
  ReduceMin: "data -> reduced",
  "ReduceMin@18": "data axes? -> reduced",
  ReduceProd: "data -> reduced",
  "ReduceProd@18": "data axes? -> reduced",
  ReduceSum: "data -> reduced",
  "ReduceSum@13": "data axes? -> reduced",
  ReduceSumSquare: "data -> reduced",
  "ReduceSumSquare@18": "data axes? -> reduced",
  RegexFullMatch: "X -> Y",
  Relu: "X -> Y",
  Reshape: "data -> reshaped",
  "Reshape@5": "data shape -> reshaped",
  Resize: "X scales -> Y",
  "Resize@11": "X roi scales sizes? -> Y",
  "Resize@13": "X roi? scales? sizes? -> Y",
  ReverseSequence: "input sequence_lens -> Y",
  RoiAlign: "X rois batch_indices -> Y",
  RotaryEmbedding: "X cos_cache sin_cache position_ids? -> Y",
  Round: "X -> Y",
  STFT: "signal frame_step window? frame_length? -> output",
  Scan: "sequence_lens? initial_state_and_scan_inputs+ -> final_state_and_scan_outputs+",
  "Scan@9": "initial_state_and_scan_inputs+ -> final_state_and_scan_outputs+",
  Scatter: "data indices updates -> output",
  ScatterElements: "data indices updates -> output",
  ScatterND: "data indices updates -> output",
  Selu: "X -> Y",
  SequenceAt: "input_sequence position -> tensor",
  SequenceConstruct: "inputs+ -> output_sequence",
  SequenceEmpty: "-> output",
  SequenceErase: "input_sequence position? -> output_sequence",
  SequenceInsert: "input_sequence tensor position? -> output_sequence",
  SequenceLength: "input_sequence -> length",
  SequenceMap: "input_sequence additional_inputs* -> out_sequence+",
  Shape: "data -> shape",
  Shrink: "input -> output",
  Sigmoid: "X -> Y",
  Sign: "input -> output",
  SimplifiedLayerNormalization: "X scale -> Y inv_std_var?",
  Sin: "input -> output",
  Sinh: "input -> output",
  Size: "data -> size",
  Slice: "data -> output",
  "Slice@10": "data starts ends axes? steps? -> output",
  Softmax: "input -> output",
  SoftmaxCrossEntropyLoss: "scores labels weights? -> output log_prob?",
  Softplus: "X -> Y",
  Softsign: "input -> output",
  SpaceToDepth: "input -> output",
  Split: "input split? -> outputs+",
  "Split@2": "input -> outputs+",
  "Split@13": "input split? -> outputs+",
  SplitToSequence: "input split? -> output_sequence",
  Sqrt: "X -> Y",
  Squeeze: "data -> squeezed",
  "Squeeze@13": "data axes? -> squeezed",
  StringConcat: "X Y -> Z",
  StringNormalizer: "X -> Y",
  StringSplit: "X -> Y Z",
  Sub: "A B -> C",
  Sum: "data_0+ -> sum",
  SwiGLU: "A B -> Y",
  Swish: "X -> Y",
  Tan: "input -> output",
  Tanh: "input -> output",
  TensorScatter: "past_cache update write_indices? -> present_cache",
  TfIdfVectorizer: "X -> Y",
  ThresholdedRelu: "X -> Y",
  Tile: "input tiles axis -> output",
  "Tile@6": "input repeats -> output",
  TopK: "X -> Values Indices",
  "TopK@10": "X K -> Values Indices",
  Transpose: "data -> transposed",
  Trilu: "input k? -> output",
  Unique: "X -> Y indices? inverse_indices? counts?",
  Unsqueeze: "data -> expanded",
  "Unsqueeze@13": "data axes -> expanded",
  Upsample: "X -> Y",
  "Upsample@9": "X scales -> Y",
  Where: "condition X Y -> output",
  Xor: "A B -> C",
};

/** The same of onnxruntime's own operators, domain `com.microsoft`. */
const CONTRIB: Readonly<Record<string, string>> = {
  BiasGelu: "A B -> C",
  DequantizeLinear: "x x_scale x_zero_point? -> y",
  DynamicQuantizeMatMul: "A B b_scale b_zero_point? bias? -> Y",
  FastGelu: "X bias? -> Y",
  FusedConv: "X W B? Z? -> Y",
  FusedGemm: "A B C? -> Y",
  FusedMatMul: "A B -> Y",
  Gelu: "X -> Y",
  MatMulIntegerToFloat: "A B a_scale b_scale a_zero_point? b_zero_point? bias? -> Y",
  MatMulNBits: "A B scales zero_points? g_idx? bias? -> Y",
  QGemm: "A a_scale a_zero_point B b_scale b_zero_point C? y_scale? y_zero_point? -> Y",
  QLinearAdd: "A A_scale A_zero_point? B B_scale B_zero_point? C_scale C_zero_point? -> C",
  QLinearAveragePool: "X x_scale x_zero_point? y_scale y_zero_point? -> Y",
  QLinearConcat: "Y_scale Y_zero_point inputs+ -> Y",
  QLinearConv: "x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B? -> y",
  QLinearGlobalAveragePool: "X x_scale x_zero_point y_scale y_zero_point -> Y",
  QLinearLeakyRelu: "X X_scale X_zero_point? Y_scale Y_zero_point? -> Y",
  QLinearMul: "A A_scale A_zero_point? B B_scale B_zero_point? C_scale C_zero_point? -> C",
  QLinearReduceMean:
    "data data_scale data_zero_point? reduced_scale reduced_zero_point? -> reduced",
  QLinearSigmoid: "X X_scale X_zero_point? Y_scale Y_zero_point? -> Y",
  QLinearSoftmax: "X X_scale x_zero_point? y_scale y_zero_point -> Y",
  QLinearWhere: "condition X x_scale x_zero_point Y y_scale y_zero_point z_scale z_zero_point -> Z",
  QuantizeLinear: "x y_scale y_zero_point? -> y",
  QuickGelu: "X -> Y",
  SkipLayerNormalization:
    "input skip gamma beta? bias? -> output mean? inv_std_var? input_skip_bias_sum?",
  SkipSimplifiedLayerNormalization:
    "input skip gamma bias? -> output mean? inv_std_var? input_skip_bias_sum?",
};

interface Formal {
  readonly name: string;
  readonly occurs: "once" | "?" | "+" | "*";
}

interface Signature {
  readonly since: number;
  readonly inputs: readonly Formal[];
  readonly outputs: readonly Formal[];
}

const SIGNATURES: ReadonlyMap<string, ReadonlyMap<string, readonly Signature[]>> = new Map([
  ["", parse(STANDARD)],
  ["com.microsoft", parse(CONTRIB)],
]);

/**
 * Checks that a node has all inputs and outputs that its operator needs, and none that it does not
 * know. Of operators that ONNX does not have nothing is known here.
 *
 * @param opset version of the node's operator set
 * @throws CompileError `MissingInput`, `BadGraph`
 */
export function checkSignature(node: GraphNode, opset: number): void {
  const signatures = SIGNATURES.get(node.domain)?.get(node.opType);
  if (signatures === undefined) return;
  const { inputs, outputs } = signatures.findLast((s) => s.since <= opset) ?? signatures[0]!;
  for (let i = 0; i < Math.max(inputs.length, node.inputs.length); i++) {
    const { name, occurs } = formalAt(inputs, i, node, "input");
    const needed = i < node.inputs.length ? occurs !== "?" : occurs === "once" || occurs === "+";
    if (needed && (node.inputs[i] ?? "") === "")
      throw nodeError("MissingInput", node, `input ${i}, "${name}", is missing`);
  }
  // An output that nobody wants has no name, but its place.
  for (let i = 0; i < Math.max(outputs.length, node.outputs.length); i++) {
    const { name, occurs } = formalAt(outputs, i, node, "output");
    if (i >= node.outputs.length && (occurs === "once" || occurs === "+"))
      throw nodeError("BadGraph", node, `output ${i}, "${name}", is missing`);
  }
}

function formalAt(formals: readonly Formal[], i: number, node: GraphNode, what: string): Formal {
  const last = formals.at(-1);
  const formal = formals[i] ?? (last?.occurs === "+" || last?.occurs === "*" ? last : undefined);
  if (formal !== undefined) return formal;
  const has = what === "input" ? node.inputs.length : node.outputs.length;
  throw nodeError("BadGraph", node, `has ${has} ${what}s, the operator at most ${formals.length}`);
}

function parse(table: Readonly<Record<string, string>>): Map<string, Signature[]> {
  const signatures = new Map<string, Signature[]>();
  for (const [key, text] of Object.entries(table)) {
    const [name = "", since = "0"] = key.split("@");
    const [inputs = [], outputs = []] = text.split("->").map(formalsOf);
    const versions = signatures.get(name);
    const signature = { since: Number(since), inputs, outputs };
    if (versions === undefined) signatures.set(name, [signature]);
    else versions.push(signature);
  }
  return signatures;
}

function formalsOf(text: string): Formal[] {
  return Array.from(text.matchAll(/(\w+)([?+*]?)/g), ([, name = "", mark = ""]) => ({
    name,
    occurs: mark === "" ? "once" : (mark as Formal["occurs"]),
  }));
}
