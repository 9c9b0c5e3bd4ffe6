import type { Dtype } from "./dtype.js";
import { DTYPE_INFO } from "./dtype.js";
import { Trap } from "./errors.js";

/** Dimensions of a tensor, outermost first. Rank 0 is a scalar; any dimension may be 0. */
export type Shape = readonly number[];

/** What the validator knows of a tensor: its dtype and its rank, never its dimensions. */
export interface TensorType {
  readonly dtype: Dtype;
  readonly rank: number;
}

/** What is known of a tensor when it runs. */
export interface TensorSpec {
  readonly dtype: Dtype;
  readonly shape: Shape;
}

/** The highest rank that a module may declare. */
export const MAX_RANK = 8;

/** Number of elements of a tensor of that shape; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/**
 * Elements as limits and gas count them: dimensions of 0 count as 1, so that the size of an empty
 * tensor is bounded too.
 */
export function chargedCount(shape: Shape): number {
  let count = 1;
  for (const dim of shape) count *= dim === 0 ? 1 : dim;
  return count;
}

/** Bytes of the elements of a tensor. */
export function byteLength(spec: TensorSpec): number {
  return elementCount(spec.shape) * DTYPE_INFO[spec.dtype].bytes;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** For messages: `[1,3,224,224]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(",")}]`;
}

/**
 * The shape that all operands broadcast to: aligned at the last axis, a dimension of 1 stretches.
 * @throws Trap `ShapeMismatch` when two dimensions differ and neither is 1.
 */
export function broadcastShapes(shapes: readonly Shape[]): Shape {
  if (shapes.length === 2 && sameShape(shapes[0]!, shapes[1]!)) return shapes[0]!;
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const lead = rank - shape.length;
    for (let axis = 0; axis < shape.length; axis++) {
      const dim = shape[axis]!;
      const current = result[lead + axis]!;
      if (dim === current || dim === 1) continue;
      if (current !== 1) {
        throw new Trap(
          "ShapeMismatch",
          `shapes ${shapes.map(formatShape).join(" and ")} do not broadcast`,
        );
      }
      result[lead + axis] = dim;
    }
  }
  return result;
}
