/** Every block starts at, and is rounded up to, a multiple of this: a cache line. */
export const ALIGNMENT = 64;
/** Blocks of one class that are tried before a class whose blocks all fit. */
const PROBES = 8;
const CLASSES = 128;

/** Class of sizes: a power of two (in units of ALIGNMENT) in four steps. */
function classOf(size: number): number {
  const units = size / ALIGNMENT;
  if (units < 4) return units;
  const log = 31 - Math.clz32(units);
  return (log - 1) * 4 + ((units >>> (log - 2)) & 3);
}

/**
 * Hands out blocks of a growing address space: segregated free lists, neighbours that are free are
 * joined at once. It only keeps books: it neither reads nor writes the memory.
 */
export class Allocator {
  /** Bytes in blocks that are handed out. */
  usedBytes = 0;
  /** End of the address space. */
  private limit: number;
  /** Starts of free blocks by class. */
  private readonly free: Set<number>[] = Array.from({ length: CLASSES }, () => new Set());
  private readonly freeSizes = new Map<number, number>();
  private readonly freeStarts = new Map<number, number>();
  private readonly used = new Map<number, number>();

  /** Blocks lie in [start, end), both multiples of ALIGNMENT. */
  constructor(start: number, end: number) {
    this.limit = start;
    this.extend(end);
  }

  /** Moves the end of the address space. */
  extend(end: number): void {
    if (end > this.limit) this.insert(this.limit, end - this.limit);
    this.limit = end;
  }

  /** Bytes by which the address space must grow for a block of `bytes` to be certain to fit. */
  shortage(bytes: number): number {
    const tail = this.freeStarts.get(this.limit);
    return roundUp(bytes) - (tail === undefined ? 0 : this.limit - tail);
  }

  /** Start of a block of at least `bytes`, or undefined where none is free. */
  allocate(bytes: number): number | undefined {
    const size = roundUp(bytes);
    const start = this.find(size);
    if (start === undefined) return undefined;
    const whole = this.freeSizes.get(start)!;
    this.remove(start, whole);
    if (whole > size) this.insert(start + size, whole - size);
    this.used.set(start, size);
    this.usedBytes += size;
    return start;
  }

  /** Gives back a block that `allocate` returned. */
  release(start: number): void {
    const size = this.used.get(start)!;
    this.used.delete(start);
    this.usedBytes -= size;
    this.insert(start, size);
  }

  private find(size: number): number | undefined {
    const own = classOf(size);
    let probes = PROBES;
    for (const start of this.free[own]!) {
      if (this.freeSizes.get(start)! >= size) return start;
      if (--probes === 0) break;
    }
    for (let larger = own + 1; larger < CLASSES; larger++) {
      for (const start of this.free[larger]!) return start;
    }
    // Every block of the class, before the address space grows.
    for (const start of this.free[own]!) if (this.freeSizes.get(start)! >= size) return start;
    return undefined;
  }

  private insert(start: number, size: number): void {
    const before = this.freeStarts.get(start);
    if (before !== undefined) {
      size += start - before;
      this.remove(before, start - before);
      start = before;
    }
    const after = this.freeSizes.get(start + size);
    if (after !== undefined) {
      this.remove(start + size, after);
      size += after;
    }
    this.free[classOf(size)]!.add(start);
    this.freeSizes.set(start, size);
    this.freeStarts.set(start + size, start);
  }

  private remove(start: number, size: number): void {
    this.free[classOf(size)]!.delete(start);
    this.freeSizes.delete(start);
    this.freeStarts.delete(start + size);
  }
}

/** What a block of `bytes` takes. */
export function roundUp(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
}
