import { expect, test } from "vitest";
import { AivmError, MalformedError } from "../../src/core/errors.js";
import { decodeModule } from "../../src/module/decode.js";
import { encodeModule } from "../../src/module/encode.js";
import type { Module } from "../../src/module/module.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { baseModules } from "../support/mutants/bases.js";
import { isForbidden, outcomeOf, randomInputs } from "../support/mutants/outcome.js";
import { SeededRandom } from "../support/seededRandom.js";

const COUNT = 5_000;

/** The file with a few bytes flipped, set, cut, doubled or taken from another place. */
function damaged(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let copy = bytes.slice();
  for (let i = random.int(1, 3); i > 0; i--) {
    const at = random.int(0, copy.length - 1);
    switch (random.int(0, 5)) {
      case 0:
      case 1:
        copy[at] = copy[at]! ^ (1 << random.int(0, 7));
        break;
      case 2:
        // Headers of MessagePack that promise much.
        copy[at] = random.pick([0x00, 0x7f, 0x80, 0x90, 0xc0, 0xc6, 0xca, 0xd3, 0xdb, 0xdd, 0xff]);
        break;
      case 3:
        copy = copy.slice(0, Math.max(1, at));
        break;
      case 4: {
        const piece = copy.slice(at, at + random.int(1, 20));
        copy = Uint8Array.from([...copy.subarray(0, at), ...piece, ...copy.subarray(at)]);
        break;
      }
      default: {
        const from = random.int(0, copy.length - 1);
        copy.copyWithin(at, from, from + random.int(1, 20));
      }
    }
  }
  return copy;
}

test("damaged files: typed errors, or the same answer on two engines", async () => {
  const files = (await baseModules()).flat().map((module) => encodeModule(module));
  const reference = createReferenceBackend();
  const simd = await createSimdBackend();
  let [malformed, ran] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const random = new SeededRandom(i);
    const bytes = damaged(random.pick(files), random);
    let module: Module;
    try {
      module = decodeModule(bytes);
    } catch (error) {
      if (!(error instanceof AivmError) || isForbidden(error)) throw error;
      expect(error, `file ${i}`).toBeInstanceOf(MalformedError);
      malformed++;
      continue;
    }
    const [entry] = module.configuration.entries;
    const inputs = entry === undefined ? {} : randomInputs(entry, module, random);
    const first = outcomeOf(bytes, reference, inputs, () => ran++);
    expect(
      outcomeOf(bytes, simd, inputs, () => undefined),
      `file ${i}`,
    ).toEqual(first);
  }
  console.log(`${COUNT} damaged files: ${malformed} malformed, ${ran} ran all the same`);
  expect(malformed).toBeGreaterThan(COUNT / 2);
  expect(ran).toBeGreaterThan(COUNT / 100);
  reference.dispose();
  simd.dispose();
});
