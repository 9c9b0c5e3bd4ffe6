/** What fuzzers found once (test/corpus) and what has been mended since stays so. */
import { readFileSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAssembly } from "../../src/module/assemble.js";
import { decodeModule } from "../../src/module/decode.js";
import { encodeModule } from "../../src/module/encode.js";
import type { Inputs } from "../support/fuzz/agreement.js";
import { agree } from "../support/fuzz/agreement.js";
import type { Engines } from "../support/fuzz/engines.js";
import { createEngines } from "../support/fuzz/engines.js";
import { checkModel } from "../support/fuzz/onnxFuzzer.js";
import { LIMITS } from "../support/mutants/outcome.js";
import { SeededRandom } from "../support/seededRandom.js";

const CORPUS = new URL("../corpus/", import.meta.url);
/** One that tfjs takes and one that threads take. */
const SEEDS = [0, 8];

let engines: Engines;
beforeAll(async () => {
  engines = await createEngines();
});
afterAll(() => engines.dispose());

const files = readdirSync(CORPUS, { recursive: true }).map((file) => String(file));

for (const file of files.filter((name) => /\.aivmt?$/.test(name))) {
  test(file, () => {
    const source = readFileSync(new URL(file, CORPUS));
    const bytes = file.endsWith("t") ? encodeModule(parseAssembly(source.toString())) : source;
    const json = readFileSync(new URL(file.replace(/\.aivmt?$/, ".json"), CORPUS), "utf8");
    const inputs = readInputs(bytes, JSON.parse(json) as InputFile);
    for (const seed of SEEDS) {
      const { stage } = agree(bytes, inputs, engines, { seed, limits: LIMITS }, new Map());
      expect(stage).toBe("run");
    }
  });
}

for (const file of files.filter((name) => name.endsWith(".onnx"))) {
  test(file, () => {
    const tally = new Map<string, number>();
    const model = new Uint8Array(readFileSync(new URL(file, CORPUS)));
    // In some precision each, by calibrations of several kinds.
    for (let seed = 0; seed < 8; seed++) {
      checkModel(model, new SeededRandom(seed), engines, seed, tally);
    }
    expect([...tally.values()].reduce((sum, n) => sum + n)).toBeGreaterThanOrEqual(8);
  });
}

/** Integers are strings: JSON has no 64 bits. */
type InputFile = Record<string, { dims: number[]; integers: string[] }>;

function readInputs(bytes: Uint8Array, values: InputFile): Inputs {
  const ports = decodeModule(bytes).configuration.entries[0]?.inputs ?? [];
  return Object.fromEntries(
    ports.map(({ name, dtype }) => {
      const { dims, integers } = values[name]!;
      return [
        name,
        { dims, integers: dtype === "i64" ? integers.map(BigInt) : integers.map(Number) },
      ];
    }),
  );
}
