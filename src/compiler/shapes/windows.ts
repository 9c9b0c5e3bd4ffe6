import type { Dim } from "../graph.js";
import { addDims, ceilDivideDim, floorDivideDim, multiplyDims } from "./dims.js";

/** One spatial axis of a convolution or pooling window. */
export interface WindowAxis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
}

/** Extent of a dilated kernel. */
export function windowExtent(axis: Pick<WindowAxis, "kernel" | "dilation">): number {
  return (axis.kernel - 1) * axis.dilation + 1;
}

/**
 * Number of window positions along an axis of `size`. With `ceil`, a last partial window counts
 * unless it would start beyond the data and the padding in front of it.
 */
export function windowCount(size: Dim, axis: WindowAxis, ceil = false): Dim {
  const span = addDims(size, axis.padBegin + axis.padEnd - windowExtent(axis));
  if (!ceil) return addDims(floorDivideDim(span, axis.stride), 1);
  const count = addDims(ceilDivideDim(span, axis.stride), 1);
  if (typeof count === "number" && typeof size === "number") {
    return (count - 1) * axis.stride >= size + axis.padBegin ? count - 1 : count;
  }
  return count;
}

/** Size of a transposed convolution's result along an axis. */
export function transposedSize(size: Dim, axis: WindowAxis, outputPadding: number): Dim {
  const steps = multiplyDims(addDims(size, -1), axis.stride);
  return addDims(steps, outputPadding + windowExtent(axis) - axis.padBegin - axis.padEnd);
}
