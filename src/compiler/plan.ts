import { CompileError } from "../core/errors.js";
import type { Precision } from "./lower/profile.js";

/**
 * Bits that were chosen by measurement: a small JSON artefact beside the calibration. Compiling is
 * a pure function of the model, both of them and the options.
 */
export interface Plan {
  readonly version: 1;
  /** SHA-256 of the model's bytes, hex. */
  readonly model: string;
  /** Profile of all that is not listed. */
  readonly precision: Precision;
  /** Bits of weights, by the node of the lowered graph that multiplies with them. */
  readonly weightBits: Readonly<Record<string, 8>>;
}

/** A contraction whose weights the compiler rounds, for reports and plans. */
export interface WeightReport {
  /** Node of the lowered graph. */
  readonly node: string;
  readonly elements: number;
  readonly bits: number;
}

/** @throws CompileError `WrongPlan` when the plan is another model's, or names what is not there */
export function checkPlan(plan: Plan, model: string, weights: readonly WeightReport[]): void {
  if (plan.model !== model) {
    throw new CompileError(
      "WrongPlan",
      `the plan was made for model ${plan.model}, this one is ${model}; make it again with --precision auto`,
    );
  }
  const unknown = Object.keys(plan.weightBits).find(
    (node) => !weights.some((report) => report.node === node),
  );
  if (unknown === undefined) return;
  throw new CompileError(
    "WrongPlan",
    `the plan gives bits to the weights of "${unknown}", which the model does not have; make it again with --precision auto`,
    { name: unknown },
  );
}

/** The text of a plan file: the same plan always gives the same text. */
export function planText({ version, model, precision, weightBits }: Plan): string {
  const sorted = Object.entries(weightBits).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ version, model, precision, weightBits: Object.fromEntries(sorted) }, null, 1)}\n`;
}
