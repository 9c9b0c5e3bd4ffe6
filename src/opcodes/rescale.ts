import { INTEGER_DTYPES } from "../core/dtype.js";
import { clampExact, rescaleExact } from "../core/fixedPoint.js";
import { Trap } from "../core/errors.js";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import { broadcastAt } from "./elementwise.js";
import type { ImmediateConstraint } from "./record.js";
import { tensorOp } from "./record.js";

const INT32 = { min: -0x80000000, max: 0x7fffffff } as const;
/** What a rescaled value may become: dtype, zero point and interval. */
const OUTPUT = {
  dtype: { kind: "dtype", among: INTEGER_DTYPES, doc: "dtype of the result" },
  zeroPoint: { kind: "i64", doc: "added after the rounding" },
  lo: { kind: "i64", doc: "least value of the result" },
  hi: { kind: "i64", doc: "greatest value of the result" },
} as const;
const OUTPUT_CONSTRAINTS: readonly ImmediateConstraint[] = [
  { rule: "inDtype", immediate: "zeroPoint", dtype: { immediate: "dtype" } },
  { rule: "ordered", low: "lo", high: "hi" },
  { rule: "inDtype", immediate: "lo", dtype: { immediate: "dtype" } },
  { rule: "inDtype", immediate: "hi", dtype: { immediate: "dtype" } },
];
export const rescale = {
  rescale: tensorOp({
    code: 0x28,
    class: "rescale",
    doc: "The one rounding: `clamp(((x · multiplier + 2^(shift−1)) >> shift) + zeroPoint, lo, hi)`, computed exactly, half towards +∞. The interval makes ReLU and clamps free.",
    immediates: {
      multiplier: { kind: "int", ...INT32, doc: "integer factor" },
      shift: { kind: "uint", min: 1, max: 62, doc: "the factor is multiplier / 2^shift" },
      ...OUTPUT,
    },
    operands: [{ name: "x", dtype: INTEGER_DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
    constraints: OUTPUT_CONSTRAINTS,
    shapeRule: "the shape of x",
    shape: (_imm, [x]) => [x!.shape],
    checks: [],
    gas: GAS_SCHEDULE.rescale,
    locality: "elementwise",
    traps: [],
    meaning: ({ multiplier, shift, zeroPoint, lo, hi }, [x]) => [
      (index) =>
        clampExact(rescaleExact(x!.at(index), BigInt(multiplier), shift) + zeroPoint, lo, hi),
    ],
  }),
  "rescale.by": tensorOp({
    code: 0x29,
    class: "rescale",
    doc: "`rescale` whose multipliers and shifts are tensors that broadcast to x: per channel (along the last axis), or known only when it runs.",
    immediates: OUTPUT,
    operands: [
      { name: "x", dtype: INTEGER_DTYPES, rank: "any" },
      { name: "multiplier", dtype: ["i32"], rank: "any" },
      { name: "shift", dtype: ["i8"], rank: "any" },
    ],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
    constraints: OUTPUT_CONSTRAINTS,
    shapeRule: "multiplier and shift broadcast to the shape of x, which is that of y",
    shape: (_imm, [x, multiplier, shift]) => {
      const shape = broadcastShapes([x!.shape, multiplier!.shape, shift!.shape]);
      if (!sameShape(shape, x!.shape)) {
        throw new Trap(
          "ShapeMismatch",
          `multipliers ${formatShape(multiplier!.shape)} and shifts ${formatShape(shift!.shape)} must broadcast to x ${formatShape(x!.shape)}`,
        );
      }
      return [x!.shape];
    },
    checks: [{ check: "interval", operand: "shift", lo: 1n, hi: 62n }],
    gas: GAS_SCHEDULE.rescaleBy,
    locality: "elementwise",
    traps: ["ShapeMismatch", "OperandRange"],
    meaning: ({ zeroPoint, lo, hi }, [x, multiplier, shift]) => {
      const m = broadcastAt(multiplier!);
      const s = broadcastAt(shift!);
      return [
        (index) =>
          clampExact(rescaleExact(x!.at(index), m(index), Number(s(index))) + zeroPoint, lo, hi),
      ];
    },
  }),
  "rescale.add": tensorOp({
    code: 0x2a,
    class: "rescale",
    doc: "Sum of two tensors of different scales with one rounding: `clamp(((a · aMultiplier + b · bMultiplier + 2^(shift−1)) >> shift) + zeroPoint, lo, hi)`. Composed from casts, products, a sum and a rescale it is several times slower.",
    immediates: {
      aMultiplier: { kind: "int", ...INT32, doc: "integer factor of a" },
      bMultiplier: { kind: "int", ...INT32, doc: "integer factor of b" },
      shift: { kind: "uint", min: 1, max: 62, doc: "both factors are over 2^shift" },
      ...OUTPUT,
    },
    operands: [
      { name: "a", dtype: ["u8", "i8", "i16", "i32"], rank: "any" },
      { name: "b", dtype: ["u8", "i8", "i16", "i32"], rank: "any" },
    ],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["a", "b"] } }],
    constraints: OUTPUT_CONSTRAINTS,
    shapeRule: "a and b broadcast",
    shape: (_imm, [a, b]) => [broadcastShapes([a!.shape, b!.shape])],
    checks: [],
    gas: GAS_SCHEDULE.rescaleAdd,
    locality: "elementwise",
    traps: ["ShapeMismatch"],
    meaning: ({ aMultiplier, bMultiplier, shift, zeroPoint, lo, hi }, [a, b]) => {
      const left = broadcastAt(a!);
      const right = broadcastAt(b!);
      return [
        (index) => {
          const sum = left(index) * BigInt(aMultiplier) + right(index) * BigInt(bMultiplier);
          return clampExact(rescaleExact(sum, 1n, shift) + zeroPoint, lo, hi);
        },
      ];
    },
  }),
} as const;
