import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../../src/core/dtype.js";
import { DTYPE_INFO } from "../../../../src/core/dtype.js";
import { Arena, Random, bytesOf } from "./arena.js";

const arena = new Arena();
const { kernels } = arena;
const random = new Random(8);
const SIZES = ["u8", "i16", "i32", "i64"] as const satisfies readonly Dtype[];

describe.each(SIZES)("movement of %s", (dtype) => {
  const bytes = bytesOf(dtype);

  /** Copies by steps in elements, and compares with a loop over all positions. */
  function checkCopy(
    dims: { count: number; src: number; dst: number }[],
    srcLength: number,
    srcStart = 0,
  ): void {
    arena.reset();
    const x = random.array(dtype, srcLength);
    const dstLength = 1 + dims.reduce((sum, d) => sum + Math.max(0, d.count - 1) * d.dst, 0);
    const dst = arena.alloc(dstLength * bytes);
    const wanted = arena.take(dtype, dst, dstLength);
    const walk = (level: number, from: number, to: number): void => {
      const d = dims[level];
      if (d === undefined) wanted[to] = BigInt(x[from]!);
      else for (let i = 0; i < d.count; i++) walk(level + 1, from + i * d.src, to + i * d.dst);
    };
    walk(0, srcStart, 0);
    const table = Int32Array.from(dims.flatMap((d) => [d.count, d.src * bytes, d.dst * bytes]));
    const count = dims[0]?.count ?? 1;
    const half = dims.length === 0 ? 0 : count >> 1;
    const at = [arena.put(table), arena.put(x) + srcStart * bytes, dst] as const;
    kernels.copy(bytes, dims.length, ...at, half, count - half);
    if (half > 0) kernels.copy(bytes, dims.length, ...at, 0, half);
    arena.check();
    expect(arena.take(dtype, dst, dstLength)).toEqual(wanted);
  }

  it("transposes", () => {
    for (let rows = 1; rows <= 40; rows++) {
      const cols = random.between(1, 40);
      checkCopy(
        [
          { count: cols, src: 1, dst: rows },
          { count: rows, src: cols, dst: 1 },
        ],
        rows * cols,
      );
    }
    checkCopy(
      [
        { count: 3, src: 1, dst: 140 },
        { count: 4, src: 105, dst: 35 },
        { count: 5, src: 21, dst: 7 },
        { count: 7, src: 3, dst: 1 },
      ],
      420,
    );
  });

  it("slices backwards, repeats, and leaves gaps", () => {
    for (let n = 1; n <= 40; n++) {
      checkCopy([{ count: n, src: -1, dst: 1 }], n, n - 1);
      checkCopy([{ count: n, src: 0, dst: 1 }], 1);
      checkCopy(
        [
          { count: 3, src: n, dst: n + 5 },
          { count: n, src: 1, dst: 1 },
        ],
        3 * n,
      );
      checkCopy(
        [
          { count: n, src: 1, dst: 6 },
          { count: 3, src: 0, dst: 2 },
        ],
        n,
      );
    }
    checkCopy([], 1);
    checkCopy(
      [
        { count: 2, src: 600, dst: 700 },
        { count: 600, src: 1, dst: 1 },
      ],
      1200,
    );
  });

  it("fills", () => {
    for (let n = 0; n <= 40; n++) {
      arena.reset();
      const value = random.big(DTYPE_INFO[dtype].bits, DTYPE_INFO[dtype].signed);
      const dst = arena.alloc(n * bytes);
      kernels.fill(bytes, dst, n, value);
      arena.check();
      expect(arena.take(dtype, dst, n)).toEqual(Array<bigint>(n).fill(value));
    }
  });

  it("gathers", () => {
    for (const inner of [1, 2, 3, 8, 21, 300]) {
      for (const indexType of ["i32", "i64"] as const) {
        arena.reset();
        const [outer, axis, n] = [2, 5, 9];
        const x = random.array(dtype, outer * axis * inner);
        const indices = Array.from({ length: n }, () => random.below(axis));
        const dst = arena.alloc(outer * n * inner * bytes);
        const at = arena.put(
          indexType === "i32" ? Int32Array.from(indices) : BigInt64Array.from(indices, BigInt),
        );
        kernels.gather(
          arena.putAtEnd(x),
          outer,
          axis,
          inner * bytes,
          at,
          indexType === "i64" ? 1 : 0,
          n,
          dst,
        );
        arena.check();
        const wanted = Array.from({ length: outer * n * inner }, (_, i) => {
          const [o, k, j] = [Math.floor(i / inner / n), Math.floor(i / inner) % n, i % inner];
          return BigInt(x[(o * axis + indices[k]!) * inner + j]!);
        });
        expect(arena.take(dtype, dst, wanted.length)).toEqual(wanted);
      }
    }
  });
});
