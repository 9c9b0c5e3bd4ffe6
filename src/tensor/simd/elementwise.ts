import { DTYPE_INFO } from "../../core/dtype.js";
import type { BinaryOp, Kernels, UnaryOp } from "../backend.js";
import type { Engine } from "./engine.js";
import { BINARY, COMPARE, UNARY } from "./kernels.js";
import type { Interval } from "./interval.js";
import { DTYPE_INTERVAL, clamped, interval, magnitude, saturated, union } from "./interval.js";
import { forEachRows } from "./spread.js";
import type { SimdTensor } from "./tensor.js";

type Op<K extends keyof Kernels> = (
  engine: Engine,
  ...args: Parameters<Kernels<SimdTensor>[K]>
) => SimdTensor;

/** Bounds of a result where they follow from those of the operands at once. */
function binaryBounds(op: BinaryOp, a: SimdTensor, b: SimdTensor): Interval {
  const [x, y] = [a.interval, b.interval];
  switch (op) {
    case "add":
      return saturated({ lo: x.lo + y.lo, hi: x.hi + y.hi }, a.dtype);
    case "sub":
      return saturated({ lo: x.lo - y.hi, hi: x.hi - y.lo }, a.dtype);
    case "mul": {
      const products = [x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi];
      return saturated({ lo: Math.min(...products), hi: Math.max(...products) }, a.dtype);
    }
    case "min":
      return { lo: Math.min(x.lo, y.lo), hi: Math.min(x.hi, y.hi) };
    case "max":
      return { lo: Math.max(x.lo, y.lo), hi: Math.max(x.hi, y.hi) };
    case "shr":
      return union(x, { lo: 0, hi: 0 });
    default:
      return DTYPE_INTERVAL[a.dtype];
  }
}

export const binary: Op<"binary"> = (engine, op, a, b, shape) => {
  engine.storageOf(a);
  engine.storageOf(b);
  const result = engine.make(a.dtype, shape, binaryBounds(op, a, b));
  const { code, bytes } = DTYPE_INFO[a.dtype];
  const target = engine.addressOf(result);
  forEachRows(engine, shape, [a, b], ({ rows, cols, at, rowBytes, steps, result: before }) =>
    engine.wasm.binary(
      BINARY[op],
      code,
      at[0]!,
      rowBytes[0]!,
      steps[0]!,
      at[1]!,
      rowBytes[1]!,
      steps[1]!,
      target + before * bytes,
      rows,
      cols,
    ),
  );
  return result;
};

export const compare: Op<"compare"> = (engine, op, a, b, shape) => {
  engine.storageOf(a);
  engine.storageOf(b);
  const result = engine.make("bool", shape);
  const target = engine.addressOf(result);
  forEachRows(engine, shape, [a, b], ({ rows, cols, at, rowBytes, steps, result: before }) =>
    engine.wasm.compare(
      COMPARE[op],
      DTYPE_INFO[a.dtype].code,
      at[0]!,
      rowBytes[0]!,
      steps[0]!,
      at[1]!,
      rowBytes[1]!,
      steps[1]!,
      target + before,
      rows,
      cols,
    ),
  );
  return result;
};

export const select: Op<"select"> = (engine, condition, a, b, shape) => {
  for (const tensor of [condition, a, b]) engine.storageOf(tensor);
  const result = engine.make(a.dtype, shape, union(a.interval, b.interval));
  const { bytes } = DTYPE_INFO[a.dtype];
  const target = engine.addressOf(result);
  forEachRows(
    engine,
    shape,
    [condition, a, b],
    ({ cols, at, steps, result: before }) =>
      engine.wasm.select(
        bytes,
        at[0]!,
        at[1]!,
        steps[1]!,
        at[2]!,
        steps[2]!,
        cols,
        target + before * bytes,
      ),
    { single: true, whole: [0] },
  );
  return result;
};

function unaryBounds(op: UnaryOp, { dtype, interval: x }: SimdTensor): Interval {
  switch (op) {
    case "neg":
      return saturated({ lo: -x.hi, hi: -x.lo }, dtype);
    case "abs":
      return saturated({ lo: 0, hi: magnitude(x) }, dtype);
    case "sqrt.floor":
      return clamped(x, { lo: 0, hi: Infinity });
    case "not":
      return DTYPE_INTERVAL[dtype];
  }
}

export const unary: Op<"unary"> = (engine, op, x) => {
  const source = engine.addressOf(x);
  const result = engine.make(x.dtype, x.shape, unaryBounds(op, x));
  const { code } = DTYPE_INFO[x.dtype];
  engine.wasm.unary(UNARY[op], code, source, x.count, engine.addressOf(result));
  return result;
};

export const clamp: Op<"clamp"> = (engine, x, lo, hi) => {
  const source = engine.addressOf(x);
  const result = engine.make(x.dtype, x.shape, clamped(x.interval, interval(lo, hi)));
  const { code } = DTYPE_INFO[x.dtype];
  engine.wasm.clamp(code, source, x.count, lo, hi, engine.addressOf(result));
  return result;
};

export const cast: Op<"cast"> = (engine, x, dtype) => {
  if (dtype === x.dtype) return engine.alias(x, x.shape);
  const source = engine.addressOf(x);
  const bounds = dtype === "bool" ? DTYPE_INTERVAL.bool : saturated(x.interval, dtype);
  const result = engine.make(dtype, x.shape, bounds);
  const [from, to] = [DTYPE_INFO[x.dtype].code, DTYPE_INFO[dtype].code];
  engine.wasm.cast(from, to, source, x.count, engine.addressOf(result));
  return result;
};
