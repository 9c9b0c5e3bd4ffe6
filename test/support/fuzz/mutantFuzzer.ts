import type { AivmError } from "../../../src/core/errors.js";
import { parseAssembly } from "../../../src/module/assemble.js";
import { formatAssembly } from "../../../src/module/disassemble.js";
import { encodeModule } from "../../../src/module/encode.js";
import type { Module } from "../../../src/module/module.js";
import type { Instance } from "../../../src/vm/instance.js";
import { baseModules } from "../mutants/bases.js";
import { mutant } from "../mutants/mutate.js";
import { LIMITS, randomInputs } from "../mutants/outcome.js";
import { SeededRandom } from "../seededRandom.js";
import type { Inputs, RunOutcome } from "./agreement.js";
import { Disagreement, agree, isForbidden } from "./agreement.js";
import type { Engines } from "./engines.js";
import { isEvery } from "./engines.js";
import type { Fuzzer, Tally } from "./fuzzer.js";
import { count } from "./fuzzer.js";
import { moduleEvidence } from "./shrink.js";

/** Estimates of gas and the way by text are looked at every so many cases. */
const OFTEN = 32;

/** Modules of many kinds with one to three things changed, hashes repaired. */
export async function mutantFuzzer(engines: Engines): Promise<Fuzzer> {
  const groups = await baseModules();
  const mutantOf = (seed: number): { module: Module; inputs: Inputs } => {
    const random = new SeededRandom(seed);
    // Arbitrary modules, the last group, seldom run: they come up half as often.
    const group = groups[random.pick([0, 0, 1, 1, 2, 2, 3])]!;
    const module = mutant(random.pick(group), random);
    const [entry] = module.configuration.entries;
    return { module, inputs: entry === undefined ? {} : randomInputs(entry, module, random) };
  };
  return {
    check(seed, tally) {
      const { module, inputs } = mutantOf(seed);
      const bytes = encoded(module, tally);
      if (bytes === undefined) return;
      const often = isEvery(seed, OFTEN);
      const look = (instance: Instance, outcome: RunOutcome): void => {
        if (often) checkEstimate(instance, inputs, outcome);
      };
      const manner = { seed, limits: LIMITS, look };
      const { stage, kind } = agree(bytes, inputs, engines, manner, tally);
      count(tally, `stage ${stage}`);
      count(tally, `end ${kind}`);
      if (often && Buffer.compare(encodeModule(parseAssembly(formatAssembly(module))), bytes) !== 0)
        throw new Disagreement("the module's text stands for other bytes");
    },
    evidence(seed) {
      return moduleEvidence(mutantOf(seed), engines, { seed, limits: LIMITS });
    },
  };
}

/** Bytes of a module, or undefined where it is refused as it should be. */
function encoded(module: Module, tally: Tally): Uint8Array | undefined {
  try {
    return encodeModule(module);
  } catch (error) {
    if (isForbidden(error)) throw error;
    const { name, code } = error as AivmError;
    count(tally, "stage decode");
    count(tally, `end ${name} ${code}`);
    return undefined;
  }
}

/** What is said of gas before a run holds after it, unless limits or values end it early. */
function checkEstimate(instance: Instance, inputs: Inputs, { report }: RunOutcome): void {
  const { status, gasUsed } = report.receipt;
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
  const estimate = instance.estimateGas(shapes);
  if (estimate.kind === "unknown") return;
  const used = BigInt(gasUsed);
  const holds =
    status === "finished" && estimate.kind === "exact"
      ? used === estimate.gas
      : used <= estimate.gas;
  if (!holds) {
    throw new Disagreement(`${used} gas used, the estimate was ${estimate.kind} ${estimate.gas}`);
  }
}
