import type { Shape } from "../../core/shape.js";
import type { WindowAttributes } from "../backend.js";

/** A sliding window over N,spatial…,C tensors, with one to three spatial axes written as three. */
export interface Window {
  readonly batch: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBefore: readonly number[];
}

/** The window of a conv or pool from `x` to `y`. */
export function windowOf(
  attributes: WindowAttributes,
  kernel: readonly number[],
  x: Shape,
  y: Shape,
): Window {
  const spatial = x.length - 2;
  const lift = (values: readonly number[], fill: number): number[] => [
    ...new Array<number>(3 - spatial).fill(fill),
    ...values,
  ];
  return {
    batch: x[0]!,
    input: lift(x.slice(1, -1), 1),
    output: lift(y.slice(1, -1), 1),
    kernel: lift(kernel, 1),
    strides: lift(attributes.strides, 1),
    dilations: lift(attributes.dilations, 1),
    padsBefore: lift(attributes.pads.slice(0, spatial), 0),
  };
}

/**
 * Calls `visit(output, tap, input)` for every output position and every tap of the window on it:
 * row-major numbers of the positions, batch included; `input` is −1 in the padding.
 */
export function forEachTap(
  { batch, input, output, kernel, strides, dilations, padsBefore }: Window,
  visit: (output: number, tap: number, input: number) => void,
): void {
  const [inD, inH, inW] = input as [number, number, number];
  const [outD, outH, outW] = output as [number, number, number];
  const [kernelD, kernelH, kernelW] = kernel as [number, number, number];
  const [strideD, strideH, strideW] = strides as [number, number, number];
  const [dilationD, dilationH, dilationW] = dilations as [number, number, number];
  const [padD, padH, padW] = padsBefore as [number, number, number];
  let y = 0;
  for (let n = 0; n < batch; n++) {
    for (let outZ = 0; outZ < outD; outZ++) {
      for (let outY = 0; outY < outH; outY++) {
        for (let outX = 0; outX < outW; outX++, y++) {
          let tap = 0;
          for (let kz = 0; kz < kernelD; kz++) {
            const z = outZ * strideD + kz * dilationD - padD;
            for (let ky = 0; ky < kernelH; ky++) {
              const row = outY * strideH + ky * dilationH - padH;
              const inside = z >= 0 && z < inD && row >= 0 && row < inH;
              const start = ((n * inD + z) * inH + row) * inW;
              for (let kx = 0; kx < kernelW; kx++, tap++) {
                const x = outX * strideW + kx * dilationW - padW;
                visit(y, tap, inside && x >= 0 && x < inW ? start + x : -1);
              }
            }
          }
        }
      }
    }
  }
}
