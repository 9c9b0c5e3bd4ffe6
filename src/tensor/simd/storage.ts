import { roundUp } from "./allocator.js";

/** What was derived from a storage and goes when it goes: packed weights. */
export interface Derived {
  dispose(): void;
}

/** Where blocks of memory come from and go to. */
export interface Blocks {
  allocate(bytes: number): number;
  release(pointer: number): void;
}

let created = 0;

/** A counted block of memory, shared by tensors whose elements are the same bytes. */
export class Storage {
  /** No two storages ever have the same. */
  readonly id = created++;
  readonly pointer: number;
  readonly bytes: number;
  readonly derived = new Map<string, Derived>();
  /** Whose block it is. */
  readonly home: Blocks;
  private holders = 1;

  constructor(home: Blocks, bytes: number) {
    this.home = home;
    this.bytes = bytes;
    this.pointer = home.allocate(bytes);
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
    this.home.release(this.pointer);
  }
}
