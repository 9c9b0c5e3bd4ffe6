/** Samples and an engine, to set modules beside the float model. */
import type { NamedArrays } from "../analysis/floatModel.js";
import type { ImportOptions } from "../compiler/importModel.js";
import type { Instance } from "../vm/instance.js";
import { openBackend } from "./backends.js";
import { openSamples } from "./samples.js";

export interface Measuring {
  /** How many samples there are to measure on. */
  readonly count: number;
  readonly samples: AsyncIterable<NamedArrays>;
  readonly instantiate: (module: Uint8Array) => Instance;
  /** The error with the file in front of which it arose, where it is about a sample. */
  readonly named: (error: unknown) => unknown;
  readonly dispose: () => void;
}

/** Opens at most `most` of the samples at `paths`, and an engine. */
export async function openMeasuring(
  model: Uint8Array,
  paths: readonly string[],
  options: ImportOptions,
  most = Infinity,
): Promise<Measuring> {
  const { describeModel } = await import("../compiler/describe.js");
  const { instantiate } = await import("../vm/instance.js");
  const input = await openSamples(paths, describeModel(model, options));
  const count = Math.min(input.count, most);
  const backend = await openBackend("simd");
  async function* first(): AsyncGenerator<NamedArrays> {
    let left = count;
    for await (const sample of input.samples) {
      yield sample;
      if (--left === 0) return;
    }
  }
  return {
    count,
    samples: first(),
    instantiate: (module) => instantiate(module, { backend }),
    named: input.named,
    dispose: () => backend.dispose(),
  };
}
