import { roundUp } from "./allocator.js";
import type { Heap } from "./heap.js";

/** What was derived from a storage and goes when it goes: packed weights. */
export interface Derived {
  dispose(): void;
}

let created = 0;

/** A counted block of memory, shared by tensors whose elements are the same bytes. */
export class Storage {
  /** No two storages ever have the same. */
  readonly id = created++;
  readonly pointer: number;
  readonly bytes: number;
  readonly derived = new Map<string, Derived>();
  private readonly heap: Heap;
  private holders = 1;

  constructor(heap: Heap, bytes: number) {
    this.heap = heap;
    this.bytes = bytes;
    this.pointer = heap.allocate(bytes);
  }

  /** What it takes of the memory. */
  get reservedBytes(): number {
    return roundUp(this.bytes);
  }

  retain(): this {
    this.holders++;
    return this;
  }

  release(): void {
    if (--this.holders > 0) return;
    for (const item of this.derived.values()) item.dispose();
    this.heap.release(this.pointer);
  }
}
