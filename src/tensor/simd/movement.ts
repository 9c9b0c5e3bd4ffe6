import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { Kernels, ResizeAttributes } from "../backend.js";
import type { Engine } from "./engine.js";
import { interval, union } from "./interval.js";
import type { Address } from "./kernels.js";
import { byteStrides, copyStrided } from "./strided.js";
import type { SimdTensor } from "./tensor.js";

type Op<K extends keyof Kernels> = (
  engine: Engine,
  ...args: Parameters<Kernels<SimdTensor>[K]>
) => SimdTensor;

const sizeOf = (dtype: Dtype): number => DTYPE_INFO[dtype].bytes;

/** A tensor of `shape` whose elements lie in x, `offset` bytes in and `strides` bytes apart. */
function view(
  engine: Engine,
  x: SimdTensor,
  shape: Shape,
  offset: number,
  strides: readonly number[],
): SimdTensor {
  const source = engine.addressOf(x) + offset;
  const result = engine.make(x.dtype, shape, x.interval);
  const bytes = sizeOf(x.dtype);
  const to = { address: engine.addressOf(result), strides: byteStrides(shape, bytes) };
  copyStrided(engine, bytes, shape, { address: source, strides }, to);
  return result;
}

export const transpose: Op<"transpose"> = (engine, x, perm, shape) => {
  const strides = byteStrides(x.shape, sizeOf(x.dtype));
  return view(
    engine,
    x,
    shape,
    0,
    perm.map((axis) => strides[axis]!),
  );
};

export const slice: Op<"slice"> = (engine, x, starts, steps, shape) => {
  if (elementCount(shape) === 0) return engine.make(x.dtype, shape, x.interval);
  const strides = byteStrides(x.shape, sizeOf(x.dtype));
  const offset = starts.reduce((sum, start, axis) => sum + start * strides[axis]!, 0);
  return view(
    engine,
    x,
    shape,
    offset,
    strides.map((stride, axis) => stride * steps[axis]!),
  );
};

export const expand: Op<"expand"> = (engine, x, shape) => {
  const own = byteStrides(x.shape, sizeOf(x.dtype));
  const lead = shape.length - x.shape.length;
  const strides = shape.map((_, axis) =>
    axis < lead || x.shape[axis - lead] === 1 ? 0 : own[axis - lead]!,
  );
  return view(engine, x, shape, 0, strides);
};

export const concat: Op<"concat"> = (engine, operands, axis, shape) => {
  const { dtype } = operands[0]!;
  const bytes = sizeOf(dtype);
  for (const x of operands) engine.storageOf(x);
  const result = engine.make(dtype, shape, operands.map((x) => x.interval).reduce(union));
  const strides = byteStrides(shape, bytes);
  let address = engine.addressOf(result);
  for (const x of operands) {
    const from = { address: engine.addressOf(x), strides: byteStrides(x.shape, bytes) };
    copyStrided(engine, bytes, x.shape, from, { address, strides });
    address += x.shape[axis]! * strides[axis]!;
  }
  return result;
};

/** Fills a tensor with one value. */
export function fill(engine: Engine, x: SimdTensor, value: bigint): void {
  engine.wasm.fill(sizeOf(x.dtype), engine.addressOf(x), x.count, value);
}

export const pad: Op<"pad"> = (engine, x, before, interior, value, shape) => {
  const bytes = sizeOf(x.dtype);
  engine.storageOf(x);
  const result = engine.make(x.dtype, shape, union(x.interval, interval(value, value)));
  fill(engine, result, value);
  const own = byteStrides(shape, bytes);
  const offset = before.reduce((sum, count, axis) => sum + count * own[axis]!, 0);
  const from = { address: engine.addressOf(x), strides: byteStrides(x.shape, bytes) };
  copyStrided(engine, bytes, x.shape, from, {
    address: engine.addressOf(result) + offset,
    strides: own.map((stride, axis) => stride * (interior[axis]! + 1)),
  });
  return result;
};

/** `y[…, i…, …] = x[…, indices[i…], …]`, the indices i64 if `wide`, else i32. */
function gatherAxis(
  engine: Engine,
  x: SimdTensor,
  axis: number,
  indices: { readonly address: Address; readonly count: number; readonly wide: boolean },
  shape: Shape,
): SimdTensor {
  const result = engine.make(x.dtype, shape, x.interval);
  engine.wasm.gather(
    engine.addressOf(x),
    elementCount(x.shape.slice(0, axis)),
    x.shape[axis]!,
    elementCount(x.shape.slice(axis + 1)) * sizeOf(x.dtype),
    indices.address,
    indices.wide ? 1 : 0,
    indices.count,
    engine.addressOf(result),
  );
  return result;
}

export const gather: Op<"gather"> = (engine, x, indices, axis, shape) => {
  engine.storageOf(x);
  const address = engine.addressOf(indices);
  const { count, dtype } = indices;
  return gatherAxis(engine, x, axis, { address, count, wide: dtype === "i64" }, shape);
};

/** Input index of each output index of a spatial axis. */
function nearest(attributes: ResizeAttributes, axis: number, size: number): number[] {
  const p = attributes.numerators[axis]!;
  const q = attributes.denominators[axis]!;
  const o = attributes.offsets[axis]!;
  // |p·i + o| < 2^33: exact.
  return Array.from({ length: attributes.sizes[axis]! }, (_, i) =>
    Math.min(Math.max(Math.floor((p * i + o) / q), 0), size - 1),
  );
}

export const resizeNearest: Op<"resizeNearest"> = (engine, x, attributes) => {
  const { sizes } = attributes;
  // Axis by axis. Those that shrink come first, then nothing between is larger than x or the
  // result; last axes before others, then most of the copying is of whole rows.
  const growth = (axis: number): number => sizes[axis]! / x.shape[axis + 1]!;
  const axes = sizes.map((_, axis) => axis).sort((a, b) => growth(a) - growth(b) || b - a);
  let y = engine.alias(x, x.shape);
  for (const axis of axes) {
    const indices = nearest(attributes, axis, y.shape[axis + 1]!);
    const count = indices.length;
    const address = engine.scratch(count * 4);
    engine.perform(() => engine.heap.view("i32", address, count).set(indices as never));
    const shape = y.shape.map((dim, i) => (i === axis + 1 ? count : dim));
    const next = gatherAxis(engine, y, axis + 1, { address, count, wide: false }, shape);
    engine.release(y);
    y = next;
  }
  return y;
};

/** 0, 1, 2, … */
export const iota: Op<"iota"> = (engine, length) => {
  const result = engine.make("i32", [length], { lo: 0, hi: Math.max(length - 1, 0) });
  engine.perform(() => {
    const values = engine.heap.view("i32", engine.addressOf(result), length);
    for (let i = 0; i < length; i++) values[i] = i as never;
  });
  return result;
};
