import { expect, inject, test } from "vitest";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { images, mobilenet } from "../support/models/catalogue.js";
import { argmax } from "../support/models/figures.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

test("mobilenet_v2_qdq: the arg-max of onnxruntime-web on at least 48 of 50 images", async () => {
  const { bytes } = await mobilenet.compile("fx16", inject("modelCache"));
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  let [agreeing, right, place] = [0, 0, 0];
  for await (const { sample, outputs: floats } of mobilenet.floats(mobilenet.testSamples())) {
    const { outputs } = mobilenet.run(instance, sample);
    const answer = argmax(outputs!["scores"]!.integers as ArrayLike<number>);
    if (answer === argmax(floats.get("scores")!)) agreeing++;
    if (answer === images[place++]!.classIndex) right++;
  }
  instance.dispose();
  console.log(
    `mobilenet_v2_qdq: arg-max as onnxruntime-web on ${agreeing} of ${place} images (bar 48); ` +
      `${right} labelled right`,
  );
  expect(place).toBe(50);
  expect(agreeing).toBeGreaterThanOrEqual(48);
});

test("mobilenet_v2_qdq: one answer everywhere", async () => {
  const compiled = await mobilenet.compile("fx16", inject("modelCache"));
  await expectSameAnswer(mobilenet, compiled, mobilenet.testSamples()[0]!);
});
