import type { Engine } from "./engine.js";
import type { Address } from "./kernels.js";

/** Elements of `dims`, each at an address plus its index times a stride, in bytes and of any sign. */
export interface Strided {
  readonly address: Address;
  readonly strides: readonly number[];
}

/** Row-major strides in bytes. */
export function byteStrides(shape: readonly number[], elementBytes: number): number[] {
  const strides = new Array<number>(shape.length);
  let stride = elementBytes;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Runs shorter than this are copied element by element: a call costs more. */
const SHORT_RUN_BYTES = 32;

/** Copies `dims` elements of `elementBytes` from one layout to another; they do not overlap. */
export function copyStrided(
  engine: Engine,
  elementBytes: number,
  dims: readonly number[],
  from: Strided,
  to: Strided,
): void {
  if (dims.includes(0)) return;
  // Axes of 1 go, neighbours that one stride covers in both layouts become one.
  const sizes: number[] = [];
  const source: number[] = [];
  const target: number[] = [];
  for (let axis = 0; axis < dims.length; axis++) {
    const dim = dims[axis]!;
    if (dim === 1) continue;
    const [s, t] = [from.strides[axis]!, to.strides[axis]!];
    const last = sizes.length - 1;
    if (last >= 0 && source[last] === s * dim && target[last] === t * dim) {
      sizes[last]! *= dim;
      source[last] = s;
      target[last] = t;
    } else {
      sizes.push(dim);
      source.push(s);
      target.push(t);
    }
  }
  const last = sizes.length - 1;
  const whole = last >= 0 && source[last] === elementBytes && target[last] === elementBytes;
  if (whole && sizes[last]! * elementBytes >= SHORT_RUN_BYTES) {
    const bytes = engine.heap.u8;
    const length = sizes[last]! * elementBytes;
    walk(sizes, source, target, last, from.address, to.address, (s, t) =>
      bytes.copyWithin(t, s, s + length),
    );
    return;
  }
  // Words of the element's size; two words of four bytes for eight.
  if (elementBytes === 8) {
    sizes.push(2);
    source.push(4);
    target.push(4);
  } else if (sizes.length === 0) {
    sizes.push(1);
    source.push(0);
    target.push(0);
  }
  const wordBytes = Math.min(elementBytes, 4);
  const words = engine.heap.view(
    wordBytes === 1 ? "u8" : wordBytes === 2 ? "i16" : "i32",
    0,
    Math.floor(engine.heap.u8.length / wordBytes),
  ) as Int32Array;
  const inner = sizes.length - 1;
  const count = sizes[inner]!;
  const sourceStep = source[inner]! / wordBytes;
  const targetStep = target[inner]! / wordBytes;
  walk(sizes, source, target, inner, from.address, to.address, (s, t) => {
    let i = s / wordBytes;
    let j = t / wordBytes;
    for (let n = count; n > 0; n--, i += sourceStep, j += targetStep) words[j] = words[i]!;
  });
}

/** Calls `visit` with the addresses of every run along axis `inner`. */
function walk(
  sizes: readonly number[],
  source: readonly number[],
  target: readonly number[],
  inner: number,
  from: Address,
  to: Address,
  visit: (from: Address, to: Address) => void,
): void {
  const index = new Array<number>(inner).fill(0);
  for (;;) {
    visit(from, to);
    let axis = inner - 1;
    for (; axis >= 0; axis--) {
      from += source[axis]!;
      to += target[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      from -= source[axis]! * sizes[axis]!;
      to -= target[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}
