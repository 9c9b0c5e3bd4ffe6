import { DTYPES, INTEGER_DTYPES } from "../core/dtype.js";
import { Trap } from "../core/errors.js";
import { rescaleExact } from "../core/fixedPoint.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import { tensorOp } from "./record.js";

export const lut = {
  lut: tensorOp({
    code: 0x2c,
    class: "lut",
    doc: "Direct table lookup: `y = table[x − MIN]`, MIN being the least value of x's dtype.",
    immediates: {},
    operands: [
      { name: "x", dtype: ["u8", "i8", "i16"], rank: "any" },
      { name: "table", dtype: DTYPES, rank: 1 },
    ],
    results: [{ name: "y", dtype: { of: "table" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x; the table has 256 entries for an 8-bit x and 65,536 for i16",
    shape: (_imm, [x, table]) => {
      const entries = x!.dtype === "i16" ? 65_536 : 256;
      if (table!.shape[0] !== entries) {
        throw new Trap(
          "ShapeMismatch",
          `a table for ${x!.dtype} has ${entries} entries, this one has ${table!.shape[0]}`,
        );
      }
      return [x!.shape];
    },
    checks: [],
    gas: GAS_SCHEDULE.lut,
    locality: "elementwise",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [x, table]) => {
      const least = x!.dtype === "u8" ? 0n : x!.dtype === "i8" ? -128n : -32_768n;
      return [(index) => table!.at([Number(x!.at(index) - least)])];
    },
  }),
  "lut.interpolate": tensorOp({
    code: 0x2d,
    class: "lut",
    doc: "Table lookup with linear interpolation. With u = x + 32768, f = 16 − segmentsLog2, i = u >> f and r = u mod 2^f: `y = (table[i] · (2^f − r) + table[i+1] · r + 2^(f+guardBits−1)) >> (f + guardBits)`, saturated to the dtype of y. Table entries carry guardBits fractional bits.",
    immediates: {
      segmentsLog2: { kind: "uint", min: 6, max: 13, doc: "the table has 2^segmentsLog2 segments" },
      guardBits: { kind: "uint", min: 0, max: 14, doc: "fractional bits of table entries" },
      dtype: { kind: "dtype", among: INTEGER_DTYPES, doc: "dtype of the result" },
    },
    operands: [
      { name: "x", dtype: ["i16"], rank: "any" },
      { name: "table", dtype: ["i32"], rank: 1 },
    ],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x; the table has 2^segmentsLog2 + 1 entries",
    shape: ({ segmentsLog2 }, [x, table]) => {
      const entries = (1 << segmentsLog2) + 1;
      if (table!.shape[0] !== entries) {
        throw new Trap(
          "ShapeMismatch",
          `a table of 2^${segmentsLog2} segments has ${entries} entries, this one has ${table!.shape[0]}`,
        );
      }
      return [x!.shape];
    },
    checks: [],
    gas: GAS_SCHEDULE.interpolation,
    locality: "elementwise",
    traps: ["ShapeMismatch"],
    meaning: ({ segmentsLog2, guardBits }, [x, table]) => {
      const f = 16 - segmentsLog2;
      return [
        (index) => {
          const u = Number(x!.at(index)) + 32_768;
          const i = u >> f;
          const r = BigInt(u & ((1 << f) - 1));
          const sum = table!.at([i]) * (BigInt(1 << f) - r) + table!.at([i + 1]) * r;
          return rescaleExact(sum, 1n, f + guardBits);
        },
      ];
    },
  }),
} as const;
