/** Weights of contractions: from reals, or from the integers of a quantised model, to integers. */
import type { Dtype } from "../../core/dtype.js";
import type { ConstantTensor, GraphNode } from "../graph.js";
import {
  constantNumbers,
  finiteNumbers,
  intAttribute,
  isFloat,
  nodeError,
  realsOf,
} from "../graph.js";
import type { LoweringContext } from "./context.js";
import type { Profile } from "./profile.js";
import { roundScale } from "./scale.js";

/** A constant operand: reals, or integers with scales that the model itself gives. */
export interface WeightSource {
  readonly dims: readonly number[];
  /** Reals; for quantised weights the integers less their zero point. */
  readonly values: ArrayLike<number>;
  /** Present for quantised weights: the scales, one or one along `axis`. */
  readonly quantised?: { readonly scales: readonly number[]; readonly axis: number };
}

/** Integers of a weight matrix [K, outputs], row-major. */
export interface QuantisedWeights {
  readonly integers: Int32Array;
  /** Real value of 1 in each column, activation scales folded in or not as the caller had them. */
  readonly scales: readonly number[];
  readonly dtype: Dtype;
  readonly bits: number;
}

/** A constant input of a contraction, through a DequantizeLinear of constants where there is one. */
export function weightSource(
  ctx: LoweringContext,
  node: GraphNode,
  index: number,
): WeightSource | undefined {
  const name = node.inputs[index];
  if (name === undefined || name === "") return undefined;
  const constant = ctx.constant(name);
  if (constant !== undefined) {
    if (!isFloat(constant.elementType)) return undefined;
    return { dims: constant.dims, values: finiteNumbers(constant, name) };
  }
  const producer = ctx.producerOf(name);
  if (producer?.opType !== "DequantizeLinear" || producer.domain !== "") return undefined;
  return dequantizedConstant(ctx, producer);
}

/** What a DequantizeLinear makes of constants; undefined where not all of them are. */
export function dequantizedConstant(
  ctx: LoweringContext,
  producer: GraphNode,
): WeightSource | undefined {
  const integers = ctx.constant(producer.inputs[0]!);
  const scale = ctx.constant(producer.inputs[1]!);
  const zeroName = producer.inputs[2] ?? "";
  const zero = zeroName === "" ? undefined : ctx.constant(zeroName);
  if (integers === undefined || scale === undefined || (zeroName !== "" && zero === undefined))
    return undefined;
  const scales = quantisationScales(producer, scale);
  const zeros = zero === undefined ? [0] : constantNumbers(zero);
  const axis = dequantiseAxis(producer, integers);
  const inner = integers.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const length = integers.dims[axis] ?? 1;
  const block = intAttribute(producer, "block_size") ?? 0;
  if (block !== 0 && scales.length !== 1) {
    const blocks = Math.ceil(length / block);
    const at = (i: number): number => {
      const row = Math.floor(i / inner);
      const along = Math.floor(row / length) * blocks + Math.floor((row % length) / block);
      return along * inner + (i % inner);
    };
    const values = realsOf(integers).map(
      (v, i) => (v - zeros[zeros.length === 1 ? 0 : at(i)]!) * scales[at(i)]!,
    );
    return { dims: integers.dims, values };
  }
  if (scales.length !== 1 && scales.length !== length) {
    throw nodeError(
      "BadQuantisation",
      producer,
      `${String(scales.length)} scales do not fit axis ${String(axis)} of ${String(length)}`,
    );
  }
  const channel = (i: number): number => Math.floor(i / inner) % length;
  const values = realsOf(integers).map(
    (v, i) => v - (zeros.length === 1 ? zeros[0]! : zeros[channel(i)]!),
  );
  return { dims: integers.dims, values, quantised: { scales, axis } };
}

/** The scales of a QuantizeLinear or DequantizeLinear. */
export function quantisationScales(node: GraphNode, scale: ConstantTensor): number[] {
  return Array.from(constantNumbers(scale), (s) => {
    if (s > 0 && s < Infinity) return roundScale(s);
    throw nodeError("BadQuantisation", node, `scale ${String(s)} is not a positive number`);
  });
}

/** The reals of a source, not to be changed. */
export function dequantised({ dims, values, quantised }: WeightSource): Float64Array {
  if (quantised === undefined)
    return values instanceof Float64Array ? values : Float64Array.from(values);
  const { scales, axis } = quantised;
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const length = dims[axis] ?? 1;
  return Float64Array.from(
    values,
    (v, i) => v * scales[scales.length === 1 ? 0 : Math.floor(i / inner) % length]!,
  );
}

function dequantiseAxis(node: GraphNode, x: ConstantTensor): number {
  const attribute = node.attributes.get("axis");
  const axis = attribute?.type === "int" ? Number(attribute.value) : 1;
  return axis < 0 ? axis + x.dims.length : Math.min(axis, Math.max(x.dims.length - 1, 0));
}

/** Part of 2^31 that biases may take: engines prove sums and biases of all columns together. */
const BIAS_SHARE = 1 / 8;

/**
 * Part of a bias by which rounding weights that are little to it may move results: no finer scale is
 * needed, and biases, and with them sums and shifts, stay close to those of other channels.
 */
const BIAS_PART = 1 / (1 << 18);

/**
 * Part of a bias below which all that weights can add to it is nothing (a channel that died in training):
 * then there are no weights. It is nothing in the model's own floats, or beside weights of 8 bits, in
 * results of 16.
 */
const [DEAD_PART, DEAD_PART_OF_BYTES] = [1 / (1 << 24), 1 / (1 << 16)];

/** Integers that the bias of such a channel may become: one that gives it the scale of the others, if any. */
const [LEAST_DEAD_BIAS, GREATEST_DEAD_BIAS] = [1 << 20, 0x3fffffff];

/**
 * Rounds the columns of a matrix [K, outputs]. A column takes the finest scale for which its
 * integers fit and no partial sum, bias included, can reach 2^31, so that engines may sum in
 * 32 bits; but never a coarser one than the profile's least magnitude gives, unless the bias makes
 * nothing of the difference.
 *
 * @param interval of the activation's integers, 0 included
 * @param bias in units of the activation scale, as the columns are
 */
export function quantiseColumns(
  reals: Float64Array,
  outputs: number,
  bias: readonly number[],
  [lo, hi]: readonly [number, number],
  weight: Profile["weight"],
): QuantisedWeights {
  const rows = reals.length / outputs;
  const integers = new Int32Array(reals.length);
  const [greatest, positive, negative] = columnSums(reals, outputs);
  const scales = new Float64Array(outputs);
  const dead = weight.dtype === "i8" ? DEAD_PART_OF_BYTES : DEAD_PART;
  for (let o = 0; o < outputs; o++) {
    const most = greatest[o]!;
    const reach = Math.max(
      hi * positive[o]! - lo * negative[o]!,
      hi * negative[o]! - lo * positive[o]!,
    );
    const size = Math.abs(bias[o] ?? 0);
    if (reach > size * dead) {
      const finest = most / weight.most;
      // Rounding adds at most half a unit a row.
      const rounding = Math.max(hi, -lo) * rows * 0.5;
      const room = 0x7fffffff - rounding;
      const forSums = reach / (room * (1 - BIAS_SHARE));
      const forBias = size / (room * BIAS_SHARE);
      const provable = room > 0 ? Math.max(forSums, forBias) : Infinity;
      const wanted = Math.max(finest, Math.min(provable, most / weight.least));
      scales[o] = roundScale(Math.max(wanted, (size * BIAS_PART) / Math.max(rounding, 1)));
    }
  }
  const widest = scales.reduce((a, b) => Math.max(a, b), 0);
  for (let o = 0; o < outputs; o++) {
    const size = Math.abs(bias[o] ?? 0);
    if (scales[o] !== 0 || size === 0) continue;
    const scale = Math.min(widest, size / LEAST_DEAD_BIAS);
    scales[o] = roundScale(Math.max(scale, size / GREATEST_DEAD_BIAS));
  }
  let greatestInteger = 1;
  for (let i = 0; i < reals.length;) {
    for (let o = 0; o < outputs; o++, i++) {
      const scale = scales[o]!;
      if (scale === 0) continue;
      const rounded = Math.floor(reals[i]! / scale + 0.5);
      const q = Math.min(Math.max(rounded, -weight.most), weight.most);
      integers[i] = q;
      if (Math.abs(q) > greatestInteger) greatestInteger = Math.abs(q);
    }
  }
  return {
    integers,
    scales: withoutZeros(Array.from(scales)),
    dtype: weight.dtype,
    bits: signedBits(greatestInteger),
  };
}

/**
 * Of each column of a matrix the greatest magnitude, and what its positive and its negative
 * elements sum to; row by row, as they lie in memory.
 */
function columnSums(
  reals: Float64Array,
  outputs: number,
): readonly [greatest: Float64Array, positive: Float64Array, negative: Float64Array] {
  const greatest = new Float64Array(outputs);
  const positive = new Float64Array(outputs);
  const negative = new Float64Array(outputs);
  for (let i = 0; i < reals.length;) {
    for (let o = 0; o < outputs; o++, i++) {
      const w = reals[i]!;
      if (w > 0) positive[o]! += w;
      else negative[o]! -= w;
      const size = Math.abs(w);
      if (size > greatest[o]!) greatest[o] = size;
    }
  }
  return [greatest, positive, negative];
}

/**
 * A bias less what the rounding of the weights adds to the sums on average, given what the
 * activation's channels were on average. Costs nothing where there is a bias; where there is none, it is
 * worth one for weights of 8 bits.
 *
 * @param reals the weights before they were rounded, in the unit of the columns' scales
 * @param mean of the activation that row k of column o multiplies, in that same unit
 */
export function correctedBias(
  bias: readonly number[],
  reals: Float64Array,
  { integers, scales, dtype }: QuantisedWeights,
  mean: (k: number, o: number) => number,
): readonly number[] {
  if (dtype !== "i8" && bias.every((b) => b === 0)) return bias;
  const outputs = scales.length;
  const rows = reals.length / outputs;
  return bias.map((b, o) => {
    let error = 0;
    for (let k = 0; k < rows; k++) {
      const at = k * outputs + o;
      error += (integers[at]! * scales[o]! - reals[at]!) * mean(k, o);
    }
    return b - error;
  });
}

/** A column of zeros has no scale of its own: the least of the others keeps factors close together. */
function withoutZeros(scales: readonly number[]): number[] {
  const least = scales.reduce((a, s) => (s > 0 ? Math.min(a, s) : a), Infinity);
  return scales.map((s) => (s > 0 ? s : least === Infinity ? 1 : least));
}

/** Integers that the model itself gives, as a matrix [K, outputs]. */
export function keepColumns(
  integers: Int32Array,
  outputs: number,
  scales: readonly number[],
): QuantisedWeights {
  let greatest = 1;
  let fitsByte = true;
  for (let i = 0; i < integers.length; i++) {
    const q = integers[i]!;
    greatest = Math.max(greatest, q < 0 ? -q - 1 : q);
    if (q < -128 || q > 127) fitsByte = false;
  }
  return {
    integers,
    scales: scales.length === 1 ? new Array<number>(outputs).fill(scales[0]!) : scales,
    dtype: fitsByte ? "i8" : "i16",
    bits: fitsByte ? 8 : Math.max(signedBits(greatest), 9),
  };
}

/** Bits of a signed integer that holds ±magnitude. */
function signedBits(magnitude: number): number {
  return 33 - Math.clz32(magnitude);
}
