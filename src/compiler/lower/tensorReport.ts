import type { Dtype } from "../../core/dtype.js";
import type { TensorRange } from "../calibration.js";
import type { Format } from "./real.js";
import { maxScale } from "./real.js";

/** How one value of the model is held, for the report. */
export interface TensorReport {
  readonly name: string;
  readonly dtype: Dtype;
  /** Scale, or the least and greatest of the channels' scales. */
  readonly scale: readonly [number, number];
  readonly zeroPoint: number;
  /** The reals that it can stand for, roundings included; those of its coarsest channel. */
  readonly limits: readonly [number, number];
  /** Range in calibration. */
  readonly range: readonly [number, number] | undefined;
  /** Values of the calibration that saturate in this format, at most (bins of the histogram count whole). */
  readonly clipped: number;
  readonly count: number;
}

export function reportTensor(
  name: string,
  held: Format,
  range: TensorRange | undefined,
): TensorReport {
  const scales = typeof held.scale === "number" ? [held.scale] : held.scale.scales;
  const greatest = maxScale(held.scale);
  const limits = [
    (held.lo - held.zeroPoint - 0.5) * greatest,
    (held.hi - held.zeroPoint + 0.5) * greatest,
  ] as const;
  return {
    name,
    dtype: held.dtype,
    scale: [scales.reduce((a, b) => Math.min(a, b)), greatest],
    zeroPoint: held.zeroPoint,
    limits,
    range: range === undefined ? undefined : [range.min, range.max],
    clipped: range === undefined ? 0 : clippedValues(range, limits),
    count: range?.count ?? 0,
  };
}

const FLOAT32_ROUNDING = 1 / 0x800000;

function clippedValues(range: TensorRange, [lo, hi]: readonly [number, number]): number {
  // Ranges are of float32: what its rounding moves past a limit is not clipped.
  const slack = Math.max(Math.abs(lo), Math.abs(hi)) * FLOAT32_ROUNDING;
  if (range.min >= lo - slack && range.max <= hi + slack) return 0;
  const view = new DataView(new ArrayBuffer(4));
  let clipped = 0;
  for (const [bin, count] of range.histogram) {
    view.setUint32(0, (bin << 20) >>> 0);
    const inner = view.getFloat32(0);
    view.setUint32(0, ((bin << 20) | 0xfffff) >>> 0);
    const outer = view.getFloat32(0);
    if (Math.max(inner, outer) > hi || Math.min(inner, outer) < lo) clipped += count;
  }
  return clipped;
}
