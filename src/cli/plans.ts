/** Plans of the command line: chosen on samples and written, or read. */
import type { Calibration } from "../compiler/calibration.js";
import type { ImportOptions } from "../compiler/importModel.js";
import type { Plan } from "../compiler/plan.js";
import type { States } from "../compiler/states.js";
import { readBytes, writeBytes } from "./files/binaryFile.js";
import { startProgress } from "./progress.js";
import { openMeasuring } from "./measuring.js";
import type { Terminal } from "./terminal.js";
import { warn } from "./terminal.js";

/** What is said of a plan. */
export interface PlanSummary {
  readonly file: string;
  /** Contractions whose weights have 8 bits by the plan. */
  readonly eightBitWeights: number;
  /** What was measured while choosing; absent for a plan that was read. */
  readonly chosen?: {
    readonly targetSqnrDb: number;
    readonly reached: boolean;
    /** What the worst output reaches on the measured samples, in dB. */
    readonly sqnrDb: number;
    /** The same with 16 bits throughout, and the bytes of that module. */
    readonly fullSqnrDb: number;
    readonly fullBytes: number;
  };
}

export interface ReadPlan {
  readonly plan: Plan;
  readonly summary: PlanSummary;
}

/** Reads a plan that `choosePlanFile` wrote. */
export async function readPlan(file: string): Promise<ReadPlan> {
  const { parsePlan } = await import("../analysis/planFile.js");
  const plan = parsePlan(new TextDecoder().decode(await readBytes(file)), file);
  return { plan, summary: { file, eightBitWeights: Object.keys(plan.weightBits).length } };
}

export interface ChooseOptions extends ImportOptions {
  readonly calibration: Calibration;
  readonly states: States;
  readonly targetSqnrDb: number;
  readonly samples: readonly string[];
  /** Where the plan is written. */
  readonly file: string;
}

/** Measures which weights may have 8 bits, and writes that down; warns when the target is not reached. */
export async function choosePlanFile(
  terminal: Terminal,
  model: Uint8Array,
  { samples, file, ...options }: ChooseOptions,
): Promise<ReadPlan> {
  const { choosePlan } = await import("../analysis/choosePlan.js");
  const measuring = await openMeasuring(model, samples, options);
  const progress = await startProgress(terminal, "choosing bits", 1000);
  let chosen;
  try {
    chosen = await choosePlan(model, measuring.samples, {
      ...options,
      instantiate: measuring.instantiate,
      onTrial: (done, of) => progress.update(Math.floor((1000 * done) / of)),
    });
  } catch (error) {
    throw measuring.named(error);
  } finally {
    progress.stop();
    measuring.dispose();
  }
  const { plan, sqnrDb, fullSqnrDb, fullBytes, reached } = chosen;
  const { targetSqnrDb } = options;
  const { planText } = await import("../compiler/plan.js");
  await writeBytes(file, planText(plan));
  if (!reached) {
    warn(
      terminal,
      `the target of ${String(targetSqnrDb)} dB is not reached: the worst output has ${fullSqnrDb.toFixed(1)} dB ` +
        "even with 16 bits throughout, which is what was compiled; --precision fx32 is finer",
    );
  }
  return {
    plan,
    summary: {
      file,
      eightBitWeights: Object.keys(plan.weightBits).length,
      chosen: { targetSqnrDb, reached, sqnrDb, fullSqnrDb, fullBytes },
    },
  };
}
