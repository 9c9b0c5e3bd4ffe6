/** Samples of a command: the user's, or made up. */
import type { ModelDescription } from "../compiler/describe.js";
import type { NamedArrays } from "../analysis/floatModel.js";
import { findSamples, loadSample } from "./files/loadSamples.js";

export interface Samples {
  readonly count: number;
  readonly samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>;
}

/** The samples in files, found at once and read one by one. */
export async function openSamples(
  paths: readonly string[],
  { inputs }: ModelDescription,
): Promise<Samples> {
  const sources = await findSamples(paths);
  const names = inputs.map(({ name }) => name);
  async function* read(): AsyncGenerator<NamedArrays> {
    for (const source of sources) yield await loadSample(source, names);
  }
  return { count: sources.length, samples: read() };
}
