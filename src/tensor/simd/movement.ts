import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { Kernels, ResizeAttributes } from "../backend.js";
import type { Engine } from "./engine.js";
import { onHost } from "./host.js";
import { interval, union } from "./interval.js";
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
  const data = engine.heap.view(x.dtype, engine.addressOf(x), x.count);
  if (data instanceof BigInt64Array) data.fill(value);
  else data.fill(Number(value));
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

export const gather: Op<"gather"> = (engine, x, indices, axis, shape) => {
  engine.storageOf(x);
  engine.storageOf(indices);
  const result = engine.make(x.dtype, shape, x.interval);
  const inner = elementCount(x.shape.slice(axis + 1)) * sizeOf(x.dtype);
  const outer = elementCount(x.shape.slice(0, axis));
  if (result.count === 0) return result;
  const { data } = engine.hostView(indices);
  const step = x.shape[axis]! * inner;
  let target = engine.addressOf(result);
  const dims = [inner];
  const strides = [1];
  for (let o = 0, source = engine.addressOf(x); o < outer; o++, source += step) {
    for (let i = 0; i < data.length; i++, target += inner) {
      const from = { address: source + Number(data[i]) * inner, strides };
      copyStrided(engine, 1, dims, from, { address: target, strides });
    }
  }
  return result;
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

export const resizeNearest: Op<"resizeNearest"> = (engine, x, attributes, shape) => {
  if (shape.length !== 4) {
    const result = onHost(engine, "resizeNearest", x, attributes, shape);
    result.interval = x.interval;
    return result;
  }
  engine.storageOf(x);
  const result = engine.make(x.dtype, shape, x.interval);
  if (result.count === 0) return result;
  const [images, height, width] = x.shape as [number, number, number];
  const pixel = x.shape[3]! * sizeOf(x.dtype);
  const rows = nearest(attributes, 0, height);
  const columns = nearest(attributes, 1, width);
  const rowBytes = columns.length * pixel;
  const bytes = engine.heap.u8;
  let target = engine.addressOf(result);
  for (let image = 0; image < images; image++) {
    let previous = -1;
    for (const row of rows) {
      if (row === previous) {
        bytes.copyWithin(target, target - rowBytes, target);
        target += rowBytes;
        continue;
      }
      previous = row;
      const source = engine.addressOf(x) + (image * height + row) * width * pixel;
      for (const column of columns) {
        const from = source + column * pixel;
        bytes.copyWithin(target, from, from + pixel);
        target += pixel;
      }
    }
  }
  return result;
};
