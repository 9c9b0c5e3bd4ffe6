import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import { clampExact } from "../../core/fixedPoint.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { Kernels, RescaleOutput } from "../backend.js";
import type { Engine } from "./engine.js";
import type { Interval } from "./interval.js";
import { clamped, interval, magnitude, saturated } from "./interval.js";
import type { Base, Pending, PendingTable, SimdTensor } from "./tensor.js";
import { channelsOf } from "./tensor.js";
import { lookUp, rescaleStored, tableBounds } from "./rescale.js";
import { boundsOf } from "./values.js";

type Op<K extends keyof Kernels> = (
  engine: Engine,
  ...args: Parameters<Kernels<SimdTensor>[K]>
) => SimdTensor;

/** Puts a contraction off, over operands that are stored from now on. */
function start(engine: Engine, base: Base, k: number, pad = 0): SimdTensor {
  const { a, b, shape, attributes } = base;
  engine.storageOf(a);
  engine.storageOf(b);
  if (base.kind !== "mulWide") engine.macs += elementCount(shape) * k;
  const most = k * Math.max(magnitude(a.interval), Math.abs(pad)) * magnitude(b.interval);
  const bounds = saturated({ lo: -most, hi: most }, attributes.accumulator);
  return engine.defer(attributes.accumulator, shape, bounds, { base });
}

export const matmul: Op<"matmul"> = (engine, a, b, attributes, shape) =>
  start(engine, { kind: "matmul", a, b, attributes, shape }, a.shape[a.shape.length - 1]!);

export const conv: Op<"conv"> = (engine, a, b, attributes, shape) =>
  start(
    engine,
    { kind: "conv", a, b, attributes, shape },
    elementCount(b.shape.slice(0, -1)),
    Number(attributes.padValue),
  );

export const mulWide: Op<"mulWide"> = (engine, a, b, accumulator, shape) =>
  start(engine, { kind: "mulWide", a, b, attributes: { accumulator }, shape }, 1);

/** The work of a tensor that nobody else will read, if it still awaits the step. */
function extendable(x: SimdTensor, step: "bias" | "rescale" | "table"): Pending | undefined {
  const { pending } = x;
  if (pending === undefined || x.refs !== 1 || pending.table !== undefined) return undefined;
  if (step === "bias" && (pending.bias !== undefined || pending.rescale !== undefined)) {
    return undefined;
  }
  return step === "rescale" && pending.rescale !== undefined ? undefined : pending;
}

/** Whether `parameter` has one value, or one for each of the channels of pending work. */
function fits(parameter: SimdTensor | number, x: SimdTensor, pending: Pending): boolean {
  if (typeof parameter === "number" || parameter.count === 1) return true;
  const channels = channelsOf(pending);
  return (
    parameter.count === channels &&
    parameter.shape[parameter.shape.length - 1] === channels &&
    x.shape[x.shape.length - 1] === channels
  );
}

/** `x + bias` as pending work, or undefined where it cannot be put off. */
export function addBias(
  engine: Engine,
  x: SimdTensor,
  bias: SimdTensor,
  shape: Shape,
): SimdTensor | undefined {
  const pending = extendable(x, "bias");
  if (pending === undefined || x === bias || bias.count === 0) return undefined;
  if (elementCount(shape) !== x.count || !fits(bias, x, pending)) return undefined;
  engine.storageOf(bias);
  const most = magnitude(x.interval) + magnitude(boundsOf(engine, bias));
  return engine.defer(x.dtype, shape, saturated({ lo: -most, hi: most }, x.dtype), {
    ...pending,
    bias,
  });
}

export function rescale(
  engine: Engine,
  x: SimdTensor,
  multiplier: number | SimdTensor,
  shift: number | SimdTensor,
  output: RescaleOutput,
): SimdTensor {
  const step = { multiplier, shift, output };
  const pending = extendable(x, "rescale");
  if (pending === undefined || !fits(multiplier, x, pending) || !fits(shift, x, pending)) {
    return rescaleStored(engine, x, step);
  }
  for (const parameter of [multiplier, shift]) {
    if (typeof parameter !== "number") engine.storageOf(parameter);
  }
  const bounds = interval(output.lo, output.hi);
  return engine.defer(output.dtype, x.shape, bounds, { ...pending, rescale: step });
}

export function tableLookup(engine: Engine, x: SimdTensor, table: PendingTable): SimdTensor {
  const pending = extendable(x, "table");
  const bounds = tableBounds(engine, table);
  if (pending?.rescale === undefined) return lookUp(engine, x, table, bounds);
  return engine.defer(table.dtype, x.shape, bounds, { ...pending, table });
}

/** `clamp(x, lo, hi)` in `dtype`, folded into the rescale that x still awaits; else undefined. */
export function narrow(
  engine: Engine,
  x: SimdTensor,
  dtype: Dtype,
  lo: bigint,
  hi: bigint,
): SimdTensor | undefined {
  const pending = extendable(x, "table");
  const rescale = pending?.rescale;
  if (rescale === undefined) return undefined;
  const { output } = rescale;
  const { min, max } = DTYPE_INFO[dtype];
  if (output.zeroPoint < min || output.zeroPoint > max) return undefined;
  const folded = {
    dtype,
    zeroPoint: output.zeroPoint,
    lo: clampExact(output.lo, lo, hi),
    hi: clampExact(output.hi, lo, hi),
  };
  return engine.defer(dtype, x.shape, interval(folded.lo, folded.hi), {
    ...pending!,
    rescale: { ...rescale, output: folded },
  });
}

/** The same elements under another shape; work that is put off stays so. */
export function reshape(engine: Engine, x: SimdTensor, shape: Shape): SimdTensor {
  return x.pending !== undefined && x.refs === 1
    ? engine.defer(x.dtype, shape, x.interval, x.pending)
    : engine.alias(x, shape);
}

/** Bounds of `clamp(x, lo, hi)`. */
export function clampBounds(x: SimdTensor, lo: bigint, hi: bigint): Interval {
  return clamped(x.interval, interval(lo, hi));
}
