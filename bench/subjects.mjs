// What the bench runs: models of the data folder, the demo's, or one of the user's.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import path from "node:path";
import { calibrate, describeModel, madeUpSamples, parseCalibration } from "aivm/analysis";
import { compile } from "aivm/compiler";

/** @typedef {"fx16" | "fx16w8" | "fx8" | "fx32"} Precision */
/** @typedef {import("aivm/analysis").NamedArrays} NamedArrays */

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} precision
 * @property {string} [group] of rows that share a geometric mean
 * @property {number} [bar] how many times as fast as onnxruntime-web
 * @property {() => Uint8Array} model the ONNX file
 * @property {() => Promise<{ bytes: Uint8Array, compileMs: number }>} compile
 * @property {() => NamedArrays[]} samples some that it was not calibrated on
 */

/**
 * The models of the data folder, compiled from the calibrations that the accuracy suite uses.
 * @param {string | undefined} cache
 * @returns {Promise<Subject[]>}
 */
export async function realSubjects(cache) {
  register("./typescriptHook.mjs", import.meta.url);
  const catalogue = await import("../test/support/models/catalogue.js");
  const { textLine } = await import("../test/support/models/textLines.js");
  const { yolox, blazeface, ppocr, magika, stories, resnet, mnist, dtln2, mobilenet } = catalogue;
  const all = [yolox, blazeface, ppocr, magika, stories, resnet, mnist, dtln2];
  const subject = (
    /** @type {typeof yolox} */ model,
    /** @type {Precision} */ precision,
    /** @type {string} */ label = precision,
  ) => ({
    name: model.name,
    precision: label,
    model: () => model.bytes,
    async compile() {
      await model.calibration(cache);
      const start = performance.now();
      const { bytes } = await model.compile(precision, cache);
      return { bytes, compileMs: performance.now() - start };
    },
    samples: () =>
      model === ppocr
        ? [new Map([["x", textLine("The quick brown fox", 320)]])]
        : model
            .testSamples()
            .slice(0, 3)
            .map((sample) => model.named(sample)),
  });
  return [
    ...all.map((model) => ({ ...subject(model, "fx16"), group: "fx16", bar: 1.3 })),
    ...all.map((model) => ({ ...subject(model, "fx8"), group: "fx8" })),
    { ...subject(mobilenet, "fx16", "int8"), bar: 4 },
  ];
}

/**
 * The demo's model, for want of others.
 * @returns {Promise<Subject[]>}
 */
export async function demoSubjects() {
  const { loadDigits, SIDE } = await import("../examples/digits.mjs");
  const bytes = read(new URL("../examples/models/digits.onnx", import.meta.url));
  const dims = [1, 1, SIDE, SIDE];
  const { training, heldOut } = loadDigits();
  const named = (/** @type {{ pixels: Float32Array }} */ { pixels }) =>
    new Map([["image", /** @type {const} */ ({ elementType: "float32", dims, data: pixels })]]);
  const calibration = await calibrate(bytes, training.slice(0, 50).map(named));
  return [
    subjectOf(
      "digits (the demo's)",
      "fx16",
      bytes,
      () => calibration,
      () => heldOut.slice(0, 3).map(named),
    ),
  ];
}

/**
 * A model outside, on made-up inputs.
 * @param {string} file
 * @param {{
 *   dims: Record<string, number>,
 *   ranges: Record<string, readonly [number, number]>,
 *   calibration: string | undefined,
 * }} options
 * @returns {Subject[]}
 */
export function fileSubjects(file, { dims, ranges, calibration }) {
  const bytes = read(file);
  const { inputs } = describeModel(bytes);
  const samples = (/** @type {number} */ seed) => [
    ...madeUpSamples(inputs, { dims, ranges, count: 4, seed }),
  ];
  /** @type {Promise<import("aivm/analysis").Calibration> | undefined} */
  let made;
  const calibrated = () =>
    (made ??=
      calibration === undefined
        ? calibrate(bytes, samples(1))
        : Promise.resolve(parseCalibration(readFileSync(calibration, "utf8"), calibration)));
  const name = path.basename(file, ".onnx");
  return /** @type {const} */ (["fx16", "fx8"]).map((precision) => ({
    ...subjectOf(name, precision, bytes, calibrated, () => samples(2)),
    group: precision,
  }));
}

/**
 * @param {string} name
 * @param {Precision} precision
 * @param {Uint8Array} model
 * @param {() => Promise<import("aivm/analysis").Calibration> | import("aivm/analysis").Calibration} calibrated
 * @param {() => NamedArrays[]} samples
 * @returns {Subject}
 */
function subjectOf(name, precision, model, calibrated, samples) {
  return {
    name,
    precision,
    model: () => model,
    async compile() {
      const calibration = await calibrated();
      const start = performance.now();
      const { bytes } = compile(model, { calibration, precision });
      return { bytes, compileMs: performance.now() - start };
    },
    samples,
  };
}

/** @param {string | URL} file */
function read(file) {
  return new Uint8Array(readFileSync(file));
}
