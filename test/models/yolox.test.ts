import { expect, inject, test } from "vitest";
import { measureSqnr } from "../support/models/accuracy.js";
import { yolox } from "../support/models/catalogue.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

test("yolox_nano fx16: at least 45 dB mean, 38 dB worst", async () => {
  const { bytes } = await yolox.compile("fx16", inject("modelCache"));
  const figures = await measureSqnr(yolox, bytes, yolox.testSamples());
  const { mean, worst } = figures.get("output")!;
  expect(mean).toBeGreaterThanOrEqual(45);
  expect(worst).toBeGreaterThanOrEqual(38);
});

test("yolox_nano fx16: one answer everywhere", async () => {
  const compiled = await yolox.compile("fx16", inject("modelCache"));
  await expectSameAnswer(yolox, compiled, yolox.testSamples()[0]!);
});
