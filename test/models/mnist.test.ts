import { expect, inject, test } from "vitest";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { mnist, mnistDigits } from "../support/models/catalogue.js";
import { argmax } from "../support/models/figures.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";

/** The float model has 98.91 %. */
const BARS = [
  ["fx16", 98.9],
  ["fx8", 98.75],
] as const;

test.each(BARS)(
  "mnist %s: at least %d of a hundred digits, over 10,000",
  async (precision, bar) => {
    const { bytes } = await mnist.compile(precision, inject("modelCache"));
    const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
    let right = 0;
    for (const [i, sample] of mnist.testSamples().entries()) {
      const { outputs } = mnist.run(instance, sample);
      if (argmax(outputs!["Plus214_Output_0"]!.reals()) === mnistDigits.label(i)) right++;
    }
    instance.dispose();
    const share = (100 * right) / mnistDigits.count;
    console.log(`mnist ${precision}: ${share.toFixed(2)} % of ${mnistDigits.count} (bar ${bar})`);
    expect(mnistDigits.count).toBe(10_000);
    expect(share).toBeGreaterThanOrEqual(bar);
  },
);

test.each(BARS)("mnist %s: one answer everywhere", async (precision) => {
  const compiled = await mnist.compile(precision, inject("modelCache"));
  await expectSameAnswer(mnist, compiled, mnistDigits.image(9_999));
});
