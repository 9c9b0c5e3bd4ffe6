import { MAX_RANK } from "../../core/shape.js";
import type { Engine } from "./engine.js";
import type { Address } from "./kernels.js";

/** Elements of `dims`, each at an address plus its index times a stride, in bytes and of any sign. */
export interface Strided {
  readonly address: Address;
  readonly strides: readonly number[];
}

const LEVEL_BYTES = 12;

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
  const levels: { count: number; from: number; to: number }[] = [];
  for (let axis = 0; axis < dims.length; axis++) {
    const count = dims[axis]!;
    if (count === 1) continue;
    const level = { count, from: from.strides[axis]!, to: to.strides[axis]! };
    const before = levels[levels.length - 1];
    if (before?.from === level.from * count && before.to === level.to * count) {
      level.count *= before.count;
      levels.pop();
    }
    levels.push(level);
  }
  // At the end, so that it does not overwrite what other kernels are called with in between.
  const last = engine.arguments + engine.argumentBytes - LEVEL_BYTES * MAX_RANK;
  const { words } = engine.heap;
  levels.forEach((level, i) => {
    const at = last + LEVEL_BYTES * i;
    words.setInt32(at, level.count, true);
    words.setInt32(at + 4, level.from, true);
    words.setInt32(at + 8, level.to, true);
  });
  const count = levels[0]?.count ?? 1;
  engine.wasm.copy(elementBytes, levels.length, last, from.address, to.address, 0, count);
}
