// Whole models as vectors: modules that this Node compiles, inputs, and what the reference engine
// makes of them. They are made anew for each run, since most come from data that is not shipped.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compileDigits } from "../../examples/compileDigits.mjs";
import { loadDigits, SIDE } from "../../examples/digits.mjs";
import { calibrate } from "../../dist/analysis/calibrate.js";
import { madeUpSamples } from "../../dist/analysis/madeUpSamples.js";
import { planSamples } from "../../dist/analysis/samplePlan.js";
import { compile } from "../../dist/compiler/compile.js";
import { describeModel } from "../../dist/compiler/describe.js";
import { answerRequest } from "../../dist/conformance/answer.js";
import { toBase64 } from "../../dist/conformance/base64.js";
import { requestOf } from "../../dist/conformance/protocol.js";
import { newArray } from "../../dist/core/dtype.js";
import { decodeModule } from "../../dist/module/decode.js";
import { createReferenceBackend } from "../../dist/tensor/reference/index.js";
import { DEFAULT_LIMITS } from "../../dist/vm/limits.js";

/** Of ../shared/data: a classifier, a detector, a transformer, recurrence, gathers, a quantised model. */
const REAL_MODELS = [
  "mnist",
  "blazeface_front",
  "stories260K_seq64",
  "dtln_1",
  "magika",
  "mobilenet_v2_qdq",
];
const DIGITS = 20;
const SEED = "5eed".repeat(16);

/**
 * The demo's model and, where there is data, others.
 * @param {string | undefined} data folder of models that are not shipped
 * @param {(line: string) => void} tell what happens, in words
 * @returns {Promise<import("./runGroups.mjs").NamedVectors[]>}
 */
export async function wholeModels(data, tell) {
  const files = [await digits()];
  for (const name of data === undefined ? [] : REAL_MODELS) {
    const path = join(data, "models", `${name}.onnx`);
    if (existsSync(path)) files.push(await realModel(name, readFileSync(path)));
    else tell(`Not run: ${name}, as there is no ${path}.`);
  }
  expectReference(files);
  return files;
}

/** The demo's module on handwritten digits that it was not trained on. */
async function digits() {
  const { heldOut } = loadDigits();
  const step = Math.floor(heldOut.length / DIGITS);
  const samples = Array.from({ length: DIGITS }, (_, i) => {
    const { pixels } = heldOut[i * step];
    return new Map([["image", { elementType: "float32", dims: [1, 1, SIDE, SIDE], data: pixels }]]);
  });
  return vectorsOf("digits", await compileDigits(), samples);
}

/** A model calibrated and run on made-up samples, other ones each. */
async function realModel(name, model) {
  const plan = planSamples(model);
  const { inputs } = describeModel(model);
  const made = (options) => [...madeUpSamples(inputs, { ...plan, ...options })];
  const calibration = await calibrate(model, made({ count: 2, seed: 1 }), { madeUp: true });
  const { bytes } = compile(model, { calibration });
  return vectorsOf(name, bytes, made({ count: 1, seed: 2 }));
}

function vectorsOf(name, bytes, samples) {
  const { configuration } = decodeModule(bytes);
  const [entry] = configuration.entries;
  const { gas, ...limits } = DEFAULT_LIMITS;
  return {
    name,
    file: {
      format: 1,
      about: name,
      limits: { gas: String(gas), ...limits },
      modules: [{ bytes: toBase64(bytes) }],
      vectors: samples.map((sample, i) => ({
        name: `${name}/${i}`,
        clauses: [],
        kind: "return",
        module: 0,
        inputs: entry.inputs.map((port) => wireInput(port, sample.get(port.name))),
        seed: SEED,
        // That they are there asks engines to read those outputs as reals, too.
        expect: {
          outputs: entry.outputs.map(({ scale }) => (scale === undefined ? {} : { float32: "" })),
        },
      })),
    },
  };
}

function wireInput({ name, dtype, scale }, { dims, data }) {
  const real = scale !== undefined && data instanceof Float32Array;
  const array = real ? data : newArray(dtype, data.length);
  if (!real)
    for (let i = 0; i < data.length; i++)
      array[i] = typeof array[i] === "bigint" ? BigInt(data[i]) : Number(data[i]);
  const base64 = toBase64(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return { name, dtype, shape: dims, ...(real ? { float32: base64 } : { data: base64 }) };
}

/** Puts what the reference engine answers in place of what is to be expected. */
function expectReference(files) {
  const backend = createReferenceBackend();
  for (const { file } of files) {
    for (const vector of file.vectors) {
      const answer = answerRequest(requestOf(1, vector, file), backend);
      const { outputs, gasUsed, receiptHash } = answer;
      vector.expect = { outputs, gasUsed, receiptHash };
    }
  }
  backend.dispose();
}
