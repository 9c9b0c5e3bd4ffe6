/** Models that say absurd things: typed errors that name the place, or an answer; never a crash. */
import { expect, test } from "vitest";
import { evaluateGraph } from "../../src/analysis/evaluateGraph.js";
import { tensorOf } from "../../src/analysis/hostTensors.js";
import { madeUpSamples } from "../../src/analysis/madeUpSamples.js";
import { fitSample } from "../../src/analysis/modelSample.js";
import { planSamples } from "../../src/analysis/samplePlan.js";
import { describeModel } from "../../src/compiler/describe.js";
import { importSupported } from "../../src/compiler/compile.js";
import { importModel } from "../../src/compiler/importModel.js";
import { optimise } from "../../src/compiler/optimise.js";
import { AivmError, InternalError } from "../../src/core/errors.js";
import { smallModels } from "../support/mutants/smallModels.js";
import { brokenModel } from "../support/mutants/brokenModel.js";
import { SeededRandom } from "../support/seededRandom.js";

const COUNT = 2000;

function attempt(bytes: Uint8Array): void {
  const graph = optimise(importModel(bytes));
  const plan = planSamples(bytes);
  const { inputs } = describeModel(bytes);
  const sizeOf = (dim: number | string): number =>
    typeof dim === "number" ? dim : (plan.dims[dim] ?? 1);
  const elements = inputs.map(({ dims = [] }) => dims.reduce<number>((p, d) => p * sizeOf(d), 1));
  if (elements.every((count) => count < 1e5)) {
    const [sample] = madeUpSamples(inputs, { ...plan, count: 1 });
    const feeds = [...fitSample(inputs, sample!, {})].map(
      ([name, array]) => [name, tensorOf(array, graph.values.get(name)?.elementType)] as const,
    );
    evaluateGraph(graph, new Map(feeds));
  }
  importSupported(bytes, {});
}

test("models that say absurd things: typed errors, or an answer", () => {
  const random = new SeededRandom(20);
  const bases = smallModels();
  let [refused, answered] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const bytes = brokenModel(random, random.pick(bases));
    try {
      attempt(bytes);
      answered++;
    } catch (error) {
      if (!(error instanceof AivmError) || error instanceof InternalError) throw error;
      expect(error.message.length).toBeGreaterThan(10);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(COUNT / 4);
  expect(answered).toBeGreaterThan(COUNT / 20);
}, 120_000);
