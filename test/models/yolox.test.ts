import { expect, inject, test } from "vitest";
import { measureSqnr } from "../support/models/accuracy.js";
import { yolox } from "../support/models/catalogue.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

test("yolox_nano fx16: at least 47 dB mean, 40 dB worst", async () => {
  const { bytes } = await yolox.compile("fx16", inject("modelCache"));
  const figures = await measureSqnr(yolox, bytes, yolox.testSamples());
  const { mean, worst } = figures.get("output")!;
  expect(mean).toBeGreaterThanOrEqual(47);
  expect(worst).toBeGreaterThanOrEqual(40);
});

test("yolox_nano fx16: one answer everywhere", async () => {
  const compiled = await yolox.compile("fx16", inject("modelCache"));
  await expectSameAnswer(yolox, compiled, yolox.testSamples()[0]!);
});
