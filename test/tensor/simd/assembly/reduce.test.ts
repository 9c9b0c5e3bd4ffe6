import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../../src/core/dtype.js";
import { DTYPE_INFO, INTEGER_DTYPES, saturate } from "../../../../src/core/dtype.js";
import { WINDOW_BYTES, writeWindow } from "../../../../src/tensor/simd/descriptors.js";
import { REDUCE } from "../../../../src/tensor/simd/kernels.js";
import { Arena, Random, bytesOf, code } from "./arena.js";

const arena = new Arena();
const { kernels } = arena;
const random = new Random(7);

function columns(x: readonly bigint[], outer: number, n: number, inner: number): bigint[][] {
  return Array.from({ length: outer * inner }, (_, i) => {
    const [o, j] = [Math.floor(i / inner), i % inner];
    return Array.from({ length: n }, (_, k) => x[(o * n + k) * inner + j]!);
  });
}

const MEANING: Record<keyof typeof REDUCE, (column: bigint[], dtype: Dtype) => bigint> = {
  "reduce.sum": (column) => column.reduce((a, x) => a + x, 0n),
  "reduce.prod": (column) => column.reduce((a, x) => a * x, 1n),
  "reduce.max": (column, dtype) => column.reduce((a, x) => (x > a ? x : a), DTYPE_INFO[dtype].min),
  "reduce.min": (column, dtype) => column.reduce((a, x) => (x < a ? x : a), DTYPE_INFO[dtype].max),
};

/** Shapes [outer, n, inner] with every length at every place. */
const SHAPES = Array.from({ length: 41 }, (_, i) => i).flatMap((length) => [
  [1 + (length % 3), length, 1] as const,
  [1 + (length % 2), 1 + (length % 5), length] as const,
  [length, 1 + (length % 7), 1 + (length % 9)] as const,
]);

describe.each(INTEGER_DTYPES)("reductions of %s", (dtype) => {
  it.each(Object.keys(REDUCE) as (keyof typeof REDUCE)[])("%s", (op) => {
    const sums = op === "reduce.sum" || op === "reduce.prod";
    for (const to of sums ? (["i32", "i64"] as const) : [dtype]) {
      for (const [outer, n, inner] of SHAPES) {
        arena.reset();
        const x = random.array(dtype, outer * n * inner);
        const dst = arena.alloc(outer * inner * bytesOf(to));
        kernels.reduce(REDUCE[op], code(dtype), code(to), arena.putAtEnd(x), outer, n, inner, dst);
        arena.check();
        const wanted = columns(Array.from(x, BigInt), outer, n, inner);
        expect(arena.take(to, dst, outer * inner)).toEqual(
          wanted.map((column) => saturate(MEANING[op](column, dtype), to)),
        );
      }
    }
  });

  it("finds the first of equals", () => {
    for (const [outer, n, inner] of SHAPES) {
      if (n === 0) continue;
      for (const least of [0, 1]) {
        arena.reset();
        const x = random.array(dtype, outer * n * inner);
        // Few different values: ties are common.
        const few = x.map((v) => (Number(v) % 2 ? x[0]! : v) as never);
        const dst = arena.alloc(outer * inner * 4);
        kernels.arg(least, code(dtype), arena.putAtEnd(few), outer, n, inner, dst);
        arena.check();
        const wanted = columns(Array.from(few, BigInt), outer, n, inner).map((column) =>
          BigInt(column.indexOf(MEANING[least ? "reduce.min" : "reduce.max"](column, dtype))),
        );
        expect(arena.take("i32", dst, outer * inner)).toEqual(wanted);
      }
    }
  });

  it("pools", () => {
    for (let channels = 0; channels <= 40; channels++) {
      const size = () => [random.between(1, 6), random.between(1, 6)] as const;
      const [height, width] = size();
      const [kernelHeight, kernelWidth] = size();
      const [strideY, strideX, dilationY, dilationX] = Array.from({ length: 4 }, () =>
        random.between(1, 3),
      );
      const [padTop, padLeft, padBottom, padRight] = Array.from({ length: 4 }, () =>
        random.between(0, 4),
      );
      const length = (
        d: number,
        k: number,
        stride: number,
        dilation: number,
        before: number,
        after: number,
      ) => Math.floor((d + before + after - (k - 1) * dilation - 1) / stride) + 1;
      const outHeight = Math.max(
        0,
        length(height, kernelHeight, strideY!, dilationY!, padTop!, padBottom!),
      );
      const outWidth = Math.max(
        0,
        length(width, kernelWidth, strideX!, dilationX!, padLeft!, padRight!),
      );
      arena.reset();
      const x = random.array(dtype, height * width * channels);
      const window = arena.alloc(WINDOW_BYTES);
      writeWindow(arena.view, window, {
        height,
        width,
        channels,
        pixelBytes: channels * bytesOf(dtype),
        kernelHeight,
        kernelWidth,
        strideY: strideY!,
        strideX: strideX!,
        dilationY: dilationY!,
        dilationX: dilationX!,
        padTop: padTop!,
        padLeft: padLeft!,
        outHeight,
        outWidth,
        padValue: 0,
      });
      const at = arena.putAtEnd(x);
      const count = outHeight * outWidth * channels;
      const windows = Array.from({ length: count }, (_, i) => {
        const [oy, ox] = [Math.floor(i / channels / outWidth), Math.floor(i / channels) % outWidth];
        const inside: bigint[] = [];
        for (let ky = 0; ky < kernelHeight; ky++) {
          for (let kx = 0; kx < kernelWidth; kx++) {
            const [y, c] = [
              oy * strideY! + ky * dilationY! - padTop!,
              ox * strideX! + kx * dilationX! - padLeft!,
            ];
            if (y >= 0 && y < height && c >= 0 && c < width) {
              inside.push(BigInt(x[(y * width + c) * channels + (i % channels)]!));
            }
          }
        }
        return inside;
      });
      const most = arena.alloc(count * bytesOf(dtype));
      const half = outHeight >> 1;
      kernels.pool(0, code(dtype), 0, window, at, most, half, outHeight - half);
      kernels.pool(0, code(dtype), 0, window, at, most, 0, half);
      expect(arena.take(dtype, most, count)).toEqual(
        windows.map((w) => MEANING["reduce.max"](w, dtype)),
      );
      for (const to of ["i32", "i64"] as const) {
        const sum = arena.alloc(count * bytesOf(to));
        kernels.pool(1, code(dtype), code(to), window, at, sum, half, outHeight - half);
        kernels.pool(1, code(dtype), code(to), window, at, sum, 0, half);
        expect(arena.take(to, sum, count)).toEqual(
          windows.map((w) => saturate(MEANING["reduce.sum"](w, dtype), to)),
        );
      }
      arena.check();
    }
  });
});

describe("reduce.sum", () => {
  it("sums more extremes than its lanes hold", () => {
    for (const [dtype, inner] of [
      ["i16", 1],
      ["u8", 1],
      ["i16", 4],
    ] as const) {
      arena.reset();
      const n = 300_000;
      const extreme = dtype === "u8" ? 255 : -32768;
      const x = random.uniform(dtype, n * inner, extreme, extreme);
      const dst = arena.alloc(8 * inner);
      kernels.reduce(0, code(dtype), code("i64"), arena.put(x), 1, n, inner, dst);
      expect(arena.take("i64", dst, inner)).toEqual(Array<bigint>(inner).fill(BigInt(n * extreme)));
    }
  });
});
