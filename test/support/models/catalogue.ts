/** The models of the accuracy table, each with what it is calibrated and what it is tested on. */
import { loadMnist } from "../idx.js";
import type { LabelledImage } from "../images.js";
import { centreCrop, loadImageNet50, PREPROCESS, toTensor } from "../images.js";
import { floats, recording } from "./audio.js";
import { fileFeatures, labelledFiles } from "./fileBytes.js";
import { RealModel } from "./realModel.js";
import type { Sample } from "./realModel.js";
import { START, tokenize, VOCABULARY, WINDOW, windowOf } from "./storyTokens.js";
import { textLine } from "./textLines.js";
import { SeededRandom } from "../seededRandom.js";

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

export const files = labelledFiles();
const features = ({ bytes }: (typeof files)[number]): Sample =>
  new Map([["bytes", fileFeatures(bytes)]]);

/** Calibrated on every third file; all of them are classified. */
export const magika = new RealModel({
  name: "magika",
  calibrationSamples: () => files.filter((_, i) => i % 3 === 0).map(features),
  testSamples: () => files.map(features),
});

const WIDTHS = [160, 240, 320, 400, 480, 560, 640];
const CALIBRATION_LINES = [
  "Pack my box with five dozen",
  "liquor jugs 0123456789",
  "SPHINX OF BLACK QUARTZ",
  "judge my vow, e.g. #42",
  "price: $19.95 (20% off)",
  "x = a*b + c/d - [e]",
  "Waltz, bad nymph, for",
  "quick jigs vex! & more",
];
const TESTED_LINES = [
  "Exact, then one rounding",
  "bit-identical 2026",
  "HELLO WORLD 42",
  "fixed point 3.14159",
  "The quick brown fox",
  "jumps over the lazy dog",
  "Gas 1,234,567",
  "hash 0xdeadbeef",
  "AIVM module v1",
  "one answer",
];

const lines = (texts: readonly string[], shift: number): Sample[] =>
  texts.map(
    (text, i) => new Map([["x", textLine(text, WIDTHS[(i * 3 + shift) % WIDTHS.length]!)]]),
  );

export const ppocr = new RealModel({
  name: "ppocr_v4_rec",
  calibrationSamples: () => lines(CALIBRATION_LINES, 0),
  testSamples: () => [...lines(TESTED_LINES, 0), ...lines(TESTED_LINES, 4)],
});

const PROMPTS = [
  "One day, a girl",
  "There was a big dog",
  "Lily and Ben",
  "The sun was",
  "Tom had",
];

/** Calibrated on the starts of stories, and on seeded random text in the model's own words. */
export const stories = new RealModel({
  name: "stories260K_seq64",
  calibrationSamples() {
    const random = new SeededRandom(7);
    const noise = (): number[] =>
      Array.from({ length: WINDOW - 1 }, () => random.int(3, VOCABULARY - 1));
    return [
      ...PROMPTS.map((text) => windowOf(tokenize(text)).input),
      ...Array.from({ length: 3 }, () => windowOf([START, ...noise()]).input),
    ];
  },
  testSamples: () => [windowOf(tokenize("Once upon a time")).input],
});

const FRAME = 512;
const DTLN_STATE = [1, 2, 128, 2];

/** The second half of the denoiser on frames of speech as they are, from a state of zeros: every other frame for calibration, the rest for testing. */
export const dtln2 = new RealModel({
  name: "dtln_2",
  calibrationSamples: () => speechFrames(0),
  testSamples: () => speechFrames(FRAME).slice(40, 60),
});

function speechFrames(first: number): Sample[] {
  const signal = recording("1272-141231-0002.wav");
  const frames: Sample[] = [];
  for (let at = first; at + FRAME <= signal.length; at += 2 * FRAME) {
    frames.push(
      new Map([
        ["input_4", floats([1, 1, FRAME], signal.subarray(at, at + FRAME))],
        ["input_5", floats(DTLN_STATE, new Float32Array(512))],
      ]),
    );
  }
  return frames;
}
