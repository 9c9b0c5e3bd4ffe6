import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { ConformanceReport, VectorResult } from "../../conformance/runVectors.js";
import type { Vector } from "../../conformance/vector.js";
import { InputError } from "../../core/errors.js";
import { jsonOption } from "../arguments.js";
import type { BackendName } from "../backends.js";
import { backendOption, openBackend } from "../backends.js";
import { checkWritable, writeBytes } from "../files/binaryFile.js";
import { counted, duration, grouped, json, table } from "../format.js";
import { startProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { fail, paint, printable } from "../terminal.js";
import type { Outcome } from "./run.js";

interface ConformanceFlags {
  readonly backend: BackendName;
  readonly engine?: string;
  readonly filter?: string;
  readonly timeout: number;
  readonly junit?: string;
  readonly json?: true;
}

/** Failures that are told one by one; the rest is counted, and in --junit and --json. */
const SHOWN_FAILURES = 20;

const EXAMPLES = `
Without DIR the vectors of the package run. An engine other than ours is a command that reads
requests from its standard input and writes answers to its standard output, as
spec/vectors/README.md says. The digest is over how every vector ended: engines that agree have one.
Exits with 1 where a vector fails, also one that the engine says it does not support.

Examples:
  $ aivm conformance
  $ aivm conformance --backend reference --filter conv
  $ aivm conformance --engine "python3 examples/engine-skeleton/engine.py" --junit report.xml`;

export function addConformance(program: Command, terminal: Terminal, outcome: Outcome): void {
  program
    .command("conformance")
    .description("hold an engine to the conformance vectors of the specification")
    .argument("[DIR]", "folder of vectors (default: those of the package)")
    .addOption(backendOption())
    .addOption(
      new Option("--engine <COMMAND>", "another engine, behind a command").conflicts("backend"),
    )
    .option("--filter <TEXT>", "only vectors with that text in their file, name, kind or clauses")
    .option("--timeout <SECONDS>", "for one vector of --engine", parseSeconds, 10)
    .option("--junit <FILE.xml>", "write all results in JUnit's form")
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string | undefined, flags: ConformanceFlags) => {
      const { loadVectors, OWN_VECTORS } = await import("../conformance/loadVectors.js");
      const { runVectors } = await import("../../conformance/runVectors.js");
      const { junitReport } = await import("../conformance/junit.js");
      const { filter, junit } = flags;
      if (junit !== undefined) await checkWritable(junit);
      const from = folder ?? OWN_VECTORS;
      const files = await loadVectors(from);
      const chosen = (vector: Vector, file: string): boolean =>
        filter === undefined || textOf(vector, file).includes(filter);
      const total = files
        .flatMap(({ name, file }) => file.vectors.map((vector) => chosen(vector, name)))
        .filter(Boolean).length;
      if (total === 0) {
        const which = filter === undefined ? "" : ` with "${filter}" in them`;
        throw new InputError("NoVectors", `${from} holds no vectors${which}`, { name: from });
      }
      const engine = await openEngine(flags);
      const progress = await startProgress(terminal, "vectors", total);
      const begin = performance.now();
      let report: ConformanceReport;
      try {
        report = await runVectors(files, engine, {
          filter: chosen,
          onResult: (_result, done) => progress.update(done),
        });
      } finally {
        progress.stop();
        engine.close();
      }
      const timeMs = performance.now() - begin;
      if (junit !== undefined) await writeBytes(junit, junitReport(report));
      if (flags.json) terminal.out(json(summary(report, timeMs)));
      else terminal.out(describe(report, timeMs, terminal));
      const failed = report.results.length - report.counts.passed;
      if (failed > 0) {
        outcome.failed = true;
        fail(terminal, `${grouped(failed)} of ${counted(report.results.length, "vector")} failed`);
      }
    });
}

function parseSeconds(text: string): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0) throw new InvalidArgumentError("Give seconds, as in 10 or 0.5.");
  return seconds;
}

async function openEngine({ engine, backend, timeout }: ConformanceFlags) {
  if (engine !== undefined) {
    const { startEngine } = await import("../conformance/engineProcess.js");
    return startEngine(engine, timeout * 1000);
  }
  const { vmEngine } = await import("../../conformance/engine.js");
  return vmEngine(await openBackend(backend));
}

function textOf({ name, kind, clauses }: Vector, file: string): string {
  return [file, name, kind, ...clauses].join("\n");
}

const failures = (results: readonly VectorResult[]): VectorResult[] =>
  results.filter(({ outcome }) => outcome !== "passed");

function summary({ engine, counts, digest, results }: ConformanceReport, timeMs: number) {
  return {
    engine,
    vectors: results.length,
    counts,
    digest,
    timeMs,
    failures: failures(results).map(({ file, vector, outcome, problem }) => {
      const { name, kind, clauses } = vector;
      return { file, name, kind, clauses, outcome, problem };
    }),
  };
}

function describe(
  { engine, counts, digest, results }: ConformanceReport,
  timeMs: number,
  { outColor }: Terminal,
): string {
  // What an engine lacks is counted; what it gets wrong is shown.
  const wrong = failures(results).filter(({ outcome }) => outcome !== "unsupported");
  const lines = wrong.slice(0, SHOWN_FAILURES).map(({ file, vector, outcome, problem }) => {
    const head = `${paint("red", outcome, outColor)} ${vector.name} (${file})`;
    return `${head}\n  ${vector.clauses.join(", ")}\n  ${printable(problem ?? "")}\n`;
  });
  if (wrong.length > SHOWN_FAILURES) {
    lines.push(`… and ${grouped(wrong.length - SHOWN_FAILURES)} more; --junit or --json has all\n`);
  }
  const others = (["failed", "unsupported", "crashed", "timed out"] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => [name, paint("red", grouped(counts[name]), outColor)]);
  return (
    lines.join("") +
    table([
      ["engine", engine],
      ["vectors", grouped(results.length)],
      ["passed", paint("green", grouped(counts.passed), outColor)],
      ...others,
      ["time", duration(timeMs)],
      ["digest", digest],
    ])
  );
}
