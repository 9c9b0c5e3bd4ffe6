import { expect, test } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import type { NamedArrays } from "../../src/analysis/floatModel.js";
import { openFloatModel } from "../../src/analysis/floatModel.js";
import { compile } from "../../src/compiler/compile.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { RealTransform, floats, modelBytes, recording } from "../support/models/audio.js";

const FRAME = 512;
const SHIFT = 128;
const STATE = [1, 2, 128, 2] as const;

/** The two halves of the denoiser: a mask for the spectrum, then the signal itself. */
const HALVES = [
  {
    model: "dtln_1",
    x: "input_2",
    state: "input_3",
    y: "activation_2",
    next: "tf_op_layer_stack_2",
  },
  { model: "dtln_2", x: "input_4", state: "input_5", y: "conv1d_3", next: "tf_op_layer_stack_5" },
] as const;

/** One half, its state kept from call to call. */
type Half = (x: ArrayLike<number>) => Promise<ArrayLike<number>>;

async function denoised(signal: Float32Array, [mask, clean]: readonly Half[]) {
  const transform = new RealTransform(FRAME);
  const output = new Float64Array(signal.length + FRAME);
  const frame = new Float64Array(FRAME);
  for (let at = 0; at + SHIFT <= signal.length; at += SHIFT) {
    frame.copyWithin(0, SHIFT);
    frame.set(signal.subarray(at, at + SHIFT), FRAME - SHIFT);
    const { re, im } = transform.forward(frame);
    const gains = await mask!(re.map((v, k) => Math.sqrt(v * v + im[k]! * im[k]!)));
    const masked = transform.inverse(
      re.map((v, k) => v * gains[k]!),
      im.map((v, k) => v * gains[k]!),
    );
    const part = await clean!(masked);
    for (let i = 0; i < FRAME; i++) output[at + i]! += part[i]!;
  }
  return output;
}

test("dtln_1 and dtln_2 fx16, chained over a recording: at least 45 dB", async () => {
  const signal = recording("1272-141231-0002.wav");
  const samples: NamedArrays[][] = [];
  const exactHalves: Half[] = [];
  const fixedHalves: (() => Promise<Half>)[] = [];
  for (const { model, x, state, y, next } of HALVES) {
    const bytes = modelBytes(model);
    const dims = model === "dtln_1" ? [1, 1, 257] : [1, 1, 512];
    const float = await openFloatModel(bytes);
    const own: NamedArrays[] = [];
    samples.push(own);
    let kept = floats(STATE, new Float32Array(512));
    let calls = 0;
    exactHalves.push(async (values) => {
      const inputs = new Map([
        [x, floats(dims, values)],
        [state, kept],
      ]);
      if (calls++ % 8 === 0) own.push(inputs);
      const outputs = await float.run(inputs);
      kept = outputs.get(next)!;
      return outputs.get(y)!.data as Float32Array;
    });
    fixedHalves.push(async () => {
      const calibration = await calibrate(bytes, own);
      const compiled = compile(bytes, { calibration });
      expect(compiled.report.states).toEqual({ [next]: state });
      const backend = await createSimdBackend();
      const instance = instantiate(compiled.bytes, { backend, ownsBackend: true });
      let integers: ArrayLike<number> = new Int32Array(512);
      return (values) => {
        const { outputs } = instance.runSync({
          inputs: {
            [x]: { dims, reals: Float32Array.from(values) },
            [state]: { dims: STATE, integers },
          },
        });
        integers = outputs![next]!.integers as Int32Array;
        return Promise.resolve(outputs![y]!.reals("float64"));
      };
    });
  }
  const exact = await denoised(signal, exactHalves);
  const fixed = await denoised(signal, await Promise.all(fixedHalves.map((make) => make())));
  let [power, noise] = [0, 0];
  exact.forEach((v, i) => {
    power += v * v;
    noise += (v - fixed[i]!) ** 2;
  });
  const db = 10 * Math.log10(power / noise);
  console.log(`dtln_1 and dtln_2 fx16: ${db.toFixed(1)} dB over ${signal.length} samples (bar 45)`);
  expect(db).toBeGreaterThanOrEqual(45);
});
