import { newArray, saturate } from "../../core/dtype.js";
import { clampExact } from "../../core/fixedPoint.js";
import { elementCount } from "../../core/shape.js";
import type { ScatterOp } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import { bigintsOf, doublesOf, exactDoublesOf, fromBigints, hostTensor } from "./hostTensor.js";
import { wordsOf } from "./strided.js";

/** Products beyond this saturate whatever follows, unless a zero follows. */
const BEYOND = 1n << 64n;

const COMBINE: Readonly<
  Record<Exclude<ScatterOp, "scatter">, (acc: bigint, update: bigint) => bigint>
> = {
  "scatter.add": (acc, update) => acc + update,
  "scatter.mul": (acc, update) => clampExact(acc * update, -BEYOND, BEYOND),
  "scatter.max": (acc, update) => (update > acc ? update : acc),
  "scatter.min": (acc, update) => (update < acc ? update : acc),
};

/** Calls `visit` with the offsets in y and in the updates of each slice of `inner` elements, in order. */
function forEachSlice(
  x: HostTensor,
  indices: HostTensor,
  axis: number,
  visit: (to: number, from: number, inner: number) => void,
): void {
  const at = doublesOf(indices);
  const outer = elementCount(x.shape.slice(0, axis));
  const inner = elementCount(x.shape.slice(axis + 1));
  const length = x.shape[axis]!;
  for (let i = 0; i < outer; i++) {
    for (let k = 0; k < at.length; k++) {
      visit((i * length + at[k]!) * inner, (i * at.length + k) * inner, inner);
    }
  }
}

export function scatter(
  op: ScatterOp,
  x: HostTensor,
  indices: HostTensor,
  updates: HostTensor,
  axis: number,
): HostTensor {
  if (op === "scatter") {
    const y = hostTensor(x.dtype, x.shape, x.data.slice());
    const { words, perElement: k } = wordsOf(y.data);
    const source = wordsOf(updates.data).words;
    forEachSlice(x, indices, axis, (to, from, inner) => {
      words.set(source.subarray(from * k, (from + inner) * k), to * k);
    });
    return y;
  }
  const combine = COMBINE[op];
  const y = Array.from(bigintsOf(x));
  const source = bigintsOf(updates);
  forEachSlice(x, indices, axis, (to, from, inner) => {
    for (let j = 0; j < inner; j++) y[to + j] = combine(y[to + j]!, source[from + j]!);
  });
  return fromBigints(
    x.dtype,
    x.shape,
    y.map((v) => saturate(v, x.dtype)),
  );
}

function sortAxis<V extends number | bigint>(
  values: ArrayLike<V>,
  length: number,
  inner: number,
  y: Int32Array,
): void {
  const order = new Int32Array(length);
  for (let i = 0; i < y.length / Math.max(length, 1); i++) {
    const start = Math.floor(i / inner) * inner * length + (i % inner);
    for (let k = 0; k < length; k++) order[k] = k;
    order.sort((a, b) => {
      const [left, right] = [values[start + a * inner]!, values[start + b * inner]!];
      return left < right ? -1 : left > right ? 1 : a - b;
    });
    for (let k = 0; k < length; k++) y[start + k * inner] = order[k]!;
  }
}

export function argsort(x: HostTensor, axis: number): HostTensor {
  const y = newArray("i32", elementCount(x.shape));
  const inner = elementCount(x.shape.slice(axis + 1));
  const values = exactDoublesOf(x);
  if (values) sortAxis(values, x.shape[axis]!, inner, y);
  else sortAxis(bigintsOf(x), x.shape[axis]!, inner, y);
  return hostTensor("i32", x.shape, y);
}

export function nonzero(x: HostTensor): HostTensor {
  const values = doublesOf(x);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  const y = newArray("i32", count);
  for (let i = 0, to = 0; i < values.length; i++) if (values[i] !== 0) y[to++] = i;
  return hostTensor("i32", [count], y);
}

export function cumsum(x: HostTensor, axis: number, dtype: "i32" | "i64"): HostTensor {
  const inner = elementCount(x.shape.slice(axis + 1));
  const length = x.shape[axis]!;
  const values = bigintsOf(x);
  const y = new Array<bigint>(values.length);
  for (let i = 0; i < values.length; i++) {
    const first = Math.floor(i / inner) % length === 0;
    y[i] = first ? values[i]! : y[i - inner]! + values[i]!;
  }
  return fromBigints(
    dtype,
    x.shape,
    y.map((v) => saturate(v, dtype)),
  );
}
