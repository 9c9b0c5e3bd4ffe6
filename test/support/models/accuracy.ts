import { createSimdBackend } from "../../../src/tensor/simd/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import { mean, sqnrDb } from "./figures.js";
import type { RealModel, Sample } from "./realModel.js";

/** Signal to noise over samples, in decibels. */
export interface OutputSqnr {
  readonly mean: number;
  readonly worst: number;
}

/** Compares a module, on the simd backend, with the float model; prints what it finds. */
export async function measureSqnr(
  model: RealModel,
  bytes: Uint8Array,
  samples: Iterable<Sample>,
): Promise<Map<string, OutputSqnr>> {
  const instance = instantiate(bytes, { backend: await createSimdBackend(), ownsBackend: true });
  const figures = new Map<string, number[]>();
  for await (const { sample, outputs: floats } of model.floats(samples)) {
    const { outputs } = model.run(instance, sample);
    for (const [name, float] of floats) {
      const list = figures.get(name) ?? [];
      figures.set(name, list);
      list.push(sqnrDb(float, outputs![name]!.reals("float64")));
    }
  }
  instance.dispose();
  return new Map(
    [...figures].map(([name, list]) => {
      const figure = { mean: mean(list), worst: Math.min(...list) };
      console.log(
        `${model.name} ${name}: ${figure.mean.toFixed(2)} dB mean, ` +
          `${figure.worst.toFixed(2)} dB worst of ${list.length}`,
      );
      return [name, figure];
    }),
  );
}
