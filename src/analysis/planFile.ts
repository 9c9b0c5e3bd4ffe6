/** Plans as JSON text; `planText` of the compiler writes them. */
import type { Precision } from "../compiler/lower/profile.js";
import { PRECISIONS } from "../compiler/lower/profile.js";
import type { Plan } from "../compiler/plan.js";
import { InputError } from "../core/errors.js";

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : "it is not JSON");
  }
  if (!isRecord(value)) throw bad("it holds no object");
  if (value["version"] !== 1)
    throw bad(`version ${String(value["version"])} is unknown, 1 is read`);
  const { model, precision, weightBits } = value;
  if (typeof model !== "string" || !/^[0-9a-f]{64}$/.test(model))
    throw bad('"model" is no SHA-256');
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
