import type { Dtype, IntegerArray } from "../../core/dtype.js";
import { viewArray } from "../../core/dtype.js";
import { HostError } from "../../core/errors.js";
import { ALIGNMENT, Allocator } from "./allocator.js";

export const PAGE_BYTES = 65_536;
/** What 32-bit addresses reach. */
export const MAX_PAGES = 65_536;
/** Kernels load whole vectors: what they read past the last element must exist. */
const SLACK_BYTES = 64;

/**
 * The memory that kernels work on, and who owns which part of it. Growing it detaches all views:
 * take them from here when they are used, never keep them.
 */
export class Heap {
  private memory: WebAssembly.Memory | undefined;
  private readonly maxPages: number;
  private allocator: Allocator;
  private bytes: Uint8Array<ArrayBuffer>;
  private dataView: DataView;

  /** Told of every view, and where it begins, while a run is being recorded. */
  watch: ((pointer: number | undefined) => void) | undefined;

  /** Asked before the memory is found too small: frees what can be made again, if there is any. */
  reclaim: () => boolean = () => false;

  /**
   * @param memory what the kernels have imported, shared between threads or not; addresses below
   * `base` are theirs
   * @param maxPages how far it may grow
   */
  constructor(memory: WebAssembly.Memory, base: number, maxPages: number) {
    this.memory = memory;
    this.maxPages = maxPages;
    this.bytes = new Uint8Array(memory.buffer);
    this.dataView = new DataView(memory.buffer);
    const start = Math.ceil(base / ALIGNMENT) * ALIGNMENT;
    this.allocator = new Allocator(start, Math.max(start, this.bytes.length - SLACK_BYTES));
  }

  get usedBytes(): number {
    return this.allocator.usedBytes;
  }

  /** All of the memory, until it grows. */
  get u8(): Uint8Array<ArrayBuffer> {
    this.watch?.(undefined);
    return this.bytes;
  }

  /** For structures of mixed fields, until the memory grows. */
  get words(): DataView {
    return this.dataView;
  }

  view(dtype: Dtype, pointer: number, length: number): IntegerArray {
    this.watch?.(pointer);
    return viewArray(dtype, this.bytes.buffer, pointer, length);
  }

  /**
   * Address of a block of at least `bytes`; its contents are undefined.
   * @throws HostError `OutOfMemory` when the memory cannot grow that far
   */
  allocate(bytes: number): number {
    for (;;) {
      const pointer = this.allocator.allocate(bytes);
      if (pointer !== undefined) return pointer;
      const missing = this.allocator.shortage(bytes);
      if (!this.grow(missing) && !this.reclaim()) throw this.outOfMemory(missing);
    }
  }

  release(pointer: number): void {
    this.allocator.release(pointer);
  }

  /** Lets go of the memory. */
  dispose(): void {
    this.memory = undefined;
    this.bytes = new Uint8Array(0);
    this.dataView = new DataView(this.bytes.buffer);
    this.allocator = new Allocator(0, 0);
  }

  private grow(missingBytes: number): boolean {
    const current = this.bytes.length / PAGE_BYTES;
    const least = Math.ceil(missingBytes / PAGE_BYTES);
    if (current + least > this.maxPages) return false;
    // By a quarter, so that a thousand small tensors do not grow it a thousand times.
    const wanted = Math.min(Math.max(least, current >> 2), this.maxPages - current);
    if (!this.tryGrow(wanted) && !this.tryGrow(least)) return false;
    this.bytes = new Uint8Array(this.memory!.buffer);
    this.dataView = new DataView(this.memory!.buffer);
    this.allocator.extend(this.bytes.length - SLACK_BYTES);
    return true;
  }

  private tryGrow(pages: number): boolean {
    try {
      this.memory!.grow(pages);
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }

  private outOfMemory(missingBytes: number): HostError {
    const held = this.bytes.length;
    return new HostError(
      "OutOfMemory",
      `the simd backend holds ${held} bytes and needs ${missingBytes} more, its limit is ${this.maxPages * PAGE_BYTES}; run a smaller input, or allow more with maxMemoryBytes`,
    );
  }
}
