import { expect, test } from "vitest";
import { loadImageNet50, PREPROCESS } from "../support/images.js";
import { measureSqnr } from "../support/models/accuracy.js";
import { RealModel } from "../support/models/realModel.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

/** Every other image for calibration, the rest for testing. */
const images = loadImageNet50()!;
const tensors = (parity: number): Float32Array[] =>
  images.filter((_, i) => i % 2 === parity).map((image) => PREPROCESS.yolox_nano(image.read()));

const model = new RealModel({
  name: "yolox_nano",
  input: "images",
  dims: [1, 3, 416, 416],
  calibrationSamples: () => tensors(0),
});

test("yolox_nano fx16: at least 45 dB mean, 38 dB worst", async () => {
  const { bytes } = await model.compile("fx16");
  const figures = await measureSqnr(model, bytes, tensors(1));
  const { mean, worst } = figures.get("output")!;
  expect(mean).toBeGreaterThanOrEqual(45);
  expect(worst).toBeGreaterThanOrEqual(38);
});

test("yolox_nano fx16: one answer everywhere", async () => {
  const image = PREPROCESS.yolox_nano(images[1]!.read());
  await expectSameAnswer(model, await model.compile("fx16"), image);
});
