/** Plans as JSON text; `planText` of the compiler writes them. */
import type { Precision } from "../compiler/lower/profile.js";
import { PRECISIONS } from "../compiler/lower/profile.js";
import type { Plan } from "../compiler/plan.js";
import { InputError } from "../core/errors.js";
import { isRecord, isSha256, parseVersioned } from "./versionedJson.js";

/**
 * Reads a plan file.
 * @param file how messages name the file
 * @throws InputError `BadPlan` when the text is no plan
 */
export function parsePlan(text: string, file: string): Plan {
  const bad = (what: string): InputError =>
    new InputError(
      "BadPlan",
      `${file} is no plan file: ${what}; make one with \`aivm compile --precision auto\``,
      { name: file },
    );
  const { model, precision, weightBits } = parseVersioned(text, bad);
  if (!isSha256(model)) throw bad('"model" is no SHA-256');
  if (!PRECISIONS.some((name) => name === precision))
    throw bad(`"precision" is none of ${PRECISIONS.join(", ")}`);
  if (!isRecord(weightBits)) throw bad('"weightBits" holds no bits by node');
  for (const [node, bits] of Object.entries(weightBits)) {
    if (bits !== 8)
      throw bad(
        `node ${JSON.stringify(node)} is given ${JSON.stringify(bits)} bits, 8 is what a plan can give`,
      );
  }
  return {
    version: 1,
    model,
    precision: precision as Precision,
    weightBits: weightBits as Record<string, 8>,
  };
}
