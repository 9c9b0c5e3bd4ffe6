import { expect, test } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import type { NamedArrays } from "../../src/analysis/floatModel.js";
import { openFloatModel } from "../../src/analysis/floatModel.js";
import { compile } from "../../src/compiler/compile.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import type { HostValue } from "../../src/vm/hostValues.js";
import { instantiate } from "../../src/vm/instance.js";
import { floats, modelBytes, recording } from "../support/models/audio.js";

/** New samples a frame at 16 kHz, after some of the frame before. */
const STEP = 512;
const CONTEXT = 64;
const RATE = { elementType: "int64", dims: [], data: BigInt64Array.of(16_000n) } as const;
const STATE = [2, 1, 128] as const;

const framesOf = (x: Float32Array): Float32Array[] =>
  Array.from({ length: Math.floor(x.length / STEP) }, (_, f) =>
    Float32Array.from({ length: CONTEXT + STEP }, (_, i) => x[f * STEP - CONTEXT + i] ?? 0),
  );

/** What the float model takes and gives, frame by frame, its state fed back. */
async function floatRun(model: Uint8Array, frames: readonly Float32Array[]) {
  const float = await openFloatModel(model);
  const samples: NamedArrays[] = [];
  const probabilities: number[] = [];
  let state = floats(STATE, new Float32Array(256));
  for (const frame of frames) {
    const sample = new Map([
      ["input", floats([1, frame.length], frame)],
      ["state", state],
      ["sr", RATE],
    ]);
    const outputs = await float.run(sample);
    samples.push(sample);
    probabilities.push(Number(outputs.get("output")!.data[0]));
    state = outputs.get("stateN")!;
  }
  await float.dispose();
  return { samples, probabilities };
}

test("silero_vad_v5 fx16: probabilities of two recordings, state fed back as integers", async () => {
  const model = modelBytes("silero_vad_v5");
  const recordings = [
    { name: "1272-141231-0002.wav", bar: 0.02 },
    { name: "silero_test.wav", bar: 0.03 },
  ].map((file) => ({ ...file, frames: framesOf(recording(file.name)) }));
  const runs: Awaited<ReturnType<typeof floatRun>>[] = [];
  for (const { frames } of recordings) runs.push(await floatRun(model, frames));
  const calibration = await calibrate(
    model,
    runs[0]!.samples.filter((_, i) => i % 4 === 0),
  );
  const { bytes, report } = compile(model, { calibration });
  expect(report.states).toEqual({ stateN: "state" });
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  for (const [r, { name, bar, frames }] of recordings.entries()) {
    let state: HostValue = { dims: STATE, reals: new Float32Array(256) };
    let worst = 0;
    frames.forEach((frame, i) => {
      const { outputs } = instance.runSync({
        inputs: {
          input: { dims: [1, frame.length], reals: frame },
          state,
          sr: { dims: [], integers: [16_000n] },
        },
      });
      const probability = outputs!["output"]!.reals("float64")[0]!;
      worst = Math.max(worst, Math.abs(probability - runs[r]!.probabilities[i]!));
      state = { dims: STATE, integers: outputs!["stateN"]!.integers };
    });
    console.log(`silero_vad_v5 fx16, ${name}: ${frames.length} frames, at most ${worst} off`);
    expect(worst).toBeLessThanOrEqual(bar);
  }
  instance.dispose();
});
