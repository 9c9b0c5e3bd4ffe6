import { DTYPES } from "../core/dtype.js";
import { Trap } from "../core/errors.js";
import { floorDiv } from "../core/fixedPoint.js";
import type { Shape } from "../core/shape.js";
import { MAX_RANK, broadcastShapes, elementCount, formatShape, stridesOf } from "../core/shape.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import { MAX_DIM, resultDim } from "./contraction.js";
import { broadcastAt } from "./elementwise.js";
import { tensorOp } from "./record.js";

/** An entry of `reshape` that is inferred so that the number of elements stays. */
export const INFER = -1;
/** An entry of a `dims` list that is taken, in order, from the shape operand. */
export const FROM_OPERAND = -2;
/** The entry of `reshape` that copies dimension `axis` of the operand. */
export const copyAxis = (axis: number): number => -3 - axis;

/** Replaces entries taken from the shape operand. */
function takeDims(dims: readonly number[], operand: readonly bigint[]): number[] {
  let next = 0;
  const taken = dims.map((dim) => {
    if (dim !== FROM_OPERAND) return dim;
    const value = operand[next++];
    if (value === undefined || value < 0n || value > BigInt(MAX_DIM)) {
      throw new Trap("ShapeMismatch", `the shape operand gives ${String(value)} for a dimension`);
    }
    return Number(value);
  });
  if (next !== operand.length) {
    throw new Trap(
      "ShapeMismatch",
      `the shape operand has ${operand.length} entries, ${next} are taken`,
    );
  }
  return taken;
}

const SHAPE_OPERAND = {
  name: "dims",
  dtype: ["i64"],
  rank: 1,
  when: { immediate: "dims", holds: FROM_OPERAND },
} as const;

const RESIZE = {
  sizes: {
    kind: "perAxis",
    of: "x",
    skip: 2,
    per: 1,
    min: 1,
    max: 65535,
    doc: "spatial dimensions of the result",
  },
  numerators: {
    kind: "perAxis",
    of: "x",
    skip: 2,
    per: 1,
    min: 1,
    max: 65535,
    doc: "p: input position = (p·i + o) / q",
  },
  denominators: {
    kind: "perAxis",
    of: "x",
    skip: 2,
    per: 1,
    min: 1,
    max: 65535,
    doc: "q: input position = (p·i + o) / q",
  },
  offsets: {
    kind: "perAxis",
    of: "x",
    skip: 2,
    per: 1,
    min: -0x3fffffff,
    max: 0x3fffffff,
    doc: "o: input position = (p·i + o) / q",
  },
} as const;
interface Resize {
  sizes: readonly number[];
  numerators: readonly number[];
  denominators: readonly number[];
  offsets: readonly number[];
}

function resizedShape(imm: Resize, x: Shape): Shape {
  if (x.slice(1, -1).includes(0))
    throw new Trap("ShapeMismatch", `resize of an empty image ${formatShape(x)}`);
  return [x[0]!, ...imm.sizes, x[x.length - 1]!];
}

/** Numerator of the input position of output index `i` along a spatial axis. */
const position = (imm: Resize, axis: number, i: number): bigint =>
  BigInt(imm.numerators[axis]!) * BigInt(i) + BigInt(imm.offsets[axis]!);
const clampIndex = (p: bigint, dim: number): number =>
  p < 0n ? 0 : p > BigInt(dim - 1) ? dim - 1 : Number(p);

export const movement = {
  reshape: tensorOp({
    code: 0x60,
    class: "movement",
    doc: "The same elements in row-major order under other dimensions. An entry d ≥ 0 is a dimension; −1 is inferred; −2 is taken from the shape operand, whose entries are those of the −2 in order; −3−k copies dimension k of x.",
    immediates: {
      dims: {
        kind: "dims",
        min: -3 - (MAX_RANK - 1),
        max: MAX_DIM,
        doc: "dimensions of the result",
      },
    },
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }, SHAPE_OPERAND],
    results: [{ name: "y", dtype: { of: "x" }, rank: { lengthOf: "dims" } }],
    constraints: [
      { rule: "atMostOne", immediate: "dims", value: INFER },
      { rule: "copiesAxis", immediate: "dims", operand: "x" },
    ],
    shapeRule:
      "dims with its special entries replaced; the number of elements must stay; nothing can be inferred beside a dimension of 0",
    shape: (imm, [x], operand) => {
      const dims = takeDims(imm.dims, operand).map((dim) =>
        dim <= -3 ? x!.shape[-3 - dim]! : dim,
      );
      const total = elementCount(x!.shape);
      const inferred = dims.indexOf(INFER);
      if (inferred >= 0) {
        const rest = dims.reduce(
          (product, dim, i) => (i === inferred ? product : product * dim),
          1,
        );
        if (rest === 0 || total % rest !== 0) {
          throw new Trap(
            "ShapeMismatch",
            `${formatShape(x!.shape)} does not reshape to ${formatShape(imm.dims)}`,
          );
        }
        dims[inferred] = total / rest;
      }
      if (elementCount(dims) !== total) {
        throw new Trap(
          "ShapeMismatch",
          `${formatShape(x!.shape)} does not reshape to ${formatShape(dims)}`,
        );
      }
      return [dims];
    },
    checks: [],
    gas: GAS_SCHEDULE.view,
    locality: "whole",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [x], [shape]) => {
      const strides = stridesOf(shape!);
      const inner = stridesOf(x!.shape);
      return [
        (index) => {
          const flat = index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0);
          return x!.at(x!.shape.map((dim, axis) => Math.floor(flat / inner[axis]!) % dim));
        },
      ];
    },
  }),
  transpose: tensorOp({
    code: 0x61,
    class: "movement",
    doc: "Permutes axes: axis i of the result is axis perm[i] of x.",
    immediates: { perm: { kind: "perm", of: "x", doc: "axis of x for each axis of the result" } },
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "y.shape[i] = x.shape[perm[i]]",
    shape: ({ perm }, [x]) => [perm.map((axis) => x!.shape[axis]!)],
    checks: [],
    gas: GAS_SCHEDULE.transposition,
    locality: "tiled",
    traps: [],
    meaning: ({ perm }, [x]) => [
      (index) => {
        const at = new Array<number>(perm.length);
        perm.forEach((axis, i) => (at[axis] = index[i]!));
        return x!.at(at);
      },
    ],
  }),
  slice: tensorOp({
    code: 0x62,
    class: "movement",
    doc: "Takes a regular part of each axis: from start (counted from the end when negative, then clamped to the axis) towards end (likewise, exclusive) in steps. For a dimension d, start is clamped to [0, d] and end to [0, d] where the step is positive, start to [0, d − 1] and end to [−1, d − 1] where it is negative; an axis of dimension 0 stays empty. The rules are those of ONNX Slice.",
    immediates: {
      starts: {
        kind: "perAxis",
        of: "x",
        skip: 0,
        per: 1,
        min: -0x80000000,
        max: MAX_DIM,
        doc: "first index on each axis",
      },
      ends: {
        kind: "perAxis",
        of: "x",
        skip: 0,
        per: 1,
        min: -0x80000000,
        max: MAX_DIM,
        doc: "index before which to stop on each axis",
      },
      steps: {
        kind: "perAxis",
        of: "x",
        skip: 0,
        per: 1,
        min: -0x80000000,
        max: MAX_DIM,
        doc: "step on each axis, not 0",
      },
    },
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [{ rule: "nonZero", immediate: "steps" }],
    shapeRule: "max(0, ⌈(end − start) / step⌉) on each axis, start and end resolved",
    shape: ({ starts, ends, steps }, [x]) => [
      x!.shape.map((dim, axis) => sliceAxis(dim, starts[axis]!, ends[axis]!, steps[axis]!).length),
    ],
    checks: [],
    gas: GAS_SCHEDULE.move,
    locality: "tiled",
    traps: [],
    meaning: ({ starts, ends, steps }, [x]) => {
      const first = x!.shape.map(
        (dim, axis) => sliceAxis(dim, starts[axis]!, ends[axis]!, steps[axis]!).start,
      );
      return [(index) => x!.at(index.map((i, axis) => first[axis]! + i * steps[axis]!))];
    },
  }),
  concat: tensorOp({
    code: 0x63,
    class: "movement",
    doc: "Joins tensors along an axis, the one pushed first in front.",
    immediates: {
      count: { kind: "count", min: 1, max: 1024, doc: "number of tensors" },
      axis: { kind: "axis", of: "x", doc: "axis to join along" },
    },
    operands: [{ name: "x", dtype: DTYPES, rank: { min: 1, max: MAX_RANK }, repeat: "count" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule:
      "all of one dtype and rank; dimensions other than the axis are equal, those of the axis add up",
    shape: ({ axis }, operands) => {
      const first = operands[0]!.shape;
      let sum = 0;
      for (const { shape } of operands) {
        if (!shape.every((dim, i) => i === axis || dim === first[i])) {
          throw new Trap(
            "ShapeMismatch",
            `concat along axis ${axis} of ${formatShape(first)} and ${formatShape(shape)}`,
          );
        }
        sum += shape[axis]!;
      }
      return [first.map((dim, i) => (i === axis ? resultDim(sum) : dim))];
    },
    checks: [],
    gas: GAS_SCHEDULE.concatenation,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: ({ axis }, operands) => [
      (index) => {
        let i = index[axis]!;
        for (const x of operands) {
          if (i < x.shape[axis]!) return x.at(index.map((v, a) => (a === axis ? i : v)));
          i -= x.shape[axis]!;
        }
        return 0n; // past the end: no index of the result leads here
      },
    ],
  }),
  gather: tensorOp({
    code: 0x64,
    class: "movement",
    doc: "Takes slices of x along an axis by index: `y[…, i…, …] = x[…, indices[i…], …]`.",
    immediates: { axis: { kind: "axis", of: "x", doc: "axis of x to index" } },
    operands: [
      { name: "x", dtype: DTYPES, rank: { min: 1, max: MAX_RANK } },
      { name: "indices", dtype: ["i32", "i64"], rank: "any" },
    ],
    results: [{ name: "y", dtype: { of: "x" }, rank: { sum: ["x", "indices"], plus: -1 } }],
    constraints: [],
    shapeRule: "the shape of x with that of indices in place of the axis",
    shape: ({ axis }, [x, indices]) => [
      [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)],
    ],
    checks: [{ check: "index", operand: "indices", axis: "axis", of: "x" }],
    gas: GAS_SCHEDULE.gathering,
    locality: "tiled",
    traps: ["IndexOutOfRange"],
    meaning: ({ axis }, [x, indices]) => {
      const rank = indices!.shape.length;
      return [
        (index) => {
          const i = Number(indices!.at(index.slice(axis, axis + rank)));
          return x!.at([...index.slice(0, axis), i, ...index.slice(axis + rank)]);
        },
      ];
    },
  }),
  pad: tensorOp({
    code: 0x65,
    class: "movement",
    doc: "Surrounds x with a value, and puts `interior` of it between neighbours along each axis.",
    immediates: {
      before: {
        kind: "perAxis",
        of: "x",
        skip: 0,
        per: 1,
        min: 0,
        max: MAX_DIM,
        doc: "elements before each axis",
      },
      after: {
        kind: "perAxis",
        of: "x",
        skip: 0,
        per: 1,
        min: 0,
        max: MAX_DIM,
        doc: "elements after each axis",
      },
      interior: {
        kind: "perAxis",
        of: "x",
        skip: 0,
        per: 1,
        min: 0,
        max: MAX_DIM,
        doc: "elements between neighbours on each axis",
      },
      value: { kind: "i64", doc: "the value to pad with, in x's dtype" },
    },
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [{ rule: "inDtype", immediate: "value", dtype: { of: "x" } }],
    shapeRule: "before + dim + max(0, dim − 1)·interior + after on each axis, at most 2^31 − 1",
    shape: ({ before, after, interior }, [x]) => [
      x!.shape.map((dim, axis) =>
        resultDim(before[axis]! + dim + Math.max(0, dim - 1) * interior[axis]! + after[axis]!),
      ),
    ],
    checks: [],
    gas: GAS_SCHEDULE.move,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: ({ before, interior, value }, [x]) => [
      (index) => {
        const at = index.map((i, axis) => (i - before[axis]!) / (interior[axis]! + 1));
        return at.every((i, axis) => Number.isInteger(i) && i >= 0 && i < x!.shape[axis]!)
          ? x!.at(at)
          : value;
      },
    ],
  }),
  expand: tensorOp({
    code: 0x66,
    class: "movement",
    doc: "Broadcasts x with a shape. Each entry of −2 is taken, in order, from the shape operand, which has no other entries; one outside 0 … 2^31 − 1 does not fit.",
    immediates: {
      dims: { kind: "dims", min: FROM_OPERAND, max: MAX_DIM, doc: "shape to broadcast with" },
    },
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }, SHAPE_OPERAND],
    results: [{ name: "y", dtype: { of: "x" }, rank: { maxLengthOf: "dims", and: "x" } }],
    constraints: [{ rule: "noneIs", immediate: "dims", value: INFER }],
    shapeRule: "the shape of x broadcast with dims",
    shape: ({ dims }, [x], operand) => [broadcastShapes([x!.shape, takeDims(dims, operand)])],
    checks: [],
    gas: GAS_SCHEDULE.move,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [x]) => [broadcastAt(x!)],
  }),
  "resize.nearest": tensorOp({
    code: 0x67,
    class: "movement",
    doc: "Samples an N,spatial…,C tensor: output index i of a spatial axis reads input index ⌊(p·i + o) / q⌋, clamped to the axis.",
    immediates: RESIZE,
    operands: [{ name: "x", dtype: DTYPES, rank: { min: 3, max: 5 } }],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "[N, sizes…, C]; no spatial axis of x is empty",
    shape: (imm, [x]) => [resizedShape(imm, x!.shape)],
    checks: [],
    gas: GAS_SCHEDULE.nearest,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: (imm, [x]) => [
      (index) =>
        x!.at(
          index.map((i, axis) => {
            if (axis === 0 || axis === index.length - 1) return i;
            const p = floorDiv(position(imm, axis - 1, i), BigInt(imm.denominators[axis - 1]!));
            return clampIndex(p, x!.shape[axis]!);
          }),
        ),
    ],
  }),
  "resize.linear": tensorOp({
    code: 0x68,
    class: "movement",
    doc: "Linear interpolation of an N,spatial…,C tensor as exact sums: along each spatial axis, with j = ⌊(p·i + o) / q⌋ and r = (p·i + o) − q·j, the neighbours j and j+1 (both clamped to the axis) weigh q − r and r. The result is the interpolated value times the product of the denominators, saturated once; `rescale` narrows it.",
    immediates: {
      ...RESIZE,
      dtype: { kind: "dtype", among: ["i32", "i64"], doc: "dtype of the exact sums" },
    },
    operands: [{ name: "x", dtype: ["u8", "i8", "i16", "i32"], rank: { min: 3, max: 5 } }],
    results: [{ name: "y", dtype: { immediate: "dtype" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "[N, sizes…, C]; no spatial axis of x is empty",
    shape: (imm, [x]) => [resizedShape(imm, x!.shape)],
    checks: [],
    gas: GAS_SCHEDULE.linear,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: (imm, [x]) => {
      const sample = (at: number[], axis: number, index: readonly number[]): bigint => {
        if (axis === index.length - 1) return x!.at([...at, index[axis]!]);
        const q = BigInt(imm.denominators[axis - 1]!);
        const p = position(imm, axis - 1, index[axis]!);
        const j = floorDiv(p, q);
        const r = p - q * j;
        const dim = x!.shape[axis]!;
        return (
          (q - r) * sample([...at, clampIndex(j, dim)], axis + 1, index) +
          r * sample([...at, clampIndex(j + 1n, dim)], axis + 1, index)
        );
      };
      return [(index) => sample([index[0]!], 1, index)];
    },
  }),
  shape: tensorOp({
    code: 0x69,
    class: "movement",
    doc: "The dimensions of x, as an i64 tensor of rank 1.",
    immediates: {},
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: "i64", rank: 1 }],
    constraints: [],
    shapeRule: "[rank(x)]",
    shape: (_imm, [x]) => [[x!.shape.length]],
    checks: [],
    gas: GAS_SCHEDULE.view,
    locality: "whole",
    traps: [],
    meaning: (_imm, [x]) => [(index) => BigInt(x!.shape[index[0]!]!)],
  }),
  iota: tensorOp({
    code: 0x6a,
    class: "movement",
    doc: "0, 1, 2, … of the given length, as an i32 tensor of rank 1. A length of −2 is taken from the shape operand, which has one entry.",
    immediates: {
      dims: { kind: "dims", min: FROM_OPERAND, max: MAX_DIM, doc: "one entry: the length" },
    },
    operands: [SHAPE_OPERAND],
    results: [{ name: "y", dtype: "i32", rank: { lengthOf: "dims" } }],
    constraints: [
      { rule: "length", immediate: "dims", value: 1 },
      { rule: "noneIs", immediate: "dims", value: INFER },
    ],
    shapeRule: "[length]",
    shape: ({ dims }, _operands, operand) => [takeDims(dims, operand)],
    checks: [],
    gas: GAS_SCHEDULE.move,
    locality: "tiled",
    traps: ["ShapeMismatch"],
    meaning: () => [(index) => BigInt(index[0]!)],
  }),
} as const;

/** First index and number of elements of a slice of an axis, by the rules of ONNX Slice. */
export function sliceAxis(
  dim: number,
  start: number,
  end: number,
  step: number,
): { start: number; length: number } {
  const resolve = (i: number): number => (i < 0 ? i + dim : i);
  const bound = (i: number, lo: number, hi: number): number => Math.min(Math.max(i, lo), hi);
  const from = step > 0 ? bound(resolve(start), 0, dim) : bound(resolve(start), 0, dim - 1);
  const to = step > 0 ? bound(resolve(end), 0, dim) : bound(resolve(end), -1, dim - 1);
  return { start: from, length: Math.max(0, Math.ceil((to - from) / step)) };
}
