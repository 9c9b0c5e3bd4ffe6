import { describe, expect, it } from "vitest";
import type { TensorRange } from "../../../src/compiler/calibration.js";
import { byteFormat, clipLimits } from "../../../src/compiler/lower/byteFormat.js";
import { correctedBias } from "../../../src/compiler/lower/weights.js";

const EVERYTHING = [-Infinity, Infinity] as const;

/** What calibration keeps of some values. */
function rangeOf(values: readonly number[]): TensorRange {
  const bins = new Map<number, number>();
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  for (const word of bits) bins.set(word >>> 20, (bins.get(word >>> 20) ?? 0) + 1);
  return {
    min: Math.min(...values),
    max: Math.max(...values),
    rms: 1,
    count: values.length,
    channels: [],
    histogram: [...bins].sort(([a], [b]) => a - b),
  };
}

const ramp = (lo: number, hi: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => lo + ((hi - lo) * i) / (count - 1));

describe("formats of 8 bits", () => {
  it("spend every step on the side that there is", () => {
    const held = byteFormat(rangeOf(ramp(0, 25.5, 1000)), EVERYTHING, true);
    expect(held.scale).toBeCloseTo(0.1, 9);
    expect([held.zeroPoint, held.lo, held.hi]).toEqual([-128, -128, 127]);
  });

  it("are symmetric where readers take no zero point", () => {
    const held = byteFormat(rangeOf(ramp(0, 12.7, 1000)), EVERYTHING, false);
    expect(held.scale).toBeCloseTo(0.1, 9);
    expect(held.zeroPoint).toBe(0);
  });

  it("hold 0 exactly, whatever the range", () => {
    for (const [lo, hi] of [
      [3, 9],
      [-7, -2],
      [-0.3, 8],
    ] as const) {
      const { zeroPoint } = byteFormat(rangeOf(ramp(lo, hi, 100)), EVERYTHING, true);
      expect(Number.isInteger(zeroPoint)).toBe(true);
      expect(zeroPoint).toBeGreaterThanOrEqual(-128);
      expect(zeroPoint).toBeLessThanOrEqual(127);
    }
  });

  it("keep a range that is filled evenly, and what a clamp lets through of it", () => {
    const range = rangeOf(ramp(-8, 8, 5000));
    expect(clipLimits(range, EVERYTHING, true)).toEqual([-8, 8]);
    expect(clipLimits(range, [0, 6], true)).toEqual([0, 6]);
  });

  it("cut an outlier off that costs all others their steps", () => {
    // One value of 16 beside 100,000 up to 4: rounding to 16/127 costs 100,000 · 0.126²/12 = 132,
    // cutting 16 to 4 costs 144 and 100,000 · 0.0315²/12 = 8; between the two, 16 to 8, 64 and 33.
    const range = rangeOf([...ramp(-4, 4, 100_000), 16]);
    const [lo, hi] = clipLimits(range, EVERYTHING, false);
    expect(lo).toBeGreaterThanOrEqual(-4);
    expect(hi).toBeGreaterThan(4);
    expect(hi).toBeLessThan(12);
  });

  it("take a tensor of zeros", () => {
    const held = byteFormat(rangeOf([0, 0]), EVERYTHING, true);
    expect(held.scale).toBe(1);
  });
});

describe("the bias correction", () => {
  const weights = {
    // Two columns of two rows: 0.9 and −1.2 as 1 and −1, 2.4 and 0.6 as 2 and 1.
    integers: Int32Array.of(1, 2, -1, 1),
    scales: [1, 1],
    bits: 8,
  };
  const reals = Float64Array.of(0.9, 2.4, -1.2, 0.6);
  const mean = (k: number): number => [10, 100][k]!;

  it("takes away what rounding adds on average", () => {
    // Column 0: 0.1 · 10 + 0.2 · 100 = 21; column 1: −0.4 · 10 + 0.4 · 100 = 36.
    const corrected = correctedBias([5, 0], reals, { ...weights, dtype: "i8" }, mean);
    expect(corrected[0]).toBeCloseTo(5 - 21, 9);
    expect(corrected[1]).toBeCloseTo(-36, 9);
  });

  it("adds no bias for weights of 16 bits", () => {
    const none = [0, 0];
    expect(correctedBias(none, reals, { ...weights, dtype: "i16" }, mean)).toBe(none);
  });
});
