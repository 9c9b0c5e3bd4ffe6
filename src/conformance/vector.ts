/** The conformance vectors of `spec/vectors`, as their files hold them (`spec/vectors/README.md`). */
import type { Dtype } from "../core/dtype.js";
import type { TrapCode } from "../core/errors.js";
import type { Receipt } from "../vm/receipt.js";

/** Version of the form of the vectors and of the protocol. */
export const VECTOR_FORMAT = 1;

export const VECTOR_KINDS = [
  "return",
  "trap",
  "out-of-gas",
  "limit",
  "malformed",
  "invalid",
  "link",
  "input",
] as const;

/** How a vector ends: each phase fails in its own way. */
export type VectorKind = (typeof VECTOR_KINDS)[number];

/** Reals of a float type, as a host hands them in or reads them: base64 of the little-endian floats. */
export interface WireReals {
  readonly float32?: string;
  readonly float64?: string;
}

/** A tensor of an input or an output: integers in base64, row-major and little-endian, or reals. */
export interface WireTensor extends WireReals {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Absent from an input that is handed in as reals. */
  readonly data?: string;
}

/** One of the runs that an aggregation takes. */
export interface WireRun {
  readonly receipt: Receipt;
  /** Of finished runs. */
  readonly outputs?: readonly WireTensor[];
}

export type WireLimits = Receipt["limits"];

/** What must come out. Which fields there are depends on the kind. */
export interface Expectation {
  /** `return`: in the order of the ports. Those with reals are also read as reals. */
  readonly outputs?: readonly WireTensor[];
  /** `trap`, `out-of-gas`, `limit`. */
  readonly trap?: {
    readonly code: TrapCode;
    readonly function: number;
    readonly pc: number;
    readonly detail?: number;
  };
  /** Of runs, finished or trapped: decimal. */
  readonly gasUsed?: string;
  /** Of runs: lower-case hexadecimal, as are all hashes. */
  readonly inputHash?: string;
  readonly outputHash?: string;
  readonly receiptHash?: string;
  /** `malformed`, `invalid`, `link`, `input`: compared where the engine gives one. */
  readonly code?: string;
}

/** One vector. */
export interface Vector {
  /** Unique in all of the vectors. */
  readonly name: string;
  /** What it tests: pages and sections, relative to `spec`. */
  readonly clauses: readonly string[];
  readonly kind: VectorKind;
  /** Index into the modules of its file. */
  readonly module: number;
  /** The first entry of the module when absent. */
  readonly entry?: string;
  readonly inputs?: readonly WireTensor[];
  /** In place of inputs: the runs to aggregate. */
  readonly runs?: readonly WireRun[];
  /** 64 hexadecimal digits; zeros when absent. */
  readonly seed?: string;
  /** Those that differ from the limits of the file. */
  readonly limits?: Partial<WireLimits>;
  /** Data of parameters that the module does not carry, base64 by root. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly expect: Expectation;
}

/** A module that vectors share. */
export interface VectorModule {
  /** Its identity; absent where the bytes are no module. */
  readonly id?: string;
  /** Base64. */
  readonly bytes: string;
}

export interface VectorFile {
  readonly format: number;
  /** What the file is about. */
  readonly about: string;
  /** Of every run of the file, unless the vector says otherwise. */
  readonly limits: WireLimits;
  readonly modules: readonly VectorModule[];
  readonly vectors: readonly Vector[];
}
