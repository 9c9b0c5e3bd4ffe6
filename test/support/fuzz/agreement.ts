/** One module on all engines: they end alike, at the same stage, with the same receipt. */
import { AivmError, HostError, InternalError } from "../../../src/core/errors.js";
import { decodeModule } from "../../../src/module/decode.js";
import type { Module } from "../../../src/module/module.js";
import type { Backend } from "../../../src/tensor/backend.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import type { Instance, RunRequest } from "../../../src/vm/instance.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { Limits } from "../../../src/vm/limits.js";
import type { RunReport } from "../../../src/vm/run.js";
import type { Engines } from "./engines.js";
import { isEvery } from "./engines.js";
import type { Tally } from "./fuzzer.js";
import { count } from "./fuzzer.js";

export type Inputs = Readonly<Record<string, HostValue>>;

/** How far a module came, and how it ended: the same on every engine. */
export interface Outcome {
  readonly stage: "decode" | "instantiate" | "start" | "run";
  /** Error and code, or all of the receipt and statistics that engines must agree on. */
  readonly end: string;
  /** The end in a word or two. */
  readonly kind: string;
}

export interface RunOutcome extends Outcome {
  readonly report: RunReport;
}

/** What engines did differently. */
export class Disagreement extends AivmError {
  constructor(message: string) {
    super("Disagreement", message);
  }
}

/** An error that no module may cause. */
export function isForbidden(error: unknown): boolean {
  // Under these limits no host lacks memory: a HostError hides something.
  return (
    !(error instanceof AivmError) ||
    error instanceof InternalError ||
    error instanceof HostError ||
    error instanceof Disagreement
  );
}

/** How a case is run besides once on every engine that takes it. */
export interface Manner {
  readonly seed: number;
  readonly limits?: Limits | undefined;
  /** Told of the instance of the reference and its run. */
  readonly look?: ((instance: Instance, outcome: RunOutcome) => void) | undefined;
}

/** Hooks see every so many cases. */
const WATCHED = 8;

/**
 * Runs a module on the engines.
 * @throws Disagreement, or whatever no module may cause
 */
export function agree(
  bytes: Uint8Array,
  inputs: Inputs,
  engines: Engines,
  manner: Manner,
  tally: Tally,
): Outcome {
  let module: Module;
  try {
    module = decodeModule(bytes);
  } catch (error) {
    if (isForbidden(error)) throw error;
    const kind = nameOf(error);
    return { stage: "decode", end: kind, kind };
  }
  const { seed, limits, look } = manner;
  const thorough = isEvery(seed, 2);
  const others = thorough ? reversed(inputs) : inputs;
  /** `times` runs; where it is thorough, then one on other values, and one more. */
  const runs = (instance: Instance, times: number): RunOutcome => {
    const once = run(instance, { inputs, limits });
    const sameAgain = (): void => {
      const { end } = run(instance, { inputs, limits });
      if (end !== once.end) throw new Disagreement(`a later run: ${end}\nthe first: ${once.end}`);
    };
    for (let i = 1; i < times; i++) sameAgain();
    if (!thorough) return once;
    const other = run(instance, { inputs: others, limits });
    if (times > 1) sameAgain();
    return { ...once, end: `${once.end}, reversed: ${other.end}` };
  };
  const first = outcomeOf(module, engines.reference, (instance) => {
    const outcome = runs(instance, 1);
    look?.(instance, outcome);
    return outcome;
  });
  const same = (name: string, outcome: Outcome): void => {
    if (outcome.end === first.end && outcome.stage === first.stage) return;
    throw new Disagreement(
      `${name}: ${outcome.stage} ${outcome.end}\nreference: ${first.stage} ${first.end}`,
    );
  };
  // The second run finds weights packed, tables expanded and the first recorded; the third plays it,
  // and what is recorded may not hold for other values of the same shapes.
  same(
    "simd",
    outcomeOf(module, engines.simd, (instance) => runs(instance, thorough ? 3 : 1)),
  );
  for (const { name, backend, every, from } of engines.others) {
    if (!isEvery(seed, every, from)) continue;
    same(
      name,
      outcomeOf(module, backend, (instance) => runs(instance, 1)),
    );
  }
  if (isEvery(seed, WATCHED) && first.stage === "run") {
    const { end } = outcomeOf(module, engines.simd, (instance) =>
      watched(instance, { inputs, limits }, tally),
    );
    if (!first.end.startsWith(end)) {
      throw new Disagreement(`simd, watched: ${end}\nreference: ${first.end}`);
    }
  }
  for (const backend of [engines.reference, engines.simd]) {
    const { residentBytes } = backend.statistics();
    if (residentBytes !== 0) {
      throw new Disagreement(`${backend.name} holds ${residentBytes} bytes that nobody uses`);
    }
  }
  return first;
}

function outcomeOf(
  module: Module,
  backend: Backend,
  run: (instance: Instance) => Outcome,
): Outcome {
  let stage: Outcome["stage"] = "instantiate";
  let instance: Instance | undefined;
  try {
    instance = instantiate(module, { backend });
    stage = "start";
    return run(instance);
  } catch (error) {
    if (isForbidden(error)) throw error;
    const kind = nameOf(error);
    return { stage, end: kind, kind };
  } finally {
    instance?.dispose();
  }
}

function nameOf(error: unknown): string {
  const { name, code } = error as AivmError;
  return `${name} ${code}`;
}

/** A run, and the aggregation of it with itself where the module has that. */
function run(instance: Instance, request: RunRequest): RunOutcome {
  const report = instance.runSync(request);
  const { status } = report.receipt;
  let end = textOf(report);
  if (status === "finished" && instance.module.configuration.aggregations.length > 0) {
    try {
      const { limits, onStep } = request;
      end += ` then ${textOf(instance.aggregate([report, report], { limits, onStep }))}`;
    } catch (error) {
      if (isForbidden(error)) throw error;
      end += ` then ${nameOf(error)}`;
    }
  }
  const kind = typeof status === "object" ? `Trap ${status.trap}` : status;
  return { stage: "run", end, kind, report };
}

function textOf({ receipt, statistics }: RunReport): string {
  const { moduleId, status, inputHash, outputHash = "none", gasUsed } = receipt;
  const ending = typeof status === "object" ? JSON.stringify(status) : status;
  const { instructions, peakMemoryBytes } = statistics;
  return [moduleId, ending, inputHash, outputHash, gasUsed, instructions, peakMemoryBytes].join(
    " ",
  );
}

/** The same values in the opposite order. */
function reversed(inputs: Inputs): Inputs {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      name,
      "integers" in value
        ? {
            dims: value.dims,
            integers: Array.from<number | bigint | boolean>(value.integers).reverse() as number[],
          }
        : value,
    ]),
  );
}

/** A run with a hook that reads what engines would rather not make. */
function watched(instance: Instance, request: RunRequest, tally: Tally): Outcome {
  let steps = 0;
  return run(instance, {
    ...request,
    onStep({ op, operands, results, read }) {
      if (results.length > 0 && steps++ % 3 === 0) read(results.length - 1);
      const [subject = results[0]] = operands;
      count(tally, `ran ${op} ${subject?.dtype ?? "-"}`);
    },
  });
}
