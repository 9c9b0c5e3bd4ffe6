import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import type { Shape } from "../../../src/core/shape.js";
import { broadcastShapes } from "../../../src/core/shape.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import type { TensorOpName } from "../../../src/opcodes/index.js";
import { SeededRandom } from "../../support/seededRandom.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

/** Lengths that reach every tail of a vector loop. */
export const LENGTHS: readonly number[] = Array.from({ length: 41 }, (_, n) => n);

/** Shapes of two operands and how they stretch. */
const BROADCASTS: readonly (readonly [Shape, Shape])[] = [
  [[3, 17], []],
  [[], [3, 17]],
  [[], []],
  [[5, 19], [19]],
  [[19], [5, 19]],
  [
    [2, 3, 8],
    [3, 8],
  ],
  [
    [5, 19],
    [5, 1],
  ],
  [
    [5, 1],
    [5, 19],
  ],
  [[7, 1], [18]],
  [
    [1, 18],
    [7, 1],
  ],
  [
    [2, 1, 3, 1],
    [4, 1, 9],
  ],
  [
    [2, 3, 4, 5],
    [2, 1, 1, 5],
  ],
  [
    [1, 2, 2, 16],
    [1, 1, 1, 16],
  ],
  [[1], [6]],
  [[1, 1], [1]],
  [
    [1, 2, 1, 3, 1, 2, 1, 2],
    [3, 1, 2, 1, 2],
  ],
  [
    [130, 3],
    [130, 1],
  ],
  [[3], [130, 3]],
  [
    [4, 1, 4, 1, 4],
    [1, 4, 1, 4, 1],
  ],
  [[0, 3], [3]],
  [[0], [1]],
  [[4, 0], []],
  [
    [1, 5],
    [0, 1],
  ],
];

/** Short rows, and more elements than are spread out at once. */
const MANY_SHORT_ROWS: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3000, 3],
    [3000, 1],
  ],
  [[9000, 2], [2]],
  [
    [5, 1, 6, 1, 4],
    [20, 1, 9, 4],
  ],
];

const BINARY_INTEGER = [
  "add",
  "sub",
  "mul",
  "div.floor",
  "div.trunc",
  "mod.floor",
  "mod.trunc",
  "shl",
  "shr",
  "lt",
  "le",
] as const;
const BINARY_ANY = ["min", "max", "and", "or", "xor", "eq"] as const;
const UNARY_INTEGER = ["neg", "abs", "sqrt.floor"] as const;

/** Values where something happens: ends, around 0, around powers of two and of squares. */
export function notable(dtype: Dtype): bigint[] {
  const { min, max } = DTYPE_INFO[dtype];
  const values = [min, min + 1n, max, max - 1n];
  for (let v = -3n; v <= 3n; v++) values.push(v);
  for (const k of [6n, 7n, 8n, 15n, 16n, 23n, 24n, 30n, 31n, 32n, 52n, 53n, 62n]) {
    for (const d of [-1n, 0n, 1n]) values.push((1n << k) + d, -(1n << k) + d);
  }
  return [...new Set(values)].filter((v) => v >= min && v <= max);
}

const vector = (dtype: Dtype, values: readonly bigint[]): ExactValue => ({
  dtype,
  shape: [values.length],
  values,
});
const column = (x: ExactValue): ExactValue => ({ ...x, shape: [x.values.length, 1] });

export function describeElementwise(backend: TheBackend): void {
  const binary = (op: TensorOpName, dtype: Dtype): void => {
    it(`${op} of ${dtype}`, () => {
      const random = new SeededRandom(1);
      for (const n of LENGTHS) {
        check(backend(), op, {}, random.tensor(dtype, [n]), random.tensor(dtype, [n]));
      }
      for (const [a, b] of BROADCASTS) {
        check(backend(), op, {}, random.tensor(dtype, a), random.tensor(dtype, b));
      }
      const values = vector(dtype, notable(dtype));
      check(backend(), op, {}, column(values), values);
      const inDoubles = vector(
        dtype,
        values.values.filter((v) => v < 2n ** 53n && v > -(2n ** 53n)),
      );
      check(backend(), op, {}, column(inDoubles), inDoubles);
      const x = random.tensor(dtype, [21]);
      check(backend(), op, {}, x, x);
    });
  };

  describe("binary and compare", () => {
    for (const op of BINARY_INTEGER) for (const dtype of INTEGER_DTYPES) binary(op, dtype);
    for (const op of BINARY_ANY) for (const dtype of DTYPES) binary(op, dtype);

    it.each(["shl", "shr"] as const)("%s by every count", (op) => {
      for (const dtype of INTEGER_DTYPES) {
        const counts = vector(
          dtype,
          Array.from({ length: 70 }, (_, n) => BigInt(n - 3)).filter(
            (n) => n >= DTYPE_INFO[dtype].min,
          ),
        );
        check(backend(), op, {}, column(vector(dtype, notable(dtype))), counts);
      }
    });
  });

  describe("select", () => {
    it.each(DTYPES)("of %s", (dtype) => {
      const random = new SeededRandom(2);
      const checkSelect = (condition: Shape, a: Shape, b: Shape): void =>
        check(
          backend(),
          "select",
          {},
          random.tensor("bool", condition),
          random.tensor(dtype, a),
          random.tensor(dtype, b),
        );
      for (const n of LENGTHS) checkSelect([n], [n], [n]);
      for (const [a, b] of BROADCASTS) {
        checkSelect(a, b, []);
        checkSelect([], a, b);
        checkSelect(b, a, a);
      }
    });
  });

  describe("many short rows", () => {
    it.each(MANY_SHORT_ROWS)("%j and %j", (left, right) => {
      const random = new SeededRandom(4);
      const output = { zeroPoint: 0n, lo: -32_768n, hi: 32_767n, dtype: "i16" } as const;
      const of = (dtype: Dtype, shape: Shape): ExactValue => random.tensor(dtype, shape);
      const [a, b] = [of("i16", left), of("i16", right)];
      check(backend(), "sub", {}, a, b);
      check(backend(), "lt", {}, b, a);
      check(backend(), "select", {}, of("bool", right), a, b);
      check(backend(), "select", {}, of("bool", left), b, a);
      const sum = { aMultiplier: 715_827_883, bMultiplier: -99, shift: 31, ...output };
      check(backend(), "rescale.add", sum, of("u8", left), of("i32", right));
      const full = broadcastShapes([left, right]);
      const shift = random.tensor("i8", left, 1n, 62n);
      for (const dtype of ["u8", "i64"] as const) {
        check(backend(), "rescale.by", { ...output }, of(dtype, full), of("i32", right), shift);
      }
    });
  });

  describe("unary", () => {
    const unary = (op: TensorOpName, dtype: Dtype): void => {
      it(`${op} of ${dtype}`, () => {
        const random = new SeededRandom(3);
        for (const n of LENGTHS) check(backend(), op, {}, random.tensor(dtype, [n]));
        for (const shape of [[], [2, 3, 5], [0, 4]]) {
          check(backend(), op, {}, random.tensor(dtype, shape));
        }
        check(backend(), op, {}, vector(dtype, notable(dtype)));
      });
    };
    for (const op of UNARY_INTEGER) for (const dtype of INTEGER_DTYPES) unary(op, dtype);
    for (const dtype of DTYPES) unary("not", dtype);
    for (const dtype of ["i32", "i64"] as const) unary("normalize", dtype);

    it.each(["i32", "i64"] as const)("sqrt.floor of %s around squares", (dtype) => {
      const random = new SeededRandom(4);
      const { max } = DTYPE_INFO[dtype];
      const roots = dtype === "i32" ? 46_340n : 3_037_000_499n;
      const values = Array.from({ length: 300 }, () => random.bigint(0n, roots))
        .concat(roots, roots - 1n, 94_906_265n, 94_906_266n, 67_108_864n, 67_108_865n)
        .flatMap((root) => [root * root - 1n, root * root, root * root + 1n])
        .filter((v) => v <= max);
      check(backend(), "sqrt.floor", {}, vector(dtype, values));
      // A backend may compute in doubles where all fit.
      const small = values.filter((v) => v < 2n ** 53n);
      check(backend(), "sqrt.floor", {}, vector(dtype, small));
    });
  });

  describe("clamp", () => {
    it.each(INTEGER_DTYPES)("of %s", (dtype) => {
      const random = new SeededRandom(5);
      const { min, max } = DTYPE_INFO[dtype];
      const intervals: readonly (readonly [bigint, bigint])[] = [
        [min, max],
        [0n, max],
        [min, 5n],
        [2n, 100n],
        [min, min],
        [max, max],
        [max - 2n, max],
        [7n, 7n],
      ];
      for (const [lo, hi] of intervals) {
        check(backend(), "clamp", { lo, hi }, vector(dtype, notable(dtype)));
        check(backend(), "clamp", { lo, hi }, random.tensor(dtype, []));
      }
      for (const n of LENGTHS) {
        check(backend(), "clamp", { lo: 1n, hi: 90n }, random.tensor(dtype, [n]));
      }
    });
  });

  describe("cast", () => {
    for (const from of DTYPES) {
      it(`of ${from} to each dtype`, () => {
        const random = new SeededRandom(6);
        for (const dtype of DTYPES) {
          for (const n of LENGTHS) check(backend(), "cast", { dtype }, random.tensor(from, [n]));
          check(backend(), "cast", { dtype }, vector(from, notable(from)));
          check(backend(), "cast", { dtype }, random.tensor(from, []));
          check(backend(), "cast", { dtype }, random.tensor(from, [3, 0, 2]));
        }
      });
    }
  });
}
