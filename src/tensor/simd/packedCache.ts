import { roundUp } from "./allocator.js";
import type { Pinned, RunRecorder } from "./mode.js";
import type { Derived, Storage } from "./storage.js";

interface Entry<T extends Derived> extends Derived, Pinned {
  readonly value: T;
  readonly bytes: number;
  readonly owner: Storage;
  readonly key: string;
  /** The round of its last use. */
  round: number;
}

/** Small entries cost the host more than their bytes: a program may make one up with every step. */
const MAX_ENTRIES = 16_384;

/**
 * What was made from weights (packed panels, parameters of epilogues), by storage and layout. It goes
 * with the storage; beyond a number of bytes, or of entries, the least recently used goes first, and is made again
 * when needed.
 */
export class PackedCache {
  /** Of the run that is being recorded, if one is. */
  recorder: RunRecorder | undefined;
  private readonly maxBytes: number;
  private bytes = 0;
  /** Ends with `trim`: what was used in this round is still in use. */
  private round = 0;
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
    const recorder = this.recorder?.arena === owner.home ? undefined : this.recorder;
    let entry = owner.derived.get(key) as Entry<T> | undefined;
    if (entry === undefined) {
      // Of a constant it is made once, whoever asks for it first.
      const value = recorder === undefined ? make() : recorder.aside(make);
      const { bytes } = value;
      const dispose = (): void => this.forget(entry!);
      entry = { value, bytes, owner, key, round: this.round, pins: 0, dispose };
      this.bytes += bytes;
      owner.derived.set(key, entry);
    }
    this.entries.delete(entry);
    this.entries.add(entry);
    entry.round = this.round;
    recorder?.pin(entry);
    return entry.value;
  }

  /** Bytes of memory of what was made of `owner`. */
  bytesOf(owner: Storage): number {
    let bytes = 0;
    for (const entry of this.entries) if (entry.owner === owner) bytes += roundUp(entry.bytes);
    return bytes;
  }

  /** Ends the use of what `get` gave, and drops what is beyond the bound. */
  trim(): void {
    this.round++;
    for (const entry of this.entries) {
      if (this.bytes <= this.maxBytes && this.entries.size <= MAX_ENTRIES) return;
      if (entry.pins === 0) drop(entry);
    }
  }

  /** Drops all that is not in use; false if there was nothing. */
  reclaim(): boolean {
    const before = this.bytes;
    for (const entry of this.entries) {
      if (entry.round !== this.round && entry.pins === 0) drop(entry);
    }
    return this.bytes < before;
  }

  private forget(entry: Entry<Derived>): void {
    this.entries.delete(entry);
    this.bytes -= entry.bytes;
    entry.value.dispose();
  }
}

function drop(entry: Entry<Derived>): void {
  entry.owner.derived.delete(entry.key);
  entry.dispose();
}
