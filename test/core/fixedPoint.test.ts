import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clampExact, floorDiv, floorSqrt, rescaleExact } from "../../src/core/fixedPoint.js";

describe("floorDiv", () => {
  it.each([
    [7n, 2n, 3n],
    [-7n, 2n, -4n],
    [7n, -2n, -4n],
    [-7n, -2n, 3n],
    [6n, -2n, -3n],
    [-6n, 2n, -3n],
    [0n, -5n, 0n],
    [1n, -5n, -1n],
    [-1n, 5n, -1n],
  ])("%s / %s = %s", (a, b, quotient) => {
    expect(floorDiv(a, b)).toBe(quotient);
  });
});

describe("rescaleExact", () => {
  it.each([
    [1n, 1n, 1, 1n], // 1/2 goes up
    [-1n, 1n, 1, 0n], // so does −1/2
    [-3n, 1n, 1, -1n],
    [3n, 1n, 2, 1n], // 3/4
    [1n, 1n, 2, 0n],
    [2n, 3n, 2, 2n], // 6/4
    [-2n, 3n, 2, -1n],
    [1n << 61n, 1n, 62, 1n],
    [(1n << 61n) - 1n, 1n, 62, 0n],
  ])("%s · %s / 2^%s is nearest to %s", (acc, multiplier, shift, y) => {
    expect(rescaleExact(acc, multiplier, shift)).toBe(y);
  });
});

describe("floorSqrt", () => {
  it("is 0 up to 0", () => {
    expect([-4n, -1n, 0n].map(floorSqrt)).toEqual([0n, 0n, 0n]);
  });

  it("steps at the squares", () => {
    for (let root = 1n; root < 300n; root++) {
      expect(floorSqrt(root * root)).toBe(root);
      expect(floorSqrt(root * root - 1n)).toBe(root - 1n);
    }
  });

  it("is the largest root of numbers of any size", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 200n }), (x) => {
        const root = floorSqrt(x);
        return root * root <= x && (root + 1n) * (root + 1n) > x;
      }),
    );
  });
});

describe("clampExact", () => {
  it.each([
    [-3n, -2n],
    [-2n, -2n],
    [0n, 0n],
    [5n, 5n],
    [6n, 5n],
  ])("%s between −2 and 5 is %s", (x, y) => {
    expect(clampExact(x, -2n, 5n)).toBe(y);
  });
});
