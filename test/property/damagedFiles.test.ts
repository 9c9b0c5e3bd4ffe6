import { expect, test } from "vitest";
import { encodeModule } from "../../src/module/encode.js";
import { decodeModule } from "../../src/module/decode.js";
import { MalformedError } from "../../src/core/errors.js";
import type { Module } from "../../src/module/module.js";
import { agree, isForbidden } from "../support/fuzz/agreement.js";
import { createEngines } from "../support/fuzz/engines.js";
import { baseModules } from "../support/mutants/bases.js";
import { damaged } from "../support/mutants/damaged.js";
import { LIMITS, randomInputs } from "../support/mutants/outcome.js";
import { SeededRandom } from "../support/seededRandom.js";

const COUNT = 5_000;
/** Headers of MessagePack that promise much. */
const HEADERS = [0x00, 0x7f, 0x80, 0x90, 0xc0, 0xc6, 0xca, 0xd3, 0xdb, 0xdd, 0xff];

test("damaged files: typed errors, or the same answer on all engines", async () => {
  const files = (await baseModules()).flat().map((module) => encodeModule(module));
  const engines = await createEngines();
  let [malformed, ran] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const random = new SeededRandom(i);
    const bytes = damaged(random.pick(files), random, HEADERS);
    let module: Module;
    try {
      module = decodeModule(bytes);
    } catch (error) {
      if (isForbidden(error)) throw error;
      expect(error, `file ${i}`).toBeInstanceOf(MalformedError);
      malformed++;
      continue;
    }
    const [entry] = module.configuration.entries;
    const inputs = entry === undefined ? {} : randomInputs(entry, module, random);
    const { stage } = agree(bytes, inputs, engines, { seed: i, limits: LIMITS }, new Map());
    if (stage === "run") ran++;
  }
  expect(malformed).toBeGreaterThan(COUNT / 2);
  expect(ran).toBeGreaterThan(COUNT / 100);
  engines.dispose();
});
