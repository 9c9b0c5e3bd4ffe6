import type { Backend } from "../../../src/tensor/backend.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { createSimdBackend } from "../../../src/tensor/simd/index.js";
import { createTfjsBackend } from "../../../src/tensor/tfjs/index.js";

/** An engine that looks at some cases only, because it is slow on small tensors. */
export interface Occasional {
  readonly name: string;
  readonly backend: Backend;
  /** It takes every so many cases, from this one on. */
  readonly every: number;
  readonly from: number;
}

export interface Engines {
  readonly reference: Backend;
  readonly simd: Backend;
  readonly others: readonly Occasional[];
  dispose(): void;
}

export async function createEngines(): Promise<Engines> {
  const reference = createReferenceBackend();
  const simd = await createSimdBackend();
  const others = [
    { name: "tfjs", backend: await createTfjsBackend(), every: 32, from: 0 },
    {
      name: "simd on two threads",
      // All work that can be split is, however small.
      backend: await createSimdBackend({ threads: 2, partNs: 0 }),
      // Handing work over costs a turn of the scheduler where processors are busy.
      every: 512,
      from: 8,
    },
  ];
  return {
    reference,
    simd,
    others,
    dispose() {
      for (const backend of [reference, simd, ...others.map((o) => o.backend)]) backend.dispose();
    },
  };
}

/** Whether the case with that seed is one of every so many. */
export function isEvery(seed: number, every: number, from = 0): boolean {
  return seed % every === from;
}
