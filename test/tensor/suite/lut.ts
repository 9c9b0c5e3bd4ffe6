import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

/** Every value of a dtype of at most 16 bits. */
function domain(dtype: Dtype): ExactValue {
  const { min, max } = DTYPE_INFO[dtype];
  const count = Number(max - min) + 1;
  const values = Array.from({ length: count }, (_, i) => min + BigInt(i));
  return { dtype, shape: [count], values };
}

export function describeLut(backend: TheBackend): void {
  describe("lut", () => {
    for (const table of DTYPES) {
      it(`into ${table}`, () => {
        const random = new SeededRandom(21);
        for (const dtype of ["u8", "i8", "i16"] as const) {
          const entries = random.tensor(table, [dtype === "i16" ? 65_536 : 256]);
          check(backend(), "lut", {}, domain(dtype), entries);
        }
        for (const dtype of ["u8", "i8"] as const) {
          const entries = random.tensor(table, [256]);
          for (const n of LENGTHS) check(backend(), "lut", {}, random.tensor(dtype, [n]), entries);
          check(backend(), "lut", {}, random.tensor(dtype, []), entries);
          check(backend(), "lut", {}, random.tensor(dtype, [2, 3, 5]), entries);
        }
      });
    }
  });

  describe("lut.interpolate", () => {
    it.each([6, 7, 8, 9, 10, 11, 12, 13])("with 2^%i segments", (segmentsLog2) => {
      const random = new SeededRandom(22);
      for (const dtype of INTEGER_DTYPES) {
        for (const guardBits of [0, 1, 4, 9, 14]) {
          const imm = { segmentsLog2, guardBits, dtype };
          const table = random.tensor("i32", [2 ** segmentsLog2 + 1]);
          check(backend(), "lut.interpolate", imm, random.tensor("i16", [1_000]), table);
        }
      }
      const guardBits = 6;
      const imm = { segmentsLog2, guardBits, dtype: "i16" };
      const table = random.tensor("i32", [2 ** segmentsLog2 + 1], -(1n << 22n), 1n << 22n);
      check(backend(), "lut.interpolate", imm, domain("i16"), table);
      for (const n of LENGTHS) {
        check(backend(), "lut.interpolate", imm, random.tensor("i16", [n]), table);
      }
      check(backend(), "lut.interpolate", imm, random.tensor("i16", []), table);
    });

    // Where an engine may go from sums of 32 bits to wider ones.
    it.each([6, 9, 13])("at the ends of 32-bit sums with 2^%i segments", (segmentsLog2) => {
      const x = new SeededRandom(23).tensor("i16", [500]);
      const whole = 2n ** BigInt(16 - segmentsLog2);
      for (const guardBits of [0, 4, 8, 14]) {
        const half = (whole << BigInt(guardBits)) >> 1n;
        const fits = (2n ** 31n - 1n - half) / whole;
        for (const most of [fits, fits + 1n, fits + 2n]) {
          for (const sign of [1n, -1n]) {
            const values = Array.from({ length: 2 ** segmentsLog2 + 1 }, (_, i) =>
              i % 5 < 2 ? sign * most : -sign * fits,
            );
            const table = { dtype: "i32", shape: [values.length], values } as const;
            const imm = { segmentsLog2, guardBits, dtype: "i32" };
            check(backend(), "lut.interpolate", imm, x, table);
          }
        }
      }
    });

    it("between the ends of i32", () => {
      const { min, max } = DTYPE_INFO.i32;
      const values = Array.from({ length: 65 }, (_, i) => (i % 3 === 0 ? min : max));
      for (const dtype of INTEGER_DTYPES) {
        for (const guardBits of [0, 14]) {
          check(
            backend(),
            "lut.interpolate",
            { segmentsLog2: 6, guardBits, dtype },
            domain("i16"),
            { dtype: "i32", shape: [65], values },
          );
        }
      }
    });
  });
}
