import { expect, test } from "vitest";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { loadMnist } from "../support/idx.js";
import { argmax } from "../support/models/figures.js";
import { RealModel } from "../support/models/realModel.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

const mnist = loadMnist()!;
const images = (from: number, to: number): Float32Array[] =>
  Array.from({ length: to - from }, (_, i) => mnist.image(from + i));

const model = new RealModel({
  name: "mnist",
  input: "Input3",
  dims: [1, 1, 28, 28],
  calibrationSamples: () => images(0, 50),
});

/** The float model has 98.91 %. */
const BARS = [
  ["fx16", 98.88],
  ["fx8", 98.7],
] as const;

test.each(BARS)(
  "mnist %s: at least %d of a hundred digits, over 10,000",
  async (precision, bar) => {
    const { bytes } = await model.compile(precision);
    const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
    let right = 0;
    for (let i = 0; i < mnist.count; i++) {
      const { outputs } = model.run(instance, mnist.image(i));
      if (argmax(outputs!["Plus214_Output_0"]!.reals()) === mnist.label(i)) right++;
    }
    instance.dispose();
    const share = (100 * right) / mnist.count;
    console.log(`mnist ${precision}: ${share.toFixed(2)} % of ${mnist.count} (bar ${bar})`);
    expect(mnist.count).toBe(10_000);
    expect(share).toBeGreaterThanOrEqual(bar);
  },
);

test.each(BARS)("mnist %s: one answer everywhere", async (precision) => {
  await expectSameAnswer(model, await model.compile(precision), mnist.image(9_999));
});
