/** Compares an engine's answer with what a vector expects. */
import { DTYPE_INFO, viewArray } from "../core/dtype.js";
import { fromBase64 } from "./base64.js";
import type { Answer } from "./protocol.js";
import type { Expectation, Vector, VectorKind, VectorModule, WireTensor } from "./vector.js";

/** How a vector went; only `passed` is one. */
export const OUTCOMES = ["passed", "failed", "unsupported", "crashed", "timed out"] as const;
export type VectorOutcome = (typeof OUTCOMES)[number];

/** What came of one vector. */
export interface Verdict {
  readonly outcome: VectorOutcome;
  /** The first difference, in words; absent where it passed. */
  readonly problem?: string;
}

const STATUS: Readonly<Record<VectorKind, Answer["status"]>> = {
  return: "finished",
  trap: "trap",
  "out-of-gas": "trap",
  limit: "trap",
  malformed: "malformed",
  invalid: "invalid",
  link: "link",
  input: "input",
};

const PASSED: Verdict = { outcome: "passed" };

/**
 * The verdict on an answer: status, then what the status has, in the order in which it is easiest
 * to see what went wrong. Codes of failures and hashes other than the receipt's are compared where
 * the engine gives them.
 */
export function judge(vector: Vector, module: VectorModule | undefined, answer: Answer): Verdict {
  if (answer.status === "unsupported") {
    return { outcome: "unsupported", problem: answer.message ?? "the engine does not support it" };
  }
  const problem = firstDifference(vector, module, answer);
  return problem === undefined ? PASSED : { outcome: "failed", problem };
}

function firstDifference(
  { kind, expect }: Vector,
  module: VectorModule | undefined,
  answer: Answer,
): string | undefined {
  const status = STATUS[kind];
  if (answer.status !== status) {
    const said = answer.trap?.code ?? answer.code;
    const details = [said, answer.message].filter((detail) => detail !== undefined).join(": ");
    return `${different("status", status, answer.status)}${details === "" ? "" : ` (${details})`}`;
  }
  if (status === "finished" || status === "trap") {
    return runDifference(expect, module, answer);
  }
  if (answer.code === undefined || expect.code === undefined) return undefined;
  return unequal("code", expect.code, answer.code);
}

function runDifference(
  expect: Expectation,
  module: VectorModule | undefined,
  answer: Answer,
): string | undefined {
  const { trap } = expect;
  return (
    unequalIfGiven("module id", module?.id, answer.moduleId) ??
    unequalIfGiven("input hash", expect.inputHash, answer.inputHash) ??
    (trap === undefined
      ? undefined
      : (unequal("trap", trap.code, answer.trap?.code) ??
        unequal("function of the trap", trap.function, answer.trap?.function) ??
        unequal("pc of the trap", trap.pc, answer.trap?.pc) ??
        unequal("detail of the trap", trap.detail ?? 0, answer.trap?.detail ?? 0))) ??
    outputsDifference(expect.outputs, answer.outputs) ??
    unequal("gas used", expect.gasUsed, answer.gasUsed) ??
    unequalIfGiven("output hash", expect.outputHash, answer.outputHash) ??
    unequal("receipt hash", expect.receiptHash, answer.receiptHash)
  );
}

function outputsDifference(
  expected: readonly WireTensor[] | undefined,
  actual: readonly WireTensor[] | undefined,
): string | undefined {
  if (expected === undefined) return undefined;
  const count = unequal("number of outputs", expected.length, actual?.length);
  if (count !== undefined) return count;
  for (const [i, output] of expected.entries()) {
    const problem = tensorDifference(output, actual![i]!);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function tensorDifference(expected: WireTensor, actual: WireTensor): string | undefined {
  const what = `output "${expected.name}"`;
  return (
    unequal(`name of ${what}`, expected.name, actual.name) ??
    unequal(`dtype of ${what}`, expected.dtype, actual.dtype) ??
    unequal(`shape of ${what}`, format(expected.shape), format(actual.shape)) ??
    bytesDifference(what, expected, actual) ??
    (expected.float32 === undefined
      ? undefined
      : unequal(`float32 reals of ${what}, base64`, expected.float32, actual.float32)) ??
    (expected.float64 === undefined
      ? undefined
      : unequal(`float64 reals of ${what}, base64`, expected.float64, actual.float64))
  );
}

const format = (shape: readonly number[] | undefined): string =>
  Array.isArray(shape) ? `[${shape.join(",")}]` : "none";

/** The first byte that differs, and the element that it is in. */
function bytesDifference(
  what: string,
  expected: WireTensor,
  actual: WireTensor,
): string | undefined {
  if (expected.data === actual.data) return undefined;
  const [wanted, given] = [bytesOf(expected.data), bytesOf(actual.data)];
  if (given === undefined || wanted === undefined) return `${what} has no data in base64`;
  if (wanted.length !== given.length) {
    return different(`bytes of ${what}`, String(wanted.length), String(given.length));
  }
  const at = wanted.findIndex((byte, i) => byte !== given[i]);
  if (at < 0) return undefined;
  const size = DTYPE_INFO[expected.dtype].bytes;
  const index = Math.floor(at / size);
  const element = (bytes: Uint8Array): string =>
    String(
      viewArray(expected.dtype, bytes.slice(index * size, (index + 1) * size).buffer, 0, 1)[0],
    );
  const place = indexIn(expected.shape, index).join(",");
  return different(`byte ${at} of ${what}, element [${place}]`, element(wanted), element(given));
}

function bytesOf(base64: string | undefined): Uint8Array | undefined {
  try {
    return base64 === undefined ? undefined : fromBase64(base64);
  } catch {
    return undefined;
  }
}

/** The index of the element that is number `flat` in row-major order. */
function indexIn(shape: readonly number[], flat: number): number[] {
  const index: number[] = [];
  for (let axis = shape.length - 1, rest = flat; axis >= 0; axis--) {
    index.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return index;
}

function unequal(what: string, expected: unknown, actual: unknown): string | undefined {
  return expected === actual ? undefined : different(what, shown(expected), shown(actual));
}

function unequalIfGiven(
  what: string,
  expected: string | undefined,
  actual: string | undefined,
): string | undefined {
  if (expected === undefined || actual === undefined) return undefined;
  return unequal(what, expected, actual);
}

const shown = (value: unknown): string => (value === undefined ? "none" : String(value));

function different(what: string, expected: string, actual: string): string {
  return `${what}: expected ${expected}, got ${actual}`;
}
