import type { Shape } from "../../core/shape.js";
import type { WindowAttributes } from "../backend.js";
import type { Window } from "./descriptors.js";

export interface Window2d {
  /** All but what depends on the element type. */
  readonly fields: Omit<Window, "pixelBytes" | "padValue">;
  /** One tap, steps of one, no padding: every output pixel reads the input pixel of its index. */
  readonly pointwise: boolean;
}

/**
 * The window over images [N, (height,) width, C] with a kernel of the same number of spatial axes;
 * one axis is an image of height 1.
 * @param channels how many channels take part
 */
export function window2d(
  image: Shape,
  kernel: readonly number[],
  { strides, dilations, pads }: WindowAttributes,
  out: Shape,
  channels: number,
): Window2d {
  const flat = kernel.length === 1;
  const pick = (values: readonly number[], i: number, one: number): number =>
    flat ? (i === 0 ? one : values[0]!) : values[i]!;
  const fields = {
    height: pick(image.slice(1), 0, 1),
    width: pick(image.slice(1), 1, 1),
    channels,
    kernelHeight: pick(kernel, 0, 1),
    kernelWidth: pick(kernel, 1, 1),
    strideY: pick(strides, 0, 1),
    strideX: pick(strides, 1, 1),
    dilationY: pick(dilations, 0, 1),
    dilationX: pick(dilations, 1, 1),
    padTop: pick(pads, 0, 0),
    padLeft: pick(pads, 1, 0),
    outHeight: pick(out.slice(1), 0, 1),
    outWidth: pick(out.slice(1), 1, 1),
  };
  const pointwise =
    kernel.every((size) => size === 1) &&
    strides.every((stride) => stride === 1) &&
    pads.every((pad) => pad === 0);
  return { fields, pointwise };
}
