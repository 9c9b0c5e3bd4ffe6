import { describe, expect, it } from "vitest";
import type { Dtype } from "../../src/core/dtype.js";
import { DTYPE_INFO, DTYPES, newArray, saturate } from "../../src/core/dtype.js";

const RANGES: Readonly<Record<Dtype, readonly [bigint, bigint]>> = {
  bool: [0n, 1n],
  u8: [0n, 255n],
  i8: [-128n, 127n],
  i16: [-32768n, 32767n],
  i32: [-2147483648n, 2147483647n],
  i64: [-9223372036854775808n, 9223372036854775807n],
};

describe.each(DTYPES)("%s", (dtype) => {
  const [min, max] = RANGES[dtype];

  it("has its range and saturates to it", () => {
    expect(DTYPE_INFO[dtype]).toMatchObject({ min, max, signed: min < 0n });
    expect(saturate(min - 1n, dtype)).toBe(min);
    expect(saturate(min, dtype)).toBe(min);
    expect(saturate(min + 1n, dtype)).toBe(min + 1n);
    expect(saturate(max, dtype)).toBe(max);
    expect(saturate(max + 1n, dtype)).toBe(max);
  });

  it("has arrays that hold its range", () => {
    const array = newArray(dtype, 3);
    expect(array).toHaveLength(3);
    expect(array.byteLength).toBe(3 * DTYPE_INFO[dtype].bytes);
    const value = (x: bigint): number | bigint => (dtype === "i64" ? x : Number(x));
    array.set([value(min), value(max)] as never);
    expect(Array.from<number | bigint>(array)).toEqual([value(min), value(max), value(0n)]);
  });
});
