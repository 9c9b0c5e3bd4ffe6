import { expect, test } from "vitest";
import { centreCrop, loadImageNet50, toTensor } from "../support/images.js";
import type { LabelledImage } from "../support/images.js";
import { measureSqnr } from "../support/models/accuracy.js";
import { RealModel } from "../support/models/realModel.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

const images = loadImageNet50()!;
const tensor = (image: LabelledImage): Float32Array =>
  toTensor(centreCrop(image.read(), 224, 224), {
    layout: "NCHW",
    divisor: 255,
    mean: [0.485, 0.456, 0.406],
    deviation: [0.229, 0.224, 0.225],
  });

// Its weights are made up and all equal: it is here for its size.
const model = new RealModel({
  name: "light_resnet50",
  input: "gpu_0/data_0",
  dims: [1, 3, 224, 224],
  calibrationSamples: () => images.slice(0, 2).map(tensor),
});

test("light_resnet50 fx8: compiles, and gives one answer everywhere, near the float one", async () => {
  const result = await model.compile("fx8");
  const sample = tensor(images[2]!);
  const figures = await measureSqnr(model, result.bytes, [sample]);
  expect(figures.get("gpu_0/softmax_1")!.mean).toBeGreaterThan(20);
  await expectSameAnswer(model, result, sample);
});
