import { isFloat } from "../graph.js";
import { broadcastStrides, countOf, walk, zeros } from "./arrays.js";
import { elementAt, floatTensor, isInteger, numbersOf, storeInteger } from "./folder.js";
import type { Folder } from "./folder.js";

interface Reduction {
  readonly start: number;
  readonly step: (total: number, x: number) => number;
  /** Over integers; without it the operator is for floats only. */
  readonly bigint?: (total: bigint, x: bigint) => bigint;
  readonly integerStart?: bigint;
  /** What is made of the total; `count` elements went into it. */
  readonly end?: (total: number, count: number, log: (x: number) => number) => number;
}

const sum = { start: 0, step: (t: number, x: number) => t + x };

const REDUCTIONS: Readonly<Record<string, Reduction>> = {
  ReduceSum: { ...sum, bigint: (t, x) => t + x, integerStart: 0n },
  ReduceMean: { ...sum, end: (t, count) => t / count },
  ReduceProd: { start: 1, step: (t, x) => t * x, bigint: (t, x) => t * x, integerStart: 1n },
  ReduceMax: { start: -Infinity, step: Math.max, bigint: (t, x) => (x > t ? x : t) },
  ReduceMin: { start: Infinity, step: Math.min, bigint: (t, x) => (x < t ? x : t) },
  ReduceL1: {
    start: 0,
    step: (t, x) => t + Math.abs(x),
    bigint: (t, x) => t + (x < 0n ? -x : x),
    integerStart: 0n,
  },
  ReduceL2: { start: 0, step: (t, x) => t + x * x, end: (t) => Math.sqrt(t) },
  ReduceSumSquare: {
    start: 0,
    step: (t, x) => t + x * x,
    bigint: (t, x) => t + x * x,
    integerStart: 0n,
  },
  ReduceLogSum: { ...sum, end: (t, _count, log) => log(t) },
};

/** Sums, products and extremes along axes; exact over integers, float64 then one rounding else. */
const reduce: Folder = ([x], view, out, { functions }) => {
  const axes = view.ints("axes");
  const reduction = REDUCTIONS[view.node.opType];
  if (x === undefined || axes === undefined || reduction === undefined) return undefined;
  const kept = x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const strides = broadcastStrides(kept, x.dims);
  const count = countOf(out.dims);
  if (isFloat(out.elementType)) {
    const from = numbersOf(x);
    const totals = new Float64Array(count).fill(reduction.start);
    walk(x.dims, strides, 0, (i, offset) => {
      totals[offset] = reduction.step(totals[offset]!, from[i]!);
    });
    const { end } = reduction;
    const share = x.data.length / count;
    const data = end === undefined ? totals : totals.map((t) => end(t, share, functions.named.Log));
    return floatTensor(out.elementType, out.dims, data);
  }
  const data = zeros(out.elementType, count);
  const step = reduction.bigint;
  if (data === undefined || step === undefined) return undefined;
  if (x.data.length === 0 && reduction.integerStart === undefined) return undefined;
  const totals = new Array<bigint | undefined>(count).fill(reduction.integerStart);
  walk(x.dims, strides, 0, (i, offset) => {
    const total = totals[offset];
    const value = BigInt(elementAt(x, i));
    totals[offset] = total === undefined ? value : step(total, value);
  });
  totals.forEach((total, i) => {
    if (isInteger(out.elementType)) storeInteger(out.elementType, data, i, total ?? 0n);
    else (data as Uint8Array)[i] = Number(total);
  });
  return { ...out, data };
};

/** ln Σ eˣ, with the greatest taken out so that nothing overflows. */
const logSumExp: Folder = ([x], view, out, { functions }) => {
  const axes = view.ints("axes");
  if (x === undefined || axes === undefined || !isFloat(out.elementType)) return undefined;
  const kept = x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const strides = broadcastStrides(kept, x.dims);
  const count = countOf(out.dims);
  const from = numbersOf(x);
  const greatest = new Float64Array(count).fill(-Infinity);
  walk(x.dims, strides, 0, (i, offset) => {
    greatest[offset] = Math.max(greatest[offset]!, from[i]!);
  });
  const { Exp, Log } = functions.named;
  const totals = new Float64Array(count);
  walk(x.dims, strides, 0, (i, offset) => {
    const top = greatest[offset]!;
    totals[offset] = totals[offset]! + (top - top === 0 ? Exp(from[i]! - top) : 1);
  });
  const data = greatest.map((top, i) => (top - top === 0 ? top + Log(totals[i]!) : top));
  return floatTensor(out.elementType, out.dims, data);
};

export const reductionFolders: Readonly<Record<string, Folder>> = {
  ...Object.fromEntries(Object.keys(REDUCTIONS).map((name) => [name, reduce])),
  ReduceLogSumExp: logSumExp,
};
