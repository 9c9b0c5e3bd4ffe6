import type { Derived, Storage } from "./storage.js";

interface Entry<T extends Derived> extends Derived {
  readonly value: T;
  readonly bytes: number;
  readonly owner: Storage;
  readonly key: string;
}

/**
 * What was made from weights (packed panels, parameters of epilogues), by storage and layout. It goes
 * with the storage; beyond a number of bytes the least recently used goes first, and is made again
 * when needed.
 */
export class PackedCache {
  private readonly maxBytes: number;
  private bytes = 0;
  /** Least recently used first. */
  private readonly entries = new Set<Entry<Derived>>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** What `make` made of `owner` for that key, now or before. Lasts until `trim`. */
  get<T extends Derived & { readonly bytes: number }>(
    owner: Storage,
    key: string,
    make: () => T,
  ): T {
    let entry = owner.derived.get(key) as Entry<T> | undefined;
    if (entry !== undefined) {
      this.entries.delete(entry);
      this.entries.add(entry);
      return entry.value;
    }
    const value = make();
    entry = { value, bytes: value.bytes, owner, key, dispose: () => this.forget(entry!) };
    this.entries.add(entry);
    this.bytes += value.bytes;
    owner.derived.set(key, entry);
    return value;
  }

  /** Drops what is beyond the bound. */
  trim(): void {
    for (const entry of this.entries) {
      if (this.bytes <= this.maxBytes) return;
      entry.owner.derived.delete(entry.key);
      entry.dispose();
    }
  }

  private forget(entry: Entry<Derived>): void {
    this.entries.delete(entry);
    this.bytes -= entry.bytes;
    entry.value.dispose();
  }
}
