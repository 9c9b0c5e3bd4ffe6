/**
 * A process that checks cases: told `{ kind, first, count, stride }`, it sends counts and finds.
 * Before each case it writes the seed to a file, so that who kills it knows what it was at.
 */
import { openSync, writeSync } from "node:fs";
import { createEngines } from "./engines.js";
import type { Evidence, Fuzzer, Tally } from "./fuzzer.js";
import { describeError } from "./fuzzer.js";
import { mutantFuzzer } from "./mutantFuzzer.js";
import { onnxFuzzer } from "./onnxFuzzer.js";
import { programFuzzer } from "./programFuzzer.js";

/** What a worker is started with, as JSON. */
export interface Task {
  readonly kind: "programs" | "mutants" | "onnx";
  readonly first: number;
  /** It takes every so many seeds. */
  readonly stride: number;
  readonly count: number | null;
  /** File that says which seed is being checked. */
  readonly at: string;
}

export type Report =
  | { readonly done: number; readonly next: number; readonly tally: readonly [string, number][] }
  | {
      readonly find: number;
      readonly text: string;
      /** In base64, by what follows the name. */
      readonly files: Readonly<Record<string, string>>;
    };

const REPORT_MS = 1_000;
/** Cases are small: a process that grows beyond has let one of them take too much. */
const MAX_RSS_BYTES = 1.5 * 2 ** 30;

async function fuzzerOf(kind: Task["kind"]): Promise<Fuzzer> {
  const engines = await createEngines();
  switch (kind) {
    case "programs":
      return programFuzzer(engines);
    case "mutants":
      return mutantFuzzer(engines);
    case "onnx":
      return onnxFuzzer(engines, "examples/models/digits.onnx");
  }
}

function inBase64({ files }: Evidence): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([suffix, file]) => [suffix, Buffer.from(file).toString("base64")]),
  );
}

async function work({ kind, first, stride, count, at }: Task): Promise<void> {
  const send = (report: Report): Promise<void> =>
    new Promise((resolve) => process.send!(report, () => resolve()));
  const place = openSync(at, "w");
  const note = (seed: number): void => void writeSync(place, String(seed).padEnd(20), 0);
  const fuzzer = await fuzzerOf(kind);
  let tally: Tally = new Map();
  let done = 0;
  let sent = Date.now();
  const report = async (next: number): Promise<void> => {
    await send({ done, next, tally: [...tally] });
    [tally, done, sent] = [new Map(), 0, Date.now()];
  };
  let seed = first;
  for (let i = 0; i < (count ?? Infinity); i++, seed += stride) {
    note(seed);
    try {
      fuzzer.check(seed, tally);
      if ((i & 15) === 0 && process.memoryUsage.rss() > MAX_RSS_BYTES) {
        throw new RangeError(`memory grew to ${process.memoryUsage.rss()} bytes`);
      }
    } catch (error) {
      await send({
        find: seed,
        text: describeError(error),
        files: inBase64(fuzzer.evidence(seed)),
      });
    }
    done++;
    if (Date.now() - sent >= REPORT_MS) await report(seed + stride);
  }
  await report(seed);
}

await work(JSON.parse(process.argv[2]!) as Task);
process.disconnect?.();
process.exit(0);
