import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO, newArray } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { ContractionAttributes, ConvAttributes } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import {
  EXACT,
  POWERS_OF_TWO,
  doublesOf,
  fromBigints,
  fromDoubles,
  hostTensor,
} from "./hostTensor.js";
import { broadcastStrides, broadcastTo, forEachRow } from "./strided.js";
import { forEachTap, windowOf } from "./window.js";

/** Sums of products of doubles; `pad` is the value of a outside of the input of a conv. */
type Sums = (a: Float64Array, b: Float64Array, pad: number) => Float64Array;

/** The greatest magnitude of a value of `dtype` within `bits`. */
export function magnitude(dtype: Dtype, bits: number): number {
  return DTYPE_INFO[dtype].signed ? POWERS_OF_TWO[bits - 1]! : POWERS_OF_TWO[bits]! - 1;
}

/** The values in limbs of `width` bits, least first; all but the last are unsigned. */
function limbsOf(values: Float64Array, width: number, count: number): Float64Array[] {
  const base = POWERS_OF_TWO[width]!;
  const limbs: Float64Array[] = [];
  let rest = values;
  for (let limb = 1; limb < count; limb++) {
    const high = rest.map((v) => Math.floor(v / base));
    limbs.push(rest.map((v, i) => v - high[i]! * base));
    rest = high;
  }
  limbs.push(rest);
  return limbs;
}

/**
 * Exact sums of `k` products each. Doubles hold them up to 2^53; beyond, the operand with more bits
 * is cut into limbs. That always suffices: k · |a| · |b| < 2^63 makes k · min(|a|, |b|) < 2^47.
 */
function contract(
  a: HostTensor,
  b: HostTensor,
  k: number,
  { aBits, bBits, accumulator }: ContractionAttributes,
  pad: number,
  shape: Shape,
  sums: Sums,
): HostTensor {
  const aMax = magnitude(a.dtype, aBits);
  const bMax = magnitude(b.dtype, bBits);
  const aValues = doublesOf(a);
  const bValues = doublesOf(b);
  if (k * aMax * bMax <= EXACT) {
    return fromDoubles(accumulator, shape, sums(aValues, bValues, pad));
  }

  const splitA = aMax >= bMax;
  let width = 1;
  while (k * Math.min(aMax, bMax) * POWERS_OF_TWO[width + 1]! <= EXACT) width++;
  const count = Math.ceil((splitA ? aBits : bBits) / width);
  const limbs = limbsOf(splitA ? aValues : bValues, width, count);
  const pads = splitA ? limbsOf(Float64Array.of(pad), width, count) : [];
  const total = new BigInt64Array(elementCount(shape));
  limbs.forEach((limb, l) => {
    const part = splitA ? sums(limb, bValues, pads[l]![0]!) : sums(aValues, limb, pad);
    const weight = BigInt(l * width);
    for (let i = 0; i < total.length; i++) total[i]! += BigInt(part[i]!) << weight;
  });
  return fromBigints(accumulator, shape, total);
}

/** `y[j] += Σ_t a[t] · b[t][j]` for t < k, j < n, at the given offsets; rows of b are `bStride` apart. */
function addProduct(
  y: Float64Array,
  yOffset: number,
  n: number,
  a: Float64Array,
  aOffset: number,
  k: number,
  b: Float64Array,
  bOffset: number,
  bStride: number,
): void {
  if (n === 1) {
    let sum = 0;
    for (let t = 0; t < k; t++) sum += a[aOffset + t]! * b[bOffset + t * bStride]!;
    y[yOffset]! += sum;
    return;
  }
  let t = 0;
  for (; t + 4 <= k; t += 4) {
    const a0 = a[aOffset + t]!;
    const a1 = a[aOffset + t + 1]!;
    const a2 = a[aOffset + t + 2]!;
    const a3 = a[aOffset + t + 3]!;
    const b0 = bOffset + t * bStride;
    const b1 = b0 + bStride;
    const b2 = b1 + bStride;
    const b3 = b2 + bStride;
    for (let j = 0; j < n; j++) {
      y[yOffset + j]! += a0 * b[b0 + j]! + a1 * b[b1 + j]! + a2 * b[b2 + j]! + a3 * b[b3 + j]!;
    }
  }
  for (; t < k; t++) {
    const a0 = a[aOffset + t]!;
    const b0 = bOffset + t * bStride;
    for (let j = 0; j < n; j++) y[yOffset + j]! += a0 * b[b0 + j]!;
  }
}

/** `y[j] += a[j] · b[j]` for j < n, at the given offsets. */
function addPointwise(
  y: Float64Array,
  yOffset: number,
  n: number,
  a: Float64Array,
  aOffset: number,
  b: Float64Array,
  bOffset: number,
): void {
  for (let j = 0; j < n; j++) y[yOffset + j]! += a[aOffset + j]! * b[bOffset + j]!;
}

export function matmul(
  a: HostTensor,
  b: HostTensor,
  attributes: ContractionAttributes,
  shape: Shape,
): HostTensor {
  const batch = shape.slice(0, -2);
  const [m, n] = shape.slice(-2) as [number, number];
  const k = a.shape[a.shape.length - 1]!;
  const layout = (x: Shape, size: number) => ({
    offset: 0,
    strides: broadcastStrides(x.slice(0, -2), batch).map((stride) => stride * size),
  });
  return contract(a, b, k, attributes, 0, shape, (left, right) => {
    const y = new Float64Array(elementCount(shape));
    let yOffset = 0;
    forEachRow(
      batch,
      layout(a.shape, m * k),
      layout(b.shape, k * n),
      (a0, b0, count, aStep, bStep) => {
        for (let matrix = 0; matrix < count; matrix++) {
          for (let row = 0; row < m; row++, yOffset += n) {
            const aOffset = a0 + matrix * aStep + row * k;
            addProduct(y, yOffset, n, left, aOffset, k, right, b0 + matrix * bStep, n);
          }
        }
      },
    );
    return y;
  });
}

export function conv(
  a: HostTensor,
  b: HostTensor,
  attributes: ConvAttributes,
  shape: Shape,
): HostTensor {
  const { groups } = attributes;
  const channels = a.shape[a.shape.length - 1]!;
  const [perGroup, outputs] = b.shape.slice(-2) as [number, number];
  const outputsPerGroup = outputs / groups;
  const kernel = b.shape.slice(0, -2);
  const window = windowOf(attributes, kernel, a.shape, shape);
  const k = elementCount(kernel) * perGroup;
  return contract(
    a,
    b,
    k,
    attributes,
    Number(attributes.padValue),
    shape,
    (input, weights, pad) => {
      const y = new Float64Array(elementCount(shape));
      if (y.length * k === 0) return y; // whatever the number of positions and groups
      const padding = new Float64Array(channels).fill(pad);
      const depthwise = perGroup === 1 && outputsPerGroup === 1;
      forEachTap(window, (output, tap, position) => {
        if (position < 0 && pad === 0) return;
        const x = position < 0 ? padding : input;
        const xOffset = position < 0 ? 0 : position * channels;
        const yOffset = output * outputs;
        const wOffset = tap * perGroup * outputs;
        if (depthwise) {
          addPointwise(y, yOffset, outputs, x, xOffset, weights, wOffset);
          return;
        }
        for (let group = 0; group < groups; group++) {
          const o = group * outputsPerGroup;
          addProduct(
            y,
            yOffset + o,
            outputsPerGroup,
            x,
            xOffset + group * perGroup,
            perGroup,
            weights,
            wOffset + o,
            outputs,
          );
        }
      });
      return y;
    },
  );
}

export function mulWide(
  a: HostTensor,
  b: HostTensor,
  accumulator: "i32" | "i64",
  shape: Shape,
): HostTensor {
  const left = doublesOf(broadcastTo(a, shape));
  const right = doublesOf(broadcastTo(b, shape));
  if (a.dtype !== "i32" || b.dtype !== "i32") {
    return fromDoubles(
      accumulator,
      shape,
      left.map((x, i) => x * right[i]!),
    );
  }
  const data = newArray("i64", left.length);
  for (let i = 0; i < data.length; i++) data[i] = BigInt(left[i]!) * BigInt(right[i]!);
  return hostTensor(accumulator, shape, data);
}
