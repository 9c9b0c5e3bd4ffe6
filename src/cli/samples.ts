/** Samples of a command: the user's, or made up. */
import type { NamedArrays } from "../analysis/floatModel.js";
import type { ModelDescription } from "../compiler/describe.js";
import { InputError } from "../core/errors.js";
import { findSamples, loadSample } from "./files/loadSamples.js";

export interface Samples {
  readonly count: number;
  readonly samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>;
  /** The error with the file in front of which it arose, where it is about a sample. */
  readonly named: (error: unknown) => unknown;
}

/** The samples in files, found at once and read one by one. */
export async function openSamples(
  paths: readonly string[],
  { inputs }: ModelDescription,
): Promise<Samples> {
  const sources = await findSamples(paths);
  const names = inputs.map(({ name }) => name);
  let path = "";
  async function* read(): AsyncGenerator<NamedArrays> {
    for (const source of sources) {
      path = source.path;
      const sample = await loadSample(source, names);
      checkFinite(sample);
      yield sample;
    }
  }
  const named = (error: unknown): unknown => {
    // What the readers of files throw names the file already.
    if (!(error instanceof InputError) || error.message.includes(path)) return error;
    return new InputError(error.code, `${path}: ${error.message}`, error.place, error);
  };
  return { count: sources.length, samples: read(), named };
}

/** Neither a range nor a difference can be measured on what is no number. */
function checkFinite(sample: NamedArrays): void {
  for (const [name, { elementType, data }] of sample) {
    if (!elementType.startsWith("float")) continue;
    const index = (data as Float32Array).findIndex((x) => !Number.isFinite(x));
    if (index < 0) continue;
    throw new InputError(
      "BadSample",
      `element ${String(index)} of input "${name}" is ${String(data[index])}; ` +
        "samples hold finite numbers: replace it, or leave the sample out",
      { name },
    );
  }
}
