import { describe, expect, it } from "vitest";
import { float16ToNumber, numberToFloat16 } from "../../src/core/float16.js";

describe("float16", () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 1365 / 4096],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0xfbff, -65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ])("0x%s is %s", (bits, value) => {
    expect(float16ToNumber(bits)).toBe(value);
    expect(numberToFloat16(value)).toBe(bits);
  });

  it("has NaNs, and one that is made", () => {
    for (const bits of [0x7c01, 0x7e00, 0x7fff, 0xfc01, 0xffff]) {
      expect(float16ToNumber(bits)).toBeNaN();
    }
    expect(numberToFloat16(NaN)).toBe(0x7e00);
  });

  it("rounds to the nearest, ties to even, between all neighbours", () => {
    const wrong: number[] = [];
    const holds = (value: number, bits: number): void => {
      if (numberToFloat16(value) !== bits || numberToFloat16(-value) !== (bits | 0x8000)) {
        wrong.push(value);
      }
    };
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [below, above] = [float16ToNumber(bits), float16ToNumber(bits + 1)];
      const middle = (below + above) / 2;
      const little = (above - below) / 1024;
      holds(below, bits);
      holds(middle - little, bits);
      holds(middle, bits % 2 === 0 ? bits : bits + 1);
      holds(middle + little, bits + 1);
    }
    expect(wrong).toEqual([]);
  });

  it("ends halfway to 65536", () => {
    expect(numberToFloat16(65519.99)).toBe(0x7bff);
    expect(numberToFloat16(65520)).toBe(0x7c00);
    expect(numberToFloat16(-65520)).toBe(0xfc00);
    expect(numberToFloat16(1e300)).toBe(0x7c00);
  });
});
