import { expect, test } from "vitest";
import { OPS } from "../../src/opcodes/index.js";
import { createEngines } from "../support/fuzz/engines.js";
import { programFuzzer } from "../support/fuzz/programFuzzer.js";
import { randomProgram } from "../support/programs/randomProgram.js";
import { SeededRandom } from "../support/seededRandom.js";

// In greater numbers: `npm run fuzz -- programs`.
const COUNT = 400;

test(`${COUNT} valid programs have one answer everywhere, and most finish`, async () => {
  const engines = await createEngines();
  const fuzzer = programFuzzer(engines);
  const tally = new Map<string, number>();
  for (let seed = 1; seed <= COUNT; seed++) fuzzer.check(seed, tally);
  expect(tally.get("end finished")).toBeGreaterThan(COUNT * 0.9);
  engines.dispose();
}, 120_000);

test("random programs have every instruction", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 1_000; seed++) {
    const { functions, aggregation } = randomProgram(new SeededRandom(seed), 16).module;
    for (const { body } of [...functions, ...aggregation]) for (const { op } of body) seen.add(op);
  }
  expect(Object.keys(OPS).filter((op) => !seen.has(op))).toEqual([]);
});
