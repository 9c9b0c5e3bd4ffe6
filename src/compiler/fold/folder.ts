import { float16ToNumber, numberToFloat16 } from "../../core/float16.js";
import { functions, pow } from "../elementary.js";
import type { ElementaryFunction, ElementaryName } from "../elementary.js";
import { isFloat, isFloat8 } from "../graph.js";
import type { ConstantTensor, ElementType, Float8 } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { broadcastStrides, countOf, walk } from "./arrays.js";

export interface KnownInfo {
  readonly elementType: ElementType;
  readonly dims: readonly number[];
}

/** Elementary functions: the compiler's own, or ones that are fast and less exact. */
export interface Functions {
  readonly named: Readonly<Record<ElementaryName, ElementaryFunction>>;
  readonly pow: (x: number, y: number) => number;
}

export const EXACT_FUNCTIONS: Functions = { named: functions, pow };

/** What a folder may want besides the inputs and the first output. */
export interface FoldContext {
  /** Types and shapes of all outputs that the node has. */
  readonly outs: readonly KnownInfo[];
  readonly functions: Functions;
}

export type FoldInputs = readonly (ConstantTensor | undefined)[];

/**
 * Computes a node in normal form from its inputs (undefined where an optional one is absent):
 * output 0, or all outputs in order; undefined when the case is left to the machine.
 */
export type Folder = (
  inputs: FoldInputs,
  view: NodeView,
  out: KnownInfo,
  context: FoldContext,
) => ConstantTensor | readonly ConstantTensor[] | undefined;

/** As `Folder`, for operators whose results have shapes that depend on elements. */
export type ShapingFolder = (
  inputs: FoldInputs,
  view: NodeView,
  context: Pick<FoldContext, "functions">,
) => readonly ConstantTensor[] | undefined;

/** One folder under several operators' names. */
export function foldersFor(names: string, folder: Folder): Record<string, Folder> {
  return Object.fromEntries(names.split(" ").map((name) => [name, folder]));
}

const SINGLE = new Float32Array(1);
const SINGLE_BITS = new Uint32Array(SINGLE.buffer);

function toBfloat16(value: number): number {
  if (value !== value) return value;
  SINGLE[0] = value;
  const bits = SINGLE_BITS[0]!;
  // Ties to even; a carry into the exponent is what it should be.
  SINGLE_BITS[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  return SINGLE[0];
}

/** Steps from one power of two to the next, the least normal number, the greatest finite one. */
const FLOAT8: Readonly<Record<Float8, readonly [number, number, number]>> = {
  float8e4m3fn: [8, 1 / 64, 448],
  float8e4m3fnuz: [8, 1 / 128, 240],
  float8e5m2: [4, 1 / 16384, 57344],
  float8e5m2fnuz: [4, 1 / 32768, 57344],
};

/** To nearest, ties to even; what is too large saturates. */
function toFloat8(value: number, type: Float8): number {
  const [steps, least, greatest] = FLOAT8[type];
  const size = Math.abs(value);
  if (size !== size || size === 0) return value;
  if (size >= greatest) return value > 0 ? greatest : -greatest;
  let power = least;
  while (2 * power <= size) power *= 2;
  const step = power / steps;
  const rounded = functions.Round(size / step) * step;
  return value < 0 ? -rounded : rounded;
}

/** Rounds to a float type, as a Cast does; `bool` needs nothing. */
export function castRounding(type: ElementType): (value: number) => number {
  if (isFloat8(type)) return (value) => toFloat8(value, type);
  if (type === "float16") return (value) => float16ToNumber(numberToFloat16(value));
  if (type === "bfloat16") return toBfloat16;
  return type === "float32" ? Math.fround : (value) => value;
}

/**
 * Rounds a result as an ONNX runtime does after every operator. Narrower floats count as float32:
 * passes drop casts, after which types no longer tell where a model rounds to them.
 */
export function rounding(type: ElementType): (value: number) => number {
  return isFloat(type) && type !== "float64" ? Math.fround : (value) => value;
}

/** Whether elements are integers (`bool` is none). */
export function isInteger(type: ElementType): boolean {
  return type !== "bool" && type !== "string" && !isFloat(type);
}

export function usesBigint(type: ElementType): boolean {
  return type === "int64" || type === "uint64";
}

export function elementAt(tensor: ConstantTensor, i: number): number | bigint {
  return (tensor.data as ArrayLike<number | bigint>)[i] ?? 0;
}

/** Elements as an array of numbers to read; bigints are converted. */
export function numbersOf(tensor: ConstantTensor): Float64Array {
  if (tensor.data instanceof Float64Array) return tensor.data;
  return Float64Array.from(tensor.data as ArrayLike<number>, Number);
}

/** Stores an exact integer into integer data, modulo its width. */
export function storeInteger(
  type: ElementType,
  data: { [index: number]: unknown },
  i: number,
  value: bigint,
): void {
  // The array of 4-bit integers is that of 8 bits, which wraps later.
  const bits = type === "int4" || type === "uint4" ? 4 : 32;
  const low = type === "uint4" ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
  data[i] = usesBigint(type) ? value : Number(low);
}

/** A float tensor from doubles, rounded to its type in place. */
export function floatTensor(
  elementType: ElementType,
  dims: readonly number[],
  data: Float64Array,
): ConstantTensor {
  const round = rounding(elementType);
  for (let i = 0; i < data.length; i++) data[i] = round(data[i]!);
  return { elementType, dims, data };
}

/**
 * For each element of a tensor of shape `to`, which element of one of shape `from` it meets by
 * broadcasting; undefined where they are the same.
 */
export function broadcastIndices(
  from: readonly number[],
  to: readonly number[],
): Int32Array | undefined {
  if (from.length === to.length && from.every((dim, i) => dim === to[i])) return undefined;
  const indices = new Int32Array(countOf(to));
  walk(to, broadcastStrides(from, to), 0, (i, offset) => (indices[i] = offset));
  return indices;
}

/** Sizes before, along and after an axis. */
export function aroundAxis(
  dims: readonly number[],
  axis: number,
): { outer: number; size: number; inner: number } {
  return {
    outer: countOf(dims.slice(0, axis)),
    size: dims[axis] ?? 1,
    inner: countOf(dims.slice(axis + 1)),
  };
}
