import type { Kernels as Wasm } from "./kernels.js";
import type { Blocks, Storage } from "./storage.js";
import type { SimdTensor } from "./tensor.js";

/** What the engine works for: a run that is recorded, its own work, or work aside from it. */
export interface Mode {
  readonly recorder: RunRecorder | undefined;
  /** Where storage comes from. */
  readonly memory: Blocks;
  /** Whose tensors must not be looked at. */
  readonly asideOf: RunRecorder | undefined;
}

/** What records a run, as the engine sees it: see `SimdRecorder`. */
export interface RunRecorder {
  /** Where the storage of the run is. */
  readonly arena: Blocks;
  /** The kernels, each call of which is recorded. */
  readonly wasm: Wasm;
  /** Tensors of the run that await their work. */
  readonly pending: Set<SimdTensor>;
  scratchBlock: Storage | undefined;
  /** Whether the elements of `x` may be others in another run. */
  isOwn(x: SimdTensor): boolean;
  /** Does work that does not look at elements of the run, once. */
  aside<R>(work: () => R): R;
  /** A tensor that is the same in every run. */
  constant(make: () => SimdTensor): SimdTensor;
  /** A choice that depends on elements: whoever plays the recording makes it again. */
  decide<V>(choice: () => V, same?: (a: V, b: V) => boolean): V;
  /** Does work of the host on elements, now and whenever the recording is played. */
  perform(work: () => void): void;
  /** Keeps what was made of a constant. */
  pin(entry: Pinned): void;
  /** There will be no recording: something depends on elements that cannot be done again. */
  fail(): void;
}

/** What recordings use: it stays while they do. */
export interface Pinned {
  pins: number;
}

/** What may be dropped when memory is short, unless it is busy. */
export interface Resting {
  readonly busy: boolean;
  dispose(): void;
}
