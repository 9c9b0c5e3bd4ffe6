import { expect, test } from "vitest";
import type { IntegerArray } from "../../src/core/dtype.js";
import { AivmError } from "../../src/core/errors.js";
import { formatAssembly } from "../../src/module/disassemble.js";
import { encodeModule } from "../../src/module/encode.js";
import type { Backend } from "../../src/tensor/backend.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { createTfjsBackend } from "../../src/tensor/tfjs/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { integersOf } from "../../src/vm/rawTensor.js";
import type { OnStep } from "../../src/vm/trace.js";
import type { RandomProgram } from "../support/programs/randomProgram.js";
import { randomProgram } from "../support/programs/randomProgram.js";
import { SeededRandom } from "../support/seededRandom.js";

// `node scripts/fuzz-programs.mjs` sets these.
const COUNT = Number(process.env["AIVM_FUZZ_COUNT"] ?? 400);
const SEED = Number(process.env["AIVM_FUZZ_SEED"] ?? 1);
/** tfjs and step hooks are slow on small tensors: every so many programs. */
const SOME = 4;
const MAX_LENGTH = 24;

test(
  `${COUNT} valid programs from seed ${SEED} have one answer everywhere`,
  { timeout: 60_000 + COUNT * 100 },
  async () => {
    const reference = createReferenceBackend();
    const simd = await createSimdBackend();
    const tfjs = await createTfjsBackend();
    let finished = 0;
    for (let i = 0; i < COUNT; i++) {
      const seed = SEED * 1_000_000_007 + i;
      const length = new SeededRandom(seed).int(1, MAX_LENGTH);
      const others = i % SOME === 0 ? [simd, tfjs] : [simd];
      const trap = compare(seed, length, reference, others);
      if (trap === undefined) finished++;
      for (const backend of [reference, simd]) {
        expect(backend.statistics().residentBytes, `left after seed ${seed}`).toBe(0);
      }
    }
    expect(finished / COUNT).toBeGreaterThan(0.9);
    for (const backend of [reference, simd, tfjs]) backend.dispose();
  },
);

/**
 * Runs a program on the reference and on the others.
 * @returns the trap it ended with, if it did
 * @throws where they differ, with the shortest program of the seed that does
 */
function compare(
  seed: number,
  length: number,
  reference: Backend,
  others: readonly Backend[],
): string | undefined {
  const attempt = (steps: number): string | undefined =>
    compareProgram(randomProgram(new SeededRandom(seed), steps), reference, others);
  try {
    return attempt(length);
  } catch (error) {
    for (let steps = 0; steps < length; steps++) {
      try {
        attempt(steps);
      } catch (shorter) {
        throw difference(seed, steps, shorter);
      }
    }
    throw difference(seed, length, error);
  }
}

function difference(seed: number, length: number, cause: unknown): AivmError {
  class DifferenceError extends AivmError {}
  const { module } = randomProgram(new SeededRandom(seed), length);
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return new DifferenceError(
    "Difference",
    `seed ${seed}, length ${length}: ${message}\n${formatAssembly(module).slice(0, 8_000)}`,
    {},
    cause,
  );
}

function compareProgram(
  program: RandomProgram,
  reference: Backend,
  others: readonly Backend[],
): string | undefined {
  const bytes = encodeModule(program.module);
  const expected = runOn(reference, bytes, program);
  for (const backend of others) {
    expect(runOn(backend, bytes, program), backend.name).toEqual(expected);
    if (others.length === 1) continue;
    // A hook that reads what engines would rather not make.
    let steps = 0;
    const onStep: OnStep = ({ results, read }) => {
      if (results.length > 0 && steps++ % 3 === 0) read(results.length - 1);
    };
    expect(runOn(backend, bytes, program, onStep), `${backend.name}, watched`).toEqual(expected);
  }
  const { status } = expected;
  return typeof status === "object" ? status.trap : undefined;
}

function runOn(backend: Backend, bytes: Uint8Array, program: RandomProgram, onStep?: OnStep) {
  const instance = instantiate(bytes, { backend });
  try {
    const inputsOf = (order: (integers: IntegerArray) => IntegerArray) =>
      Object.fromEntries(
        program.inputs.map((input, i) => [
          `x${i}`,
          { integers: order(integersOf(input)), dims: input.shape },
        ]),
      );
    const inputs = inputsOf((integers) => integers);
    const { receipt } = instance.runSync({ inputs, onStep });
    // What the second run finds recorded is played to the third.
    for (let i = 0; i < 2; i++) expect(instance.runSync({ inputs }).receipt).toEqual(receipt);
    // Other values of the same shapes, for which the recording may hold or not.
    const reversed = instance.runSync({ inputs: inputsOf((x) => x.slice().reverse()) });
    const again = instance.runSync({ inputs });
    expect(again.receipt).toEqual(receipt);
    const { instructions, peakMemoryBytes } = again.statistics;
    return { ...receipt, instructions, peakMemoryBytes, reversed: reversed.receipt };
  } finally {
    instance.dispose();
  }
}
