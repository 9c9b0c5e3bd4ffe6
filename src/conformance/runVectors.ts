import { ConformanceDigest } from "./digest.js";
import type { Engine } from "./engine.js";
import type { Verdict, VectorOutcome } from "./judge.js";
import { OUTCOMES, judge } from "./judge.js";
import { requestOf } from "./protocol.js";
import type { Vector, VectorFile } from "./vector.js";

/** A file of vectors under the name that reports show. */
export interface NamedVectors {
  readonly name: string;
  readonly file: VectorFile;
}

export interface VectorResult extends Verdict {
  /** Name of the file. */
  readonly file: string;
  readonly vector: Vector;
  readonly timeMs: number;
}

export interface ConformanceReport {
  readonly engine: string;
  readonly results: readonly VectorResult[];
  readonly counts: Readonly<Record<VectorOutcome, number>>;
  /** Over the endings of all vectors that ran; equal for engines that agree. */
  readonly digest: string;
}

export interface RunVectorsOptions {
  /** Which vectors; all when absent. */
  readonly filter?: ((vector: Vector, file: string) => boolean) | undefined;
  /** Called after each vector. */
  readonly onResult?: ((result: VectorResult, done: number, total: number) => void) | undefined;
}

/** Puts vectors to an engine, one after the other, and judges its answers. */
export async function runVectors(
  files: readonly NamedVectors[],
  engine: Engine,
  { filter, onResult }: RunVectorsOptions = {},
): Promise<ConformanceReport> {
  const chosen = files.flatMap(({ name, file }) =>
    file.vectors
      .filter((vector) => filter?.(vector, name) ?? true)
      .map((vector) => ({ name, file, vector })),
  );
  const digest = new ConformanceDigest();
  const results: VectorResult[] = [];
  for (const [i, { name, file, vector }] of chosen.entries()) {
    const begin = performance.now();
    const answer = await engine.ask(requestOf(i + 1, vector, file));
    const timeMs = performance.now() - begin;
    let verdict: Verdict;
    if ("outcome" in answer) {
      verdict = answer;
      digest.add(vector, answer.outcome);
    } else {
      verdict = judge(vector, file.modules[vector.module], answer);
      digest.add(vector, answer);
    }
    const { outcome, problem } = verdict;
    const told = problem === undefined ? { outcome } : { outcome, problem };
    const result = { file: name, vector, timeMs, ...told };
    results.push(result);
    onResult?.(result, i + 1, chosen.length);
  }
  const counts = Object.fromEntries(
    OUTCOMES.map((outcome) => [
      outcome,
      results.filter((result) => result.outcome === outcome).length,
    ]),
  ) as Record<VectorOutcome, number>;
  return { engine: engine.name, results, counts, digest: digest.toHex() };
}
