import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import type { Shape } from "../../../src/core/shape.js";
import { elementCount } from "../../../src/core/shape.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

const SUMS = ["i32", "i64"] as const;

const REDUCTIONS: readonly (readonly [Shape, readonly number[]])[] = [
  [[], []],
  [[5], []],
  [[2, 3, 4], []],
  [[2, 3, 4], [0]],
  [[2, 3, 4], [1]],
  [[2, 3, 4], [2]],
  [
    [2, 3, 4],
    [0, 1],
  ],
  [
    [2, 3, 4],
    [0, 2],
  ],
  [
    [2, 3, 4],
    [1, 2],
  ],
  [
    [2, 3, 4],
    [0, 1, 2],
  ],
  [
    [1, 3, 5, 18],
    [1, 2],
  ],
  [[3, 0, 2], [1]],
  [[3, 0, 2], [2]],
  [[0], [0]],
];

const filled = (dtype: Dtype, shape: Shape, value: bigint): ExactValue => ({
  dtype,
  shape,
  values: new Array<bigint>(elementCount(shape)).fill(value),
});

export function describeReductions(backend: TheBackend): void {
  const shapes = function* (): Generator<readonly [Shape, readonly number[]]> {
    yield* REDUCTIONS;
    for (const n of LENGTHS) {
      yield [[3, n], [1]];
      yield [[n, 3], [0]];
      yield [[5, n], [0]];
    }
  };

  describe("reduce.sum and reduce.prod", () => {
    for (const op of ["reduce.sum", "reduce.prod"] as const) {
      for (const dtype of INTEGER_DTYPES) {
        it(`${op} of ${dtype}`, () => {
          const random = new SeededRandom(41);
          const { min, max } = DTYPE_INFO[dtype];
          for (const into of SUMS) {
            for (const [shape, axes] of shapes()) {
              const imm = { axes, dtype: into };
              check(backend(), op, imm, random.tensor(dtype, shape));
              check(backend(), op, imm, random.tensor(dtype, shape, min < 0n ? -2n : 0n, 2n));
            }
            // Saturation happens once, after everything has been added.
            for (const values of [
              [max, max, min, min],
              [max, max, max, 1n],
              [min, min, min, -1n],
              [max, 0n, max, max],
              [min, min, min, min, 0n],
              [max, 1n, min],
            ]) {
              const inside = values.map((v) => (v < min ? min : v));
              const x: ExactValue = { dtype, shape: [inside.length], values: inside };
              check(backend(), op, { axes: [0], dtype: into }, x);
            }
            check(backend(), op, { axes: [0], dtype: into }, filled(dtype, [3_000], min));
            check(backend(), op, { axes: [0], dtype: into }, filled(dtype, [3_000], max));
          }
        });
      }
    }
  });

  describe("reduce.max and reduce.min", () => {
    for (const op of ["reduce.max", "reduce.min"] as const) {
      it.each(DTYPES)(`${op} of %s`, (dtype) => {
        const random = new SeededRandom(42);
        for (const [shape, axes] of shapes()) {
          check(backend(), op, { axes }, random.tensor(dtype, shape));
        }
        check(backend(), op, { axes: [0] }, filled(dtype, [20], DTYPE_INFO[dtype].min));
        check(backend(), op, { axes: [0] }, filled(dtype, [20], DTYPE_INFO[dtype].max));
      });
    }
  });

  describe("argmax and argmin", () => {
    for (const op of ["argmax", "argmin"] as const) {
      it.each(INTEGER_DTYPES)(`${op} of %s`, (dtype) => {
        const random = new SeededRandom(43);
        const { min, max } = DTYPE_INFO[dtype];
        for (const n of LENGTHS.slice(1)) {
          for (const [lo, hi] of [
            [min, max],
            [1n, 3n],
          ]) {
            check(backend(), op, { axis: 1 }, random.tensor(dtype, [3, n], lo, hi));
            check(backend(), op, { axis: 0 }, random.tensor(dtype, [n, 3], lo, hi));
            check(backend(), op, { axis: 1 }, random.tensor(dtype, [2, n, 2], lo, hi));
          }
        }
        check(backend(), op, { axis: 1 }, random.tensor(dtype, [0, 3]));
        check(backend(), op, { axis: 0 }, filled(dtype, [33], min));
        check(backend(), op, { axis: 0 }, filled(dtype, [33], max));
      });
    }
  });

  describe("pool.max and pool.sum", () => {
    const WINDOWS: readonly {
      readonly x: Shape;
      readonly kernel: readonly number[];
      readonly strides?: readonly number[];
      readonly dilations?: readonly number[];
      readonly pads?: readonly number[];
    }[] = [
      { x: [1, 9, 3], kernel: [3] },
      { x: [2, 9, 3], kernel: [4], strides: [3], dilations: [2], pads: [2, 1] },
      { x: [1, 6, 7, 5], kernel: [2, 2], strides: [2, 2] },
      { x: [2, 6, 7, 3], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
      { x: [1, 6, 7, 4], kernel: [3, 2], strides: [1, 3], pads: [0, 1, 2, 0], dilations: [1, 2] },
      { x: [1, 5, 5, 2], kernel: [5, 5], pads: [2, 2, 2, 2] },
      { x: [1, 4, 6, 9], kernel: [4, 6] },
      { x: [1, 2, 2, 3], kernel: [2, 2], pads: [3, 0, 0, 3] }, // windows of padding alone
      { x: [1, 3, 4, 5, 2], kernel: [2, 2, 2], strides: [1, 2, 2] },
      { x: [1, 3, 3, 3, 4], kernel: [3, 3, 3], pads: [1, 1, 1, 1, 1, 1] },
      { x: [0, 4, 4, 2], kernel: [2, 2] },
      { x: [1, 4, 4, 0], kernel: [2, 2] },
      { x: [1, 0, 4, 2], kernel: [2, 2], pads: [1, 0, 1, 0] },
    ];
    const windows = function* (): Generator<{ x: Shape; imm: Record<string, readonly number[]> }> {
      const ones = (n: number): number[] => new Array<number>(n).fill(1);
      for (const { x, kernel, strides, dilations, pads } of WINDOWS) {
        const n = kernel.length;
        const imm = {
          kernel,
          strides: strides ?? ones(n),
          dilations: dilations ?? ones(n),
          pads: pads ?? new Array<number>(2 * n).fill(0),
        };
        yield { x, imm };
      }
      for (const channels of LENGTHS) {
        const imm = { kernel: [2, 2], strides: [1, 2], dilations: [1, 1], pads: [1, 0, 0, 1] };
        yield { x: [1, 3, 4, channels], imm };
      }
    };

    it.each(INTEGER_DTYPES)("pool.max of %s", (dtype) => {
      const random = new SeededRandom(44);
      for (const { x, imm } of windows())
        check(backend(), "pool.max", imm, random.tensor(dtype, x));
    });
    it.each(INTEGER_DTYPES)("pool.sum of %s", (dtype) => {
      const random = new SeededRandom(45);
      for (const into of SUMS) {
        for (const { x, imm } of windows()) {
          check(backend(), "pool.sum", { ...imm, dtype: into }, random.tensor(dtype, x));
        }
        const all = { kernel: [9], strides: [1], dilations: [1], pads: [0, 0], dtype: into };
        const { min, max } = DTYPE_INFO[dtype];
        check(backend(), "pool.sum", all, filled(dtype, [1, 9, 3], min));
        check(backend(), "pool.sum", all, filled(dtype, [1, 9, 3], max));
      }
    });
  });
}
