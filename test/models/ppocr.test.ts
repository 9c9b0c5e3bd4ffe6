import { readFileSync } from "node:fs";
import { expect, inject, test } from "vitest";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { ppocr } from "../support/models/catalogue.js";
import { mean, sqnrDb } from "../support/models/figures.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";
import { decodeText } from "../support/models/textLines.js";
import { sharedData } from "../support/sharedData.js";

test("ppocr_v4_rec fx16: the float model's text at every width, at least 44 dB", async () => {
  const { bytes, module } = await ppocr.compile("fx16", inject("modelCache"));
  // One module: batch and width are open.
  expect(module.configuration.dimensions).toHaveLength(2);
  const keys = readFileSync(sharedData("models", "ppocr_keys_v1.txt")!, "utf8").split("\n");
  const characters = [...keys.filter((key) => key !== ""), " "];
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  const figures: number[] = [];
  for await (const { sample, outputs: floats } of ppocr.floats(ppocr.testSamples())) {
    const { outputs } = ppocr.run(instance, sample);
    const [[name, float]] = [...floats] as [[string, Float32Array]];
    const fixed = outputs![name]!;
    const classes = fixed.shape[2]!;
    const values = fixed.reals("float64");
    const text = decodeText(values, classes, characters);
    expect(text).toBe(decodeText(float, classes, characters));
    expect(text.length).toBeGreaterThan(0);
    figures.push(sqnrDb(float, values));
  }
  instance.dispose();
  console.log(
    `ppocr_v4_rec fx16: same text on ${String(figures.length)} lines, ` +
      `${mean(figures).toFixed(2)} dB mean, ${Math.min(...figures).toFixed(2)} dB worst`,
  );
  expect(mean(figures)).toBeGreaterThanOrEqual(44);
});

test("ppocr_v4_rec fx16: one answer everywhere", async () => {
  const compiled = await ppocr.compile("fx16", inject("modelCache"));
  await expectSameAnswer(ppocr, compiled, ppocr.testSamples()[0]!);
});
