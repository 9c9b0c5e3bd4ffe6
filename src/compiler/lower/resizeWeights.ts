/** Where the outputs of a Resize lie along an axis, and how they weigh the inputs. */
import type { CompileError } from "../../core/errors.js";

/** A resize along one axis, in ONNX's terms. */
export interface AxisResize {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  readonly mode: "nearest" | "linear" | "cubic";
  readonly transform: string;
  readonly nearest: string;
  /** Start and end of the region, for tf_crop_and_resize. */
  readonly region: readonly [number, number];
  readonly cubic: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
  readonly unknown: (what: string) => CompileError;
}

/** Scales and regions are float32: what they put this near a half or a whole is meant to be there. */
const NEAR = 1e-5;

/** Input position of an output index; halves and wholes exactly. */
function position(r: AxisResize, i: number): number {
  const x = unrounded(r, i);
  const half = Math.floor(2 * x + 0.5) / 2;
  return Math.abs(x - half) <= NEAR ? half : x;
}

function unrounded(r: AxisResize, i: number): number {
  const length = r.input * r.scale;
  switch (r.transform) {
    case "align_corners":
      return length === 1 ? 0 : (i * (r.input - 1)) / (length - 1);
    case "asymmetric":
      return i / r.scale;
    case "half_pixel":
      return (i + 0.5) / r.scale - 0.5;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / r.scale;
    case "pytorch_half_pixel":
      return length === 1 ? 0 : (i + 0.5) / r.scale - 0.5;
    case "half_pixel_symmetric": {
      const beyond = (r.input / 2) * (1 - r.output / length);
      return beyond + (i + 0.5) / r.scale - 0.5;
    }
    case "tf_crop_and_resize": {
      const [start, end] = r.region;
      const span = (end - start) * (r.input - 1);
      return start * (r.input - 1) + (length === 1 ? span / 2 : (i * span) / (length - 1));
    }
    default:
      throw r.unknown(`coordinate transformation "${r.transform}" is not one that ONNX has`);
  }
}

/** Whether a position is extrapolated. */
const isOutside = (r: AxisResize, x: number): boolean =>
  r.transform === "tf_crop_and_resize" && (x < 0 || x > r.input - 1);

/** Input index of each output; NaN where it is extrapolated. */
export function nearestIndices(r: AxisResize): number[] {
  return Array.from({ length: r.output }, (_, i) => {
    const x = position(r, i);
    if (isOutside(r, x)) return NaN;
    const below = Math.floor(x);
    const ratio = x - below;
    if (ratio === 0 || r.nearest === "floor") return below;
    if (r.nearest === "ceil") return below + 1;
    return ratio > 0.5 || (ratio === 0.5 && r.nearest === "round_prefer_ceil") ? below + 1 : below;
  });
}

/**
 * The matrix [output, input] of a linear or cubic resize along an axis.
 * @returns also which rows are extrapolated, and the greatest sum of a row's magnitudes
 */
export function resizeMatrix(r: AxisResize): {
  readonly weights: Float64Array;
  readonly outside: readonly boolean[];
  readonly reach: number;
} {
  const weights = new Float64Array(r.output * r.input);
  const outside: boolean[] = [];
  let reach = 1;
  const stretch = r.antialias ? Math.min(r.scale, 1) : 1;
  const radius = (r.mode === "linear" ? 1 : 2) / stretch;
  for (let i = 0; i < r.output; i++) {
    const x = position(r, i);
    outside.push(isOutside(r, x));
    if (outside[i] === true) continue;
    const taps: [index: number, weight: number][] = [];
    let total = 0;
    for (let at = Math.ceil(x - radius); at <= x + radius; at++) {
      const inside = at >= 0 && at < r.input;
      if (!inside && r.excludeOutside) continue;
      const weight = kernel(r, Math.abs(at - x) * stretch);
      total += weight;
      taps.push([Math.min(Math.max(at, 0), r.input - 1), weight]);
    }
    let magnitude = 0;
    for (const [at, weight] of taps) {
      weights[i * r.input + at]! += weight / total;
      magnitude += Math.abs(weight / total);
    }
    reach = Math.max(reach, magnitude);
  }
  return { weights, outside, reach };
}

/** Weight of an input at a distance: a triangle, or Keys' piecewise cubic. */
function kernel({ mode, cubic: a }: AxisResize, t: number): number {
  if (mode === "linear") return Math.max(1 - t, 0);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}
