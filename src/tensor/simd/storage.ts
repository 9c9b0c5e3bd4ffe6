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

/** Where the bytes of a storage can be had again. */
export interface Origin {
  read(): Uint8Array;
  write(bytes: Uint8Array, pointer: number): void;
}

let created = 0;

/** A counted block of memory, shared by tensors whose elements are the same bytes. */
export class Storage {
  /** No two storages ever have the same. */
  readonly id = created++;
  readonly bytes: number;
  readonly derived = new Map<string, Derived>();
  /** Whose block it is. */
  readonly home: Blocks;
  private readonly origin: Origin | undefined;
  private block: number | undefined;
  /** Whether somebody may still know the address. */
  private known = false;
  private holders = 1;

  /** @param origin of contents that stay as they are; with it, the memory can be lent out meanwhile */
  constructor(home: Blocks, bytes: number, origin?: Origin) {
    this.home = home;
    this.bytes = bytes;
    this.origin = origin;
    this.block = home.allocate(bytes);
  }

  /** The address, for as long as the storage lasts. */
  get pointer(): number {
    this.known = true;
    return this.briefly;
  }

  /** The address until `unload`: for those who read, and keep no address. */
  get briefly(): number {
    return this.block ?? this.load();
  }

  /** Gives the memory back where the contents can be had again and nobody kept the address. */
  unload(): void {
    if (this.origin === undefined || this.known || this.block === undefined) return;
    this.home.release(this.block);
    this.block = undefined;
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
    if (this.block !== undefined) this.home.release(this.block);
  }

  private load(): number {
    const bytes = this.origin!.read();
    const block = this.home.allocate(this.bytes);
    this.origin!.write(bytes, block);
    return (this.block = block);
  }
}
