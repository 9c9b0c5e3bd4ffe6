/** Rounds weights so that their errors cancel where activations go together. */
import type { ChannelRange } from "../calibration.js";
import type { QuantisedWeights } from "./weights.js";

/** Which activations the rows of a weight matrix multiply. */
export interface Rows {
  /** Channel of the activation that row k of column o multiplies. */
  readonly channel: (k: number, o: number) => number;
  /** Input channels of a column: row k is of tap ⌊k / perGroup⌋. */
  readonly perGroup: number;
  /** Taps before each tap whose activations are like its own. */
  readonly earlier: readonly (readonly LikeTap[])[];
  /** What calibration saw of the channels. */
  readonly seen: ChannelRange | undefined;
}

export interface LikeTap {
  readonly tap: number;
  readonly correlation: number;
}

/**
 * Correlation of neighbours along an axis. Measured ones lie between 0.6 and 0.95; results hardly
 * change between 0.8 and 0.95.
 */
const NEIGHBOURS = 0.8;
/** Taps that are less alike than this are taken for unlike. */
const LEAST_CORRELATION = 1 / 64;

/**
 * The earlier taps that are like each tap of a kernel.
 * @param paces along each axis, how far apart in the activation neighbouring taps read; taps that
 * are no whole number apart are never summed together
 */
export function earlierTaps(sizes: readonly number[], paces: readonly number[]): LikeTap[][] {
  const taps = sizes.reduce((a, b) => a * b, 1);
  const places = Array.from({ length: taps }, (_, tap) => {
    let rest = tap;
    return sizes
      .map((_size, i) => sizes.length - 1 - i)
      .map((axis) => {
        const at = rest % sizes[axis]!;
        rest = Math.floor(rest / sizes[axis]!);
        return at * paces[axis]!;
      });
  });
  return places.map((place, tap) =>
    places
      .slice(0, tap)
      .map((other, at) => ({ tap: at, correlation: correlationOf(place, other) }))
      .filter(({ correlation }) => correlation >= LEAST_CORRELATION),
  );
}

/** Of a tap with one that is behind it on no axis; 0 with others, which the order makes indirect. */
function correlationOf(place: readonly number[], other: readonly number[]): number {
  return place.reduce((product, at, axis) => {
    const apart = at - other[axis]!;
    if (apart < 0 || !Number.isInteger(apart)) return 0;
    let power = product;
    for (let i = 0; i < apart && power >= LEAST_CORRELATION; i++) power *= NEIGHBOURS;
    return power;
  }, 1);
}

/**
 * Rounds each weight so that it makes up for the errors of those before it, as far as its
 * activation goes with theirs: the error of a sum, not of each weight, becomes small. Worth 4 dB
 * and more with 8 bits, where nearly all noise comes from the weights.
 *
 * Errors e of a column cost eᵀHe, where H is the covariance of the activations: between channels,
 * variances and a few directions that they share, diag(d) + V·Vᵀ; between taps, a correlation that
 * falls with their distance; of both, the product. Column by column, each e is rounded from where
 * the errors so far, with the best real values for all that follow, want it.
 *
 * @param reals as the weights were rounded, [K, outputs]
 * @param most greatest magnitude of an integer
 * @param unit of each channel's activation
 */
export function withDiffusedErrors(
  reals: Float64Array,
  weights: QuantisedWeights,
  { channel, perGroup, earlier, seen }: Rows,
  most: number,
  unit: (channel: number) => number,
): QuantisedWeights {
  const outputs = weights.scales.length;
  const taps = earlier.length;
  const integers = new Int32Array(weights.integers.length);
  const rank = seen?.directions?.length ?? 0;
  const shared = new Float64Array(taps * rank);
  const wanted = new Float64Array(taps);
  const error = new Float64Array(taps);
  let steps: readonly Step[] = [];
  for (let o = 0; o < outputs; o++) {
    if (o === 0 || channel(0, o) !== channel(0, o - 1)) {
      const channels = Array.from({ length: perGroup }, (_, c) => channel(c, o));
      steps = stepsOf(channels, seen, unit);
    }
    const scale = weights.scales[o]!;
    shared.fill(0);
    for (const { row, direction, gain } of steps) {
      for (let t = 0; t < taps; t++) {
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += shared[t * rank + r]! * gain[r]!;
        wanted[t] = sum;
        for (const { tap, correlation } of earlier[t]!)
          sum += correlation * (wanted[tap]! + error[tap]!);
        const at = (t * perGroup + row) * outputs + o;
        const exact = reals[at]! / scale;
        const q = Math.min(Math.max(Math.floor(exact - sum + 0.5), -most), most);
        integers[at] = q;
        error[t] = q - exact;
      }
      for (let t = 0; t < taps; t++) {
        for (let r = 0; r < rank; r++) shared[t * rank + r]! += error[t]! * direction[r]!;
      }
    }
  }
  return { ...weights, integers };
}

/** A channel, in the order in which they are rounded. */
interface Step {
  /** Its place among the channels of the column. */
  readonly row: number;
  /** Its part in each shared direction. */
  readonly direction: Float64Array;
  /** What its error should make up for, by shared direction. */
  readonly gain: Float64Array;
}

/** Share of the mean variance that each channel has at least: directions are rough. */
const LEAST_VARIANCE = 1 / 1024;

/**
 * Channels from the loudest to the quietest, whose errors cost least, with their gains. What is
 * left of V·Vᵀ when later channels take their best values is V·M·Vᵀ, with M = (1 + Σ v·vᵀ/d)⁻¹
 * over them: from the last channel backwards, each adds a term (Sherman and Morrison).
 */
function stepsOf(
  channels: readonly number[],
  seen: ChannelRange | undefined,
  unit: (channel: number) => number,
): Step[] {
  const { variance, directions = [] } = seen ?? {};
  const rank = directions.length;
  const varianceOf = (c: number): number => (variance?.[c] ?? 1) / (unit(c) * unit(c));
  const floor = channels.reduce((sum, c) => sum + varianceOf(c), 0) / channels.length;
  const steps = channels
    .map((c, row) => ({
      row,
      variance: varianceOf(c),
      direction: Float64Array.from(directions, (all) => all[c]! / unit(c)),
      gain: new Float64Array(rank),
    }))
    .sort((a, b) => b.variance - a.variance);
  if (rank === 0) return steps;
  const m = new Float64Array(rank * rank);
  for (let r = 0; r < rank; r++) m[r * rank + r] = 1;
  for (const { variance: all, direction: v, gain } of [...steps].reverse()) {
    const own = all - v.reduce((sum, x) => sum + x * x, 0);
    let total = Math.max(own, 0) + floor * LEAST_VARIANCE;
    const mv = v.map((_, r) => v.reduce((sum, x, s) => sum + m[r * rank + s]! * x, 0));
    for (let r = 0; r < rank; r++) total += mv[r]! * v[r]!;
    if (total === 0) continue;
    for (let r = 0; r < rank; r++) gain[r] = mv[r]! / total;
    for (let r = 0; r < rank; r++) {
      for (let s = 0; s < rank; s++) m[r * rank + s]! -= gain[r]! * mv[s]!;
    }
  }
  return steps;
}
