import type { Dtype } from "../core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../core/dtype.js";
import { clampExact, floorDiv, floorSqrt } from "../core/fixedPoint.js";
import { broadcastShapes } from "../core/shape.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import type { ExactTensor, GasFormula } from "./record.js";
import { tensorOp } from "./record.js";

/** Reads `x` at an index of a shape that `x` broadcasts to. */
export function broadcastAt(x: ExactTensor): (index: readonly number[]) => bigint {
  const rank = x.shape.length;
  return (index) => {
    const lead = index.length - rank;
    return x.at(x.shape.map((dim, axis) => (dim === 1 ? 0 : index[lead + axis]!)));
  };
}

interface Scalar {
  readonly code: number;
  readonly doc: string;
  readonly gas?: GasFormula;
  readonly dtypes?: readonly Dtype[];
}

/** Pops b, a of one dtype; pushes y of that dtype; shapes broadcast; one saturation. */
function binary(op: Scalar & { meaning: (a: bigint, b: bigint, dtype: Dtype) => bigint }) {
  return tensorOp({
    code: op.code,
    class: "binary",
    doc: op.doc,
    immediates: {},
    operands: [
      { name: "a", dtype: op.dtypes ?? INTEGER_DTYPES, rank: "any" },
      { name: "b", dtype: { same: "a" }, rank: "any" },
    ],
    results: [{ name: "y", dtype: { of: "a" }, rank: { max: ["a", "b"] } }],
    constraints: [],
    shapeRule: "a and b broadcast",
    shape: (_imm, [a, b]) => [broadcastShapes([a!.shape, b!.shape])],
    checks: [],
    gas: op.gas ?? GAS_SCHEDULE.light,
    locality: "elementwise",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [a, b]) => {
      const left = broadcastAt(a!);
      const right = broadcastAt(b!);
      return [(index) => op.meaning(left(index), right(index), a!.dtype)];
    },
  });
}

/** Pops b, a of one dtype; pushes bool; shapes broadcast. */
function compare(op: Scalar & { meaning: (a: bigint, b: bigint) => boolean }) {
  return tensorOp({
    ...binary({ ...op, meaning: (a, b) => (op.meaning(a, b) ? 1n : 0n) }),
    class: "compare",
    results: [{ name: "y", dtype: "bool", rank: { max: ["a", "b"] } }],
  });
}

/** Pops x; pushes y of the same dtype and shape. */
function unary(op: Scalar & { meaning: (x: bigint, dtype: Dtype) => bigint }) {
  return tensorOp({
    code: op.code,
    class: "unary",
    doc: op.doc,
    immediates: {},
    operands: [{ name: "x", dtype: op.dtypes ?? INTEGER_DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x",
    shape: (_imm, [x]) => [x!.shape],
    checks: [],
    gas: op.gas ?? GAS_SCHEDULE.unary,
    locality: "elementwise",
    traps: [],
    meaning: (_imm, [x]) => [(index) => op.meaning(x!.at(index), x!.dtype)],
  });
}

/** What `x / 0` is: the limit of the dtype on the side of x, and 0 for 0 / 0. */
const overZero = (x: bigint, dtype: Dtype): bigint =>
  x > 0n ? DTYPE_INFO[dtype].max : x < 0n ? DTYPE_INFO[dtype].min : 0n;
/** Shift counts saturate to [0, 63]: shifting further changes nothing. */
const shiftCount = (count: bigint): bigint => clampExact(count, 0n, 63n);

export const elementwise = {
  add: binary({
    code: 0x30,
    doc: "Elementwise `a + b`, saturated to the element type.",
    meaning: (a, b) => a + b,
  }),
  sub: binary({
    code: 0x31,
    doc: "Elementwise `a − b`, saturated to the element type.",
    meaning: (a, b) => a - b,
  }),
  mul: binary({
    code: 0x32,
    doc: "Elementwise `a · b`, saturated to the element type. `mul.wide` gives the exact product.",
    gas: GAS_SCHEDULE.product,
    meaning: (a, b) => a * b,
  }),
  "div.floor": binary({
    code: 0x33,
    doc: "Elementwise quotient rounded towards −∞, saturated (MIN / −1 gives MAX). `x / 0` gives MAX for positive x, MIN for negative x, 0 for 0.",
    gas: GAS_SCHEDULE.division,
    meaning: (a, b, dtype) => (b === 0n ? overZero(a, dtype) : floorDiv(a, b)),
  }),
  "div.trunc": binary({
    code: 0x34,
    doc: "Elementwise quotient rounded towards 0, saturated (MIN / −1 gives MAX). `x / 0` gives MAX for positive x, MIN for negative x, 0 for 0.",
    gas: GAS_SCHEDULE.division,
    meaning: (a, b, dtype) => (b === 0n ? overZero(a, dtype) : a / b),
  }),
  "mod.floor": binary({
    code: 0x35,
    doc: "Elementwise `a − b·⌊a/b⌋`: the remainder has the sign of b. `a mod 0` gives a.",
    gas: GAS_SCHEDULE.division,
    meaning: (a, b) => (b === 0n ? a : a - b * floorDiv(a, b)),
  }),
  "mod.trunc": binary({
    code: 0x36,
    doc: "Elementwise `a − b·trunc(a/b)`: the remainder has the sign of a. `a mod 0` gives a.",
    gas: GAS_SCHEDULE.division,
    meaning: (a, b) => (b === 0n ? a : a % b),
  }),
  min: binary({
    code: 0x37,
    doc: "Elementwise minimum. On bool this is logical and.",
    dtypes: DTYPES,
    meaning: (a, b) => (a < b ? a : b),
  }),
  max: binary({
    code: 0x38,
    doc: "Elementwise maximum. On bool this is logical or.",
    dtypes: DTYPES,
    meaning: (a, b) => (a > b ? a : b),
  }),
  and: binary({
    code: 0x39,
    doc: "Bitwise and of the two's complement representations.",
    dtypes: DTYPES,
    meaning: (a, b) => a & b,
  }),
  or: binary({
    code: 0x3a,
    doc: "Bitwise or of the two's complement representations.",
    dtypes: DTYPES,
    meaning: (a, b) => a | b,
  }),
  xor: binary({
    code: 0x3b,
    doc: "Bitwise exclusive or of the two's complement representations.",
    dtypes: DTYPES,
    meaning: (a, b) => a ^ b,
  }),
  shl: binary({
    code: 0x3c,
    doc: "Elementwise `a · 2^b`, saturated to the element type; counts are clamped to [0, 63] first.",
    gas: GAS_SCHEDULE.shift,
    meaning: (a, b) => a << shiftCount(b),
  }),
  shr: binary({
    code: 0x3d,
    doc: "Elementwise `⌊a / 2^b⌋`; counts are clamped to [0, 63] first.",
    gas: GAS_SCHEDULE.shift,
    meaning: (a, b) => a >> shiftCount(b),
  }),
  eq: compare({
    code: 0x3e,
    doc: "Elementwise `a = b`.",
    dtypes: DTYPES,
    meaning: (a, b) => a === b,
  }),
  lt: compare({
    code: 0x3f,
    doc: "Elementwise `a < b`. `a > b` is `lt` with the operands exchanged.",
    meaning: (a, b) => a < b,
  }),
  le: compare({
    code: 0x40,
    doc: "Elementwise `a ≤ b`. `a ≥ b` is `le` with the operands exchanged.",
    meaning: (a, b) => a <= b,
  }),
  not: unary({
    code: 0x41,
    doc: "Bitwise complement; logical not on bool. On u8 this is 255 − x.",
    dtypes: DTYPES,
    meaning: (x, dtype) => (DTYPE_INFO[dtype].signed ? ~x : DTYPE_INFO[dtype].max - x),
  }),
  neg: unary({
    code: 0x42,
    doc: "Elementwise `−x`, saturated (−MIN gives MAX; u8 gives 0).",
    meaning: (x) => -x,
  }),
  abs: unary({
    code: 0x43,
    doc: "Elementwise absolute value, saturated (|MIN| gives MAX).",
    meaning: (x) => (x < 0n ? -x : x),
  }),
  "sqrt.floor": unary({
    code: 0x45,
    doc: "Elementwise `⌊√x⌋`; 0 for negative x.",
    gas: GAS_SCHEDULE.squareRoot,
    meaning: (x) => floorSqrt(x),
  }),
  clamp: tensorOp({
    code: 0x46,
    class: "unary",
    doc: "Elementwise `min(max(x, lo), hi)`. From −1 to 1 it is the sign of x.",
    immediates: {
      lo: { kind: "i64", doc: "least value of the result" },
      hi: { kind: "i64", doc: "greatest value of the result" },
    },
    operands: [{ name: "x", dtype: INTEGER_DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [
      { rule: "ordered", low: "lo", high: "hi" },
      { rule: "inDtype", immediate: "lo", dtype: { of: "x" } },
      { rule: "inDtype", immediate: "hi", dtype: { of: "x" } },
    ],
    shapeRule: "the shape of x",
    shape: (_imm, [x]) => [x!.shape],
    checks: [],
    gas: GAS_SCHEDULE.unary,
    locality: "elementwise",
    traps: [],
    meaning: ({ lo, hi }, [x]) => [(index) => clampExact(x!.at(index), lo, hi)],
  }),
  cast: tensorOp({
    code: 0x47,
    class: "unary",
    doc: "Converts to another dtype, saturated. To bool: x ≠ 0.",
    immediates: { dtype: { kind: "dtype", among: DTYPES, doc: "dtype of the result" } },
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x",
    shape: (_imm, [x]) => [x!.shape],
    checks: [],
    gas: GAS_SCHEDULE.cast,
    locality: "elementwise",
    traps: [],
    meaning: ({ dtype }, [x]) => [
      (index) => (dtype === "bool" ? (x!.at(index) === 0n ? 0n : 1n) : x!.at(index)),
    ],
  }),
  normalize: tensorOp({
    code: 0x48,
    class: "unary",
    doc: "Splits x > 0 into a mantissa in [2^30, 2^31) and an exponent with x ≈ mantissa · 2^(exponent − 30): exponent = ⌊log2 x⌋, mantissa = ⌊x · 2^(30 − exponent)⌋. x ≤ 0 gives mantissa 0 and exponent 0.",
    immediates: {},
    operands: [{ name: "x", dtype: ["i32", "i64"], rank: "any" }],
    results: [
      { name: "mantissa", dtype: "i32", rank: { max: ["x"] } },
      { name: "exponent", dtype: "i32", rank: { max: ["x"] } },
    ],
    constraints: [],
    shapeRule: "both results have the shape of x",
    shape: (_imm, [x]) => [x!.shape, x!.shape],
    checks: [],
    gas: GAS_SCHEDULE.normalization,
    locality: "elementwise",
    traps: [],
    meaning: (_imm, [x]) => {
      const exponentOf = (v: bigint): number => (v <= 0n ? 0 : v.toString(2).length - 1);
      return [
        (index) => {
          const v = x!.at(index);
          const e = exponentOf(v);
          return v <= 0n ? 0n : e <= 30 ? v << BigInt(30 - e) : v >> BigInt(e - 30);
        },
        (index) => BigInt(exponentOf(x!.at(index))),
      ];
    },
  }),
  select: tensorOp({
    code: 0x49,
    class: "select",
    doc: "Elementwise: a where the condition holds, else b. Shapes broadcast.",
    immediates: {},
    operands: [
      { name: "condition", dtype: ["bool"], rank: "any" },
      { name: "a", dtype: DTYPES, rank: "any" },
      { name: "b", dtype: { same: "a" }, rank: "any" },
    ],
    results: [{ name: "y", dtype: { of: "a" }, rank: { max: ["condition", "a", "b"] } }],
    constraints: [],
    shapeRule: "condition, a and b broadcast",
    shape: (_imm, operands) => [broadcastShapes(operands.map((operand) => operand.shape))],
    checks: [],
    gas: GAS_SCHEDULE.choice,
    locality: "elementwise",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [condition, a, b]) => {
      const which = broadcastAt(condition!);
      const yes = broadcastAt(a!);
      const no = broadcastAt(b!);
      return [(index) => (which(index) === 1n ? yes(index) : no(index))];
    },
  }),
} as const;
