/** The models of the accuracy table, each with what it is calibrated and what it is tested on. */
import { loadMnist } from "../idx.js";
import type { LabelledImage } from "../images.js";
import { centreCrop, loadImageNet50, PREPROCESS, toTensor } from "../images.js";
import { RealModel } from "./realModel.js";
import type { Sample } from "./realModel.js";

export const mnistDigits = loadMnist()!;
export const images = loadImageNet50()!;

/** Samples of images `first`, `first + step`, …, at most `count`. */
function tensors(
  preprocess: (image: LabelledImage) => Sample,
  first: number,
  step: number,
  count = Infinity,
): Sample[] {
  return images
    .filter((_, i) => i >= first && (i - first) % step === 0)
    .slice(0, count)
    .map(preprocess);
}

export const mnist = new RealModel({
  name: "mnist",
  input: "Input3",
  dims: [1, 1, 28, 28],
  calibrationSamples: () => Array.from({ length: 50 }, (_, i) => mnistDigits.image(i)),
  testSamples: () => Array.from({ length: mnistDigits.count }, (_, i) => mnistDigits.image(i)),
});

/** Every other image for calibration, the rest for testing. */
function halves(preprocess: (image: LabelledImage) => Sample): {
  readonly calibrationSamples: () => Sample[];
  readonly testSamples: () => Sample[];
} {
  return {
    calibrationSamples: () => tensors(preprocess, 0, 2),
    testSamples: () => tensors(preprocess, 1, 2),
  };
}

export const yolox = new RealModel({
  name: "yolox_nano",
  input: "images",
  dims: [1, 3, 416, 416],
  ...halves((image) => PREPROCESS.yolox_nano(image.read())),
});

export const blazeface = new RealModel({
  name: "blazeface_front",
  input: "input:0",
  dims: [1, 128, 128, 3],
  ...halves((image) => PREPROCESS.blazeface_front(image.read())),
});

const forMobilenet = (image: LabelledImage): Sample => PREPROCESS.mobilenet_v2_qdq(image.read());

/** It keeps its own scales: calibration only serves what lies outside its Q and DQ nodes. */
export const mobilenet = new RealModel({
  name: "mobilenet_v2_qdq",
  input: "image",
  dims: [1, 3, 244, 244],
  bind: { batch: 1 },
  calibrationSamples: () => tensors(forMobilenet, 0, 1, 4),
  testSamples: () => tensors(forMobilenet, 0, 1),
});

const forResnet = (image: LabelledImage): Sample =>
  toTensor(centreCrop(image.read(), 224, 224), {
    layout: "NCHW",
    divisor: 255,
    mean: [0.485, 0.456, 0.406],
    deviation: [0.229, 0.224, 0.225],
  });

/** Its weights are made up and all equal: it is here for its size. */
export const resnet = new RealModel({
  name: "light_resnet50",
  input: "gpu_0/data_0",
  dims: [1, 3, 224, 224],
  calibrationSamples: () => tensors(forResnet, 0, 1, 2),
  testSamples: () => tensors(forResnet, 2, 1, 1),
});
