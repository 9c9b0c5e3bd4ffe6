import type { Dtype } from "../core/dtype.js";
import { DTYPE_INFO } from "../core/dtype.js";
import { Trap } from "../core/errors.js";
import type { Shape, TensorSpec } from "../core/shape.js";
import { broadcastShapes, formatShape } from "../core/shape.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import { broadcastAt } from "./elementwise.js";
import type { ImmediateConstraint, ImmediateSpec } from "./record.js";
import { tensorOp } from "./record.js";

/** Operand pairs and accumulators that contractions are defined on. */
export const CONTRACTION_ROWS: readonly (readonly [Dtype, Dtype, Dtype])[] = [
  ["i8", "i8", "i32"],
  ["i8", "i8", "i64"],
  ["u8", "i8", "i32"],
  ["u8", "i8", "i64"],
  ["u8", "u8", "i32"],
  ["u8", "u8", "i64"],
  ["i16", "i8", "i32"],
  ["i16", "i8", "i64"],
  ["i16", "i16", "i32"],
  ["i16", "i16", "i64"],
  ["i32", "i16", "i64"],
  ["i32", "i32", "i64"],
];

/** The greatest magnitude of a value of `dtype` within `bits`. */
export function magnitudeBound(dtype: Dtype, bits: number): bigint {
  return DTYPE_INFO[dtype].signed ? 1n << BigInt(bits - 1) : (1n << BigInt(bits)) - 1n;
}

/** Least and greatest value of `dtype` within `bits`. */
export function bitsInterval(dtype: Dtype, bits: number): readonly [bigint, bigint] {
  return DTYPE_INFO[dtype].signed
    ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n]
    : [0n, (1n << BigInt(bits)) - 1n];
}

const bits = (doc: string): ImmediateSpec & { kind: "uint" } => ({
  kind: "uint",
  min: 1,
  max: 32,
  doc,
});
const ACCUMULATORS = ["i32", "i64"] as const;

function contractionConstraints(terms: "rows" | "taps"): readonly ImmediateConstraint[] {
  return [
    { rule: "bitsOf", immediate: "aBits", operand: "a" },
    { rule: "bitsOf", immediate: "bBits", operand: "b" },
    { rule: "triple", operands: ["a", "b"], immediate: "accumulator", rows: CONTRACTION_ROWS },
    {
      rule: "accumulator",
      operands: ["a", "b"],
      bits: ["aBits", "bBits"],
      immediate: "accumulator",
      terms,
    },
  ];
}

/**
 * The rule that makes partial sums harmless: whether `k · |a|max · |b|max` is a value of the
 * accumulator.
 */
export function accumulatorHolds(
  k: bigint,
  a: { readonly dtype: Dtype; readonly bits: number },
  b: { readonly dtype: Dtype; readonly bits: number },
  accumulator: Dtype,
): boolean {
  const bound = k * magnitudeBound(a.dtype, a.bits) * magnitudeBound(b.dtype, b.bits);
  return bound <= DTYPE_INFO[accumulator].max;
}

function checkAccumulator(
  k: number,
  imm: { aBits: number; bBits: number; accumulator: Dtype },
  [a, b]: readonly TensorSpec[],
): void {
  const left = { dtype: a!.dtype, bits: imm.aBits };
  const right = { dtype: b!.dtype, bits: imm.bBits };
  if (!accumulatorHolds(BigInt(k), left, right, imm.accumulator)) {
    throw new Trap(
      "AccumulatorBound",
      `a sum of ${k} products of ${imm.aBits} by ${imm.bBits} bits can exceed ${imm.accumulator}; use i64 or fewer bits`,
    );
  }
}

/** The greatest dimension of any tensor. */
export const MAX_DIM = 0x7fffffff;

/**
 * A dimension of a result that can be longer than those of the operands.
 * @throws Trap `ShapeMismatch`
 */
export function resultDim(dim: number): number {
  if (dim > MAX_DIM) {
    throw new Trap("ShapeMismatch", `a dimension of ${dim} is more than ${MAX_DIM}`);
  }
  return dim;
}

/** Length of an output axis of a window, or a trap. */
export function windowedLength(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
  padBefore: number,
  padAfter: number,
): number {
  const reach = (kernel - 1) * dilation + 1;
  const room = input + padBefore + padAfter - reach;
  if (kernel < 1 || room < 0) {
    throw new Trap(
      "ShapeMismatch",
      `a window of ${reach} does not fit an axis of ${input} padded by ${padBefore} and ${padAfter}`,
    );
  }
  return resultDim(Math.floor(room / stride) + 1);
}

/** Rows `[1,1]`-like immediates of spatial windows over an NHWC tensor named `of`. */
export function windowImmediates<const O extends string>(of: O) {
  return {
    strides: {
      kind: "perAxis",
      of,
      skip: 2,
      per: 1,
      min: 1,
      max: 65535,
      doc: "step of the window along each spatial axis",
    },
    dilations: {
      kind: "perAxis",
      of,
      skip: 2,
      per: 1,
      min: 1,
      max: 65535,
      doc: "distance of the window's taps along each spatial axis",
    },
    pads: {
      kind: "perAxis",
      of,
      skip: 2,
      per: 2,
      min: 0,
      max: 65535,
      doc: "padding before each spatial axis, then after each",
    },
  } as const;
}

export const contraction = {
  matmul: tensorOp({
    code: 0x20,
    class: "contraction",
    doc: "Matrix product of the last two axes, `y[…,i,j] = Σ_k a[…,i,k] · b[…,k,j]`, exact. Leading axes broadcast.",
    immediates: {
      aBits: bits("bits of a's values"),
      bBits: bits("bits of b's values"),
      accumulator: { kind: "dtype", among: ACCUMULATORS, doc: "dtype of the exact sums" },
    },
    operands: [
      { name: "a", dtype: ["u8", "i8", "i16", "i32"], rank: { min: 2, max: 8 } },
      { name: "b", dtype: ["u8", "i8", "i16", "i32"], rank: { min: 2, max: 8 } },
    ],
    results: [{ name: "y", dtype: { immediate: "accumulator" }, rank: { max: ["a", "b"] } }],
    constraints: contractionConstraints("rows"),
    shapeRule: "a is […,M,K], b is […,K,N], y is […,M,N]; the leading axes broadcast",
    shape: (imm, operands) => {
      const [a, b] = operands.map((operand) => operand.shape) as [Shape, Shape];
      const k = a[a.length - 1]!;
      if (k !== b[b.length - 2]) {
        throw new Trap(
          "ShapeMismatch",
          `matmul of ${formatShape(a)} and ${formatShape(b)}: the inner dimensions differ`,
        );
      }
      const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
      checkAccumulator(k, imm, operands);
      return [[...batch, a[a.length - 2]!, b[b.length - 1]!]];
    },
    checks: [
      { check: "bits", operand: "a", immediate: "aBits" },
      { check: "bits", operand: "b", immediate: "bBits" },
    ],
    gas: GAS_SCHEDULE.matmul,
    locality: "tiled",
    traps: ["ShapeMismatch", "AccumulatorBound", "OperandRange"],
    meaning: (_imm, [a, b]) => {
      const k = a!.shape[a!.shape.length - 1]!;
      const batchAt = (
        x: typeof a,
        index: readonly number[],
        row: number,
        column: number,
      ): bigint => {
        const rank = x!.shape.length - 2;
        const lead = index.length - rank;
        const batch = x!.shape
          .slice(0, rank)
          .map((dim, axis) => (dim === 1 ? 0 : index[lead + axis]!));
        return x!.at([...batch, row, column]);
      };
      return [
        (index) => {
          const batch = index.slice(0, -2);
          const [i, j] = index.slice(-2) as [number, number];
          let sum = 0n;
          for (let t = 0; t < k; t++) sum += batchAt(a, batch, i, t) * batchAt(b, batch, t, j);
          return sum;
        },
      ];
    },
  }),
  conv: tensorOp({
    code: 0x21,
    class: "contraction",
    doc: "Convolution (cross-correlation) of an N,spatial…,C tensor with a spatial…,C/groups,O kernel, exact. Positions outside the input count as the pad value.",
    immediates: {
      aBits: bits("bits of a's values and of the pad value"),
      bBits: bits("bits of b's values"),
      accumulator: { kind: "dtype", among: ACCUMULATORS, doc: "dtype of the exact sums" },
      ...windowImmediates("a"),
      groups: { kind: "uint", min: 1, max: 0x7fffffff, doc: "number of groups of channels" },
      padValue: {
        kind: "i64",
        doc: "value outside the input, in a's dtype (a zero point is not 0)",
      },
    },
    operands: [
      { name: "a", dtype: ["u8", "i8", "i16", "i32"], rank: { min: 3, max: 5 } },
      { name: "b", dtype: ["u8", "i8", "i16", "i32"], rank: { same: "a" } },
    ],
    results: [{ name: "y", dtype: { immediate: "accumulator" }, rank: { max: ["a"] } }],
    constraints: [
      ...contractionConstraints("taps"),
      { rule: "inBits", immediate: "padValue", bits: "aBits", operand: "a" },
    ],
    shapeRule:
      "a is [N, D…, C], b is [W…, C/groups, O], y is [N, ⌊(D + before + after − (W−1)·dilation − 1) / stride⌋ + 1 …, O]; groups divides C and O, every W ≥ 1, and a window is no longer than the padded axis",
    shape: (imm, operands) => {
      const [a, b] = operands.map((operand) => operand.shape) as [Shape, Shape];
      const spatial = a.length - 2;
      const channels = a[a.length - 1]!;
      const perGroup = b[b.length - 2]!;
      const outputs = b[b.length - 1]!;
      if (perGroup * imm.groups !== channels || outputs % imm.groups !== 0) {
        throw new Trap(
          "ShapeMismatch",
          `conv of ${formatShape(a)} with a kernel of ${formatShape(b)} and ${imm.groups} groups: channels do not fit`,
        );
      }
      let k = perGroup;
      const out: number[] = [];
      for (let axis = 0; axis < spatial; axis++) {
        const w = b[axis]!;
        k *= w;
        out.push(
          windowedLength(
            a[axis + 1]!,
            w,
            imm.strides[axis]!,
            imm.dilations[axis]!,
            imm.pads[axis]!,
            imm.pads[axis + spatial]!,
          ),
        );
      }
      checkAccumulator(k, imm, operands);
      return [[a[0]!, ...out, outputs]];
    },
    checks: [
      { check: "bits", operand: "a", immediate: "aBits" },
      { check: "bits", operand: "b", immediate: "bBits" },
    ],
    gas: GAS_SCHEDULE.conv,
    locality: "tiled",
    traps: ["ShapeMismatch", "AccumulatorBound", "OperandRange"],
    meaning: (imm, [a, b], [shape]) => {
      const spatial = a!.shape.length - 2;
      const kernel = b!.shape.slice(0, spatial);
      const perGroup = b!.shape[spatial]!;
      const outputsPerGroup = shape![shape!.length - 1]! / imm.groups;
      return [
        (index) => {
          const o = index[spatial + 1]!;
          const group = Math.floor(o / outputsPerGroup);
          let sum = 0n;
          forEachIndex(kernel, (tap) => {
            const position = tap.map(
              (t, axis) =>
                index[axis + 1]! * imm.strides[axis]! + t * imm.dilations[axis]! - imm.pads[axis]!,
            );
            const inside = position.every((p, axis) => p >= 0 && p < a!.shape[axis + 1]!);
            for (let c = 0; c < perGroup; c++) {
              const x = inside
                ? a!.at([index[0]!, ...position, group * perGroup + c])
                : imm.padValue;
              sum += x * b!.at([...tap, c, o]);
            }
          });
          return sum;
        },
      ];
    },
  }),
  "mul.wide": tensorOp({
    code: 0x22,
    class: "contraction",
    doc: "Elementwise exact product `a · b` in an accumulator that always holds it. Shapes broadcast.",
    immediates: {
      accumulator: { kind: "dtype", among: ACCUMULATORS, doc: "dtype of the exact product" },
    },
    operands: [
      { name: "a", dtype: ["u8", "i8", "i16", "i32"], rank: "any" },
      { name: "b", dtype: ["u8", "i8", "i16", "i32"], rank: "any" },
    ],
    results: [{ name: "y", dtype: { immediate: "accumulator" }, rank: { max: ["a", "b"] } }],
    constraints: [
      { rule: "triple", operands: ["a", "b"], immediate: "accumulator", rows: CONTRACTION_ROWS },
    ],
    shapeRule: "a and b broadcast",
    shape: (_imm, [a, b]) => [broadcastShapes([a!.shape, b!.shape])],
    checks: [],
    gas: GAS_SCHEDULE.wideProduct,
    locality: "elementwise",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [a, b]) => {
      const left = broadcastAt(a!);
      const right = broadcastAt(b!);
      return [(index) => left(index) * right(index)];
    },
  }),
} as const;

/** Calls `visit` for every index of `shape` in row-major order. */
export function forEachIndex(shape: Shape, visit: (index: readonly number[]) => void): void {
  const index = shape.map(() => 0);
  if (shape.includes(0)) return;
  for (;;) {
    visit(index);
    let axis = shape.length - 1;
    while (axis >= 0 && ++index[axis]! === shape[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}
