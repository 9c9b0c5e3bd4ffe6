import { referenceKernels } from "../reference/index.js";
import type { HostTensor } from "../reference/hostTensor.js";
import type { Kernels } from "../backend.js";
import type { Engine } from "./engine.js";
import { SimdTensor } from "./tensor.js";

type Single = {
  [K in keyof Kernels]: Kernels<HostTensor>[K] extends (...args: never[]) => HostTensor ? K : never;
}[keyof Kernels];

/** Runs a kernel of the reference backend on views of the operands: for what is rare. */
export function onHost<K extends Single>(
  engine: Engine,
  op: K,
  ...args: Parameters<Kernels<SimdTensor>[K]>
): SimdTensor {
  const [result] = onHostAll(engine, op, args);
  return result!;
}

/** As `onHost`, for kernels of any number of results. */
export function onHostAll(
  engine: Engine,
  op: keyof Kernels,
  args: readonly unknown[],
): SimdTensor[] {
  const tensors = args.flat().filter((arg) => arg instanceof SimdTensor);
  // Whatever must be computed first may grow the memory, which would detach views made before.
  for (const tensor of tensors) engine.storageOf(tensor);
  const host = (arg: unknown): unknown =>
    arg instanceof SimdTensor ? engine.hostView(arg) : Array.isArray(arg) ? arg.map(host) : arg;
  const kernel = referenceKernels[op] as (...args: unknown[]) => HostTensor | readonly HostTensor[];
  let made: SimdTensor[] = [];
  engine.perform(() => {
    const results = [kernel(...args.map(host))].flat() as HostTensor[];
    // Making one may grow the memory, and then the views are gone.
    const own = results.map(({ data }) => data.buffer === engine.heap.u8.buffer);
    const kept = results.map((x, i) => (own[i] ? { ...x, data: x.data.slice() } : x));
    if (made.length === 0) made = kept.map(({ dtype, shape }) => engine.make(dtype, shape));
    kept.forEach((result, i) => engine.fill(made[i]!, result));
  });
  return made;
}
