import { expect, inject, test } from "vitest";
import { openFloatModel } from "../../src/analysis/floatModel.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { stories } from "../support/models/catalogue.js";
import { argmax, sqnrDb } from "../support/models/figures.js";
import { expectSameAnswer } from "../support/models/sameAnswer.js";
import { tokenize, VOCABULARY, WINDOW, windowOf } from "../support/models/storyTokens.js";

const logitsAt = (logits: ArrayLike<number>, position: number): number =>
  argmax(Array.from({ length: VOCABULARY }, (_, i) => logits[position * VOCABULARY + i]!));

test("stories260K fx16: 100 tokens of a story as in floats, and at least 55 dB", async () => {
  const { bytes } = await stories.compile("fx16", inject("modelCache"));
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  const float = await openFloatModel(stories.bytes);
  const inFloats = tokenize("Once upon a time");
  const inFixed = [...inFloats];
  const prompt = inFloats.length;
  for (let i = 0; i < 100; i++) {
    const window = windowOf(inFloats);
    const { data } = (await float.run(window.input)).get("logits")!;
    inFloats.push(logitsAt(data as Float32Array, window.last));
    const own = windowOf(inFixed);
    const { outputs } = stories.run(instance, own.input);
    inFixed.push(logitsAt(outputs!["logits"]!.reals(), own.last));
  }
  // Whole windows of the story itself.
  const figures = [0, 20, 40].map((from) => windowOf(inFloats.slice(from, from + WINDOW)).input);
  for (const input of figures) {
    const expected = (await float.run(input)).get("logits")!.data as Float32Array;
    const fixed = stories.run(instance, input).outputs!["logits"]!.reals("float64");
    let agreeing = 0;
    for (let p = 0; p < WINDOW; p++) if (logitsAt(expected, p) === logitsAt(fixed, p)) agreeing++;
    const decibels = sqnrDb(expected, fixed);
    console.log(
      `stories260K fx16: ${decibels.toFixed(2)} dB, arg-max agrees at ${String(agreeing)} of ${String(WINDOW)}`,
    );
    expect(agreeing).toBeGreaterThanOrEqual(63);
    expect(decibels).toBeGreaterThanOrEqual(55);
  }
  await float.dispose();
  instance.dispose();
  const agreeing = inFixed.findIndex((token, i) => token !== inFloats[i]);
  console.log(
    `stories260K fx16: greedy continuation ${agreeing < 0 ? "equal for 100 tokens" : `differs after ${String(agreeing - prompt)}`}`,
  );
  expect(inFixed).toEqual(inFloats);
});

test("stories260K fx16: one answer everywhere", async () => {
  const compiled = await stories.compile("fx16", inject("modelCache"));
  await expectSameAnswer(stories, compiled, stories.testSamples()[0]!);
});
