import { expect, test } from "vitest";
import { formatAssembly } from "../../src/module/disassemble.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { encodeModule } from "../../src/module/encode.js";
import type { AivmError } from "../../src/core/errors.js";
import type { Module } from "../../src/module/module.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { createTfjsBackend } from "../../src/tensor/tfjs/index.js";
import type { HostValue } from "../../src/vm/hostValues.js";
import type { Instance } from "../../src/vm/instance.js";
import type { RunResult } from "../../src/vm/run.js";
import { baseModules } from "../support/mutants/bases.js";
import { mutant } from "../support/mutants/mutate.js";
import { LIMITS, isForbidden, outcomeOf, randomInputs } from "../support/mutants/outcome.js";
import { SeededRandom } from "../support/seededRandom.js";

// `npm run fuzz` sets these.
const COUNT = Number(process.env["AIVM_FUZZ_COUNT"] ?? 3_000);
const SEED = Number(process.env["AIVM_FUZZ_SEED"] ?? 1);
/** tfjs is slow on small tensors: every so many mutants; the estimate and the text likewise. */
const SOME = 4;
const MAX_FAILURES = 10;

test(
  `${COUNT} mutants from seed ${SEED}: typed errors or a clean run, one answer everywhere`,
  { timeout: 60_000 + COUNT * 60 },
  async () => {
    const groups = await baseModules();
    const reference = createReferenceBackend();
    const simd = await createSimdBackend();
    const tfjs = await createTfjsBackend();
    const stages = { decode: 0, instantiate: 0, start: 0, run: 0 };
    const ends = new Map<string, number>();
    const failures: string[] = [];

    for (let i = 0; i < COUNT && failures.length < MAX_FAILURES; i++) {
      const random = new SeededRandom(SEED * 1_000_000_007 + i);
      // Arbitrary modules, the last group, seldom run: they come up half as often.
      const group = groups[random.pick([0, 0, 1, 1, 2, 2, 3])]!;
      const module = mutant(random.pick(group), random);
      const where = `mutant ${i} of seed ${SEED}`;
      let bytes: Uint8Array;
      try {
        bytes = encodeModule(module);
      } catch (error) {
        if (isForbidden(error)) failures.push(failure(where, module, error));
        stages.decode++;
        count(ends, (error as AivmError).name);
        continue;
      }
      const [entry] = module.configuration.entries;
      const inputs = entry === undefined ? {} : randomInputs(entry, module, random);
      try {
        const often = i % SOME === 0;
        let expected: RunResult | undefined;
        const first = outcomeOf(bytes, reference, inputs, (instance, result) => {
          expected = result;
          if (often) checkEstimate(instance, inputs, result);
        });
        stages[first.stage]++;
        count(ends, first.stage === "run" ? statusOf(expected) : first.end);
        const others = often ? [simd, tfjs] : [simd];
        for (const backend of others) {
          const outcome = outcomeOf(bytes, backend, inputs, (instance) => {
            if (often && backend === simd)
              expect(traced(instance, inputs)).toBe(statusAndHash(expected));
          });
          expect(outcome, `${backend.name} and reference`).toEqual(first);
        }
        if (often) {
          const again = encodeModule(parseAssembly(formatAssembly(module)));
          expect(Buffer.compare(again, bytes), "bytes by way of text").toBe(0);
        }
        // Nothing is left behind.
        expect(reference.statistics().residentBytes).toBe(0);
      } catch (error) {
        failures.push(failure(where, module, error));
      }
    }
    const share = (n: number): string => `${((100 * n) / COUNT).toFixed(1)} %`;
    const validated = COUNT - stages.decode;
    console.log(
      `${COUNT} mutants: ${share(validated)} reached validation, ${share(stages.run)} ran\n` +
        [...ends]
          .sort(([, a], [, b]) => b - a)
          .map(([end, n]) => `  ${n} ${end}`)
          .join("\n"),
    );
    for (const text of failures) console.error(text);
    expect(failures).toHaveLength(0);
    expect(validated / COUNT).toBeGreaterThanOrEqual(0.5);
    expect(stages.run / COUNT).toBeGreaterThanOrEqual(0.1);
    for (const backend of [reference, simd, tfjs]) backend.dispose();
  },
);

function count(ends: Map<string, number>, end: string): void {
  ends.set(end, (ends.get(end) ?? 0) + 1);
}

function statusOf(result: RunResult | undefined): string {
  const status = result?.receipt.status;
  return typeof status === "object" ? `Trap ${status.trap}` : String(status);
}

function statusAndHash(result: RunResult | undefined): string {
  const { status, outputHash, gasUsed } = result!.receipt;
  return JSON.stringify([status, outputHash, gasUsed]);
}

/** The run again, with a hook that reads what engines would rather not make. */
function traced(instance: Instance, inputs: Record<string, HostValue>): string {
  let [steps, gas] = [0, 0n];
  const result = instance.runSync({
    inputs,
    limits: LIMITS,
    onStep(event) {
      if (event.results.length > 0 && steps % 3 === 0) event.read(event.results.length - 1);
      steps++;
      gas += event.gas;
    },
  });
  expect(steps).toBe(result.statistics.instructions);
  expect(gas <= BigInt(result.receipt.gasUsed)).toBe(true);
  return statusAndHash(result);
}

/** What is said of gas before a run holds after it, unless limits or values end it early. */
function checkEstimate(
  instance: Instance,
  inputs: Readonly<Record<string, { readonly dims: readonly number[] }>>,
  { receipt: { status, gasUsed } }: RunResult,
): void {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
  const estimate = instance.estimateGas(shapes);
  if (estimate.kind === "unknown") return;
  const used = BigInt(gasUsed);
  if (status !== "finished" || estimate.kind === "upperBound") {
    expect(used, "gas used is at most the estimate").toBeLessThanOrEqual(estimate.gas);
  } else expect(estimate).toEqual({ kind: "exact", gas: used });
}

/** What went wrong, and what it takes to see it again. */
function failure(where: string, module: Module, cause: unknown): string {
  let text: string;
  try {
    text = formatAssembly(module);
  } catch {
    text = JSON.stringify(module, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
  }
  const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return `${where}: ${stack.split("\n", 14).join("\n")}\n${text.slice(0, 3_000)}`;
}
