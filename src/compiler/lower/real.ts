/** How integers of the program stand for the reals of the model. */
import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import { exponentOf } from "./scale.js";

/** `real = (integer − zeroPoint) · scale`, the scale per tensor or along one logical axis. */
export interface Format {
  readonly dtype: Dtype;
  readonly scale: Scale;
  readonly zeroPoint: number;
  /** Interval of the integers, when narrower than the dtype. */
  readonly lo: number;
  readonly hi: number;
  /** Present where the model states the integers: halves of them go to even. */
  readonly ties?: "even";
}

export type Scale = number | ChannelScale;

export interface ChannelScale {
  /** Logical axis of the model's tensor. */
  readonly axis: number;
  readonly scales: readonly number[];
}

/**
 * A value of the model in the program. `axes[i]` is the model's axis that the program's axis i
 * holds: a transposition of the model is a change of names until something needs another order.
 */
export interface Lowered {
  readonly value: FixedValue;
  readonly axes: readonly number[];
  /** Absent for values that are integers or booleans in the model too. */
  readonly format?: Format;
}

/** A value that is known to be real. */
export type Real = Lowered & { readonly format: Format };

export function format(
  dtype: Dtype,
  scale: Scale,
  zeroPoint = 0,
  interval?: readonly [number, number],
): Format {
  const { min, max } = DTYPE_INFO[dtype];
  const [lo, hi] = interval ?? [Number(min), Number(max)];
  return { dtype, scale, zeroPoint, lo, hi };
}

/** Bits of the greatest magnitude that a format's integers have. */
export function magnitudeBits({ lo, hi }: { readonly lo: number; readonly hi: number }): number {
  const greatest = Math.max(Math.abs(lo), Math.abs(hi));
  return greatest === 0 ? 1 : exponentOf(greatest) + 1;
}

/** The scale of channel `c`, whatever its form. */
export function scaleAt(scale: Scale, c: number): number {
  return typeof scale === "number" ? scale : scale.scales[c]!;
}

export function maxScale(scale: Scale): number {
  return typeof scale === "number" ? scale : scale.scales.reduce((a, b) => Math.max(a, b));
}

export function mapScale(scale: Scale, f: (s: number, channel: number) => number): Scale {
  return typeof scale === "number"
    ? f(scale, 0)
    : { axis: scale.axis, scales: scale.scales.map(f) };
}

/** `from / to`, scale by scale. */
export function scaleRatio(from: Scale, to: Scale): Scale {
  if (typeof from === "number") return mapScale(to, (s) => from / s);
  return mapScale(from, (s, c) => s / scaleAt(to, c));
}

function sameScale(a: Scale, b: Scale): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  return (
    a.axis === b.axis &&
    a.scales.length === b.scales.length &&
    a.scales.every((s, i) => s === b.scales[i])
  );
}

export function sameFormat(a: Format, b: Format): boolean {
  return a.dtype === b.dtype && a.zeroPoint === b.zeroPoint && sameScale(a.scale, b.scale);
}

/** 0 … rank − 1: program and model agree on the order of axes. */
export const identityAxes = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);

/** N, spatial…, C: where convolutions want the axes of an N, C, spatial… tensor. */
export const channelsLast = (rank: number): number[] => [0, ...identityAxes(rank).slice(2), 1];
