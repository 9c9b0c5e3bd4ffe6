import { describe, expect, it } from "vitest";
import { TensorStatistics } from "../../src/analysis/tensorStatistics.js";

/** The top 12 bits of a float32, by hand: sign, biased exponent, three bits of the fraction. */
const bin = (sign: 0 | 1, exponent: number, eighths: number): number =>
  (sign << 11) | ((exponent + 127) << 3) | eighths;

describe("TensorStatistics", () => {
  it("keeps range, root mean square, count and histogram over all samples", () => {
    const statistics = new TensorStatistics();
    statistics.add(Float32Array.of(1, -2, 1.5), [3]);
    statistics.add(Float32Array.of(1.0625, 0), [2]);
    expect(statistics.finish()).toEqual({
      min: -2,
      max: 1.5,
      // (1 + 4 + 2.25 + 1.12890625 + 0) / 5 = 1.67578125, whose root is 1.2945197…
      rms: expect.closeTo(1.2945197, 6),
      count: 5,
      channels: [],
      histogram: [
        [0, 1],
        [bin(0, 0, 0), 2], // 1 and 1.0625 differ in later bits only
        [bin(0, 0, 4), 1],
        [bin(1, 1, 0), 1],
      ],
    });
  });

  it("leaves out what is not finite", () => {
    const statistics = new TensorStatistics();
    statistics.add(Float32Array.of(NaN, Infinity, -Infinity, 3), [4]);
    expect(statistics.finish()).toMatchObject({ min: 3, max: 3, count: 1 });
    const none = new TensorStatistics();
    none.add(Float32Array.of(NaN), [1]);
    none.add(new Float32Array(), [0]);
    expect(none.finish()).toBeUndefined();
  });

  it("keeps ranges along axis 1 and the last axis from rank 3 on", () => {
    const statistics = new TensorStatistics();
    // [1, 2, 3]: channel 0 is 1 2 3, channel 1 is −4 5 6
    statistics.add(Float32Array.of(1, 2, 3, -4, 5, 6), [1, 2, 3]);
    statistics.add(Float32Array.of(0, 0, 9, 0, 0, 0), [1, 2, 3]);
    expect(statistics.finish()?.channels).toEqual([
      { axis: 1, min: [0, -4], max: [9, 6], mean: [2.5, 1.16666667] },
      { axis: 2, min: [-4, 0, 0], max: [1, 5, 9], mean: [-0.75, 1.75, 4.5] },
    ]);
  });

  it("drops an axis whose size changes between samples", () => {
    const statistics = new TensorStatistics();
    statistics.add(Float32Array.of(1, 2), [1, 2, 1]);
    statistics.add(Float32Array.of(1, 2, 3, 4), [1, 2, 2]);
    expect(statistics.finish()?.channels).toEqual([
      { axis: 1, min: [1, 2], max: [2, 4], mean: [1.33333333, 3] },
    ]);
  });

  it("keeps how channels go together along the axis that contractions sum over", () => {
    const rows = new TensorStatistics("last");
    // Two channels of which the second is twice the first, about means of 0.5 and 1.
    rows.add(Float32Array.of(0, 0, 1, 2), [2, 2]);
    expect(rows.finish()?.channels).toEqual([
      {
        axis: 1,
        min: [0, 0],
        max: [1, 2],
        mean: [0.5, 1],
        variance: [0.25, 1],
        directions: [expect.anything()],
      },
    ]);
    const [direction] = rows.finish()!.channels[0]!.directions!;
    expect(direction!.map((x) => x * direction![0]!)).toEqual([0.25, 0.5]);
    const maps = new TensorStatistics("first");
    maps.add(Float32Array.of(0, 1, 5, 5), [1, 2, 2]);
    const [first, last] = maps.finish()!.channels;
    expect(first).toMatchObject({ axis: 1, variance: [0.25, 0] });
    expect(last).not.toHaveProperty("variance");
  });

  it("writes the shortest decimals that are the same float32", () => {
    const statistics = new TensorStatistics();
    statistics.add(Float32Array.of(0.1, 16777217, -1 / 3), [3]);
    const range = statistics.finish();
    expect(range?.max).toBe(16777216);
    expect(range?.min).toBe(-0.33333334);
    const tenth = new TensorStatistics();
    tenth.add(Float32Array.of(0.1), [1]);
    expect(tenth.finish()).toMatchObject({ min: 0.1, max: 0.1, rms: 0.1 });
  });

  it("measures doubles as they are", () => {
    const statistics = new TensorStatistics();
    statistics.add(Float64Array.of(1, 2), [2]);
    expect(statistics.finish()).toMatchObject({ min: 1, max: 2, count: 2 });
  });
});
