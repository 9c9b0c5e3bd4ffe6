/** One line for a whole engine: a hash over the outcomes of all vectors. */
import { sha256 } from "../module/sha256.js";
import { toHex } from "../module/hex.js";
import type { Answer } from "./protocol.js";
import type { VectorOutcome } from "./judge.js";
import type { Vector, WireTensor } from "./vector.js";

const utf8 = new TextEncoder();

/**
 * The digest of a set of vectors: SHA-256 over a line for each, in the order of their names by code
 * point. A line is the name, a tab, how it ended, a line feed. Engines that agree in all that the
 * specification lays down have one digest, whatever words they use for failures.
 */
export class ConformanceDigest {
  readonly #lines = new Map<string, string>();

  /** What an engine said, or why it said nothing. */
  add(vector: Vector, answer: Answer | Exclude<VectorOutcome, "passed" | "failed">): void {
    this.#lines.set(vector.name, typeof answer === "string" ? answer : ending(vector, answer));
  }

  /** 64 lower-case hexadecimal digits. */
  toHex(): string {
    const names = [...this.#lines.keys()].sort((a, b) => (a < b ? -1 : 1));
    const text = names.map((name) => `${name}\t${this.#lines.get(name)!}\n`).join("");
    return toHex(sha256(utf8.encode(text)));
  }
}

function ending({ expect }: Vector, answer: Answer): string {
  const { status, trap, gasUsed, receiptHash } = answer;
  if (status !== "finished" && status !== "trap") return status;
  const words: readonly (string | number | undefined)[] = [
    status,
    ...(status === "trap" ? [trap?.code, trap?.function, trap?.pc, trap?.detail ?? 0] : []),
    gasUsed,
    receiptHash,
    ...(status === "trap" ? [] : outputWords(answer.outputs ?? [], expect.outputs ?? [])),
  ];
  return words.map((word) => word ?? "-").join(" ");
}

/** Reals only where they were asked for: whoever gives more is not another engine. */
function outputWords(
  given: readonly WireTensor[],
  wanted: readonly WireTensor[],
): (string | undefined)[] {
  return given.flatMap((output, i) => [
    output.name,
    output.dtype,
    `[${String(output.shape)}]`,
    output.data,
    ...(["float32", "float64"] as const)
      .filter((type) => wanted[i]?.[type] !== undefined)
      .map((type) => output[type]),
  ]);
}
