import { newArray, saturate } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount, stridesOf } from "../../core/shape.js";
import type { ResizeAttributes } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import {
  EXACT,
  bigintsOf,
  doublesOf,
  fromBigints,
  fromDoubles,
  hostTensor,
  numberRange,
  saturateDoubles,
} from "./hostTensor.js";
import { broadcastTo, copyStrided, takeStrided, wordsOf } from "./strided.js";

export function reshape(x: HostTensor, shape: Shape): HostTensor {
  return hostTensor(x.dtype, shape, x.data);
}

export function expand(x: HostTensor, shape: Shape): HostTensor {
  return broadcastTo(x, shape);
}

export function transpose(x: HostTensor, perm: readonly number[], shape: Shape): HostTensor {
  const strides = stridesOf(x.shape);
  return takeStrided(x, shape, { offset: 0, strides: perm.map((axis) => strides[axis]!) });
}

export function slice(
  x: HostTensor,
  starts: readonly number[],
  steps: readonly number[],
  shape: Shape,
): HostTensor {
  const strides = stridesOf(x.shape);
  const offset = starts.reduce((sum, start, axis) => sum + start * strides[axis]!, 0);
  return takeStrided(x, shape, {
    offset,
    strides: strides.map((stride, axis) => stride * steps[axis]!),
  });
}

/** Writes all of `x` into `y` at a layout over y's elements. */
function putStrided(
  x: HostTensor,
  y: HostTensor,
  offset: number,
  strides: readonly number[],
): void {
  const target = wordsOf(y.data);
  const k = target.perElement;
  const shape = [...x.shape, k];
  copyStrided(
    shape,
    wordsOf(x.data).words,
    { offset: 0, strides: stridesOf(shape) },
    target.words,
    { offset: offset * k, strides: [...strides.map((stride) => stride * k), 1] },
  );
}

export function concat(operands: readonly HostTensor[], axis: number, shape: Shape): HostTensor {
  const { dtype } = operands[0]!;
  const y = hostTensor(dtype, shape, newArray(dtype, elementCount(shape)));
  const strides = stridesOf(shape);
  let start = 0;
  for (const x of operands) {
    putStrided(x, y, start * strides[axis]!, strides);
    start += x.shape[axis]!;
  }
  return y;
}

export function pad(
  x: HostTensor,
  before: readonly number[],
  interior: readonly number[],
  value: bigint,
  shape: Shape,
): HostTensor {
  const data = newArray(x.dtype, elementCount(shape));
  if (data instanceof BigInt64Array) data.fill(value);
  else data.fill(Number(value));
  const y = hostTensor(x.dtype, shape, data);
  const strides = stridesOf(shape);
  putStrided(
    x,
    y,
    before.reduce((sum, count, axis) => sum + count * strides[axis]!, 0),
    strides.map((stride, axis) => stride * (interior[axis]! + 1)),
  );
  return y;
}

/** Slices of x along an axis, by index. */
function take(x: HostTensor, axis: number, indices: ArrayLike<number>, shape: Shape): HostTensor {
  const y = hostTensor(x.dtype, shape, newArray(x.dtype, elementCount(shape)));
  const target = wordsOf(y.data);
  const source = wordsOf(x.data).words;
  const inner = elementCount(x.shape.slice(axis + 1)) * target.perElement;
  const outer = elementCount(x.shape.slice(0, axis));
  const length = x.shape[axis]!;
  let to = 0;
  for (let i = 0; i < outer; i++) {
    for (let k = 0; k < indices.length; k++, to += inner) {
      const from = (i * length + indices[k]!) * inner;
      if (inner >= 16) target.words.set(source.subarray(from, from + inner), to);
      else for (let j = 0; j < inner; j++) target.words[to + j] = source[from + j]!;
    }
  }
  return y;
}

export function gather(x: HostTensor, indices: HostTensor, axis: number, shape: Shape): HostTensor {
  return take(x, axis, doublesOf(indices), shape);
}

/** Where the output indices of a spatial axis lie in the input: `floor` whole and `rest / q`. */
function positions(
  { sizes, numerators, denominators, offsets }: ResizeAttributes,
  axis: number,
): { floor: number; rest: number }[] {
  const q = denominators[axis]!;
  return Array.from({ length: sizes[axis]! }, (_, i) => {
    const p = numerators[axis]! * i + offsets[axis]!;
    const floor = Math.floor(p / q);
    return { floor, rest: p - q * floor };
  });
}

const clampIndex = (i: number, dim: number): number => (i < 0 ? 0 : i >= dim ? dim - 1 : i);

export function resizeNearest(
  x: HostTensor,
  attributes: ResizeAttributes,
  shape: Shape,
): HostTensor {
  let y = x;
  attributes.sizes.forEach((size, axis) => {
    const dim = x.shape[axis + 1]!;
    const indices = positions(attributes, axis).map(({ floor }) => clampIndex(floor, dim));
    const taken = y.shape.map((d, i) => (i === axis + 1 ? size : d));
    y = take(y, axis + 1, indices, taken);
  });
  return hostTensor(x.dtype, shape, y.data);
}

/** Interpolates along one axis: `mix(a, b, r)` is `(q − r)·a + r·b`. */
function interpolate<V extends number | bigint>(
  x: ArrayLike<V>,
  y: { [i: number]: V },
  outer: number,
  dim: number,
  inner: number,
  at: readonly { floor: number; rest: number }[],
  mix: (a: V, b: V, r: number) => V,
): void {
  let to = 0;
  for (let i = 0; i < outer; i++) {
    for (const { floor, rest } of at) {
      const a = (i * dim + clampIndex(floor, dim)) * inner;
      const b = (i * dim + clampIndex(floor + 1, dim)) * inner;
      for (let j = 0; j < inner; j++, to++) y[to] = mix(x[a + j]!, x[b + j]!, rest);
    }
  }
}

export function resizeLinear(
  x: HostTensor,
  attributes: ResizeAttributes,
  dtype: "i32" | "i64",
  shape: Shape,
): HostTensor {
  const { denominators } = attributes;
  const bound = denominators.reduce((product, q) => product * q, -numberRange(x.dtype)[0] || 255);
  /** One axis after the other; `step` interpolates along an axis of `dim` between outer and inner. */
  const eachAxis = (
    step: (axis: number, outer: number, dim: number, inner: number, size: number) => void,
  ): void => {
    const dims = [...x.shape];
    attributes.sizes.forEach((size, axis) => {
      const outer = elementCount(dims.slice(0, axis + 1));
      const inner = elementCount(dims.slice(axis + 2));
      step(axis, outer, dims[axis + 1]!, inner, size);
      dims[axis + 1] = size;
    });
  };

  if (bound <= EXACT) {
    let values = doublesOf(x);
    eachAxis((axis, outer, dim, inner, size) => {
      const q = denominators[axis]!;
      const y = new Float64Array(outer * size * inner);
      const mix = (a: number, b: number, r: number): number => (q - r) * a + r * b;
      interpolate(values, y, outer, dim, inner, positions(attributes, axis), mix);
      values = y;
    });
    return dtype === "i64"
      ? fromDoubles("i64", shape, values)
      : saturateDoubles("i32", shape, values);
  }
  let values: ArrayLike<bigint> = bigintsOf(x);
  eachAxis((axis, outer, dim, inner, size) => {
    const q = denominators[axis]!;
    const y = new Array<bigint>(outer * size * inner);
    const mix = (a: bigint, b: bigint, r: number): bigint => BigInt(q - r) * a + BigInt(r) * b;
    interpolate(values, y, outer, dim, inner, positions(attributes, axis), mix);
    values = y;
  });
  return fromBigints(
    dtype,
    shape,
    Array.from(values, (v) => saturate(v, dtype)),
  );
}

export function iota(length: number): HostTensor {
  const y = newArray("i32", length);
  for (let i = 0; i < length; i++) y[i] = i;
  return hostTensor("i32", [length], y);
}
