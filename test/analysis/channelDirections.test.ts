import { describe, expect, it } from "vitest";
import { ChannelDirections } from "../../src/analysis/channelDirections.js";

const at = (i: number): number => Math.sin(i * i * 0.37 + 2 * i);

/** [1, channels, positions] of `rank` hidden signals mixed into the channels, and a mean. */
function mixed(channels: number, positions: number, rank: number): Float32Array {
  return Float32Array.from({ length: channels * positions }, (_, i) => {
    const [c, p] = [Math.floor(i / positions), i % positions];
    let x = 3 * at(c + 7);
    for (let r = 0; r < rank; r++) x += at(1000 * r + c) * at(5000 + 997 * r + p) * (rank - r);
    return x;
  });
}

/** Covariances, straight from their definition. */
function covariance(data: Float32Array, channels: number): number[][] {
  const positions = data.length / channels;
  const row = (c: number): number[] => {
    const x = [...data.subarray(c * positions, (c + 1) * positions)];
    const mean = x.reduce((a, b) => a + b, 0) / positions;
    return x.map((value) => value - mean);
  };
  const rows = Array.from({ length: channels }, (_, c) => row(c));
  return rows.map((a) => rows.map((b) => a.reduce((sum, x, p) => sum + x * b[p]!, 0) / positions));
}

describe("ChannelDirections", () => {
  it("finds the whole covariance where few signals make all channels", () => {
    const data = mixed(20, 200, 3);
    const directions = new ChannelDirections(1, 20);
    directions.add(data, [1, 20, 200]);
    const found = directions.finish();
    const exact = covariance(data, 20);
    exact.forEach((row, a) => {
      expect(found.variance[a]).toBeCloseTo(row[a]!, 4);
      row.forEach((value, b) => {
        const shared = found.directions.reduce((sum, d) => sum + d[a]! * d[b]!, 0);
        expect(shared).toBeCloseTo(value, 3);
      });
    });
  });

  it("keeps the longest directions first, at right angles, and no more than there is", () => {
    const directions = new ChannelDirections(2, 40);
    const data = mixed(40, 300, 12);
    const turned = data.map((_, i) => data[(i % 40) * 300 + Math.floor(i / 40)]!);
    directions.add(turned, [1, 300, 40]);
    const found = directions.finish();
    expect(found.directions).toHaveLength(8);
    const product = (a: Float64Array, b: Float64Array): number =>
      a.reduce((sum, x, c) => sum + x * b[c]!, 0);
    found.directions.forEach((a, i) => {
      found.directions.slice(0, i).forEach((b) => {
        expect(product(b, b)).toBeGreaterThanOrEqual(product(a, a));
        expect(Math.abs(product(a, b))).toBeLessThan(1e-6 * product(b, b));
      });
    });
    // What they leave of the variances is no less than nothing, and less than half.
    const exact = covariance(data, 40);
    const total = exact.reduce((sum, row, c) => sum + row[c]!, 0);
    const kept = found.directions.reduce((sum, d) => sum + product(d, d), 0);
    expect(kept).toBeLessThan(total);
    expect(kept).toBeGreaterThan(total / 2);
  });

  it("takes channels that never move, and values that are not finite", () => {
    const still = new ChannelDirections(1, 2);
    still.add(Float32Array.of(5, 5, NaN, Infinity), [1, 2, 2]);
    expect(still.finish()).toEqual({ variance: Float64Array.of(0, 0), directions: [] });
  });
});
