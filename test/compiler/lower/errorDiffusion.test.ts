import { describe, expect, it } from "vitest";
import type { ChannelRange } from "../../../src/compiler/calibration.js";
import { earlierTaps, withDiffusedErrors } from "../../../src/compiler/lower/errorDiffusion.js";
import type { QuantisedWeights } from "../../../src/compiler/lower/weights.js";

const unit = (): number => 1;
const rounded = (reals: Float64Array, outputs: number): QuantisedWeights => ({
  integers: Int32Array.from(reals, (w) => Math.floor(w + 0.5)),
  scales: new Array<number>(outputs).fill(1),
  dtype: "i8",
  bits: 8,
});
const seen = (variance: number[], directions: number[][]): ChannelRange => ({
  axis: 1,
  min: variance.map(() => -1),
  max: variance.map(() => 1),
  variance,
  directions,
});

/** eᵀ·H·e of a column's errors, H = diag(variance − Σ d²) + Σ d·dᵀ. */
function cost(errors: readonly number[], { variance, directions }: ChannelRange): number {
  const own = errors.reduce((sum, e, i) => {
    const shared = directions!.reduce((s, d) => s + d[i]! ** 2, 0);
    return sum + e * e * (variance![i]! - shared);
  }, 0);
  return directions!.reduce(
    (sum, d) => sum + errors.reduce((s, e, i) => s + e * d[i]!, 0) ** 2,
    own,
  );
}

describe("errors of rounded weights", () => {
  it("stay those of the nearest integers where nothing goes together", () => {
    const reals = Float64Array.of(0.4, -1.3, 2.5, 126.7, -127.4, 0);
    const rows = { channel: (k: number) => k, perGroup: 3, earlier: [[]], seen: undefined };
    const diffused = withDiffusedErrors(reals, rounded(reals, 2), rows, 127, unit);
    expect([...diffused.integers]).toEqual([0, -1, 3, 127, -127, 0]);
  });

  it("cancel between channels that are always equal", () => {
    // All channels are one: what counts is the sum of errors, and 4 · 0.4 rounds to 2, not to 0.
    const reals = Float64Array.of(0.4, 0.4, 0.4, 0.4);
    const rows = {
      channel: (k: number) => k,
      perGroup: 4,
      earlier: [[]],
      seen: seen([1, 1, 1, 1], [[1, 1, 1, 1]]),
    };
    const { integers } = withDiffusedErrors(reals, rounded(reals, 1), rows, 127, unit);
    expect(integers.reduce((a, b) => a + b, 0)).toBe(2);
    expect(integers.every((q) => q === 0 || q === 1)).toBe(true);
  });

  it("cancel between the taps of a kernel", () => {
    const reals = new Float64Array(9).fill(0.45);
    const earlier = earlierTaps([3, 3], [1, 1]);
    const rows = { channel: () => 0, perGroup: 1, earlier, seen: undefined };
    const { integers } = withDiffusedErrors(reals, rounded(reals, 1), rows, 127, unit);
    // 9 · 0.45 = 4.05; the nearest integers alone sum to 0.
    expect(Math.abs(integers.reduce((a, b) => a + b, 0) - 4.05)).toBeLessThan(1);
  });

  it("never leave the integers that there are", () => {
    const reals = new Float64Array(16).fill(127.49);
    const rows = {
      channel: (k: number) => k,
      perGroup: 16,
      earlier: [[]],
      seen: seen(new Array<number>(16).fill(1), [new Array<number>(16).fill(1)]),
    };
    const { integers } = withDiffusedErrors(reals, rounded(reals, 1), rows, 127, unit);
    expect([...integers]).toEqual(new Array(16).fill(127));
  });

  it("cost less than those of the nearest integers by the covariance, in any unit", () => {
    const channels = 24;
    const at = (i: number): number => Math.sin(i * i * 1.7 + i);
    const directions = [1, 2, 3].map((r) =>
      Array.from({ length: channels }, (_, c) => at(r * channels + c) * (4 - r)),
    );
    const variance = Array.from(
      { length: channels },
      (_, c) => directions.reduce((sum, d) => sum + d[c]! ** 2, 0) + 0.05 + 0.1 * at(c) ** 2,
    );
    const range = seen(variance, directions);
    // Channels in units of their own: the weights come multiplied by them.
    const units = Array.from({ length: channels }, (_, c) => 1 + at(c) ** 2);
    const [scaled] = [
      seen(
        variance.map((v, c) => v * units[c]! ** 2),
        directions.map((d) => d.map((x, c) => x * units[c]!)),
      ),
    ];
    const rows = { channel: (k: number) => k, perGroup: channels, earlier: [[]], seen: scaled };
    let [nearest, diffused] = [0, 0];
    for (let column = 0; column < 40; column++) {
      const reals = Float64Array.from({ length: channels }, (_, c) => 50 * at(c + 31 * column));
      const plain = rounded(reals, 1);
      const better = withDiffusedErrors(reals, plain, rows, 127, (c) => units[c]!);
      const errors = (q: Int32Array): number[] => Array.from(q, (x, i) => x - reals[i]!);
      nearest += cost(errors(plain.integers), range);
      diffused += cost(errors(better.integers), range);
    }
    expect(diffused).toBeLessThan(nearest / 4);
  });

  it("of groups follow the channels of each column", () => {
    // Two groups of two channels; those of the second are equal, those of the first are not.
    const range = seen([1, 1, 1, 1], [[0, 0, 1, 1]]);
    const rows = {
      channel: (k: number, o: number) => o * 2 + k,
      perGroup: 2,
      earlier: [[]],
      seen: range,
    };
    const reals = Float64Array.of(0.4, 0.4, 0.4, 0.4); // [2 rows, 2 columns]
    const { integers } = withDiffusedErrors(reals, rounded(reals, 2), rows, 127, unit);
    expect([integers[0], integers[2]]).toEqual([0, 0]);
    expect(integers[1]! + integers[3]!).toBe(1);
  });
});

describe("taps that are alike", () => {
  it("are those behind, the less the farther", () => {
    const [first, second, third] = earlierTaps([3], [1]);
    expect(first).toEqual([]);
    expect(second).toEqual([{ tap: 0, correlation: 0.8 }]);
    expect(third).toEqual([
      { tap: 0, correlation: 0.8 * 0.8 },
      { tap: 1, correlation: 0.8 },
    ]);
    // Row-major: of tap (1, 0) the one above, not the one to the right of that.
    expect(earlierTaps([2, 2], [1, 1])[2]).toEqual([{ tap: 0, correlation: 0.8 }]);
  });

  it("lie as far apart as dilations say, and in a transposed kernel a stride apart", () => {
    expect(earlierTaps([2], [2])[1]).toEqual([{ tap: 0, correlation: 0.8 * 0.8 }]);
    expect(earlierTaps([3], [1 / 2])).toEqual([[], [], [{ tap: 0, correlation: 0.8 }]]);
  });
});
