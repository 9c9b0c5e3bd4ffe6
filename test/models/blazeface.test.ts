import { expect, inject, test } from "vitest";
import { measureSqnr } from "../support/models/accuracy.js";
import { blazeface } from "../support/models/catalogue.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

test("blazeface_front fx16: at least 47 dB mean on each output", async () => {
  const { bytes } = await blazeface.compile("fx16", inject("modelCache"));
  const figures = await measureSqnr(blazeface, bytes, blazeface.testSamples());
  expect(figures.size).toBe(4);
  for (const { mean } of figures.values()) expect(mean).toBeGreaterThanOrEqual(47);
});

test("blazeface_front fx16: one answer everywhere", async () => {
  const compiled = await blazeface.compile("fx16", inject("modelCache"));
  await expectSameAnswer(blazeface, compiled, blazeface.testSamples()[0]!);
});

test("blazeface_front auto: 35 dB on each output of images held out, in at most 70 % of the bytes", async () => {
  const { chosen, bytes } = await blazeface.choose(35, inject("modelCache"));
  console.log(`blazeface_front auto: ${String(bytes.length)} of ${String(chosen.fullBytes)} bytes`);
  expect(bytes.length).toBeLessThanOrEqual(0.7 * chosen.fullBytes);
  const figures = await measureSqnr(blazeface, bytes, blazeface.testSamples());
  for (const { mean } of figures.values()) expect(mean).toBeGreaterThanOrEqual(35);
});
