import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALIGNMENT, Allocator } from "../../../src/tensor/simd/allocator.js";

const START = 1024;

/** Hands out, gives back and grows as the numbers say, checking every block against the others. */
function exercise(steps: readonly { size: number; pick: number; free: boolean }[]): void {
  let end = START + 64 * ALIGNMENT;
  const allocator = new Allocator(START, end);
  const held: { start: number; size: number }[] = [];
  for (const { size, pick, free } of steps) {
    if (free && held.length > 0) {
      const [block] = held.splice(pick % held.length, 1);
      allocator.release(block!.start);
      continue;
    }
    let start = allocator.allocate(size);
    if (start === undefined) {
      const missing = allocator.shortage(size);
      expect(missing).toBeGreaterThan(0);
      end += Math.ceil(missing / ALIGNMENT) * ALIGNMENT;
      allocator.extend(end);
      start = allocator.allocate(size);
    }
    expect(start).toBeDefined();
    const block = { start: start!, size };
    expect(block.start % ALIGNMENT).toBe(0);
    expect(block.start).toBeGreaterThanOrEqual(START);
    expect(block.start + size).toBeLessThanOrEqual(end);
    for (const other of held) {
      const apart =
        block.start + block.size <= other.start || other.start + other.size <= block.start;
      expect(apart).toBe(true);
    }
    held.push(block);
  }
  for (const { start } of held) allocator.release(start);
  expect(allocator.usedBytes).toBe(0);
  // All of it is one block again.
  expect(allocator.shortage(end - START)).toBeLessThanOrEqual(0);
  expect(allocator.allocate(end - START)).toBe(START);
}

describe("Allocator", () => {
  it("never hands out a byte twice and joins what is free", () => {
    const step = fc.record({
      size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 100_000 })),
      pick: fc.nat(),
      free: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => exercise(steps)),
      { numRuns: 200 },
    );
  });

  it("uses a block that just fits rather than asking for more", () => {
    const allocator = new Allocator(0, 10 * ALIGNMENT);
    const blocks = [1, 2, 3, 4].map((units) => allocator.allocate(units * ALIGNMENT)!);
    expect(allocator.allocate(ALIGNMENT)).toBeUndefined();
    allocator.release(blocks[2]!);
    expect(allocator.allocate(3 * ALIGNMENT)).toBe(blocks[2]);
  });
});
