import { describe, expect, it } from "vitest";
import { DTYPE_INFO, newArray, type Dtype } from "../../src/core/dtype.js";
import { HostError } from "../../src/core/errors.js";
import type { Shape } from "../../src/core/shape.js";
import { elementCount } from "../../src/core/shape.js";
import { evaluateExact, type ExactValue } from "../../src/opcodes/evaluate.js";
import type { SimdTensor } from "../../src/tensor/simd/tensor.js";
import { describeBackend } from "./suite.js";
import { createSimdBackend, createSimdBackendSync } from "../../src/tensor/simd/index.js";

describeBackend("simd", createSimdBackend);

const backend = createSimdBackendSync();
const { kernels } = backend;

/** xorshift: the same numbers in every run. */
function* stream(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield (state >>> 0) / 2 ** 32;
  }
}
const numbers = stream(2463534242);
const random = (): number => numbers.next().value;
const randomInt = (lo: number, hi: number): number => lo + Math.floor(random() * (hi - lo + 1));

/** Values of a dtype within `bits`, its extremes more often than chance has them. */
function randomValue(dtype: Dtype, shape: Shape, bits = DTYPE_INFO[dtype].bits): ExactValue {
  const { signed } = DTYPE_INFO[dtype];
  const lo = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const hi = signed ? -lo - 1n : (1n << BigInt(bits)) - 1n;
  const one = (): bigint => {
    const choice = random();
    if (choice < 0.1) return lo;
    if (choice < 0.2) return hi;
    const word = (BigInt(randomInt(0, 0xffffffff)) << 32n) | BigInt(randomInt(0, 0xffffffff));
    return lo + (word % (hi - lo + 1n));
  };
  return { dtype, shape, values: Array.from({ length: elementCount(shape) }, one) };
}

function upload({ dtype, shape, values }: ExactValue): SimdTensor {
  const data = newArray(dtype, values.length);
  values.forEach((value, i) => {
    if (data instanceof BigInt64Array) data[i] = value;
    else data[i] = Number(value);
  });
  return backend.upload(dtype, shape, new Uint8Array(data.buffer));
}

function expectEqual(actual: SimdTensor, expected: ExactValue): void {
  expect(actual.dtype).toBe(expected.dtype);
  expect(actual.shape).toEqual(expected.shape);
  const bytes = backend.download(actual);
  const data = newArray(expected.dtype, expected.values.length);
  new Uint8Array(data.buffer).set(bytes);
  expect(Array.from(data as Int32Array, String)).toEqual(expected.values.map(String));
}

const RESCALE = { dtype: "i16", zeroPoint: -3n, lo: -32768n, hi: 32767n } as const;
const CONV = {
  aBits: 16,
  bBits: 16,
  accumulator: "i64",
  strides: [1, 1],
  dilations: [1, 1],
  pads: [1, 1, 1, 1],
  groups: 1,
  padValue: 0n,
} as const;

/** conv → add → rescale.by → lut.interpolate, deferred and exactly, with every result read. */
function chain(options: {
  bBits?: number;
  biasBits?: number;
  channels?: number;
  outputs?: number;
  groups?: number;
  scalars?: boolean;
  keep?: readonly number[];
}): void {
  const { bBits = 12, biasBits = 24, channels = 6, outputs = 10, groups = 1, scalars } = options;
  const keep = options.keep ?? [];
  const a = randomValue("i16", [2, 5, 4, channels]);
  const b = randomValue("i16", [3, 3, channels / groups, outputs], bBits);
  const parameters: Shape = scalars ? [] : [outputs];
  const bias = randomValue("i64", parameters, biasBits);
  const multiplier = randomValue("i32", parameters);
  const positive = multiplier.values.map((m) => (m < 0n ? -1n - m : m));
  const shift = randomValue("i8", parameters);
  const shifts = shift.values.map((s) => ((s + 128n) % 12n) + 38n);
  const table = randomValue("i32", [129], 20);
  const conv = { ...CONV, groups };

  const exactA = evaluateExact("conv", conv, [a, b])[0]!;
  const exactB = evaluateExact("add", {}, [exactA, bias])[0]!;
  const m = { ...multiplier, values: positive };
  const s = { ...shift, values: shifts };
  const exactC = evaluateExact("rescale.by", RESCALE, [exactB, m, s])[0]!;
  const lut = { segmentsLog2: 7, guardBits: 4, dtype: "i16" } as const;
  const exactD = evaluateExact("lut.interpolate", lut, [exactC, table])[0]!;

  const operands = [a, b, bias, m, s, table].map(upload);
  const [ta, tb, tbias, tm, ts, ttable] = operands as [never, never, never, never, never, never];
  const steps: SimdTensor[] = [];
  const next = (x: SimdTensor): SimdTensor => {
    if (keep.includes(steps.length)) x.refs = 2;
    steps.push(x);
    return x;
  };
  const y0 = next(kernels.conv(ta, tb, conv, exactA.shape));
  const y1 = next(kernels.binary("add", y0, tbias, exactB.shape));
  const y2 = next(kernels.rescaleBy(y1, tm, ts, RESCALE));
  const y3 = next(kernels.lutInterpolate(y2, ttable, lut));
  expectEqual(y3, exactD);
  // Whoever reads a tensor later, absorbed or not, sees its own value.
  expectEqual(y1, exactB);
  expectEqual(y0, exactA);
  expectEqual(y2, exactC);
  for (const x of [...operands, ...steps]) backend.release(x as never);
}

describe("deferred contractions", () => {
  it("equal the instructions one by one", () => chain({}));
  it("with parameters of the tensor", () => chain({ scalars: true }));
  it("with groups and few channels", () => chain({ groups: 2, channels: 4, outputs: 6 }));
  it("depthwise", () => chain({ groups: 9, channels: 9, outputs: 9 }));
  it("with sums beyond i32", () => chain({ bBits: 16 }));
  it("with a bias beyond i32", () => chain({ biasBits: 40 }));
  it("with a bias that saturates i64", () => chain({ biasBits: 64 }));
  it.each([[[0]], [[1]], [[2]], [[0, 1, 2, 3]]])("with results %j held twice", (keep) =>
    chain({ keep }),
  );

  it("saturates an i32 sum and bias where the program does", () => {
    const attributes = { aBits: 16, bBits: 12, accumulator: "i32" } as const;
    const a = randomValue("i16", [4, 6]);
    const b = randomValue("i16", [6, 8], 12);
    const bias = randomValue("i32", [8]);
    const sums = evaluateExact("matmul", attributes, [a, b])[0]!;
    const biased = evaluateExact("add", {}, [sums, bias])[0]!;
    const x = kernels.matmul(upload(a), upload(b), attributes, sums.shape);
    expectEqual(kernels.binary("add", x as never, upload(bias), sums.shape) as never, biased);
  });

  it("folds clamps and casts", () => {
    const attributes = { aBits: 16, bBits: 12, accumulator: "i32" } as const;
    const a = randomValue("i16", [7, 9]);
    const b = randomValue("i16", [9, 5], 12);
    const output = { dtype: "i32", zeroPoint: 9n, lo: -70000n, hi: 900000n } as const;
    const y0 = evaluateExact("matmul", attributes, [a, b])[0]!;
    const y1 = evaluateExact("rescale", { multiplier: 77, shift: 8, ...output }, [y0])[0]!;
    const y2 = evaluateExact("clamp", { lo: -500n, hi: 800000n }, [y1])[0]!;
    const y3 = evaluateExact("cast", { dtype: "i16" }, [y2])[0]!;
    let x: SimdTensor = kernels.matmul(upload(a), upload(b), attributes, y0.shape);
    x = kernels.rescale(x as never, 77, 8, output);
    x = kernels.clamp(x as never, -500n, 800000n);
    x = kernels.cast(x as never, "i16");
    expect(backend.within(x as never, -500n, 32767n)).toBe(true);
    expectEqual(x as never, y3);
  });

  it("many at once, read in any order", () => {
    const attributes = { aBits: 8, bBits: 8, accumulator: "i32" } as const;
    const pairs = Array.from({ length: 20 }, () => {
      const a = randomValue("i8", [3, 4]);
      const b = randomValue("i8", [4, 2]);
      const expected = evaluateExact("matmul", attributes, [a, b])[0]!;
      const [ta, tb] = [upload(a), upload(b)];
      const actual = kernels.matmul(ta, tb, attributes, expected.shape) as never;
      // The operands are released before the product is read.
      backend.release(ta);
      backend.release(tb);
      return { actual, expected };
    });
    for (const { actual, expected } of pairs.reverse()) expectEqual(actual, expected);
  });
});

describe("contractions", () => {
  const PAIRS: readonly (readonly [Dtype, Dtype, "i32" | "i64"])[] = [
    ["i8", "i8", "i32"],
    ["u8", "i8", "i64"],
    ["u8", "u8", "i32"],
    ["i16", "i8", "i64"],
    ["i16", "i16", "i64"],
    ["i32", "i16", "i64"],
    ["i32", "i32", "i64"],
  ];
  const bitsOf = (dtype: Dtype): number => Math.min(DTYPE_INFO[dtype].bits, 31);

  it.each(PAIRS)("matmul %s·%s into %s", (aType, bType, accumulator) => {
    const [aBits, bBits] = [bitsOf(aType), bitsOf(bType)];
    const attributes = { aBits, bBits, accumulator };
    const shapes: [Shape, Shape][] = [
      [
        [1, 1],
        [1, 1],
      ],
      [
        [13, 7],
        [7, 9],
      ],
      [
        [3, 2],
        [2, 0],
      ],
      [
        [3, 0],
        [0, 2],
      ],
      [
        [2, 3, 5, 4],
        [4, 17],
      ],
      [
        [5, 4],
        [2, 1, 4, 3],
      ],
      [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
    ];
    for (const [aShape, bShape] of shapes) {
      if (accumulator === "i64" && aBits + bBits > 60 && aShape.at(-1)! > 1) continue;
      const a = randomValue(aType, aShape, aBits);
      const b = randomValue(bType, bShape, bBits);
      const expected = evaluateExact("matmul", attributes, [a, b])[0]!;
      const operands = [upload(a), upload(b)];
      const y = kernels.matmul(operands[0]!, operands[1]!, attributes, expected.shape);
      expectEqual(y as never, expected);
      for (const x of [...operands, y]) backend.release(x as never);
    }
  });

  it.each(PAIRS)("conv %s·%s into %s", (aType, bType, accumulator) => {
    const [aBits, bBits] = [Math.min(bitsOf(aType), 24), Math.min(bitsOf(bType), 24)];
    const cases = [
      { a: [1, 5, 6, 3], b: [3, 3, 3, 4], strides: [2, 1], pads: [1, 0, 2, 3] },
      { a: [2, 4, 4, 8], b: [1, 1, 8, 9], strides: [1, 1], pads: [0, 0, 0, 0] },
      { a: [2, 9, 4], b: [3, 2, 6], groups: 2, strides: [2], pads: [4, 1], dilations: [2] },
      { a: [1, 6, 5, 8], b: [3, 2, 1, 8], groups: 8, strides: [1, 2], pads: [1, 1, 1, 1] },
      { a: [1, 6, 5, 3], b: [3, 3, 1, 6], groups: 3, dilations: [2, 1], pads: [2, 1, 2, 1] },
      { a: [1, 3, 4, 5, 2], b: [2, 2, 3, 2, 3], strides: [1, 2, 1], pads: [1, 0, 1, 0, 1, 1] },
    ];
    for (const item of cases) {
      const spatial = item.a.length - 2;
      const attributes = {
        aBits,
        bBits,
        accumulator,
        strides: item.strides ?? new Array<number>(spatial).fill(1),
        dilations: item.dilations ?? new Array<number>(spatial).fill(1),
        pads: item.pads,
        groups: item.groups ?? 1,
        padValue: 5n,
      };
      const a = randomValue(aType, item.a, aBits);
      const b = randomValue(bType, item.b, bBits);
      const expected = evaluateExact("conv", attributes, [a, b])[0]!;
      const operands = [upload(a), upload(b)];
      const y = kernels.conv(operands[0]!, operands[1]!, attributes, expected.shape);
      expectEqual(y as never, expected);
      for (const x of [...operands, y]) backend.release(x as never);
    }
  });
});

describe("memory", () => {
  it("is all given back", async () => {
    const own = await createSimdBackend();
    const before = own.statistics().residentBytes;
    const a = own.upload("i16", [64, 64], new Uint8Array(8192).fill(1));
    const b = own.upload("i16", [64, 64], new Uint8Array(8192).fill(1));
    const attributes = { aBits: 16, bBits: 16, accumulator: "i64" } as const;
    const y = own.kernels.matmul(a, b, attributes, [64, 64]);
    const z = own.kernels.rescale(y, 5, 40, RESCALE);
    const kept = own.kernels.reshape(z, [4096]);
    for (const x of [a, b, y, z]) own.release(x);
    expect(own.download(kept)).toHaveLength(8192);
    own.release(kept);
    // What remains is scratch.
    expect(own.statistics().residentBytes - before).toBeLessThan(200_000);
    expect(own.statistics().macs).toBe(64 ** 3);
    expect(own.statistics().ownMacs).toBe(64 ** 3);
    own.dispose();
    expect(own.statistics().residentBytes).toBe(0);
  });

  it("that the host lacks is a HostError, and the backend lives on", () => {
    const own = createSimdBackendSync({ maxMemoryBytes: 4 * 2 ** 20 });
    expect(() => own.upload("i8", [5 * 2 ** 20], new Uint8Array(5 * 2 ** 20))).toThrow(HostError);
    const x = own.upload("i8", [3 * 2 ** 20], new Uint8Array(3 * 2 ** 20).fill(7));
    expect(() => own.kernels.expand(x, [2, 3 * 2 ** 20])).toThrow(HostError);
    expect(own.download(x)[3 * 2 ** 20 - 1]).toBe(7);
    own.release(x);
    own.release(own.upload("i8", [3 * 2 ** 20], new Uint8Array(3 * 2 ** 20)));
    own.dispose();
  });

  it("of packed weights makes room where there is none", () => {
    const own = createSimdBackendSync({ maxMemoryBytes: 4 * 2 ** 20 });
    const attributes = { aBits: 8, bBits: 8, accumulator: "i32" } as const;
    const a = own.upload("i8", [1, 1024], new Uint8Array(1024).fill(1));
    const b = own.upload("i8", [1024, 1024], new Uint8Array(1024 * 1024).fill(2));
    const run = (): void => {
      const y = own.kernels.matmul(a, b, attributes, [1, 1024]);
      expect(new Int32Array(own.download(y).buffer).every((word) => word === 2048)).toBe(true);
      own.release(y);
    };
    run();
    // The panels take 2 MiB: with them there is no room for 1.5 MiB.
    const big = own.upload("i8", [1536 * 1024], new Uint8Array(1536 * 1024).fill(3));
    expect(own.download(big)[1536 * 1024 - 1]).toBe(3);
    own.release(big);
    run();
    own.dispose();
  });

  it("of packed weights is bounded", () => {
    const own = createSimdBackendSync({ maxPackedBytes: 100_000 });
    const attributes = { aBits: 8, bBits: 8, accumulator: "i32" } as const;
    const weights = Array.from({ length: 16 }, (_, i) =>
      own.upload("i8", [128, 128], new Uint8Array(128 * 128).fill(i)),
    );
    const a = own.upload("i8", [1, 128], new Uint8Array(128).fill(1));
    const run = (): void =>
      weights.forEach((b, i) => {
        const y = own.kernels.matmul(a, b, attributes, [1, 128]);
        const words = new Int32Array(own.download(y).buffer);
        expect(words.every((word) => word === 128 * i)).toBe(true);
        own.release(y);
      });
    run();
    const once = own.statistics().residentBytes;
    run();
    expect(own.statistics().residentBytes).toBe(once);
    expect(once).toBeLessThan(16 * 128 * 128 + 300_000);
    own.dispose();
  });
});
