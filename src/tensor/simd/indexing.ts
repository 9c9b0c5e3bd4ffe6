import { DTYPE_INFO } from "../../core/dtype.js";
import { elementCount } from "../../core/shape.js";
import type { Kernels } from "../backend.js";
import type { Engine } from "./engine.js";
import type { Interval } from "./interval.js";
import { DTYPE_INTERVAL, saturated, union } from "./interval.js";
import { SCATTER } from "./kernels.js";
import type { SimdTensor } from "./tensor.js";

type Op<K extends keyof Kernels> = (
  engine: Engine,
  ...args: Parameters<Kernels<SimdTensor>[K]>
) => SimdTensor;

/** Bounds of a value to which up to `n` values are added. */
function sumBounds(x: Interval, updates: Interval, n: number): Interval {
  return {
    lo: x.lo + n * Math.min(updates.lo, 0),
    hi: x.hi + n * Math.max(updates.hi, 0),
  };
}

/** Whether bounds are exact and inside those of the dtype, so that nothing saturates. */
const inside = (bounds: Interval, all: Interval): boolean =>
  bounds.lo >= Math.max(all.lo, Number.MIN_SAFE_INTEGER) &&
  bounds.hi <= Math.min(all.hi, Number.MAX_SAFE_INTEGER);

export const scatter: Op<"scatter"> = (engine, op, x, indices, updates, axis) => {
  const { bytes, code } = DTYPE_INFO[x.dtype];
  const n = indices.count;
  const sums = sumBounds(x.interval, updates.interval, n);
  const product = op === "scatter.mul";
  const mayOverflow = op === "scatter.add" && !inside(sums, DTYPE_INTERVAL[x.dtype]);
  const exact = product || (mayOverflow && x.dtype === "i64");
  const bounds = product
    ? DTYPE_INTERVAL[x.dtype]
    : op === "scatter.add"
      ? saturated(sums, x.dtype)
      : union(x.interval, updates.interval);

  for (const operand of [x, indices, updates]) engine.storageOf(operand);
  const scratch = exact || mayOverflow ? engine.scratch(x.count * (exact ? 16 : 8)) : 0;
  const result = engine.make(x.dtype, x.shape, bounds);
  const from = engine.addressOf(x);
  const to = engine.addressOf(result);
  engine.perform(() => void engine.heap.u8.copyWithin(to, from, from + x.bytes));

  const { wasm } = engine;
  const source = engine.addressOf(updates);
  const outer = elementCount(x.shape.slice(0, axis));
  const length = x.shape[axis]!;
  const inner = elementCount(x.shape.slice(axis + 1));
  const at = [engine.addressOf(indices), indices.dtype === "i64" ? 1 : 0, n] as const;
  if (op === "scatter") {
    wasm.scatter(source, outer, length, inner * bytes, ...at, to);
  } else if (exact) {
    wasm.scatterExact(product ? 1 : 0, code, source, outer, length, inner, ...at, scratch, to);
  } else if (mayOverflow) {
    wasm.scatterAdd(code, source, outer, length, inner, ...at, scratch, to);
  } else {
    wasm.scatterInto(SCATTER[op], code, source, outer, length, inner, ...at, to);
  }
  return result;
};

export const argsort: Op<"argsort"> = (engine, x, axis) => {
  const n = x.shape[axis]!;
  engine.storageOf(x);
  const scratch = engine.threadScratch(n * 16);
  const result = engine.make("i32", x.shape, { lo: 0, hi: Math.max(n - 1, 0) });
  engine.wasm.argsort(
    DTYPE_INFO[x.dtype].code,
    engine.addressOf(x),
    elementCount(x.shape.slice(0, axis)),
    n,
    elementCount(x.shape.slice(axis + 1)),
    scratch,
    engine.addressOf(result),
  );
  return result;
};

export const cumsum: Op<"cumsum"> = (engine, x, axis, dtype) => {
  const n = Math.max(x.shape[axis]!, 1);
  const inner = elementCount(x.shape.slice(axis + 1));
  engine.storageOf(x);
  const { lo, hi } = x.interval;
  const bounds = saturated({ lo: Math.min(lo, n * lo), hi: Math.max(hi, n * hi) }, dtype);
  const sums = engine.threadScratch(inner * 8);
  const result = engine.make(dtype, x.shape, bounds);
  engine.wasm.cumsum(
    DTYPE_INFO[x.dtype].code,
    DTYPE_INFO[dtype].code,
    engine.addressOf(x),
    elementCount(x.shape.slice(0, axis)),
    x.shape[axis]!,
    inner,
    sums,
    engine.addressOf(result),
  );
  return result;
};

export const nonzero: Op<"nonzero"> = (engine, x) => {
  engine.storageOf(x);
  const found = engine.scratch((x.count + 1) * 4);
  const count = engine.wasm.nonzero(DTYPE_INFO[x.dtype].bytes, engine.addressOf(x), x.count, found);
  const result = engine.make("i32", [count], { lo: 0, hi: Math.max(x.count - 1, 0) });
  engine.heap.u8.copyWithin(engine.addressOf(result), found, found + count * 4);
  return result;
};
