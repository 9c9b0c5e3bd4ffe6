/** Tables of functions of one variable, as `lut` and `lut.interpolate` read them. */
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Format } from "./real.js";
import { format } from "./real.js";
import { powerOfTwo, roundScale } from "./scale.js";

export type FunctionTable = {
  /** Format of the argument: all of i16 over the domain. */
  readonly argument: Format;
  readonly entries: ArrayLike<number>;
} & (
  | { readonly kind: "direct"; readonly dtype: Format["dtype"] }
  | {
      readonly kind: "interpolated";
      readonly dtype: "i32";
      readonly segmentsLog2: number;
      readonly guardBits: number;
    }
);

/** Where tables start, and the most that `lut.interpolate` takes. */
const FEWEST_SEGMENTS_LOG2 = 7;
const MOST_SEGMENTS_LOG2 = 13;
/** Interpolation may add this many output steps to the half step of the rounding. */
const TOLERANCE = 0.25;
/** Samples by which the flat tails of a function are found. */
const TAIL_SAMPLES = 1024;

/**
 * The smallest table of `f` over a domain whose error stays below 0.75 step of the output.
 *
 * @param domain reals that the argument may take
 * @param scale the output's step
 */
export function functionTable(
  f: (x: number) => number,
  domain: readonly [number, number],
  scale: number,
  output: Format,
): FunctionTable {
  const evaluate = (x: number): number => {
    const y = f(x) / scale;
    // A pole or a domain error at a grid point: saturate, as the output would.
    return Number.isNaN(y) ? 0 : Math.min(Math.max(y, -0x40000000), 0x40000000);
  };
  const [lo, hi] = movingPart(evaluate, domain, output);
  const step = roundScale(Math.max((hi - lo) / 65_535, Number.MIN_VALUE * 0x100000000));
  const zeroPoint = Math.min(Math.max(-32_768 - Math.floor(lo / step + 0.5), -32_768), 32_767);
  const argument = format("i16", step, zeroPoint);
  const at = (u: number): number => evaluate((u - 32_768 - zeroPoint) * step);

  const points = new Map<number, number>();
  const point = (u: number): number => {
    let y = points.get(u);
    if (y === undefined) points.set(u, (y = at(u)));
    return y;
  };
  for (let log2 = FEWEST_SEGMENTS_LOG2; log2 <= MOST_SEGMENTS_LOG2; log2++) {
    const width = 65_536 >> log2;
    let worst = 0;
    for (let u = 0; u < 65_536 && worst <= TOLERANCE; u += width) {
      const middle = clampTo((point(u) + point(u + width)) / 2, output);
      worst = Math.max(worst, Math.abs(middle - clampTo(point(u + width / 2), output)));
    }
    if (worst > TOLERANCE) continue;
    const { guardBits, limit } = precisionOf(output, log2);
    const unit = powerOfTwo(guardBits);
    const round = (y: number): number =>
      Math.floor(Math.min(Math.max(y + output.zeroPoint, -limit), limit) * unit + 0.5);
    const entries = Array.from({ length: (1 << log2) + 1 }, (_, i) => round(point(i * width)));
    return { kind: "interpolated", argument, dtype: "i32", segmentsLog2: log2, guardBits, entries };
  }
  const { min, max } = DTYPE_INFO[output.dtype];
  const entries = Array.from({ length: 65_536 }, (_, u) =>
    Math.min(Math.max(Math.floor(point(u) + 0.5) + output.zeroPoint, Number(min)), Number(max)),
  );
  return { kind: "direct", argument, dtype: output.dtype, entries };
}

/**
 * Guard bits of a table, and the greatest result it holds before the instruction saturates. For
 * results of up to 16 bits an entry times 2^f, f = 16 − segmentsLog2, stays below 2^31, so that
 * engines may interpolate in 32 bits.
 */
function precisionOf(
  { dtype, lo, hi }: Format,
  segmentsLog2: number,
): { guardBits: number; limit: number } {
  if (dtype === "i32") {
    const guardBits = Math.max(hi, -lo) > 0xffffff ? 0 : 6;
    return { guardBits, limit: powerOfTwo(30 - guardBits) - 1 };
  }
  return { guardBits: segmentsLog2 - 1, limit: powerOfTwo(DTYPE_INFO[dtype].bits) - 4 };
}

function clampTo(y: number, output: Format): number {
  return Math.min(Math.max(y, output.lo - output.zeroPoint), output.hi - output.zeroPoint);
}

/**
 * The part of the domain in which the function moves by more than half an output step from its
 * value at the end: tails that are flat would only waste resolution.
 */
export function movingPart(
  evaluate: (x: number) => number,
  [lo, hi]: readonly [number, number],
  output: Format,
): readonly [number, number] {
  if (!(hi > lo)) return [lo - 1, lo + 1];
  const at = (i: number): number => lo + ((hi - lo) * i) / TAIL_SAMPLES;
  const values = Array.from({ length: TAIL_SAMPLES + 1 }, (_, i) =>
    clampTo(evaluate(at(i)), output),
  );
  let first = 0;
  while (first < TAIL_SAMPLES && Math.abs(values[first + 1]! - values[0]!) <= 0.5) first++;
  let last = TAIL_SAMPLES;
  while (last > first && Math.abs(values[last - 1]! - values[TAIL_SAMPLES]!) <= 0.5) last--;
  if (first >= last) return [lo, hi];
  return [at(first), at(last)];
}
