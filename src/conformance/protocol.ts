/** What a runner and an engine say to each other, one JSON object a line (`spec/vectors/README.md`). */
import type { TrapCode } from "../core/errors.js";
import type { Vector, VectorFile, WireLimits, WireRun, WireTensor } from "./vector.js";

/** Asks an engine who it is. */
export interface HelloRequest {
  readonly id: number;
  readonly op: "hello";
  readonly protocol: number;
}

/** Asks an engine to run an entry of a module, or to aggregate runs of it. */
export interface RunRequest {
  readonly id: number;
  readonly op: "run" | "aggregate";
  /** Base64. */
  readonly module: string;
  /** The first entry when absent. */
  readonly entry?: string;
  /** `run` */
  readonly inputs?: readonly WireTensor[];
  /** `aggregate` */
  readonly runs?: readonly WireRun[];
  readonly seed: string;
  readonly limits: WireLimits;
  readonly parameters: Readonly<Record<string, string>>;
  /** Float types in which outputs that have a scale are to be read, too. */
  readonly reals: readonly ("float32" | "float64")[];
}

/** How a request ended. */
export const STATUSES = [
  "finished",
  "trap",
  "malformed",
  "invalid",
  "link",
  "input",
  "unsupported",
  "error",
] as const;

/** An engine's answer; fields as in `Expectation`. */
export interface Answer {
  readonly id: number;
  readonly status: (typeof STATUSES)[number];
  readonly outputs?: readonly WireTensor[];
  readonly trap?: {
    readonly code: TrapCode;
    readonly function: number;
    readonly pc: number;
    readonly detail?: number;
  };
  readonly gasUsed?: string;
  readonly moduleId?: string;
  readonly inputHash?: string;
  readonly outputHash?: string;
  readonly receiptHash?: string;
  readonly code?: string;
  /** In words, for people. */
  readonly message?: string;
}

const NO_SEED = "00".repeat(32);

/** The request that puts a vector to an engine. */
export function requestOf(id: number, vector: Vector, file: VectorFile): RunRequest {
  const outputs = vector.expect.outputs ?? [];
  return {
    id,
    op: vector.runs === undefined ? "run" : "aggregate",
    module: file.modules[vector.module]?.bytes ?? "",
    ...(vector.entry === undefined ? {} : { entry: vector.entry }),
    ...(vector.runs === undefined ? { inputs: vector.inputs ?? [] } : { runs: vector.runs }),
    seed: vector.seed ?? NO_SEED,
    limits: { ...file.limits, ...vector.limits },
    parameters: vector.parameters ?? {},
    reals: (["float32", "float64"] as const).filter((type) =>
      outputs.some((output) => output[type] !== undefined),
    ),
  };
}
