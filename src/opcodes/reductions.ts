import type { Dtype } from "../core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../core/dtype.js";
import { Trap } from "../core/errors.js";
import type { Shape } from "../core/shape.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import { forEachIndex, windowedLength, windowImmediates } from "./contraction.js";
import type { ExactTensor, GasFormula, ResultRule } from "./record.js";
import { tensorOp } from "./record.js";

const SUM_DTYPES = ["i32", "i64"] as const;

/** The elements of x that reduce into the result at `index`. */
function reduced(x: ExactTensor, axes: readonly number[], index: readonly number[]): bigint[] {
  const values: bigint[] = [];
  const at = [...index];
  forEachIndex(
    axes.map((axis) => x.shape[axis]!),
    (inner) => {
      axes.forEach((axis, i) => (at[axis] = inner[i]!));
      values.push(x.at(at));
    },
  );
  return values;
}

function reduction(op: {
  code: number;
  doc: string;
  dtypes: readonly Dtype[];
  /** Result of an empty reduction. */
  initial: (dtype: Dtype) => bigint;
  meaning: (acc: bigint, x: bigint) => bigint;
}) {
  return tensorOp({
    code: op.code,
    class: "reduction",
    doc: op.doc,
    immediates: {
      axes: { kind: "axes", of: "x", doc: "axes to reduce; they stay with dimension 1" },
    },
    operands: [{ name: "x", dtype: op.dtypes, rank: "any" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x with 1 in place of the reduced axes",
    shape: ({ axes }, [x]) => [x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))],
    checks: [],
    gas: GAS_SCHEDULE.extreme,
    locality: "tiled",
    traps: [],
    meaning: ({ axes }, [x]) => [
      (index) => {
        let acc = op.initial(x!.dtype);
        for (const value of reduced(x!, axes, index)) acc = op.meaning(acc, value);
        return acc;
      },
    ],
  });
}

/** A sum or product: exact, saturated once into the dtype that an immediate states. */
function accumulation(op: {
  code: number;
  doc: string;
  gas: GasFormula;
  initial: bigint;
  meaning: (acc: bigint, x: bigint) => bigint;
}) {
  return tensorOp({
    code: op.code,
    class: "reduction",
    doc: op.doc,
    immediates: {
      axes: { kind: "axes", of: "x", doc: "axes to reduce; they stay with dimension 1" },
      dtype: { kind: "dtype", among: SUM_DTYPES, doc: "dtype of the result" },
    },
    operands: [{ name: "x", dtype: INTEGER_DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x with 1 in place of the reduced axes",
    shape: ({ axes }, [x]) => [x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))],
    checks: [],
    gas: op.gas,
    locality: "tiled",
    traps: [],
    meaning: ({ axes }, [x]) => [
      (index) => {
        let acc = op.initial;
        for (const value of reduced(x!, axes, index)) acc = op.meaning(acc, value);
        return acc;
      },
    ],
  });
}

function arg(op: {
  code: number;
  doc: string;
  better: (candidate: bigint, best: bigint) => boolean;
}) {
  return tensorOp({
    code: op.code,
    class: "reduction",
    doc: op.doc,
    immediates: {
      axis: { kind: "axis", of: "x", doc: "axis to search; it stays with dimension 1" },
    },
    operands: [{ name: "x", dtype: INTEGER_DTYPES, rank: { min: 1, max: 8 } }],
    results: [{ name: "y", dtype: "i32", rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "the shape of x with 1 in place of the axis, which must not be empty",
    shape: ({ axis }, [x]) => {
      if (x!.shape[axis] === 0) throw new Trap("ShapeMismatch", "no extreme of an empty axis");
      return [x!.shape.map((dim, i) => (i === axis ? 1 : dim))];
    },
    checks: [],
    gas: GAS_SCHEDULE.position,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: ({ axis }, [x]) => [
      (index) => {
        let best = 0n;
        let bestValue: bigint | undefined;
        let position = 0n;
        for (const value of reduced(x!, [axis], index)) {
          if (bestValue === undefined || op.better(value, bestValue)) {
            bestValue = value;
            best = position;
          }
          position++;
        }
        return best;
      },
    ],
  });
}

const cumulative = tensorOp({
  code: 0x57,
  class: "reduction",
  doc: "Cumulative sum along an axis: each element is the exact sum of those of x up to and with its own, saturated once.",
  immediates: {
    axis: { kind: "axis", of: "x", doc: "axis to sum along" },
    dtype: { kind: "dtype", among: SUM_DTYPES, doc: "dtype of the result" },
  },
  operands: [{ name: "x", dtype: INTEGER_DTYPES, rank: { min: 1, max: 8 } }],
  results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
  constraints: [],
  shapeRule: "that of x",
  shape: (_imm, [x]) => [x!.shape],
  checks: [],
  gas: GAS_SCHEDULE.runningSum,
  locality: "tiled",
  traps: [],
  meaning: ({ axis }, [x]) => [
    (index) => {
      let sum = 0n;
      for (let i = 0; i <= index[axis]!; i++) {
        sum += x!.at(index.map((v, a) => (a === axis ? i : v)));
      }
      return sum;
    },
  ],
});

const WINDOW = {
  kernel: {
    kind: "perAxis",
    of: "x",
    skip: 2,
    per: 1,
    min: 1,
    max: 65535,
    doc: "size of the window along each spatial axis",
  },
  ...windowImmediates("x"),
} as const;
const WINDOW_SHAPE =
  "x is [N, D…, C], y is [N, ⌊(D + before + after − (kernel−1)·dilation − 1) / stride⌋ + 1 …, C]; a window is no longer than the padded axis";

interface Window {
  kernel: readonly number[];
  strides: readonly number[];
  dilations: readonly number[];
  pads: readonly number[];
}

function windowShape(imm: Window, x: Shape): Shape {
  const spatial = x.length - 2;
  return x.map((dim, axis) =>
    axis === 0 || axis === x.length - 1
      ? dim
      : windowedLength(
          dim,
          imm.kernel[axis - 1]!,
          imm.strides[axis - 1]!,
          imm.dilations[axis - 1]!,
          imm.pads[axis - 1]!,
          imm.pads[axis - 1 + spatial]!,
        ),
  );
}

/** The elements of x inside the window of the result at `index`; padding is left out. */
function windowed(imm: Window, x: ExactTensor, index: readonly number[]): bigint[] {
  const values: bigint[] = [];
  forEachIndex(imm.kernel, (tap) => {
    const at = tap.map(
      (t, i) => index[i + 1]! * imm.strides[i]! + t * imm.dilations[i]! - imm.pads[i]!,
    );
    if (at.every((p, i) => p >= 0 && p < x.shape[i + 1]!)) {
      values.push(x.at([index[0]!, ...at, index[index.length - 1]!]));
    }
  });
  return values;
}

function pool<const I extends typeof WINDOW>(op: {
  code: number;
  doc: string;
  gas: GasFormula;
  immediates: I;
  result: ResultRule["dtype"];
  meaning: (values: readonly bigint[], dtype: Dtype) => bigint;
}) {
  return tensorOp<I>({
    code: op.code,
    class: "pool",
    doc: op.doc,
    immediates: op.immediates,
    operands: [{ name: "x", dtype: INTEGER_DTYPES, rank: { min: 3, max: 5 } }],
    results: [{ name: "y", dtype: op.result, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: WINDOW_SHAPE,
    shape: (imm, [x]) => [windowShape(imm as unknown as Window, x!.shape)],
    checks: [],
    gas: op.gas,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: (imm, [x]) => [
      (index) => op.meaning(windowed(imm as unknown as Window, x!, index), x!.dtype),
    ],
  });
}

export const reductions = {
  "reduce.sum": accumulation({
    code: 0x50,
    doc: "Exact sum over axes, saturated once. An empty sum is 0.",
    gas: GAS_SCHEDULE.sum,
    initial: 0n,
    meaning: (acc, x) => acc + x,
  }),
  "reduce.prod": accumulation({
    code: 0x51,
    doc: "Exact product over axes, saturated once. An empty product is 1.",
    gas: GAS_SCHEDULE.multiplication,
    initial: 1n,
    meaning: (acc, x) => acc * x,
  }),
  "reduce.max": reduction({
    code: 0x52,
    doc: "Maximum over axes; the least value of the dtype where there are no elements.",
    dtypes: DTYPES,
    initial: (dtype) => DTYPE_INFO[dtype].min,
    meaning: (acc, x) => (x > acc ? x : acc),
  }),
  "reduce.min": reduction({
    code: 0x53,
    doc: "Minimum over axes; the greatest value of the dtype where there are no elements.",
    dtypes: DTYPES,
    initial: (dtype) => DTYPE_INFO[dtype].max,
    meaning: (acc, x) => (x < acc ? x : acc),
  }),
  argmax: arg({
    code: 0x54,
    doc: "Index of the greatest value along an axis; the lowest index of equals.",
    better: (candidate, best) => candidate > best,
  }),
  argmin: arg({
    code: 0x55,
    doc: "Index of the least value along an axis; the lowest index of equals.",
    better: (candidate, best) => candidate < best,
  }),
  cumsum: cumulative,
  "pool.max": pool({
    code: 0x58,
    doc: "Maximum over sliding windows of an N,spatial…,C tensor. Padding does not take part; a window of padding alone gives the least value of the dtype.",
    gas: GAS_SCHEDULE.greatestPool,
    immediates: WINDOW,
    result: { of: "x" },
    meaning: (values, dtype) =>
      values.reduce((acc, x) => (x > acc ? x : acc), DTYPE_INFO[dtype].min),
  }),
  "pool.sum": pool({
    code: 0x59,
    doc: "Exact sum over sliding windows of an N,spatial…,C tensor, saturated once. Padding counts as 0. An average is a `rescale` of it.",
    gas: GAS_SCHEDULE.sumPool,
    immediates: {
      ...WINDOW,
      dtype: { kind: "dtype", among: SUM_DTYPES, doc: "dtype of the result" },
    },
    result: { immediate: "dtype" },
    meaning: (values) => values.reduce((acc, x) => acc + x, 0n),
  }),
} as const;
