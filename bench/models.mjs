// Whole models beside float onnxruntime-web, one thread each.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { calibrate, openFloatModel } from "aivm/analysis";
import { compile } from "aivm/compiler";
import { decodeModule, tensorHash, tensorsHash } from "aivm/module";
import { createSimdBackendSync } from "aivm/tensor/simd";
import { instantiate } from "aivm/vm";
import { race, time } from "./race.mjs";

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} precision
 * @property {number} [bar] how many times as fast as float onnxruntime-web
 * @property {() => Uint8Array} bytes of the ONNX model
 * @property {string} input
 * @property {readonly number[]} dims
 * @property {() => Promise<{ bytes: Uint8Array, compileMs: number }>} compile
 * @property {() => Float32Array[]} samples some that it was not calibrated on
 */

/** @typedef {{ quick: boolean, cache: string | undefined }} Options */

/**
 * The models of the data folder, compiled from the calibrations that the accuracy suite uses.
 * @param {Options} options
 * @returns {Promise<Subject[]>}
 */
export async function realSubjects({ cache }) {
  register("./typescriptHook.mjs", import.meta.url);
  const { yolox, resnet, mobilenet, blazeface, mnist } =
    await import("../test/support/models/catalogue.js");
  const subject = (
    /** @type {typeof yolox} */ model,
    /** @type {"fx16" | "fx8"} */ precision,
    /** @type {number | undefined} */ bar,
  ) => ({
    name: model.name,
    precision,
    ...(bar === undefined ? {} : { bar }),
    bytes: () => model.bytes,
    input: model.input,
    dims: model.dims,
    async compile() {
      await model.calibration(cache);
      const start = performance.now();
      const { bytes } = await model.compile(precision, cache);
      return { bytes, compileMs: performance.now() - start };
    },
    samples: () => model.testSamples().slice(0, 3),
  });
  return [
    subject(yolox, "fx16", 1.5),
    subject(resnet, "fx16", 1.5),
    subject(resnet, "fx8", undefined),
    subject(mobilenet, "fx16", undefined),
    subject(blazeface, "fx16", undefined),
    subject(mnist, "fx16", undefined),
  ];
}

/**
 * The demo's model, for want of others.
 * @returns {Promise<Subject[]>}
 */
export async function demoSubjects() {
  const { loadDigits, SIDE } = await import("../examples/digits.mjs");
  const bytes = new Uint8Array(
    readFileSync(new URL("../examples/models/digits.onnx", import.meta.url)),
  );
  const dims = [1, 1, SIDE, SIDE];
  const { training, heldOut } = loadDigits();
  const calibration = await calibrate(
    bytes,
    training.slice(0, 50).map(({ pixels }) => {
      const image = /** @type {const} */ ({ elementType: "float32", dims, data: pixels });
      return new Map([["image", image]]);
    }),
  );
  return [
    {
      name: "digits (the demo's)",
      precision: "fx16",
      bytes: () => bytes,
      input: "image",
      dims,
      async compile() {
        const start = performance.now();
        const result = compile(bytes, { calibration });
        return { bytes: result.bytes, compileMs: performance.now() - start };
      },
      samples: () => heldOut.slice(0, 3).map(({ pixels }) => pixels),
    },
  ];
}

/**
 * Compiles, loads and races one model.
 * @param {Subject} subject
 * @param {Options} options
 */
export async function benchModel(subject, { quick }) {
  const { bytes, compileMs } = await subject.compile();
  const samples = subject.samples();
  const [first] = samples;
  if (first === undefined) return undefined;
  const { input, dims } = subject;
  const inputs = (/** @type {Float32Array} */ reals) => ({ [input]: { reals, dims } });

  const backend = createSimdBackendSync();
  const load = await time(() => instantiate(bytes, { backend }).dispose(), quick ? 1 : 5);
  const instance = instantiate(bytes, { backend });
  const firstRun = await time(() => instance.runSync({ inputs: inputs(first) }), 1);
  const result = instance.runSync({ inputs: inputs(first) });
  if (result.outputs === undefined) throw result.trap;
  const outputs = Object.values(result.outputs);

  // Hashing does not depend on values: zeros of the input's size stand for it.
  const port = decodeModule(bytes).configuration.entries[0]?.inputs[0];
  const width = { bool: 1, u8: 1, i8: 1, i16: 2, i32: 4, i64: 8 }[port?.dtype ?? "i16"];
  const tensors = [
    {
      dtype: port?.dtype ?? "i16",
      shape: dims,
      bytes: new Uint8Array(first.length * width),
    },
  ];
  const hash = () => {
    tensorsHash(tensors.map((tensor) => tensorHash(tensor, tensor.bytes)));
    tensorsHash(outputs.map((tensor) => tensorHash(tensor, tensor.bytes)));
  };

  const float = await openFloatModel(subject.bytes());
  const feeds = samples.map(
    (data) => new Map([[input, /** @type {const} */ ({ elementType: "float32", dims, data })]]),
  );
  let [fixedTurn, floatTurn] = [0, 0];
  const [fixed, peer, hashing] = await race(
    [
      () => instance.runSync({ inputs: inputs(samples[fixedTurn++ % samples.length] ?? first) }),
      () => float.run(feeds[floatTurn++ % feeds.length] ?? new Map()),
      hash,
    ],
    quick ? 2 : 10,
  );
  const output = [...(await float.run(feeds[0] ?? new Map()))][0];
  const sqnrDb =
    output === undefined || result.outputs[output[0]]?.scale === undefined
      ? undefined
      : sqnr(output[1].data, result.outputs[output[0]]?.reals("float64") ?? []);
  await float.dispose();
  const { residentBytes } = backend.statistics();
  instance.dispose();
  backend.dispose();
  if (fixed === undefined || peer === undefined || hashing === undefined) return undefined;
  return {
    name: subject.name,
    precision: subject.precision,
    bar: subject.bar,
    moduleId: result.receipt.moduleId,
    moduleBytes: bytes.length,
    compileMs,
    loadMs: load.medianMs,
    firstRunMs: firstRun.medianMs,
    run: fixed,
    hashing,
    float: peer,
    ratio: peer.medianMs / fixed.medianMs,
    ratioWithoutHashing: peer.medianMs / (fixed.medianMs - hashing.medianMs),
    sqnrDb,
    liveTensorBytes: result.statistics.peakMemoryBytes,
    backendBytes: residentBytes,
  };
}

/**
 * @param {ArrayLike<number | bigint>} float
 * @param {ArrayLike<number>} fixed
 */
function sqnr(float, fixed) {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < float.length; i++) {
    const x = Number(float[i]);
    signal += x * x;
    noise += (x - (fixed[i] ?? NaN)) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}
