import { expect, inject, test } from "vitest";
import { measureSqnr } from "../support/models/accuracy.js";
import { resnet } from "../support/models/catalogue.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

test("light_resnet50 fx8: compiles, and gives one answer everywhere, near the float one", async () => {
  const compiled = await resnet.compile("fx8", inject("modelCache"));
  const [sample] = resnet.testSamples();
  const figures = await measureSqnr(resnet, compiled.bytes, [sample!]);
  expect(figures.get("gpu_0/softmax_1")!.mean).toBeGreaterThan(20);
  await expectSameAnswer(resnet, compiled, sample!);
});
