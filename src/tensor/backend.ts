/**
 * The kernel interface: what an engine implements and the VM calls. Operands have been checked by
 * the caller (shapes, bits, intervals, indices), so kernels cannot trap; results are exact by the
 * meaning of the instruction of the same name in `src/opcodes`.
 */
import type { Dtype } from "../core/dtype.js";
import type { Shape } from "../core/shape.js";

/**
 * An immutable tensor that a backend holds. `refs` counts the places that hold it (stack slots,
 * locals, an instance's parameters); the VM keeps it. A kernel that sees an operand with
 * `refs === 1` knows that nobody else will read it, and may defer or fuse; whether it does never
 * changes a result.
 */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: Shape;
  refs: number;
}

/** Instructions of two operands of one dtype, element by element. */
export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "div.floor"
  | "div.trunc"
  | "mod.floor"
  | "mod.trunc"
  | "min"
  | "max"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr";
/** Instructions that compare element by element; their result is `bool`. */
export type CompareOp = "eq" | "lt" | "le";
/** Instructions of one operand, element by element. */
export type UnaryOp = "not" | "neg" | "abs" | "sqrt.floor";
/** Instructions that reduce axes to size 1. */
export type ReduceOp = "reduce.sum" | "reduce.prod" | "reduce.max" | "reduce.min";
/** Instructions that find an index along an axis; of equals the lowest. */
export type ArgOp = "argmax" | "argmin";
/** Instructions that write updates at indices. */
export type ScatterOp = "scatter" | "scatter.add" | "scatter.mul" | "scatter.max" | "scatter.min";
/** Instructions that reduce windows. */
export type PoolOp = "pool.max" | "pool.sum";

/** Bits within which all values of the operands lie. */
export interface ContractionAttributes {
  readonly aBits: number;
  readonly bBits: number;
  readonly accumulator: "i32" | "i64";
}

/** A window over the spatial axes of an N,spatial…,C tensor; pads are before each axis, then after each. */
export interface WindowAttributes {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

export interface ConvAttributes extends ContractionAttributes, WindowAttributes {
  readonly groups: number;
  readonly padValue: bigint;
}

export interface PoolAttributes extends WindowAttributes {
  readonly kernel: readonly number[];
}

/** What a rounded value becomes: `clamp(rounded + zeroPoint, lo, hi)` in `dtype`. */
export interface RescaleOutput {
  readonly dtype: Dtype;
  readonly zeroPoint: bigint;
  readonly lo: bigint;
  readonly hi: bigint;
}

/** Input position of output index i along spatial axis d: `(numerators[d]·i + offsets[d]) / denominators[d]`. */
export interface ResizeAttributes {
  readonly sizes: readonly number[];
  readonly numerators: readonly number[];
  readonly denominators: readonly number[];
  readonly offsets: readonly number[];
}

/**
 * One kernel a family of instructions. `shape` is the shape of the result, already computed.
 * A result may share storage with an operand: tensors never change.
 */
export interface Kernels<T extends Tensor = Tensor> {
  matmul(a: T, b: T, attributes: ContractionAttributes, shape: Shape): T;
  conv(a: T, b: T, attributes: ConvAttributes, shape: Shape): T;
  mulWide(a: T, b: T, accumulator: "i32" | "i64", shape: Shape): T;

  rescale(x: T, multiplier: number, shift: number, output: RescaleOutput): T;
  /** `multiplier` (i32) and `shift` (i8, 1 … 62) broadcast to x. */
  rescaleBy(x: T, multiplier: T, shift: T, output: RescaleOutput): T;
  rescaleAdd(
    a: T,
    b: T,
    multipliers: { readonly a: number; readonly b: number },
    shift: number,
    output: RescaleOutput,
    shape: Shape,
  ): T;

  lut(x: T, table: T): T;
  lutInterpolate(
    x: T,
    table: T,
    attributes: {
      readonly segmentsLog2: number;
      readonly guardBits: number;
      readonly dtype: Dtype;
    },
  ): T;

  binary(op: BinaryOp, a: T, b: T, shape: Shape): T;
  compare(op: CompareOp, a: T, b: T, shape: Shape): T;
  select(condition: T, a: T, b: T, shape: Shape): T;
  unary(op: UnaryOp, x: T): T;
  clamp(x: T, lo: bigint, hi: bigint): T;
  cast(x: T, dtype: Dtype): T;
  /** Mantissa and exponent, both i32. */
  normalize(x: T): readonly [T, T];

  /** `dtype` is that of the result: of x, or the stated one for sums and products. */
  reduce(op: ReduceOp, x: T, axes: readonly number[], dtype: Dtype, shape: Shape): T;
  arg(op: ArgOp, x: T, axis: number, shape: Shape): T;
  argsort(x: T, axis: number): T;
  cumsum(x: T, axis: number, dtype: "i32" | "i64"): T;
  pool(op: PoolOp, x: T, attributes: PoolAttributes, dtype: Dtype, shape: Shape): T;

  reshape(x: T, shape: Shape): T;
  transpose(x: T, perm: readonly number[], shape: Shape): T;
  /** `starts` are resolved: inside the axis (or anything where the result is empty). */
  slice(x: T, starts: readonly number[], steps: readonly number[], shape: Shape): T;
  concat(operands: readonly T[], axis: number, shape: Shape): T;
  gather(x: T, indices: T, axis: number, shape: Shape): T;
  scatter(op: ScatterOp, x: T, indices: T, updates: T, axis: number): T;
  /** The one kernel whose result has a shape that the caller does not know. */
  nonzero(x: T): T;
  pad(x: T, before: readonly number[], interior: readonly number[], value: bigint, shape: Shape): T;
  expand(x: T, shape: Shape): T;
  resizeNearest(x: T, attributes: ResizeAttributes, shape: Shape): T;
  resizeLinear(x: T, attributes: ResizeAttributes, dtype: "i32" | "i64", shape: Shape): T;
  iota(length: number): T;
}

/** What a backend has done since it was made. */
export interface BackendStatistics {
  /** Multiply-accumulates asked of matmul and conv. */
  readonly macs: number;
  /** Those of them that the backend's own kernels did (the rest ran on an inherited backend). */
  readonly ownMacs: number;
  /** Bytes of tensors that it holds now, packed weights included. */
  readonly residentBytes: number;
}

/**
 * Watches one run, so that it can be done again on other inputs of the same shapes without asking
 * what there is to do. Other runs may go on in between.
 */
export interface Recorder<T extends Tensor = Tensor> {
  /** An input of the run; its elements are others in each. */
  input(dtype: Dtype, shape: Shape, bytes: Uint8Array): T;
  /** Does work of the run. What is uploaded during it is the same in every run. */
  during<R>(work: () => R): R;
  /** Steps recorded so far: a place in the recording. */
  readonly steps: number;
  /**
   * Ends the run. Undefined where what was done depended on elements, in a way that the engine
   * cannot test; then `discard` it, once the tensors of the run are released.
   */
  finish(results: readonly T[]): Recording | undefined;
  /** Gives back what it holds. */
  discard(): void;
}

/** A run that can be done again, one at a time. */
export interface Recording {
  readonly steps: number;
  /** Whether its memory is gone: an engine that is short of memory disposes of those at rest. */
  readonly disposed: boolean;
  /** Takes in the inputs in the order of the recorder's, of the same dtypes and shapes. */
  begin(inputs: readonly Uint8Array[]): void;
  /** Does the steps in [from, to); false when elements would have had the run go another way. */
  play(from: number, to: number): boolean;
  /** A copy of the elements of a result. */
  result(index: number): Uint8Array;
  /** It is at rest until it begins again. */
  end(): void;
  /** Frees its memory; it is not used afterwards. */
  dispose(): void;
}

/** An engine: storage of tensors and kernels on them. Synchronous once made. */
export interface Backend<T extends Tensor = Tensor> {
  /** `reference`, `simd`, `tfjs`, or the name of somebody else's engine. */
  readonly name: string;
  readonly kernels: Kernels<T>;

  /**
   * Makes a tensor with `refs` 1 from row-major little-endian bytes (`bool`: 0 and 1, already
   * checked), which are copied.
   * @param again gives the same bytes once more, at any time until the release: an engine that has it
   *   may let go of its copy while it needs none
   * @throws HostError when the host has no memory for it
   */
  upload(dtype: Dtype, shape: Shape, bytes: Uint8Array, again?: () => Uint8Array): T;

  /** A copy of the row-major little-endian bytes. */
  download(x: T): Uint8Array;

  /** Whether every element lies in [lo, hi]; true for an empty tensor. */
  within(x: T, lo: bigint, hi: bigint): boolean;

  /** Called once when `refs` has become 0; the tensor is not used afterwards. */
  release(x: T): void;

  /** Begins to record a run; engines without it are run instruction by instruction. */
  record?(): Recorder<T>;

  /** What the backend has done and holds, at this moment. */
  statistics(): BackendStatistics;

  /** Frees everything, packed weights included; the backend is not used afterwards. */
  dispose(): void;
}
