/** A module, decoded. Positions in the MessagePack arrays follow the order of the fields. */
import type { Dtype } from "../core/dtype.js";
import type { Shape, TensorType } from "../core/shape.js";
import type { Instruction } from "../opcodes/index.js";

/** A dimension that is open in the module: `1 ≤ value ≤ maximum` (0 is allowed too where the code takes it). */
export interface NamedDimension {
  readonly name: string;
  readonly maximum: number;
}

/** `⌊(dimension · multiplier + offset) / divisor⌋` of the named dimension of that index. */
export interface DerivedDimension {
  readonly dimension: number;
  readonly multiplier: number;
  readonly offset: number;
  readonly divisor: number;
}

/** A dimension of an entry point: fixed, or derived from a named one (the name itself is ×1 +0 /1). */
export type Dimension = number | DerivedDimension;

/** How integers stand for reals: `real = (integer − zeroPoint) · mantissa · 2^exponent`. */
export interface RealScale {
  /** 1 ≤ mantissa < 2^31 */
  readonly mantissa: number;
  /** −1074 ≤ exponent ≤ 1023 */
  readonly exponent: number;
  /** A value of the port's dtype. */
  readonly zeroPoint: bigint;
}

/** An input or output of an entry point. */
export interface Port {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly Dimension[];
  /** Absent where the values are integers (labels, indices, tokens, booleans). */
  readonly scale?: RealScale;
}

/** A function that hosts can run, with what it takes and gives. */
export interface EntryPoint {
  readonly name: string;
  /** Index of its function in the code part. */
  readonly function: number;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** What a host and an engine must know of a module before they look at its code. */
export interface Configuration {
  readonly isaVersion: number;
  readonly gasVersion: number;
  /** Features that an engine must have; none are defined yet. */
  readonly features: readonly string[];
  readonly dimensions: readonly NamedDimension[];
  readonly entries: readonly EntryPoint[];
  /**
   * One for each entry that can be aggregated: the function of the aggregation part. Its
   * parameters are each output of the entry with a leading axis (the distinct outputs, sorted by
   * output hash), then `votes` (i64 [d]: how many runs gave each) and `total` (i64 scalar: all
   * runs, trapped ones included). Its results are the outputs of the entry.
   */
  readonly aggregations: readonly { readonly entry: number; readonly function: number }[];
}

/** A function of bytecode; spec/module.md#functions. */
export interface ModuleFunction {
  readonly params: readonly TensorType[];
  readonly results: readonly TensorType[];
  /** Locals beyond the parameters. */
  readonly locals: readonly TensorType[];
  /** The body; its last instruction is `end`. */
  readonly body: readonly Instruction[];
}

/** What the code knows of a parameter without having its data. */
export interface ParameterInfo {
  readonly dtype: Dtype;
  readonly shape: Shape;
  /** RFC 6962 Merkle root over the 64 KiB chunks of its row-major little-endian bytes. */
  readonly root: Uint8Array;
}

/** Where a module came from; beside the identity, not part of it. */
export interface Provenance {
  readonly [key: string]: string;
}

/** A module as a value: what `encodeModule` writes and `decodeModule` reads. */
export interface Module {
  readonly configuration: Configuration;
  /** The inference code. */
  readonly functions: readonly ModuleFunction[];
  /** The aggregation code; empty where there is none. */
  readonly aggregation: readonly ModuleFunction[];
  readonly parameters: readonly ParameterInfo[];
  /** Bytes of each parameter, or undefined where they are apart: elsewhere, or left in the file. */
  readonly parameterData: readonly (Uint8Array | undefined)[];
  readonly provenance: Provenance;
}
