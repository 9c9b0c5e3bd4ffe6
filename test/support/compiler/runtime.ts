import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

export type Feeds = Readonly<Record<string, ort.Tensor>>;

/**
 * Runs a model in onnxruntime-web: what the compiler's graphs are measured against.
 *
 * @param level how far the runtime may rewrite the model; beyond "basic" it fuses quantised
 * operators, which changes results
 */
export async function runModel(
  bytes: Uint8Array,
  feeds: Feeds,
  level: "disabled" | "basic" = "disabled",
): Promise<Readonly<Record<string, ort.Tensor>>> {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: level });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Numbers in −1 … 1 from a linear congruential sequence: the same on every run. */
export function madeUp(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / (1 << 23) - 1;
  });
}

export function floatTensor(dims: readonly number[], seed = 1): ort.Tensor {
  const count = dims.reduce((a, b) => a * b, 1);
  return new ort.Tensor("float32", madeUp(count, seed), dims);
}

/** Largest difference over the largest magnitude of what is expected. */
export function relativeError(actual: ort.Tensor, expected: ort.Tensor): number {
  const a = actual.data as Float32Array;
  const e = expected.data as Float32Array;
  let difference = a.length === e.length ? 0 : Infinity;
  let size = 0;
  for (let i = 0; i < e.length; i++) {
    const [actually, wanted] = [Number(a[i] ?? NaN), Number(e[i] ?? NaN)];
    if (Object.is(actually, wanted)) continue;
    const d = Math.abs(actually - wanted);
    if (!(d <= difference)) difference = d;
    size = Math.max(size, Math.abs(wanted));
  }
  return difference / Math.max(size, 1e-30);
}
