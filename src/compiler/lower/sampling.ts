/** Samples of an image between its pixels, at positions that are computed when running. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";
import type { Real } from "./real.js";
import { channelsLast } from "./real.js";
import { Wide, broadcast, sizes } from "./wideArithmetic.js";

export type Interpolation = "nearest" | "linear" | "cubic";
export type Border = "zeros" | "border" | "reflection";

/** Positions along one axis of the image, as integers of 2^-fraction pixels. */
export interface Positions {
  readonly value: FixedValue;
  readonly fraction: number;
  readonly size: number;
  /** Whether the image ends at the middle of its outermost pixels, not at their edges. */
  readonly alignCorners: boolean;
}

/** A pixel that a sample takes part of, along one axis. */
interface Tap {
  readonly index: FixedValue;
  /** In 2^-bits; undefined for all of it. */
  readonly weight: FixedValue | undefined;
}

export interface Taps {
  readonly taps: readonly Tap[];
  readonly bits: number;
}

/** An image as rows of channels. */
export interface Pixels {
  /** [pixels, channels] */
  readonly rows: FixedValue;
  readonly unit: number;
}

/** Fraction bits of positions that are interpolated: with 24 bits of values, sums stay in i64. */
export const fractionBits = (axes: number): number => (axes < 3 ? 15 : 12);

/** The pixels of an image [N, C, spatial…], channels last, with one scale. */
export function pixelsOf(ctx: LoweringContext, image: Real): Pixels {
  const x = ctx.ordered(image, channelsLast(image.axes.length));
  const shape = sizes(x.value);
  const channels = shape.at(-1)!;
  const count = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return { rows: ctx.reshaped(x.value, [count, channels]), unit: x.format.scale as number };
}

/** Which pixels a position reads along its axis, and how they weigh. */
export function tapsOf(
  ctx: LoweringContext,
  p: Positions,
  mode: Interpolation,
  border: Border,
): Taps {
  const wide = new Wide(ctx);
  const at = (index: FixedValue, weight: FixedValue | undefined): Tap => {
    const last = BigInt(p.size - 1);
    if (border === "reflection") return { index: reflectedPixel(wide, index, p), weight };
    const clamped = wide.clamp(index, 0n, last);
    if (border === "border") return { index: clamped, weight };
    const one = ctx.builder.scalar("i64", 1n);
    return { index: clamped, weight: wide.where(index, 0n, last, weight ?? one) };
  };
  if (mode === "nearest") return { taps: [at(rounded(wide, p), undefined)], bits: 0 };
  // Cubic samples beyond the border weigh border pixels as if they went on there.
  const inside = mode === "cubic" && border === "border" ? p.value : within(wide, p, border);
  const below = wide.shr(inside, p.fraction);
  const t = wide.sub(inside, wide.shl(below, p.fraction));
  if (mode === "linear") {
    const rest = wide.sub(1n << BigInt(p.fraction), t);
    return { taps: [at(below, rest), at(wide.add(below, 1n), t)], bits: p.fraction };
  }
  const weights = cubicWeights(wide, t, p.fraction);
  const taps = weights.map((weight, i) => at(wide.add(below, BigInt(i - 1)), weight));
  return { taps, bits: p.fraction };
}

/** The nearest pixel, halves to even ones. */
function rounded(wide: Wide, { value, fraction }: Positions): FixedValue {
  const up = wide.add(value, 1n << BigInt(fraction - 1));
  const index = wide.shr(up, fraction);
  const rest = wide.sub(up, wide.shl(index, fraction));
  const odd = wide.modulo(index, 2n);
  return wide.sub(index, wide.where(rest, 0n, 0n, odd));
}

/** Positions brought into the image. Nothing is done to those around which there are zeros. */
function within(wide: Wide, p: Positions, border: Border): FixedValue {
  const one = 1n << BigInt(p.fraction);
  const last = BigInt(p.size - 1) * one;
  if (border === "zeros") return p.value;
  if (border === "border") return wide.clamp(p.value, 0n, last);
  const half = p.alignCorners ? 0n : one / 2n;
  const span = last + 2n * half;
  if (span === 0n) return wide.mul(p.value, 0n);
  const phase = wide.modulo(wide.add(p.value, half), 2n * span);
  return wide.sub(wide.min(phase, wide.sub(2n * span, phase)), half);
}

function reflectedPixel(wide: Wide, index: FixedValue, p: Positions): FixedValue {
  const size = BigInt(p.size);
  if (p.alignCorners && p.size === 1) return wide.mul(index, 0n);
  const period = p.alignCorners ? 2n * (size - 1n) : 2n * size;
  const phase = wide.modulo(index, period);
  return wide.min(phase, wide.sub(p.alignCorners ? period : period - 1n, phase));
}

/** Keys' cubic with a = −¾ at distances 1 + t, t, 1 − t and 2 − t, rounded to t's own bits. */
function cubicWeights(wide: Wide, t: FixedValue, bits: number): FixedValue[] {
  const one = 1n << BigInt(bits);
  const rest = wide.sub(one, t);
  // Four times the polynomials: near 5x³ − 9x² + 4, far −3x³ + 15x² − 24x + 12, over cubes of 2^bits.
  const horner = (x: FixedValue, c: readonly [bigint, bigint, bigint, bigint]): FixedValue => {
    const third = wide.add(wide.mul(x, c[0]), c[1] * one);
    const second = wide.add(wide.mul(x, third), c[2] * one * one);
    const sum = wide.add(wide.mul(x, second), c[3] * one * one * one);
    return wide.shr(wide.add(sum, 1n << BigInt(2 * bits + 1)), 2 * bits + 2);
  };
  const near = [5n, -9n, 0n, 4n] as const;
  const far = [-3n, 15n, -24n, 12n] as const;
  return [
    horner(wide.add(t, one), far),
    horner(t, near),
    horner(rest, near),
    horner(wide.add(rest, one), far),
  ];
}

/** What each combination of taps gives: the pixels themselves times their weights, [… , channels]. */
export function sampledTerms(
  ctx: LoweringContext,
  pixels: Pixels,
  base: FixedValue,
  axes: readonly (Taps & { readonly size: number })[],
): { readonly terms: readonly FixedValue[]; readonly unit: number } {
  const wide = new Wide(ctx);
  let combined: Tap[] = [{ index: base, weight: undefined }];
  for (const { taps, size } of axes) {
    combined = combined.flatMap((before) =>
      taps.map(({ index, weight }): Tap => {
        const next = wide.add(wide.mul(before.index, BigInt(size)), index);
        if (weight === undefined || before.weight === undefined)
          return { index: next, weight: weight ?? before.weight };
        return { index: next, weight: wide.mul(before.weight, weight) };
      }),
    );
  }
  const bits = axes.reduce((sum, axis) => sum + axis.bits, 0);
  const channels = sizes(pixels.rows)[1]!;
  const terms = combined.map(({ index, weight }) => {
    const shape = [...sizes(index), channels];
    const { dtype } = pixels.rows;
    const found = ctx.builder.op("gather", { axis: 0 }, [pixels.rows, index], dtype, shape);
    const value = ctx.widened(found, "i64");
    if (weight === undefined) return value;
    return wide.mul(value, ctx.reshaped(weight, [...sizes(weight), 1]));
  });
  let scale = 1;
  for (let i = 0; i < bits; i++) scale /= 2;
  return { terms, unit: pixels.unit * scale };
}

/** The samples: sums of the terms, [… , channels], exact. */
export function sampled(
  ctx: LoweringContext,
  pixels: Pixels,
  base: FixedValue,
  axes: readonly (Taps & { readonly size: number })[],
): { readonly value: FixedValue; readonly unit: number } {
  const { terms, unit } = sampledTerms(ctx, pixels, base, axes);
  const wide = new Wide(ctx);
  return { value: terms.reduce((a, b) => wide.add(a, b)), unit };
}

/** Brings a tensor to a shape that it broadcasts to. */
export function spreadTo(
  ctx: LoweringContext,
  x: FixedValue,
  shape: readonly number[],
): FixedValue {
  return ctx.expanded(x, broadcast(sizes(x), shape));
}
