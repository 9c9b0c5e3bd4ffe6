import { DTYPES, INTEGER_DTYPES } from "../core/dtype.js";
import type { Dtype } from "../core/dtype.js";
import { Trap } from "../core/errors.js";
import { elementCount, formatShape } from "../core/shape.js";
import { GAS_SCHEDULE } from "./gasSchedule.js";
import { forEachIndex, resultDim } from "./contraction.js";
import type { ExactTensor, GasFormula } from "./record.js";
import { tensorOp } from "./record.js";

const SCATTERED = "`y[…, i, …]` starts as `x[…, i, …]`";

/** `meaning` combines an element of x with the updates that its index names, in order. */
function scatter(op: {
  code: number;
  doc: string;
  dtypes: readonly Dtype[];
  /** Gas of an element of the operands. */
  gas: GasFormula;
  meaning: (x: bigint, updates: readonly bigint[]) => bigint;
}) {
  return tensorOp({
    code: op.code,
    class: "scatter",
    doc: op.doc,
    immediates: { axis: { kind: "axis", of: "x", doc: "axis of x to index" } },
    operands: [
      { name: "x", dtype: op.dtypes, rank: { min: 1, max: 8 } },
      { name: "indices", dtype: ["i32", "i64"], rank: 1 },
      { name: "updates", dtype: { same: "x" }, rank: { same: "x" } },
    ],
    results: [{ name: "y", dtype: { of: "x" }, rank: { max: ["x"] } }],
    constraints: [],
    shapeRule:
      "the shape of x; that of updates is the same but along the axis, where it has an element for each of indices",
    shape: ({ axis }, [x, indices, updates]) => {
      const expected = x!.shape.map((dim, i) => (i === axis ? indices!.shape[0]! : dim));
      if (updates!.shape.some((dim, i) => dim !== expected[i])) {
        throw new Trap(
          "ShapeMismatch",
          `updates of ${formatShape(updates!.shape)}, scatter wants ${formatShape(expected)}`,
        );
      }
      return [x!.shape];
    },
    checks: [{ check: "index", operand: "indices", axis: "axis", of: "x" }],
    gas: op.gas,
    locality: "whole",
    traps: ["ShapeMismatch", "IndexOutOfRange"],
    meaning: ({ axis }, [x, indices, updates]) => {
      const count = indices!.shape[0]!;
      return [
        (index) => {
          const own: bigint[] = [];
          for (let k = 0; k < count; k++) {
            if (Number(indices!.at([k])) !== index[axis]) continue;
            own.push(updates!.at(index.map((i, a) => (a === axis ? k : i))));
          }
          return op.meaning(x!.at(index), own);
        },
      ];
    },
  });
}

/** Flat indices of the elements that are not 0, ascending. */
function nonZeroIndices(x: ExactTensor): bigint[] {
  const found: bigint[] = [];
  let flat = 0n;
  forEachIndex(x.shape, (index) => {
    if (x.at(index) !== 0n) found.push(flat);
    flat++;
  });
  return found;
}

export const indexing = {
  scatter: scatter({
    code: 0x6b,
    doc: `Replaces slices of x along an axis by index: ${SCATTERED} and becomes \`updates[…, k, …]\` where \`indices[k]\` is i; the greatest such k wins.`,
    dtypes: DTYPES,
    gas: GAS_SCHEDULE.replacement,
    meaning: (x, updates) => updates[updates.length - 1] ?? x,
  }),
  "scatter.add": scatter({
    code: 0x6c,
    doc: `Adds to slices of x along an axis by index: ${SCATTERED}, and every \`updates[…, k, …]\` where \`indices[k]\` is i is added; exact, saturated once.`,
    dtypes: INTEGER_DTYPES,
    gas: GAS_SCHEDULE.combination,
    meaning: (x, updates) => updates.reduce((acc, update) => acc + update, x),
  }),
  "scatter.mul": scatter({
    code: 0x6d,
    doc: `Multiplies slices of x along an axis by index: ${SCATTERED}, and is multiplied by every \`updates[…, k, …]\` where \`indices[k]\` is i; exact, saturated once.`,
    dtypes: INTEGER_DTYPES,
    gas: GAS_SCHEDULE.combinedProduct,
    meaning: (x, updates) => updates.reduce((acc, update) => acc * update, x),
  }),
  "scatter.max": scatter({
    code: 0x6e,
    doc: `Raises slices of x along an axis by index: the greatest of \`x[…, i, …]\` and every \`updates[…, k, …]\` where \`indices[k]\` is i.`,
    dtypes: DTYPES,
    gas: GAS_SCHEDULE.combination,
    meaning: (x, updates) => updates.reduce((acc, update) => (update > acc ? update : acc), x),
  }),
  "scatter.min": scatter({
    code: 0x6f,
    doc: `Lowers slices of x along an axis by index: the least of \`x[…, i, …]\` and every \`updates[…, k, …]\` where \`indices[k]\` is i.`,
    dtypes: DTYPES,
    gas: GAS_SCHEDULE.combination,
    meaning: (x, updates) => updates.reduce((acc, update) => (update < acc ? update : acc), x),
  }),
  argsort: tensorOp({
    code: 0x56,
    class: "sort",
    doc: "Indices that sort x along an axis, ascending; of equals the lowest index first. `not` before it sorts descending, again with the lowest index of equals first.",
    immediates: { axis: { kind: "axis", of: "x", doc: "axis to sort along" } },
    operands: [{ name: "x", dtype: DTYPES, rank: { min: 1, max: 8 } }],
    results: [{ name: "y", dtype: "i32", rank: { max: ["x"] } }],
    constraints: [],
    shapeRule: "that of x",
    shape: (_imm, [x]) => [x!.shape],
    checks: [],
    gas: GAS_SCHEDULE.sort,
    locality: "tiled",
    traps: [],
    meaning: ({ axis }, [x]) => [
      (index) => {
        const value = (i: number): bigint => x!.at(index.map((v, a) => (a === axis ? i : v)));
        const order = Array.from({ length: x!.shape[axis]! }, (_, i) => i).sort((a, b) => {
          const [left, right] = [value(a), value(b)];
          return left < right ? -1 : left > right ? 1 : a - b;
        });
        return BigInt(order[index[axis]!]!);
      },
    ],
  }),
  nonzero: tensorOp({
    code: 0x70,
    class: "movement",
    doc: "Row-major indices of the elements of x that are not 0, ascending, as an i32 tensor of rank 1. Its length depends on values; gas and limits count the length that it could have, one for each element of x.",
    immediates: {},
    operands: [{ name: "x", dtype: DTYPES, rank: "any" }],
    results: [{ name: "y", dtype: "i32", rank: 1 }],
    constraints: [],
    shapeRule:
      "[elements of x that are not 0]; for gas and limits [elements of x], at most 2^31 − 1",
    shape: (_imm, [x]) => [[resultDim(elementCount(x!.shape))]],
    valueShape: (_imm, [x]) => [[nonZeroIndices(x!).length]],
    checks: [],
    gas: GAS_SCHEDULE.search,
    locality: "whole",
    traps: ["ShapeMismatch"],
    meaning: (_imm, [x]) => {
      const found = nonZeroIndices(x!);
      return [(index) => found[index[0]!]!];
    },
  }),
} as const;
