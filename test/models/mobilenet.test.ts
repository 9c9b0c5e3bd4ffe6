import { expect, test } from "vitest";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { loadImageNet50, PREPROCESS } from "../support/images.js";
import { argmax } from "../support/models/figures.js";
import { RealModel } from "../support/models/realModel.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

const images = loadImageNet50()!;
const tensors = (count: number): Float32Array[] =>
  images.slice(0, count).map((image) => PREPROCESS.mobilenet_v2_qdq(image.read()));

// The model keeps its own scales: calibration only serves what lies outside its Q and DQ nodes.
const model = new RealModel({
  name: "mobilenet_v2_qdq",
  input: "image",
  dims: [1, 3, 244, 244],
  bind: { batch: 1 },
  calibrationSamples: () => tensors(4),
});

test("mobilenet_v2_qdq: the arg-max of onnxruntime-web on at least 48 of 50 images", async () => {
  const { bytes } = await model.compile("fx16");
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  let [agreeing, right, place] = [0, 0, 0];
  for await (const { sample, outputs: floats } of model.floats(tensors(50))) {
    const { outputs } = model.run(instance, sample);
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
  const [image] = tensors(1);
  await expectSameAnswer(model, await model.compile("fx16"), image!);
});
