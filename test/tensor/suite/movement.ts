import { describe, it } from "vitest";
import { DTYPES, DTYPE_INFO } from "../../../src/core/dtype.js";
import type { Shape } from "../../../src/core/shape.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

const PERMUTATIONS: readonly (readonly [Shape, readonly number[]])[] = [
  [[], []],
  [[7], [0]],
  [
    [5, 17],
    [1, 0],
  ],
  [
    [2, 3, 4],
    [2, 1, 0],
  ],
  [
    [2, 3, 4],
    [0, 2, 1],
  ],
  [
    [2, 3, 4],
    [1, 0, 2],
  ],
  [
    [1, 3, 5, 6],
    [0, 2, 3, 1],
  ],
  [
    [1, 5, 6, 3],
    [0, 3, 1, 2],
  ],
  [
    [2, 1, 3, 1, 4],
    [4, 3, 2, 1, 0],
  ],
  [
    [2, 0, 3],
    [2, 0, 1],
  ],
  [
    [2, 2, 2, 2, 2, 2, 2, 2],
    [7, 0, 6, 1, 5, 2, 4, 3],
  ],
];

const dims = (...values: number[]): ExactValue => ({
  dtype: "i64",
  shape: [values.length],
  values: values.map(BigInt),
});

export function describeMovement(backend: TheBackend): void {
  describe("movement", () => {
    it.each(DTYPES)("reshape and shape of %s", (dtype) => {
      const random = new SeededRandom(51);
      for (const [from, to] of [
        [[], []],
        [[], [1, 1]],
        [[2, 3, 4], [24]],
        [
          [2, 3, 4],
          [4, -1],
        ],
        [
          [2, 3, 4],
          [-3, -1, 2],
        ],
        [[1, 5, 1], [-4]],
        [
          [0, 3],
          [3, 0],
        ],
      ]) {
        check(backend(), "reshape", { dims: to! }, random.tensor(dtype, from!));
        check(backend(), "shape", {}, random.tensor(dtype, from!));
      }
      check(backend(), "reshape", { dims: [-2, 6] }, random.tensor(dtype, [2, 3, 4]), dims(4));
    });

    it.each(DTYPES)("transpose of %s", (dtype) => {
      const random = new SeededRandom(52);
      for (const [shape, perm] of PERMUTATIONS) {
        check(backend(), "transpose", { perm }, random.tensor(dtype, shape));
      }
      for (const n of LENGTHS) {
        check(backend(), "transpose", { perm: [1, 0] }, random.tensor(dtype, [n, 9]));
        check(backend(), "transpose", { perm: [0, 2, 1] }, random.tensor(dtype, [2, 5, n]));
        check(backend(), "transpose", { perm: [1, 0, 2] }, random.tensor(dtype, [2, 3, n]));
      }
    });

    it.each(DTYPES)("slice of %s", (dtype) => {
      const random = new SeededRandom(53);
      const slice = (shape: Shape, starts: number[], ends: number[], steps: number[]): void =>
        check(backend(), "slice", { starts, ends, steps }, random.tensor(dtype, shape));
      slice([], [], [], []);
      slice([2, 3], [0, 0], [2, 3], [1, 1]);
      slice([4, 19], [1, 2], [3, 18], [1, 1]);
      slice([4, 19], [-1, -2], [-9, -30], [-1, -3]);
      slice([4, 5, 6], [0, 1, 2], [0x7fffffff, 4, 0x7fffffff], [2, 1, 2]);
      slice([4, 5], [3, 4], [-0x80000000, -0x80000000], [-2, -1]);
      slice([4, 5], [2, 0], [2, 5], [1, 1]);
      slice([4, 5], [9, 0], [12, 5], [1, 1]);
      slice([0, 5], [0, 1], [0, 5], [-1, 2]);
      for (const n of LENGTHS) {
        slice([3, n], [0, 1], [3, n], [1, 1]);
        slice([3, n], [0, 0], [3, n], [2, 2]);
        slice([n], [n], [-n - 1], [-1]);
      }
    });

    it.each(DTYPES)("concat of %s", (dtype) => {
      const random = new SeededRandom(54);
      const concat = (axis: number, ...shapes: Shape[]): void =>
        check(
          backend(),
          "concat",
          { count: shapes.length, axis },
          ...shapes.map((shape) => random.tensor(dtype, shape)),
        );
      concat(0, [3]);
      concat(0, [3], [0], [5]);
      concat(1, [2, 3, 4], [2, 1, 4], [2, 6, 4]);
      concat(2, [2, 3, 4], [2, 3, 1]);
      concat(0, [0, 2], [0, 2]);
      for (const n of LENGTHS) concat(1, [3, n], [3, 7], [3, 40 - n]);
      const x = random.tensor(dtype, [2, 5]);
      check(backend(), "concat", { count: 3, axis: 1 }, x, x, x);
    });

    it.each(DTYPES)("gather of %s", (dtype) => {
      const random = new SeededRandom(55);
      for (const index of ["i32", "i64"] as const) {
        const gather = (shape: Shape, axis: number, indices: Shape): void =>
          check(
            backend(),
            "gather",
            { axis },
            random.tensor(dtype, shape),
            random.tensor(index, indices, 0n, BigInt(shape[axis]! - 1)),
          );
        gather([7], 0, []);
        gather([7], 0, [3, 2]);
        gather([5, 18], 0, [4]);
        gather([5, 18], 1, [2, 2]);
        gather([2, 3, 4], 1, []);
        gather([2, 3, 4], 1, [5]);
        gather([2, 3, 4], 2, [0]);
        gather([0, 3], 1, [2]);
        for (const n of LENGTHS) {
          gather([6, n], 0, [3]);
          gather([9, 2], 0, [n]);
        }
      }
    });

    it.each(DTYPES)("pad of %s", (dtype) => {
      const random = new SeededRandom(56);
      const { min, max } = DTYPE_INFO[dtype];
      const pad = (shape: Shape, before: number[], after: number[], interior: number[]): void => {
        for (const value of new Set([0n, min, max])) {
          const imm = { before, after, interior, value };
          check(backend(), "pad", imm, random.tensor(dtype, shape));
        }
      };
      pad([], [], [], []);
      pad([3], [0], [0], [0]);
      pad([2, 3], [1, 2], [3, 0], [0, 0]);
      pad([2, 3], [0, 1], [0, 1], [1, 3]);
      pad([0, 3], [2, 0], [1, 1], [2, 1]);
      pad([1, 3, 4, 2], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]);
      for (const n of LENGTHS) pad([2, n], [1, 0], [0, 3], [0, n % 3]);
    });

    it.each(DTYPES)("expand of %s", (dtype) => {
      const random = new SeededRandom(57);
      for (const [shape, to] of [
        [[], []],
        [[], [3, 5]],
        [[3], [2, 3]],
        [
          [2, 1],
          [2, 17],
        ],
        [
          [1, 3],
          [4, 1],
        ],
        [
          [2, 1, 3],
          [5, 1, 4, 1],
        ],
        [[1], [0]],
        [
          [0, 1],
          [1, 3],
        ],
      ]) {
        check(backend(), "expand", { dims: to! }, random.tensor(dtype, shape!));
      }
      for (const n of LENGTHS) {
        check(backend(), "expand", { dims: [3, n] }, random.tensor(dtype, [1]));
        check(backend(), "expand", { dims: [3, 1] }, random.tensor(dtype, [n]));
      }
      check(backend(), "expand", { dims: [-2, -2] }, random.tensor(dtype, [1, 3]), dims(4, 3));
    });

    it("iota", () => {
      for (const n of [...LENGTHS, 1_000]) check(backend(), "iota", { dims: [n] });
      check(backend(), "iota", { dims: [-2] }, dims(9));
    });
  });

  describe("resize", () => {
    interface Resize {
      readonly x: Shape;
      readonly sizes: readonly number[];
      readonly numerators: readonly number[];
      readonly denominators: readonly number[];
      readonly offsets: readonly number[];
    }
    const SIZES: readonly Resize[] = [
      { x: [1, 4, 3], sizes: [8], numerators: [1], denominators: [2], offsets: [0] },
      {
        x: [2, 5, 4, 3],
        sizes: [10, 8],
        numerators: [1, 1],
        denominators: [2, 2],
        offsets: [0, 0],
      },
      {
        x: [1, 5, 4, 3],
        sizes: [3, 7],
        numerators: [5, 4],
        denominators: [3, 7],
        offsets: [-1, 2],
      },
      // Half-pixel centres: (2i + 1) · D / (2S) − 1/2
      {
        x: [1, 3, 4, 2],
        sizes: [7, 5],
        numerators: [6, 8],
        denominators: [14, 10],
        offsets: [-4, -1],
      },
      {
        x: [1, 2, 2, 5],
        sizes: [4, 3],
        numerators: [1, 1],
        denominators: [1, 1],
        offsets: [-9, 7],
      },
      {
        x: [1, 2, 3, 2, 2],
        sizes: [3, 2, 5],
        numerators: [2, 3, 2],
        denominators: [3, 2, 5],
        offsets: [0, 1, -1],
      },
      {
        x: [1, 1, 1, 4],
        sizes: [3, 3],
        numerators: [7, 1],
        denominators: [9, 65_535],
        offsets: [0x3fffffff, -0x3fffffff],
      },
      { x: [0, 2, 2, 1], sizes: [4, 4], numerators: [1, 1], denominators: [2, 2], offsets: [0, 0] },
      { x: [1, 2, 2, 0], sizes: [4, 4], numerators: [1, 1], denominators: [2, 2], offsets: [0, 0] },
      // Weights beyond what a double holds.
      {
        x: [1, 3, 3, 3, 2],
        sizes: [4, 4, 4],
        numerators: [40_000, 50_001, 60_000],
        denominators: [65_535, 65_521, 65_519],
        offsets: [3, -70_000, 12_345],
      },
    ];
    const each = function* (): Generator<readonly [Shape, Omit<Resize, "x">]> {
      for (const { x, ...imm } of SIZES) yield [x, imm];
      for (const channels of LENGTHS) {
        const imm = { sizes: [4, 3], numerators: [3, 3], denominators: [4, 2], offsets: [-1, 1] };
        yield [[1, 3, 2, channels], imm];
      }
    };

    it.each(DTYPES)("resize.nearest of %s", (dtype) => {
      const random = new SeededRandom(58);
      for (const [x, imm] of each()) {
        check(backend(), "resize.nearest", { ...imm }, random.tensor(dtype, x));
      }
    });
    it.each(["u8", "i8", "i16", "i32"] as const)("resize.linear of %s", (dtype) => {
      const random = new SeededRandom(59);
      for (const [x, imm] of each()) {
        for (const into of ["i32", "i64"] as const) {
          check(backend(), "resize.linear", { ...imm, dtype: into }, random.tensor(dtype, x));
        }
      }
    });
  });
}
