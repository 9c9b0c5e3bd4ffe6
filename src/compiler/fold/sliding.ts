import { CompileError } from "../../core/errors.js";
import type { NodeView } from "../shapes/nodeView.js";
import { countOf, stridesOf } from "./arrays.js";

/** The window of a normalised convolution or pool, one number a spatial axis. */
export interface Sliding {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding in front of each axis. */
  readonly pads: readonly number[];
}

export function slidingOf(view: NodeView, axes: number): Sliding {
  const ones = new Array<number>(axes).fill(1);
  return {
    kernel: view.ints("kernel_shape") ?? ones,
    strides: view.ints("strides") ?? ones,
    dilations: view.ints("dilations") ?? ones,
    pads: (view.ints("pads") ?? new Array<number>(2 * axes).fill(0)).slice(0, axes),
  };
}

/**
 * Which element of the data each position of a window meets, for one tap of the kernel: runs along
 * the last axis, four numbers each: offset of the position, offset of the datum, step of the data,
 * length. Positions whose datum is padding are left out.
 *
 * @param positions spatial sizes of where the window stands
 * @param data spatial sizes of what it slides over
 */
export function runsOfTap(
  window: Sliding,
  tap: readonly number[],
  positions: readonly number[],
  data: readonly number[],
): Int32Array {
  const rank = positions.length;
  const [positionStrides, dataStrides] = [stridesOf(positions), stridesOf(data)];
  const ranges = positions.map((size, axis) => {
    const stride = window.strides[axis] ?? 1;
    const shift = (tap[axis] ?? 0) * (window.dilations[axis] ?? 1) - (window.pads[axis] ?? 0);
    const from = Math.max(0, Math.ceil(-shift / stride));
    const to = Math.min(size, Math.floor(((data[axis] ?? 1) - 1 - shift) / stride) + 1);
    return { from, to, stride, shift };
  });
  if (ranges.some(({ from, to }) => from >= to)) return new Int32Array(0);
  const last = ranges[rank - 1]!;
  const outer = ranges.slice(0, -1);
  const count = countOf(outer.map(({ from, to }) => to - from));
  const runs = new Int32Array(4 * count);
  const at = outer.map(({ from }) => from);
  for (let i = 0; i < count; i++) {
    let [position, datum] = [last.from, last.from * last.stride + last.shift];
    outer.forEach(({ stride, shift }, axis) => {
      position += at[axis]! * positionStrides[axis]!;
      datum += (at[axis]! * stride + shift) * dataStrides[axis]!;
    });
    runs.set([position, datum, last.stride, last.to - last.from], 4 * i);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      if (++at[axis]! < outer[axis]!.to) break;
      at[axis] = outer[axis]!.from;
    }
  }
  return runs;
}

/** No model slides a larger window; a hostile one would fill the memory with its taps. */
const MAX_TAPS = 1 << 20;

/**
 * All taps of a kernel, in row-major order.
 * @throws CompileError `TooLarge` when there are too many
 */
export function tapsOf(kernel: readonly number[]): number[][] {
  if (countOf(kernel) > MAX_TAPS)
    throw new CompileError("TooLarge", `a window of [${kernel.join(", ")}] is too large`);
  const strides = stridesOf(kernel);
  return Array.from({ length: countOf(kernel) }, (_, i) =>
    kernel.map((size, axis) => Math.floor(i / strides[axis]!) % size),
  );
}
