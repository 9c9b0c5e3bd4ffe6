import { readFileSync } from "node:fs";
import { expect, inject, test } from "vitest";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { files, magika } from "../support/models/catalogue.js";
import { argmax } from "../support/models/figures.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";
import { sharedData } from "../support/sharedData.js";

const { target_labels_space: labels } = JSON.parse(
  readFileSync(sharedData("models", "magika.config.json")!, "utf8"),
) as { target_labels_space: string[] };

test.each([
  ["fx16", 76],
  ["fx8", 75],
] as const)("magika %s: at least %d of 76 files labelled right", async (precision, bar) => {
  const { bytes } = await magika.compile(precision, inject("modelCache"));
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  const wrong: string[] = [];
  for (const [i, sample] of magika.testSamples().entries()) {
    const { outputs } = magika.run(instance, sample);
    const label = labels[argmax(outputs!["target_label"]!.reals())];
    if (label !== files[i]!.label) wrong.push(`${files[i]!.label} taken for ${String(label)}`);
  }
  instance.dispose();
  console.log(
    `magika ${precision}: ${String(files.length - wrong.length)} of ${String(files.length)} files` +
      `${wrong.length === 0 ? "" : `; ${wrong.join(", ")}`}`,
  );
  expect(files).toHaveLength(76);
  expect(files.length - wrong.length).toBeGreaterThanOrEqual(bar);
});

test("magika fx16: one answer everywhere", async () => {
  const compiled = await magika.compile("fx16", inject("modelCache"));
  await expectSameAnswer(magika, compiled, magika.testSamples()[0]!);
});
