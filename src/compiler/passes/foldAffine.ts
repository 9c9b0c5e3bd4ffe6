import {
  addConstant,
  addValue,
  attribute,
  constantNumbers,
  floatAttribute,
  intAttribute,
  intsAttribute,
  isFloat,
  operatorName,
} from "../graph.js";
import type { Attribute, ConstantTensor, ElementType, Graph, GraphNode } from "../graph.js";
import { derivedTensor } from "../lazyTensor.js";
import { Rewriter } from "./rewriter.js";

/** `y = x·scale + shift`, a number a channel. */
interface Affine {
  /** The value that is `x`. */
  readonly x: string;
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** A contraction whose weights and bias are constants. */
interface Contraction {
  readonly node: GraphNode;
  readonly weights: ConstantTensor;
  readonly bias: ConstantTensor | undefined;
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** The weights as runs of `runLength` that join one input channel to one output channel. */
  readonly runLength: number;
  readonly channelsOf: (run: number) => readonly [input: number, output: number];
}

/**
 * Folds BatchNormalization and products with and sums of per-channel constants into the weights
 * and bias of the Conv, ConvTranspose or `aivm.Linear` before them, or after them where padding
 * does not forbid it. Weights are float64 and stay unrounded. Only values that nothing else reads
 * disappear.
 *
 * A BatchNormalization that is left over becomes a Conv with one 1×1 filter a channel, of rank 2
 * between two Reshapes.
 */
export function foldAffine(graph: Graph): void {
  const rewriter = new Rewriter(graph);
  for (const node of rewriter.sweep()) foldIntoProducer(rewriter, node);
  // The nearest first: what is before it then stands next to the contraction.
  for (const node of [...rewriter.sweep()].reverse()) foldIntoConsumer(rewriter, node);
  for (const node of rewriter.sweep()) {
    if (operatorName(node) === "BatchNormalization") replaceNormalization(rewriter, node);
  }
  rewriter.finish();
}

function foldIntoProducer(rewriter: Rewriter, node: GraphNode): void {
  for (const candidate of node.inputs.slice(0, 2)) {
    const maker = rewriter.producer(candidate);
    if (maker === undefined || !rewriter.isUsedOnce(candidate)) continue;
    const contraction = contractionOf(rewriter, maker);
    if (contraction === undefined) continue;
    const affine = affineOf(rewriter, node, candidate, channelAxis(rewriter, maker, candidate));
    if (affine?.scale.length !== contraction.outputChannels) continue;
    const weights = scaleRuns(contraction, (_, m) => affine.scale[m] ?? 1);
    const old = contraction.bias === undefined ? [] : constantNumbers(contraction.bias);
    const bias = affine.shift.map((shift, c) => (old[c] ?? 0) * (affine.scale[c] ?? 1) + shift);
    setWeights(rewriter, contraction, weights, bias);
    rewriter.absorb(maker, node);
    return;
  }
}

function foldIntoConsumer(rewriter: Rewriter, node: GraphNode): void {
  const output = node.outputs[0] ?? "";
  if (!rewriter.isUsedOnce(output)) return;
  const [reader] = rewriter.readersOf(output);
  const contraction = reader === undefined ? undefined : contractionOf(rewriter, reader);
  if (reader === undefined || contraction === undefined || reader.inputs[0] !== output) return;
  for (const x of node.inputs.slice(0, 2)) {
    if (rewriter.constant(x) !== undefined) continue;
    const affine = affineOf(rewriter, node, x, channelAxis(rewriter, reader, x));
    if (affine?.scale.length !== contraction.inputChannels) continue;
    // Padding adds zeros after the sum, so a shift cannot pass it; nor a transposed window's edges.
    const shifts = affine.shift.some((shift) => shift !== 0);
    const padded = intsAttribute(reader, "pads")?.some((p) => p !== 0) !== false;
    if (shifts && !(reader.opType === "Linear" || (reader.opType === "Conv" && !padded))) continue;

    const old = contraction.bias === undefined ? [] : constantNumbers(contraction.bias);
    const bias = Float64Array.from({ length: contraction.outputChannels }, (_, c) => old[c] ?? 0);
    if (shifts) addShifted(contraction, affine.shift, bias);
    const weights = scaleRuns(contraction, (c) => affine.scale[c] ?? 1);
    setWeights(rewriter, contraction, weights, bias);
    rewriter.setInput(reader, 0, x);
    rewriter.remove(node);
    return;
  }
}

/** Axis of the channels of a contraction's data: 1, or the last one of a Linear. */
function channelAxis(rewriter: Rewriter, node: GraphNode, value: string): number {
  return node.opType === "Linear" ? (rewriter.shape(value)?.length ?? 0) - 1 : 1;
}

function contractionOf(rewriter: Rewriter, node: GraphNode): Contraction | undefined {
  const name = operatorName(node);
  if (name !== "Conv" && name !== "ConvTranspose" && name !== "aivm.Linear") return undefined;
  const weights = rewriter.constant(node.inputs[1]);
  const bias = rewriter.constant(node.inputs[2]);
  if (weights === undefined || !isFloat(weights.elementType)) return undefined;
  if ((node.inputs[2] ?? "") !== "" && bias === undefined) return undefined;
  const [first = 1, second = 1] = weights.dims;
  const runLength = weights.dims.slice(2).reduce((a, b) => a * b, 1);
  const group = intAttribute(node, "group") ?? 1;
  const common = { node, weights, bias, runLength };
  if (name === "aivm.Linear") {
    const channelsOf = (run: number) => [Math.floor(run / second), run % second] as const;
    return { ...common, inputChannels: first, outputChannels: second, channelsOf };
  }
  // Conv: [out, in/group, …]; ConvTranspose: [in, out/group, …].
  const channelsOf = (run: number): readonly [number, number] => {
    const outer = Math.floor(run / second);
    return [outer, Math.floor(outer / (first / group)) * second + (run % second)];
  };
  if (name === "ConvTranspose") {
    return { ...common, inputChannels: first, outputChannels: second * group, channelsOf };
  }
  return {
    ...common,
    inputChannels: second * group,
    outputChannels: first,
    channelsOf: (run) => {
      const [outer, inner] = channelsOf(run);
      return [inner, outer];
    },
  };
}

function scaleRuns(
  contraction: Contraction,
  scaleOf: (input: number, output: number) => number,
): ConstantTensor {
  const { weights, runLength, channelsOf } = contraction;
  return derivedTensor(weights, weights.elementType, weights.dims, (source) => {
    const data = (source.data as Float64Array).slice();
    for (let run = 0, at = 0; at < data.length; run++) {
      const scale = scaleOf(...channelsOf(run));
      for (const end = at + runLength; at < end; at++) data[at] = (data[at] ?? 0) * scale;
    }
    return data;
  });
}

/** Adds to `bias` what the contraction makes of a shift of its input. */
function addShifted(contraction: Contraction, shift: Float64Array, bias: Float64Array): void {
  const { weights, runLength, channelsOf } = contraction;
  const data = weights.data as Float64Array;
  for (let run = 0, at = 0; at < data.length; run++) {
    const [input, output] = channelsOf(run);
    let sum = 0;
    for (const end = at + runLength; at < end; at++) sum += data[at] ?? 0;
    bias[output] = (bias[output] ?? 0) + sum * (shift[input] ?? 0);
  }
}

/** Reads a node as an affine function of the channels of `x`; undefined when it is something else. */
function affineOf(
  rewriter: Rewriter,
  node: GraphNode,
  x: string,
  axis: number,
): Affine | undefined {
  if (node.domain !== "") return undefined;
  if (node.opType === "BatchNormalization") {
    return x === node.inputs[0] && axis === 1 ? normalization(rewriter, node) : undefined;
  }
  if (!/^(Add|Sub|Mul|Div)$/.test(node.opType) || node.inputs.length !== 2) return undefined;
  const xFirst = node.inputs[0] === x;
  const values = perChannel(rewriter, node.inputs[xFirst ? 1 : 0] ?? "", x, axis);
  if (values === undefined) return undefined;
  const ones = values.map(() => 1);
  const zeros = values.map(() => 0);
  switch (node.opType) {
    case "Mul":
      return { x, scale: values, shift: zeros };
    case "Div":
      return xFirst ? { x, scale: values.map((v) => 1 / v), shift: zeros } : undefined;
    case "Add":
      return { x, scale: ones, shift: values };
    default:
      return xFirst
        ? { x, scale: ones, shift: values.map((v) => -v) }
        : { x, scale: values.map(() => -1), shift: values };
  }
}

/** A constant as one number a channel of `x`, if broadcasting uses it so and does not enlarge x. */
function perChannel(
  rewriter: Rewriter,
  name: string,
  x: string,
  axis: number,
): Float64Array | undefined {
  const constant = rewriter.constant(name);
  const shape = rewriter.shape(x);
  const channels = shape?.[axis];
  if (constant === undefined || shape === undefined || typeof channels !== "number")
    return undefined;
  if (!isFloat(constant.elementType) || constant.dims.length > shape.length) return undefined;
  const offset = shape.length - constant.dims.length;
  const fits = constant.dims.every(
    (dim, i) => dim === 1 || (i + offset === axis && dim === channels),
  );
  if (!fits) return undefined;
  const values = constantNumbers(constant);
  return Float64Array.from({ length: channels }, (_, c) =>
    values.length === 1 ? (values[0] ?? 0) : (values[c] ?? 0),
  );
}

function normalization(rewriter: Rewriter, node: GraphNode): Affine | undefined {
  const constants = node.inputs.slice(1, 5).map((name) => rewriter.constant(name));
  const [gamma, beta, mean, variance] = constants.map((c) =>
    c === undefined ? undefined : constantNumbers(c),
  );
  if (!gamma || !beta || !mean || !variance) return undefined;
  const epsilon = floatAttribute(node, "epsilon") ?? 1e-5;
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] ?? 0) + epsilon));
  const shift = Float64Array.from(beta, (b, c) => b - (mean[c] ?? 0) * (scale[c] ?? 0));
  return { x: node.inputs[0] ?? "", scale, shift };
}

function setWeights(
  rewriter: Rewriter,
  contraction: Contraction,
  weights: ConstantTensor,
  bias: Float64Array,
): void {
  const { graph } = rewriter;
  const { node } = contraction;
  const { elementType } = weights;
  const output = node.outputs[0] ?? "";
  const inputs = [node.inputs[0] ?? "", addConstant(graph, `${output}#weights`, weights)];
  if (contraction.bias !== undefined || bias.some((b) => b !== 0)) {
    const constant = { elementType, dims: [bias.length], data: bias };
    inputs.push(addConstant(graph, `${output}#bias`, constant));
  }
  rewriter.setInputs(node, inputs);
}

function replaceNormalization(rewriter: Rewriter, node: GraphNode): void {
  const affine = normalization(rewriter, node);
  const shape = rewriter.shape(affine?.x);
  if (affine === undefined || shape === undefined || shape.length < 2) return;
  const { graph } = rewriter;
  const elementType: ElementType = rewriter.info(affine.x).elementType ?? "float32";
  const output = node.outputs[0] ?? "";
  const channels = affine.scale.length;
  const constant = (suffix: string, dims: number[], data: Float64Array): string =>
    addConstant(graph, `${output}#${suffix}`, { elementType, dims, data });
  let { x } = affine;
  if (shape.length === 2) {
    // A Conv wants a spatial axis.
    const info = { elementType, shape: [...shape, 1] };
    const spatial = addValue(graph, `${output}#spatial`, info);
    const normalized = addValue(graph, `${output}#normalized`, info);
    rewriter.add(reshape(`${node.name}#spatial`, x, spatial));
    node.outputs = [normalized];
    rewriter.add(reshape(`${node.name}#flat`, normalized, output));
    x = spatial;
  }
  const ones = new Array<number>(Math.max(shape.length - 2, 1)).fill(1);
  const weights = constant("scale", [channels, 1, ...ones], affine.scale);
  const bias = constant("shift", [channels], affine.shift);
  node.opType = "Conv";
  node.attributes = new Map(
    Object.entries({
      kernel_shape: attribute.ints(ones),
      strides: attribute.ints(ones),
      dilations: attribute.ints(ones),
      pads: attribute.ints([...ones, ...ones].map(() => 0)),
      group: attribute.int(channels),
    }),
  );
  rewriter.setInputs(node, [x, weights, bias]);
}

function reshape(name: string, input: string, output: string): GraphNode {
  const attributes = new Map<string, Attribute>();
  return { name, opType: "Reshape", domain: "", inputs: [input], outputs: [output], attributes };
}
