import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Dtype } from "../../src/core/dtype.js";
import { DTYPE_INFO, INTEGER_DTYPES, newArray } from "../../src/core/dtype.js";
import { InputError } from "../../src/core/errors.js";
import type { RealScale } from "../../src/module/module.js";
import { dequantize, quantize } from "../../src/vm/quantize.js";

/** A rational number, which is all that the expectations below are made of. */
interface Rational {
  readonly n: bigint;
  /** > 0 */
  readonly d: bigint;
}

const pow2 = (e: number): Rational =>
  e >= 0 ? { n: 1n << BigInt(e), d: 1n } : { n: 1n, d: 1n << BigInt(-e) };
const times = (a: Rational, b: Rational): Rational => ({ n: a.n * b.n, d: a.d * b.d });
const less = (a: Rational, b: Rational): boolean => a.n * b.d < b.n * a.d;
const minus = (a: Rational, b: Rational): Rational => ({ n: a.n * b.d - b.n * a.d, d: a.d * b.d });
const abs = (a: Rational): Rational => ({ n: a.n < 0n ? -a.n : a.n, d: a.d });

/** The value of a double, by doubling it until it is an integer: no look at its bits. */
function rationalOf(x: number): Rational {
  let d = 1n;
  while (!Number.isInteger(x)) {
    x *= 2;
    d *= 2n;
  }
  return { n: BigInt(x), d };
}

const scaleOf = ({ mantissa, exponent }: RealScale): Rational =>
  times({ n: BigInt(mantissa), d: 1n }, pow2(exponent));

function floor({ n, d }: Rational): bigint {
  return n >= 0n ? n / d : -((-n + d - 1n) / d);
}

function expectedUnsaturated(x: number, scale: RealScale): bigint {
  const s = scaleOf(scale);
  const quotient = times(rationalOf(x), { n: s.d, d: s.n });
  return floor({ n: 2n * quotient.n + quotient.d, d: 2n * quotient.d }) + scale.zeroPoint;
}

function expectedInteger(x: number, scale: RealScale, dtype: Dtype): bigint {
  const q = expectedUnsaturated(x, scale);
  const { min, max } = DTYPE_INFO[dtype];
  return q < min ? min : q > max ? max : q;
}

const dtypes = fc.constantFrom(...INTEGER_DTYPES);
const scales = (dtype: Dtype): fc.Arbitrary<RealScale> =>
  fc.record({
    mantissa: fc.oneof(
      fc.integer({ min: 1, max: 0x7fffffff }),
      fc.constantFrom(1, 2, 3, 0x7fffffff),
    ),
    exponent: fc.oneof(
      fc.integer({ min: -40, max: 4 }),
      fc.integer({ min: -1074, max: 1023 }),
      fc.constantFrom(-1074, 1023),
    ),
    zeroPoint: fc.bigInt({ min: DTYPE_INFO[dtype].min, max: DTYPE_INFO[dtype].max }),
  });

/** The doubles next to x, and x. */
function neighbours(x: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const word = view.getBigInt64(0);
  return [word - 1n, word, word + 1n]
    .map((w) => {
      view.setBigInt64(0, w);
      return view.getFloat64(0);
    })
    .filter(Number.isFinite);
}

describe("quantize", () => {
  test("is exact for any double", () => {
    fc.assert(
      fc.property(
        dtypes.chain((dtype) =>
          fc.tuple(
            fc.constant(dtype),
            scales(dtype),
            fc.double({ noNaN: true, noDefaultInfinity: true }),
          ),
        ),
        ([dtype, scale, x]) => {
          const { integers } = quantize([x], scale, dtype, "x");
          expect(BigInt(integers[0]!)).toBe(expectedInteger(x, scale, dtype));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("is exact beside every tie", () => {
    fc.assert(
      fc.property(
        dtypes.chain((dtype) =>
          fc.tuple(
            fc.constant(dtype),
            scales(dtype).map((scale) => ({ ...scale, exponent: scale.exponent % 60 })),
            fc.integer({ min: -70_000, max: 70_000 }),
          ),
        ),
        ([dtype, scale, k]) => {
          // A double at or next to (k + ½) · scale; the division may land on the wrong side.
          const tie = (k + 0.5) * scale.mantissa * 2 ** scale.exponent;
          const reals = neighbours(tie);
          const { integers } = quantize(reals, scale, dtype, "x");
          expect(Array.from(integers, BigInt)).toEqual(
            reals.map((x) => expectedInteger(x, scale, dtype)),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("is exact whatever lies beside an element, and counts what saturates", () => {
    const scale = { mantissa: 3, exponent: -4, zeroPoint: 5n };
    const reals = fc.oneof(
      fc.integer({ min: -9000, max: 9000 }).map((k) => (k * 3) / 32),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -50, max: 50 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom<Dtype>("u8", "i8", "i16", "i32", "i64"),
        fc
          .array(fc.tuple(reals, fc.integer({ min: 1, max: 3 })), { maxLength: 20 })
          .map((runs) => runs.flatMap(([x, count]) => new Array<number>(count).fill(x))),
        (dtype, list) => {
          const { integers, saturated } = quantize(Float64Array.from(list), scale, dtype, "x");
          const expected = list.map((x) => expectedInteger(x, scale, dtype));
          expect(Array.from(integers, BigInt)).toEqual(expected);
          const wide = list.map((x) => expectedUnsaturated(x, scale));
          expect(saturated).toBe(wide.filter((q, i) => q !== expected[i]).length);
        },
      ),
    );
  });

  test("rounds ties towards +∞", () => {
    const half = { mantissa: 1, exponent: -1, zeroPoint: 0n };
    const { integers } = quantize([-0.75, -0.25, 0.25, 0.75], half, "i8", "x");
    expect(integers).toEqual(Int8Array.of(-1, 0, 1, 2));
    // Just below a half: adding ½ in doubles would give 1.
    const one = { mantissa: 1, exponent: 0, zeroPoint: 0n };
    expect(quantize([0.49999999999999994], one, "i8", "x").integers).toEqual(Int8Array.of(0));
  });

  test("saturates and counts what it saturated, infinities too", () => {
    const scale = { mantissa: 1, exponent: 0, zeroPoint: 10n };
    expect(
      quantize([245.4, 245.5, -10.5, -10.6, Infinity, -Infinity, 1e300], scale, "u8", "x"),
    ).toEqual({
      integers: Uint8Array.of(255, 255, 0, 0, 255, 0, 255),
      saturated: 5,
    });
    const wide = quantize([Infinity, -Infinity, 2 ** 62], { ...scale, zeroPoint: 0n }, "i64", "x");
    expect(wide.integers).toEqual(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n));
    expect(wide.saturated).toBe(2);
  });

  test("refuses NaN and says where it is", () => {
    const scale = { mantissa: 3, exponent: -4, zeroPoint: 0n };
    for (const dtype of INTEGER_DTYPES) {
      expect(() => quantize(Float32Array.of(0, 1, NaN), scale, dtype, "x")).toThrow(InputError);
      expect(() =>
        quantize([0, NaN], { ...scale, mantissa: 1, exponent: 1023 }, dtype, "in"),
      ).toThrow(/element 1 of input "in"/);
    }
  });
});

describe("dequantize", () => {
  const integers = dtypes.chain((dtype) =>
    fc.tuple(
      fc.constant(dtype),
      scales(dtype),
      fc.bigInt({ min: DTYPE_INFO[dtype].min, max: DTYPE_INFO[dtype].max }),
    ),
  );
  const arrayOf = (dtype: Dtype, q: bigint) => {
    const array = newArray(dtype, 1);
    array[0] = dtype === "i64" ? q : Number(q);
    return array;
  };

  /** That no other float is nearer, and that of two as near the even one was taken. */
  function expectNearest(
    actual: number,
    exact: Rational,
    format: { precision: number; least: number; maxExponent: number },
    even: (x: number) => boolean,
    next: (x: number) => number[],
  ): void {
    if (Math.abs(actual) === Infinity) {
      // Half the last place above the greatest finite value, or more.
      const edge = minus(pow2(format.maxExponent), pow2(format.maxExponent - format.precision - 1));
      expect(less(abs(exact), edge)).toBe(false);
      return;
    }
    const error = abs(minus(rationalOf(actual), exact));
    for (const other of next(actual)) {
      const otherError = abs(minus(rationalOf(other), exact));
      expect(less(otherError, error)).toBe(false);
      if (other !== actual && !less(error, otherError)) expect(even(actual)).toBe(true);
    }
  }

  const exactOf = (q: bigint, scale: RealScale): Rational =>
    times({ n: q - scale.zeroPoint, d: 1n }, scaleOf(scale));

  test("gives the nearest double", () => {
    const view = new DataView(new ArrayBuffer(8));
    const even = (x: number): boolean => {
      view.setFloat64(0, x);
      return (view.getBigUint64(0) & 1n) === 0n;
    };
    fc.assert(
      fc.property(integers, ([dtype, scale, q]) => {
        const [x] = dequantize(arrayOf(dtype, q), scale, "float64");
        expectNearest(
          x!,
          exactOf(q, scale),
          { precision: 53, least: -1074, maxExponent: 1024 },
          even,
          neighbours,
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("gives the nearest float32", () => {
    const view = new DataView(new ArrayBuffer(4));
    const next = (x: number): number[] => {
      view.setFloat32(0, x);
      const word = view.getInt32(0);
      return [word - 1, word + 1]
        .map((w) => {
          view.setInt32(0, w);
          return view.getFloat32(0);
        })
        .filter(Number.isFinite);
    };
    const even = (x: number): boolean => {
      view.setFloat32(0, x);
      return (view.getInt32(0) & 1) === 0;
    };
    const near = integers.map(
      ([dtype, scale, q]) => [dtype, { ...scale, exponent: scale.exponent % 180 }, q] as const,
    );
    fc.assert(
      fc.property(fc.oneof(integers, near), ([dtype, scale, q]) => {
        const [x] = dequantize(arrayOf(dtype, q), scale, "float32");
        const format = { precision: 24, least: -149, maxExponent: 128 };
        expectNearest(x!, exactOf(q, scale), format, even, next);
      }),
      { numRuns: 2000 },
    );
  });

  test("rounds once: a value that two roundings would get wrong", () => {
    // 2^62 + 2^38 + 1 is above the tie between two float32, but rounds to the tie as a double.
    const q = BigInt64Array.of((1n << 62n) + (1n << 38n) + 1n);
    const scale = { mantissa: 1, exponent: 0, zeroPoint: 0n };
    expect(dequantize(q, scale, "float32")[0]).toBe(2 ** 62 + 2 ** 39);
    expect(Math.fround(Number(q[0]))).toBe(2 ** 62);
  });
});
