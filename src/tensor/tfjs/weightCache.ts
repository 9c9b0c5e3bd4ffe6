import type { TensorInfo } from "@tensorflow/tfjs-core";
import { elementCount } from "../../core/shape.js";
import type { HostTensor } from "../reference/hostTensor.js";
import type { WasmEngine } from "./wasmEngine.js";

const bytesOf = ({ shape }: TensorInfo): number => 4 * elementCount(shape);

/** Limbs of weights, which stay in the memory of tfjs as long as their storage lives. */
export class WeightCache {
  private readonly engine: WasmEngine;
  private readonly entries = new Map<ArrayBufferLike, Map<string, TensorInfo[]>>();
  /** Bytes of all limbs. */
  bytes = 0;

  constructor(engine: WasmEngine) {
    this.engine = engine;
  }

  /** What `make` uploaded when it was first asked for by that key of that tensor. */
  get(x: HostTensor, key: string, make: () => TensorInfo[]): readonly TensorInfo[] {
    const storage = x.data.buffer;
    const entry = this.entries.get(storage) ?? new Map<string, TensorInfo[]>();
    this.entries.set(storage, entry);
    const known = entry.get(key);
    if (known) return known;
    const limbs = make();
    entry.set(key, limbs);
    for (const limb of limbs) {
      this.engine.keep(limb);
      this.bytes += bytesOf(limb);
    }
    return limbs;
  }

  release(storage: ArrayBufferLike): void {
    for (const limbs of this.entries.get(storage)?.values() ?? []) {
      for (const limb of limbs) {
        this.bytes -= bytesOf(limb);
        this.engine.free(limb);
      }
    }
    this.entries.delete(storage);
  }

  clear(): void {
    for (const storage of [...this.entries.keys()]) this.release(storage);
  }
}
