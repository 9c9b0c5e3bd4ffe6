import { expect, test } from "vitest";
import { createEngines } from "../support/fuzz/engines.js";
import { mutantFuzzer } from "../support/fuzz/mutantFuzzer.js";

// In greater numbers: `npm run fuzz -- mutants`.
const COUNT = 3_000;

test(`${COUNT} mutants: typed errors or a clean run, one answer everywhere`, async () => {
  const engines = await createEngines();
  const fuzzer = await mutantFuzzer(engines);
  const tally = new Map<string, number>();
  for (let seed = 1; seed <= COUNT; seed++) fuzzer.check(seed, tally);
  expect(tally.get("stage decode")).toBeLessThanOrEqual(COUNT / 2);
  expect(tally.get("stage run")).toBeGreaterThanOrEqual(COUNT / 10);
  engines.dispose();
}, 240_000);
