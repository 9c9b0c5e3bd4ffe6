import { expect, test } from "vitest";
import { loadImageNet50, PREPROCESS } from "../support/images.js";
import { measureSqnr } from "../support/models/accuracy.js";
import { RealModel } from "../support/models/realModel.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

const images = loadImageNet50()!;
const tensors = (parity: number): Float32Array[] =>
  images
    .filter((_, i) => i % 2 === parity)
    .map((image) => PREPROCESS.blazeface_front(image.read()));

const model = new RealModel({
  name: "blazeface_front",
  input: "input:0",
  dims: [1, 128, 128, 3],
  calibrationSamples: () => tensors(0),
});

test("blazeface_front fx16: at least 45 dB mean on each output", async () => {
  const { bytes } = await model.compile("fx16");
  const figures = await measureSqnr(model, bytes, tensors(1));
  expect(figures.size).toBe(4);
  for (const { mean } of figures.values()) expect(mean).toBeGreaterThanOrEqual(45);
});

test("blazeface_front fx16: one answer everywhere", async () => {
  const image = PREPROCESS.blazeface_front(images[1]!.read());
  await expectSameAnswer(model, await model.compile("fx16"), image);
});
