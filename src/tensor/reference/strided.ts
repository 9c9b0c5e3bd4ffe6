import type { Shape } from "../../core/shape.js";
import { elementCount, stridesOf } from "../../core/shape.js";
import { newArray } from "../../core/dtype.js";
import type { HostTensor } from "./hostTensor.js";
import { hostTensor } from "./hostTensor.js";

/** What moving elements sees: words without meaning. */
export type Words = Uint8Array | Uint16Array | Uint32Array;

/** Where the elements of a tensor lie: in array element units. */
export interface Layout {
  readonly offset: number;
  readonly strides: readonly number[];
}

/**
 * The data of `x` as words, and the words of each element: 1, or 2 for i64, which is moved as one
 * more axis of two.
 */
export function wordsOf(data: HostTensor["data"]): { words: Words; perElement: 1 | 2 } {
  const { buffer, byteOffset, byteLength } = data;
  switch (data.BYTES_PER_ELEMENT) {
    case 1:
      return { words: new Uint8Array(buffer, byteOffset, byteLength), perElement: 1 };
    case 2:
      return { words: new Uint16Array(buffer, byteOffset, byteLength / 2), perElement: 1 };
    case 4:
      return { words: new Uint32Array(buffer, byteOffset, byteLength / 4), perElement: 1 };
    default:
      return { words: new Uint32Array(buffer, byteOffset, byteLength / 4), perElement: 2 };
  }
}

/** Drops axes of 1 and joins axes that lie next to each other in every layout. */
function collapse(
  shape: Shape,
  layouts: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const joined: number[] = [];
  const strides: number[][] = layouts.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const dim = shape[axis]!;
    if (dim === 1) continue;
    const last = joined.length - 1;
    if (last >= 0 && layouts.every((s, i) => strides[i]![last]! === s[axis]! * dim)) {
      joined[last]! *= dim;
      layouts.forEach((s, i) => (strides[i]![last] = s[axis]!));
    } else {
      joined.push(dim);
      layouts.forEach((s, i) => strides[i]!.push(s[axis]!));
    }
  }
  if (joined.length === 0) {
    joined.push(1);
    strides.forEach((s) => s.push(0));
  }
  return { shape: joined, strides };
}

/**
 * Walks two layouts of one shape row by row: `visit(a, b, n, aStep, bStep)` is called with the
 * offsets of the first of n elements and the steps to the next.
 */
export function forEachRow(
  shape: Shape,
  a: Layout,
  b: Layout,
  visit: (a: number, b: number, n: number, aStep: number, bStep: number) => void,
): void {
  if (elementCount(shape) === 0) return;
  const { shape: dims, strides } = collapse(shape, [a.strides, b.strides]);
  const [aStrides, bStrides] = strides as [number[], number[]];
  const last = dims.length - 1;
  const walk = (axis: number, aOffset: number, bOffset: number): void => {
    if (axis === last) {
      visit(aOffset, bOffset, dims[last]!, aStrides[last]!, bStrides[last]!);
      return;
    }
    for (let i = 0; i < dims[axis]!; i++) {
      walk(axis + 1, aOffset + i * aStrides[axis]!, bOffset + i * bStrides[axis]!);
    }
  };
  walk(0, a.offset, b.offset);
}

/** Copies elements of `shape` from one layout to another. */
export function copyStrided(
  shape: Shape,
  source: Words,
  from: Layout,
  target: Words,
  to: Layout,
): void {
  forEachRow(shape, from, to, (s, t, n, sStep, tStep) => {
    if (sStep === 1 && tStep === 1 && n >= 16) {
      target.set(source.subarray(s, s + n), t);
    } else if (sStep === 0 && tStep === 1) {
      target.fill(source[s]!, t, t + n);
    } else {
      for (let i = 0; i < n; i++) target[t + i * tStep] = source[s + i * sStep]!;
    }
  });
}

/** Strides of `x` seen as the shape it broadcasts to. */
export function broadcastStrides(x: Shape, to: Shape): number[] {
  const strides = stridesOf(x);
  const lead = to.length - x.length;
  return to.map((_, axis) => (axis < lead || x[axis - lead] === 1 ? 0 : strides[axis - lead]!));
}

/** `x` with its elements taken by `from`, a layout of the result's shape over x's elements. */
export function takeStrided(x: HostTensor, shape: Shape, from: Layout): HostTensor {
  const result = hostTensor(x.dtype, shape, newArray(x.dtype, elementCount(shape)));
  const source = wordsOf(x.data);
  const k = source.perElement;
  copyStrided(
    [...shape, k],
    source.words,
    { offset: from.offset * k, strides: [...from.strides.map((s) => s * k), 1] },
    wordsOf(result.data).words,
    { offset: 0, strides: stridesOf([...shape, k]) },
  );
  return result;
}

/** `x` broadcast to `shape`; shares storage where nothing has to be repeated. */
export function broadcastTo(x: HostTensor, shape: Shape): HostTensor {
  if (elementCount(shape) === elementCount(x.shape)) return hostTensor(x.dtype, shape, x.data);
  return takeStrided(x, shape, { offset: 0, strides: broadcastStrides(x.shape, shape) });
}
