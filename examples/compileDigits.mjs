// The demo's model as a module: what a node would have got from its network.
import { readFileSync } from "node:fs";
import { calibrate } from "aivm/analysis";
import { compile } from "aivm/compiler";
import { loadDigits, SIDE } from "./digits.mjs";

/**
 * Calibrates the model on 50 training digits and compiles it.
 * @returns {Promise<Uint8Array>} the module
 */
export async function compileDigits() {
  const model = new Uint8Array(readFileSync(new URL("models/digits.onnx", import.meta.url)));
  const { training } = loadDigits();
  const step = Math.floor(training.length / 50);
  const samples = training
    .filter((_, i) => i % step === 0)
    .map(({ pixels }) => {
      const image = { elementType: "float32", dims: [1, 1, SIDE, SIDE], data: pixels };
      return new Map([["image", image]]);
    });
  return compile(model, { calibration: await calibrate(model, samples) }).bytes;
}
