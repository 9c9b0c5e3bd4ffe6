import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO, newArray, saturate } from "../../core/dtype.js";
import { clampExact } from "../../core/fixedPoint.js";
import type { Shape } from "../../core/shape.js";
import { elementCount, stridesOf } from "../../core/shape.js";
import type { ArgOp, PoolAttributes, PoolOp, ReduceOp } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import {
  EXACT,
  bigintsOf,
  exactDoublesOf,
  fromBigints,
  fromDoubles,
  hostTensor,
  saturateDoubles,
} from "./hostTensor.js";
import { forEachRow } from "./strided.js";
import { forEachTap, windowOf } from "./window.js";

/** Adds one value into the accumulator. */
type Fold<V> = (acc: V, x: V) => V;
/** Folds the elements at `x`, `x + xStep`, … into the accumulators at `y`, `y + yStep`, … */
type FoldRow = (x: number, y: number, n: number, xStep: number, yStep: number) => void;

/** Products beyond this saturate whatever follows, unless a zero follows. */
const BEYOND = 1n << 64n;

const INITIAL: Readonly<Record<ReduceOp | PoolOp, (dtype: Dtype) => bigint>> = {
  "reduce.sum": () => 0n,
  "pool.sum": () => 0n,
  "reduce.prod": () => 1n,
  "reduce.max": (dtype) => DTYPE_INFO[dtype].min,
  "pool.max": (dtype) => DTYPE_INFO[dtype].min,
  "reduce.min": (dtype) => DTYPE_INFO[dtype].max,
};

const maximum = <V extends number | bigint>(acc: V, x: V): V => (x > acc ? x : acc);
const minimum = <V extends number | bigint>(acc: V, x: V): V => (x < acc ? x : acc);

/** Exact while the magnitude stays below 2^53; beyond, NaN for good. */
const safe = (v: number): number => (v < EXACT && v > -EXACT ? v : NaN);
const addDoubles: Fold<number> = (acc, x) => safe(acc + x);
const addBigints: Fold<bigint> = (acc, x) => acc + x;

const FOLD_DOUBLES: Readonly<Record<ReduceOp | PoolOp, Fold<number>>> = {
  "reduce.sum": addDoubles,
  "pool.sum": addDoubles,
  "reduce.prod": (acc, x) => safe(acc * x),
  "reduce.max": maximum,
  "pool.max": maximum,
  "reduce.min": minimum,
};

const FOLD_BIGINTS: Readonly<Record<ReduceOp | PoolOp, Fold<bigint>>> = {
  "reduce.sum": addBigints,
  "pool.sum": addBigints,
  "reduce.prod": (acc, x) => clampExact(acc * x, -BEYOND, BEYOND),
  "reduce.max": maximum,
  "pool.max": maximum,
  "reduce.min": minimum,
};

/** Folds with doubles where they stay exact, else with bigints; saturates once. */
function fold(
  op: ReduceOp | PoolOp,
  x: HostTensor,
  dtype: Dtype,
  shape: Shape,
  rows: (foldRow: FoldRow) => void,
): HostTensor {
  const count = elementCount(shape);
  const initial = INITIAL[op](x.dtype);
  const values = exactDoublesOf(x);
  if (values !== undefined) {
    const add = FOLD_DOUBLES[op];
    const y = new Float64Array(count).fill(Number(initial));
    rows((x0, y0, n, xStep, yStep) => {
      if (yStep === 0) {
        let acc = y[y0]!;
        for (let i = 0; i < n; i++) acc = add(acc, values[x0 + i * xStep]!);
        y[y0] = acc;
      } else {
        for (let i = 0; i < n; i++) {
          y[y0 + i * yStep] = add(y[y0 + i * yStep]!, values[x0 + i * xStep]!);
        }
      }
    });
    if (!y.some(Number.isNaN)) {
      if (dtype !== "i64") return saturateDoubles(dtype, shape, y);
      if (y.every(Number.isSafeInteger)) return fromDoubles("i64", shape, y);
    }
  }
  const wide = bigintsOf(x);
  const add = FOLD_BIGINTS[op];
  const y = new Array<bigint>(count).fill(initial);
  rows((x0, y0, n, xStep, yStep) => {
    for (let i = 0; i < n; i++) {
      y[y0 + i * yStep] = add(y[y0 + i * yStep]!, wide[x0 + i * xStep]!);
    }
  });
  return fromBigints(
    dtype,
    shape,
    y.map((v) => saturate(v, dtype)),
  );
}

export function reduce(
  op: ReduceOp,
  x: HostTensor,
  axes: readonly number[],
  dtype: Dtype,
  shape: Shape,
): HostTensor {
  const from = { offset: 0, strides: stridesOf(x.shape) };
  const to = {
    offset: 0,
    strides: stridesOf(shape).map((stride, axis) => (axes.includes(axis) ? 0 : stride)),
  };
  return fold(op, x, dtype, shape, (foldRow) => forEachRow(x.shape, from, to, foldRow));
}

export function pool(
  op: PoolOp,
  x: HostTensor,
  attributes: PoolAttributes,
  dtype: Dtype,
  shape: Shape,
): HostTensor {
  const channels = x.shape[x.shape.length - 1]!;
  const window = windowOf(attributes, attributes.kernel, x.shape, shape);
  return fold(op, x, dtype, shape, (foldRow) => {
    if (elementCount(x.shape) === 0) return; // whatever the number of positions
    forEachTap(window, (output, _tap, input) => {
      if (input >= 0) foldRow(input * channels, output * channels, channels, 1, 1);
    });
  });
}

const BETTER: Readonly<
  Record<ArgOp, <V extends number | bigint>(candidate: V, best: V) => boolean>
> = {
  argmax: (candidate, best) => candidate > best,
  argmin: (candidate, best) => candidate < best,
};

function argOf<V extends number | bigint>(
  values: ArrayLike<V>,
  better: (candidate: V, best: V) => boolean,
  length: number,
  inner: number,
  y: Int32Array,
): void {
  for (let i = 0; i < y.length; i++) {
    const start = Math.floor(i / inner) * inner * length + (i % inner);
    let best = values[start]!;
    for (let k = 1; k < length; k++) {
      const candidate = values[start + k * inner]!;
      if (better(candidate, best)) {
        best = candidate;
        y[i] = k;
      }
    }
  }
}

export function arg(op: ArgOp, x: HostTensor, axis: number, shape: Shape): HostTensor {
  const y = newArray("i32", elementCount(shape));
  const inner = elementCount(x.shape.slice(axis + 1));
  const values = exactDoublesOf(x);
  if (values) argOf(values, BETTER[op], x.shape[axis]!, inner, y);
  else argOf(bigintsOf(x), BETTER[op], x.shape[axis]!, inner, y);
  return hostTensor("i32", shape, y);
}
