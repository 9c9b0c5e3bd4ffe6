import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { Kernels, PoolAttributes, PoolOp } from "../backend.js";
import { writeWindow } from "./descriptors.js";
import type { Engine } from "./engine.js";
import { onHost } from "./host.js";
import { DTYPE_INTERVAL, magnitude, saturated, union } from "./interval.js";
import type { Interval } from "./interval.js";
import { REDUCE } from "./kernels.js";
import { fill, transpose } from "./movement.js";
import type { SimdTensor } from "./tensor.js";
import { window2d } from "./window2d.js";

type Op<K extends keyof Kernels> = (
  engine: Engine,
  ...args: Parameters<Kernels<SimdTensor>[K]>
) => SimdTensor;

const NOTHING: Interval = { lo: 0, hi: 0 };

/** Whether only axes of 1 lie between the reduced ones: then they are one axis. */
function adjacent(shape: Shape, axes: readonly number[]): boolean {
  const [first, last] = [axes[0]!, axes[axes.length - 1]!];
  return shape.every((dim, i) => i <= first || i >= last || dim === 1 || axes.includes(i));
}

export const reduce: Op<"reduce"> = (engine, op, x, axes, dtype, shape) => {
  if (axes.length > 0 && !adjacent(x.shape, axes)) {
    // Reduced axes last, then they are adjacent.
    const rest = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const perm = [...rest, ...axes];
    const moved = transpose(
      engine,
      x,
      perm,
      perm.map((axis) => x.shape[axis]!),
    );
    const last = axes.map((_, i) => rest.length + i);
    const result = reduce(engine, op, moved, last, dtype, shape);
    engine.release(moved);
    return result;
  }
  const source = engine.addressOf(x);
  const first = axes[0] ?? x.shape.length;
  const end = axes.length === 0 ? first : axes[axes.length - 1]! + 1;
  const n = elementCount(x.shape.slice(first, end));
  const bounds =
    op === "reduce.sum"
      ? saturated({ lo: x.interval.lo * n, hi: x.interval.hi * n }, dtype)
      : op === "reduce.prod" || n === 0
        ? DTYPE_INTERVAL[dtype]
        : x.interval;
  const result = engine.make(dtype, shape, bounds);
  if (n === 0 && op === "reduce.min") {
    // The kernel takes bool for u8, whose greatest value is another.
    fill(engine, result, DTYPE_INFO[dtype].max);
    return result;
  }
  engine.wasm.reduce(
    REDUCE[op],
    DTYPE_INFO[x.dtype].code,
    DTYPE_INFO[dtype].code,
    source,
    elementCount(x.shape.slice(0, first)),
    n,
    elementCount(x.shape.slice(end)),
    engine.addressOf(result),
  );
  return result;
};

export const arg: Op<"arg"> = (engine, op, x, axis, shape) => {
  const source = engine.addressOf(x);
  const n = x.shape[axis]!;
  const result = engine.make("i32", shape, { lo: 0, hi: Math.max(n - 1, 0) });
  engine.wasm.arg(
    op === "argmin" ? 1 : 0,
    DTYPE_INFO[x.dtype].code,
    source,
    elementCount(x.shape.slice(0, axis)),
    n,
    elementCount(x.shape.slice(axis + 1)),
    engine.addressOf(result),
  );
  return result;
};

function poolBounds(op: PoolOp, x: SimdTensor, attributes: PoolAttributes): Interval {
  const { kernel, dilations, pads } = attributes;
  if (op === "pool.sum") {
    const taps = elementCount(kernel);
    const { lo, hi } = union(x.interval, NOTHING);
    return { lo: lo * taps, hi: hi * taps };
  }
  // A window of padding alone gives the least value of the dtype; without dilation, and with less
  // padding than window, every window touches the image.
  const touches = kernel.every(
    (size, axis) =>
      dilations[axis] === 1 && pads[axis]! < size && pads[axis + kernel.length]! < size,
  );
  return touches ? x.interval : DTYPE_INTERVAL[x.dtype];
}

/** Greatest sums that partial sums in i64 give exactly. */
const EXACT_SUM = 2 ** 62;

/** Pools over more than two axes: over all but the first, then over the first. */
function poolVolume(...[engine, ...args]: Parameters<Op<"pool">>): SimdTensor {
  const [op, x, attributes, dtype, shape] = args;
  const { kernel, strides, dilations, pads } = attributes;
  if (op === "pool.sum" && magnitude(x.interval) * elementCount(kernel) > EXACT_SUM) {
    return onHost(engine, "pool", ...args);
  }
  const [images, depth, ...image] = x.shape as [number, number, ...number[]];
  const [outDepth, ...out] = shape.slice(1) as [number, ...number[]];
  const rank = kernel.length;
  const planes = engine.alias(x, [images * depth, ...image]);
  const inner = {
    kernel: kernel.slice(1),
    strides: strides.slice(1),
    dilations: dilations.slice(1),
    pads: [...pads.slice(1, rank), ...pads.slice(rank + 1)],
  };
  const between = op === "pool.sum" ? "i64" : dtype;
  const pooled = pool(engine, op, planes, inner, between, [images * depth, ...out]);
  engine.release(planes);
  const pixels = engine.alias(pooled, [images, depth, elementCount(out)]);
  engine.release(pooled);
  const outer = {
    kernel: kernel.slice(0, 1),
    strides: strides.slice(0, 1),
    dilations: dilations.slice(0, 1),
    pads: [pads[0]!, pads[rank]!],
  };
  const sums = pool(engine, op, pixels, outer, dtype, [images, outDepth, elementCount(out)]);
  engine.release(pixels);
  const result = engine.alias(sums, shape);
  engine.release(sums);
  return result;
}

export const pool: Op<"pool"> = (engine, op, x, attributes, dtype, shape) => {
  if (shape.length > 4) return poolVolume(engine, op, x, attributes, dtype, shape);
  if (shape.includes(0)) return engine.make(dtype, shape);
  engine.storageOf(x);
  const result = engine.make(dtype, shape, saturated(poolBounds(op, x, attributes), dtype));
  const channels = shape[shape.length - 1]!;
  const info = DTYPE_INFO[x.dtype];
  const { fields } = window2d(x.shape, attributes.kernel, attributes, shape, channels);
  const pixelBytes = channels * info.bytes;
  writeWindow(engine.heap.words, engine.arguments, { ...fields, pixelBytes, padValue: 0 });
  engine.wasm.pool(
    op === "pool.sum" ? 1 : 0,
    info.code,
    DTYPE_INFO[dtype].code,
    engine.arguments,
    engine.addressOf(x),
    engine.addressOf(result),
    0,
    shape[0]! * fields.outHeight,
  );
  return result;
};
