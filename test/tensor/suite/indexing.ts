import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import type { Shape } from "../../../src/core/shape.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

const SCATTERS = ["scatter", "scatter.add", "scatter.mul", "scatter.max", "scatter.min"] as const;
const EXACT_ONLY: readonly string[] = ["scatter.add", "scatter.mul"];

const vector = (dtype: Dtype, values: readonly bigint[]): ExactValue => ({
  dtype,
  shape: [values.length],
  values,
});

export function describeIndexing(backend: TheBackend): void {
  describe("indexing", () => {
    for (const op of SCATTERS) {
      it.each(EXACT_ONLY.includes(op) ? INTEGER_DTYPES : DTYPES)(`${op} of %s`, (dtype) => {
        const random = new SeededRandom(61);
        const { min, max } = DTYPE_INFO[dtype];
        const scatter = (shape: Shape, axis: number, n: number, lo = min, hi = max): void => {
          const index = random.pick(["i32", "i64"] as const);
          check(
            backend(),
            op,
            { axis },
            random.tensor(dtype, shape, lo, hi),
            random.tensor(index, [n], 0n, BigInt(shape[axis]! - 1)),
            random.tensor(
              dtype,
              shape.map((dim, i) => (i === axis ? n : dim)),
              lo,
              hi,
            ),
          );
        };
        scatter([7], 0, 0);
        scatter([0], 0, 0);
        scatter([0, 3], 1, 2);
        scatter([3, 0], 0, 2);
        scatter([1], 0, 33);
        scatter([2, 3, 4], 0, 5);
        scatter([2, 3, 4], 1, 5);
        scatter([2, 3, 4], 2, 5);
        for (const n of LENGTHS) {
          scatter([9], 0, n);
          scatter([3, n], 0, 4);
          scatter([3, 4, 2], 1, n, min < 0n ? -2n : 0n, min < 0n || max > 1n ? 2n : 1n);
        }
        // Saturation happens once, after everything has been combined.
        for (const updates of [
          [max, max, min, min],
          [min, min, max, max],
          [max, max, 0n],
          [min, min, min, 1n],
        ]) {
          const at = vector("i32", [1n, 1n, 1n, 1n].slice(0, updates.length));
          for (const x of [min, 0n, 1n, max]) {
            check(backend(), op, { axis: 0 }, vector(dtype, [x, x]), at, vector(dtype, updates));
          }
        }
        // The same tensor thrice.
        if (dtype === "i32") {
          const x = random.tensor("i32", [17], 0n, 16n);
          check(backend(), op, { axis: 0 }, x, x, x);
        }
      });
    }

    it.each(DTYPES)("argsort of %s", (dtype) => {
      const random = new SeededRandom(62);
      const { min, max } = DTYPE_INFO[dtype];
      for (const n of [...LENGTHS, 300]) {
        for (const [lo, hi] of [
          [min, max],
          [0n, 1n],
        ] as const) {
          check(backend(), "argsort", { axis: 0 }, random.tensor(dtype, [n], lo, hi));
          if (n > 40) continue;
          check(backend(), "argsort", { axis: 1 }, random.tensor(dtype, [3, n], lo, hi));
          check(backend(), "argsort", { axis: 0 }, random.tensor(dtype, [n, 3], lo, hi));
          check(backend(), "argsort", { axis: 1 }, random.tensor(dtype, [2, n, 2], lo, hi));
        }
      }
      check(backend(), "argsort", { axis: 1 }, random.tensor(dtype, [0, 3]));
      check(backend(), "argsort", { axis: 0 }, random.tensor(dtype, [3, 0]));
    });

    it.each(DTYPES)("nonzero of %s", (dtype) => {
      const random = new SeededRandom(63);
      const { min, max } = DTYPE_INFO[dtype];
      check(backend(), "nonzero", {}, random.tensor(dtype, []));
      for (const n of LENGTHS) {
        check(backend(), "nonzero", {}, random.tensor(dtype, [n], 0n, 1n));
        check(backend(), "nonzero", {}, random.tensor(dtype, [3, n, 2]));
        for (const value of [min, 0n, max]) {
          check(backend(), "nonzero", {}, vector(dtype, new Array<bigint>(n).fill(value)));
        }
      }
    });

    it.each(INTEGER_DTYPES)("cumsum of %s", (dtype) => {
      const random = new SeededRandom(64);
      const { min, max } = DTYPE_INFO[dtype];
      for (const into of ["i32", "i64"] as const) {
        const cumsum = (shape: Shape, axis: number): void =>
          check(backend(), "cumsum", { axis, dtype: into }, random.tensor(dtype, shape));
        for (const n of LENGTHS) {
          cumsum([n], 0);
          cumsum([3, n], 1);
          cumsum([n, 3], 0);
          cumsum([2, n, 3], 1);
        }
        cumsum([0, 3], 1);
        cumsum([3, 0], 0);
        // Saturated once for each element, never carried on.
        for (const values of [
          [max, max, max, min, min, min],
          [min, min, min, max, max, max],
          [max, 1n, min, max],
        ]) {
          check(backend(), "cumsum", { axis: 0, dtype: into }, vector(dtype, values));
        }
      }
    });
  });
}
