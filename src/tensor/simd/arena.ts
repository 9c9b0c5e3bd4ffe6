import { ALIGNMENT, Allocator, roundUp } from "./allocator.js";
import type { Blocks } from "./storage.js";

/** Chunks begin so small and double up to the greatest, or to what a block takes. */
const LEAST_CHUNK = 16 * 1024;
const GREATEST_CHUNK = 1024 * 1024;

/** Blocks out of chunks that stay until it is disposed of: what a recording reads and writes. */
export class Arena implements Blocks {
  private readonly source: Blocks;
  private readonly chunks: {
    readonly start: number;
    readonly end: number;
    readonly own: Allocator;
  }[] = [];
  private bytes = 0;

  constructor(source: Blocks) {
    this.source = source;
  }

  allocate(bytes: number): number {
    for (const { own } of this.chunks) {
      const pointer = own.allocate(bytes);
      if (pointer !== undefined) return pointer;
    }
    const size = Math.max(
      roundUp(bytes),
      Math.min(Math.max(LEAST_CHUNK, this.bytes), GREATEST_CHUNK),
    );
    const start = this.source.allocate(size);
    const end = start + Math.floor(size / ALIGNMENT) * ALIGNMENT;
    const own = new Allocator(start, end);
    this.chunks.push({ start, end, own });
    this.bytes += size;
    return own.allocate(bytes)!;
  }

  release(pointer: number): void {
    this.chunks.find(({ start, end }) => start <= pointer && pointer < end)?.own.release(pointer);
  }

  /** Gives the chunks back, whatever lies in them. */
  dispose(): void {
    for (const { start } of this.chunks) this.source.release(start);
    this.chunks.length = 0;
  }
}
