import { describe, expect, it } from "vitest";
import type { Dtype, IntegerArray } from "../../../../src/core/dtype.js";
import { DTYPE_INFO, saturate } from "../../../../src/core/dtype.js";
import type { Contraction } from "../../../../src/tensor/simd/descriptors.js";
import {
  CONTRACTION_BYTES,
  SUMS,
  WINDOW_BYTES,
  writeContraction,
  writeWindow,
} from "../../../../src/tensor/simd/descriptors.js";
import { Arena, Random, bytesOf, code } from "./arena.js";

const arena = new Arena();
const { kernels } = arena;

function product(a: IntegerArray, b: IntegerArray, m: number, k: number, n: number): bigint[] {
  const out: bigint[] = [];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0n;
      for (let p = 0; p < k; p++) sum += BigInt(a[i * k + p]!) * BigInt(b[p * n + j]!);
      out.push(sum);
    }
  }
  return out;
}

interface Sizes {
  m: number;
  k: number;
  n: number;
}

/** Packs B [k, n] and plans its runs against values of A up to `aMax`. */
function packed(b: IntegerArray, bType: Dtype, { k, n }: Sizes, aMax: number, wide: boolean) {
  const panels = Math.ceil(n / 8);
  const size = bytesOf(bType);
  const at = arena.alloc(panels * (wide ? k : Math.ceil(k / 2)) * 32);
  kernels.pack(wide ? 1 : 0, code(bType), arena.put(b), n * size, size, k, n, at, 1, 0);
  if (wide) return { b: at, sums: SUMS.wide, runs: 0 };
  const runs = arena.alloc(4 * panels);
  const least = kernels.planRuns(at, k, n, Math.floor(0x7fffffff / aMax), runs, 0);
  return { b: at, sums: least >= Math.ceil(k / 2) ? SUMS.i32 : SUMS.runs, runs };
}

/** Packed pairs as their two halves. */
function halves(packed: number, { k, n }: Sizes): number {
  const bytes = Math.ceil(n / 8) * Math.ceil(k / 2) * 32;
  const at = arena.alloc(2 * bytes);
  kernels.splitPairs(packed, bytes, at, 1);
  return at;
}

let contractions = 0;

/** All rows and columns at once, or, every other time, in four parts. */
function contract(fields: Contraction): void {
  const { m, n, k } = fields;
  const at = arena.alloc(CONTRACTION_BYTES);
  const scratch = arena.alloc(kernels.contractScratchBytes(k, n));
  writeContraction(arena.view, at, fields);
  const whole = contractions++ % 2 === 0;
  const [row, col] = whole ? [m, n] : [m >> 1, (n >> 4) << 3];
  kernels.contract(at, 0, row, 0, col, scratch);
  kernels.contract(at, row, m - row, 0, col, scratch);
  kernels.contract(at, 0, row, col, n - col, scratch);
  kernels.contract(at, row, m - row, col, n - col, scratch);
  arena.check();
}

const A_MAX = { u8: 255, i8: 128, i16: 32768, i32: 2 ** 31 } as Record<Dtype, number>;

/** a · b through the kernels, accumulators as i64. */
function multiply(
  a: IntegerArray,
  aType: Dtype,
  b: IntegerArray,
  bType: Dtype,
  sizes: Sizes,
  force?: "runs" | "split",
): bigint[] {
  arena.reset();
  const { m, k, n } = sizes;
  const wide = aType === "i32" || bType === "i32";
  const dst = arena.alloc(m * n * 8);
  const plan = packed(b, bType, sizes, A_MAX[aType]!, wide);
  contract({
    m,
    n,
    k,
    a: arena.putAtEnd(a),
    aType: code(aType),
    aRowBytes: k * bytesOf(aType),
    ...plan,
    ...(force === undefined ? {} : { sums: SUMS[force] }),
    ...(force === "split" ? { b: halves(plan.b, sizes) } : {}),
    epilogue: arena.epilogue({ type: code("i64") }),
    dst,
    dstRowBytes: n * 8,
    window: 0,
    matrixBytes: 0,
    axes: 0,
    axisCount: 0,
  });
  return arena.take("i64", dst, m * n);
}

const PAIRS: [Dtype, Dtype][] = [
  ["u8", "u8"],
  ["u8", "i8"],
  ["i8", "i8"],
  ["i16", "i8"],
  ["i16", "i16"],
  ["i32", "i16"],
  ["i32", "i32"],
];

describe("contract: matrices", () => {
  const random = new Random(1);
  it.each(PAIRS)("multiplies %s by %s at all small sizes", (aType, bType) => {
    for (let length = 0; length <= 40; length++) {
      const sizes = {
        m: random.between(1, 20),
        k: random.between(1, 40),
        n: random.between(1, 40),
      };
      const axis = (["m", "k", "n"] as const)[length % 3]!;
      sizes[axis] = length;
      const a = random.array(aType, sizes.m * sizes.k);
      // Sums of i32·i32 must fit i64.
      const b =
        bType === "i32"
          ? random.uniform("i32", sizes.k * sizes.n, -(2 ** 25), 2 ** 25)
          : random.array(bType, sizes.k * sizes.n);
      const expected = product(a, b, sizes.m, sizes.k, sizes.n);
      expect(multiply(a, aType, b, bType, sizes)).toEqual(expected);
      if (aType === "i32") continue;
      expect(multiply(a, aType, b, bType, sizes, "runs")).toEqual(expected);
      expect(multiply(a, aType, b, bType, sizes, "split")).toEqual(expected);
    }
  });

  it.each(PAIRS)("multiplies extremes of %s by %s", (aType, bType) => {
    const sizes = { m: 7, k: bType === "i32" ? 1 : 70, n: 9 };
    for (const aEnd of ["min", "max"] as const) {
      for (const bEnd of ["min", "max"] as const) {
        const a = random
          .array(aType, sizes.m * sizes.k)
          .fill(Number(DTYPE_INFO[aType][aEnd]) as never);
        const b = random
          .array(bType, sizes.k * sizes.n)
          .fill(Number(DTYPE_INFO[bType][bEnd]) as never);
        expect(multiply(a, aType, b, bType, sizes)).toEqual(
          product(a, b, sizes.m, sizes.k, sizes.n),
        );
      }
    }
  });

  it("sums the one pair of products that leaves i32", () => {
    const a = Int16Array.of(-32768, -32768);
    expect(multiply(a, "i16", a, "i16", { m: 1, k: 2, n: 1 })).toEqual([2n ** 31n]);
  });

  it("sums rows and columns longer than its blocks", () => {
    for (const sizes of [
      { m: 60, k: 1300, n: 200 },
      { m: 13, k: 2500, n: 17 },
    ]) {
      const a = random.uniform("i16", sizes.m * sizes.k, -32768, 32767);
      const b = random.uniform("i16", sizes.k * sizes.n, -2047, 2047);
      // Number sums are exact: below 2^53.
      const expected: bigint[] = [];
      for (let i = 0; i < sizes.m; i++) {
        for (let j = 0; j < sizes.n; j++) {
          let sum = 0;
          for (let p = 0; p < sizes.k; p++) sum += a[i * sizes.k + p]! * b[p * sizes.n + j]!;
          expected.push(BigInt(sum));
        }
      }
      expect(multiply(a, "i16", b, "i16", sizes)).toEqual(expected);
    }
  });

  it("packs transposed operands", () => {
    arena.reset();
    const [k, n] = [7, 11];
    const b = random.array("i16", k * n);
    const transposed = b.map((_, i) => b[(i % k) * n + Math.floor(i / k)]!);
    const bytes = 2 * 4 * 32;
    const [straight, across] = [arena.alloc(bytes), arena.alloc(bytes)];
    kernels.pack(0, code("i16"), arena.put(b), n * 2, 2, k, n, straight, 1, 0);
    kernels.pack(0, code("i16"), arena.put(transposed), 2, k * 2, k, n, across, 1, 0);
    arena.check();
    expect(arena.take("i16", across, bytes / 2)).toEqual(arena.take("i16", straight, bytes / 2));
  });
});

describe("planRuns", () => {
  const random = new Random(2);

  function plan(
    b: Int16Array,
    { k, n }: Pick<Sizes, "k" | "n">,
    limit: number,
    oneSided: boolean = false,
  ) {
    arena.reset();
    const panels = Math.ceil(n / 8);
    const at = arena.alloc(panels * Math.ceil(k / 2) * 32);
    const runs = arena.alloc(4 * panels);
    kernels.pack(0, code("i16"), arena.put(b), n * 2, 2, k, n, at, 1, 0);
    const least = kernels.planRuns(at, k, n, limit, runs, oneSided ? 1 : 0);
    arena.check();
    const own = Array.from({ length: panels }, (_, p) => arena.view.getInt32(runs + 4 * p, true));
    expect(least).toBe(Math.min(...own));
    return own;
  }

  it.each([false, true])(
    "bounds the sums of every column of a panel, one-sided: %s",
    (oneSided) => {
      for (let round = 0; round < 60; round++) {
        const [k, n] = [random.between(1, 200), random.between(1, 30)];
        const b = random.uniform("i16", k * n, -3000, 3000) as Int16Array;
        const limit = random.between(3000, 400000);
        plan(b, { k, n }, limit, oneSided).forEach((run, panel) => {
          const columns = Array.from({ length: n }, (_, c) => c).filter((c) => c >> 3 === panel);
          /** The greatest sum of `length` rows of a column, from any multiple of `step` on. */
          const greatest = (length: number, step: number): number => {
            let most = 0;
            for (const c of columns) {
              for (let from = 0; from < k; from += step) {
                const sums = [0, 0];
                for (let i = from; i < Math.min(from + length, k); i++) {
                  const value = b[i * n + c]!;
                  sums[oneSided && value < 0 ? 1 : 0]! += Math.abs(value);
                }
                most = Math.max(most, ...sums);
              }
            }
            return most;
          };
          const pairs = Math.ceil(k / 2);
          expect(run).toBeLessThanOrEqual(pairs);
          if (run === 0) return expect(greatest(2, 2)).toBeGreaterThan(limit);
          expect(greatest(2 * run, 2 * run)).toBeLessThanOrEqual(limit);
          // The proof that i32 holds all sums is found whenever there is one.
          expect(run === pairs).toBe(greatest(2 * pairs, 2 * pairs) <= limit);
          // One run fewer would not fit wherever the cuts were.
          const runs = Math.ceil(pairs / run);
          if (runs > 1)
            expect(greatest(2 * Math.ceil(pairs / (runs - 1)), 2)).toBeGreaterThan(limit);
        });
      }
    },
  );

  it("does not call one pair a proof when that alone exceeds the limit", () => {
    const pair = Int16Array.of(-32768, -32768);
    expect(plan(pair, { k: 2, n: 1 }, 65535)).toEqual([0]);
    expect(plan(pair, { k: 2, n: 1 }, 65536)).toEqual([1]);
  });

  it("finds the run behind one heavy pair", () => {
    const b = new Int16Array(40).fill(1);
    b.fill(-32768, 20, 22);
    // Pair 10 alone exceeds the limit; without one half of it, it leaves room for one.
    expect(plan(b, { k: 40, n: 1 }, 65535)).toEqual([0]);
    b[21] = 32766;
    expect(plan(b, { k: 40, n: 1 }, 65535)).toEqual([1]);
    expect(plan(b, { k: 40, n: 1 }, 65536)).toEqual([2]);
  });
});

describe("contract: sums at the ends", () => {
  const random = new Random(9);
  const LENGTHS = [
    ...Array.from({ length: 40 }, (_, i) => i + 1),
    63,
    64,
    65,
    127,
    255,
    384,
    511,
    700,
  ];
  /** Weights that take runs to their limit, 65,535, exactly, or beyond it by themselves. */
  const WEIGHTS: Record<string, (k: number) => number> = {
    "2047": () => 2047,
    "-2047": () => -2047,
    "32767": () => 32767,
    "-32768": () => -32768,
    "32767 and -32768": (k) => (k % 2 === 0 ? 32767 : -32768), // one pair is 65,535
    "2185 and -2184": (k) => (k % 2 === 0 ? 2185 : -2184), // 15 pairs are
    "-128 and 127": (k) => (k % 2 === 0 ? -128 : 127), // 257 pairs are
    "256 and -256": (k) => (k % 2 === 0 ? 256 : -256), // 128 pairs are one more
  };
  const ACTIVATIONS: Record<string, (w: number) => number> = {
    least: () => -32768,
    greatest: () => 32767,
    "with the weights": (w) => (w < 0 ? -32768 : 32767),
    "against the weights": (w) => (w < 0 ? 32767 : -32768),
  };

  it.each(Object.keys(WEIGHTS))("are exact for weights of %s", (name) => {
    for (const k of LENGTHS) {
      // Columns of that kind, and one of other weights beside them, in a panel and a part of one.
      const n = 9,
        m = 5;
      const b = Int16Array.from({ length: k * n }, (_, i) =>
        i % n === 4 ? random.between(-2047, 2047) : WEIGHTS[name]!(Math.floor(i / n)),
      );
      const rows = [...Object.values(ACTIVATIONS), () => random.between(-32768, 32767)];
      const a = Int16Array.from({ length: m * k }, (_, i) =>
        rows[Math.floor(i / k)]!(b[(i % k) * n]!),
      );
      const expected = product(a, b, m, k, n);
      const sizes = { m, k, n };
      expect(multiply(a, "i16", b, "i16", sizes)).toEqual(expected);
      expect(multiply(a, "i16", b, "i16", sizes, "runs")).toEqual(expected);
      expect(multiply(a, "i16", b, "i16", sizes, "split")).toEqual(expected);
    }
  });

  it("are exact with a bias, over more runs than are combined at once", () => {
    const n = 9,
      m = 5;
    for (const k of [1, 2, 33, 128, 300]) {
      arena.reset();
      const sizes = { m, k, n };
      const a = Int16Array.from({ length: m * k }, (_, i) => (i < 2 * k ? -32768 : 32767));
      const b = Int16Array.from({ length: k * n }, (_, i) => (i % n < 5 ? -32768 : 32767));
      const bias = BigInt64Array.from(
        { length: n },
        (_, i) => (i % 2 === 0 ? -1n : 1n) << BigInt(46 - i),
      );
      const dst = arena.alloc(m * n * 8);
      contract({
        ...sizes,
        a: arena.put(a),
        aType: code("i16"),
        aRowBytes: k * 2,
        ...packed(b, "i16", sizes, 32768, false),
        sums: SUMS.runs,
        epilogue: arena.epilogue({ type: code("i64"), bias: arena.put(bias) }),
        dst,
        dstRowBytes: n * 8,
        window: 0,
        matrixBytes: 0,
        axes: 0,
        axisCount: 0,
      });
      const expected = product(a, b, m, k, n).map((sum, i) => sum + bias[i % n]!);
      expect(arena.take("i64", dst, m * n)).toEqual(expected);
    }
  });
});

describe("contract: rescaled sums of runs", () => {
  const random = new Random(10);
  const OUTPUTS = [
    { type: "i16", zeroPoint: 0n, lo: -32768n, hi: 32767n },
    { type: "i16", zeroPoint: 1000n, lo: -20000n, hi: 32767n },
    { type: "u8", zeroPoint: 7n, lo: 0n, hi: 200n },
    { type: "i32", zeroPoint: -5n, lo: -(2n ** 31n), hi: 2n ** 31n - 1n },
  ] as const;

  it.each(OUTPUTS)("are exact as $type with zero point $zeroPoint", (output) => {
    // Up to 64 runs are combined at once: beyond 128 values of k there are more where each pair is one.
    for (const k of [1, 2, 7, 64, 127, 128, 129, 300]) {
      for (const [n, perChannel, biased] of [
        [8, true, true],
        [13, true, true],
        [21, true, false],
        [13, false, true],
      ] as const) {
        arena.reset();
        const sizes = { m: random.between(1, 9), k, n };
        const { m } = sizes;
        const top = [2047, 32767][random.between(0, 1)]!;
        const a = random.uniform("i16", m * k, -32768, 32767);
        a.fill(-32768 as never, 0, k);
        const b = random.uniform("i16", k * n, -top - 1, top);
        for (let i = 0; i < k; i++) b[i * n] = (-top - 1) as never;
        const bias = BigInt64Array.from(
          { length: n },
          (_, i) => (i % 2 === 0 ? -1n : 1n) << BigInt(random.between(0, 45)),
        );
        const factors = random.uniform("i32", perChannel ? n : 1, 0, 2 ** 31 - 1);
        factors[0] = (2 ** 31 - 1) as never;
        const lanes = perChannel ? factors : new Int32Array(8).fill(Number(factors[0]));
        const size = bytesOf(output.type);
        const dst = arena.alloc(m * n * size);
        contract({
          ...sizes,
          a: arena.put(a),
          aType: code("i16"),
          aRowBytes: k * 2,
          ...packed(b, "i16", sizes, 32768, false),
          sums: SUMS.runs,
          epilogue: arena.epilogue({
            ...output,
            type: code(output.type),
            bias: biased ? arena.putAtEnd(bias) : 0,
            multiplier: arena.put(lanes),
            uniformShift: 48,
            bits: 46,
            channelMask: perChannel ? -1 : 0,
          }),
          dst,
          dstRowBytes: n * size,
          window: 0,
          matrixBytes: 0,
          axes: 0,
          axisCount: 0,
        });
        const expected = product(a, b, m, k, n).map((sum, i) => {
          const x = sum + (biased ? bias[i % n]! : 0n);
          const factor = BigInt(factors[perChannel ? i % n : 0]!);
          const y = ((x * factor + (1n << 47n)) >> 48n) + output.zeroPoint;
          return Number(y < output.lo ? output.lo : y > output.hi ? output.hi : y);
        });
        expect(arena.take(output.type, dst, m * n).map(Number)).toEqual(expected);
      }
    }
  });
});

describe("contract: convolutions", () => {
  const random = new Random(3);
  const CASES = [
    {
      aType: "i16",
      bType: "i16",
      channels: 3,
      groups: 1,
      out: 9,
      kernel: [3, 3],
      stride: [2, 2],
      dilation: [1, 1],
      pads: [1, 1, 1, 1],
    },
    {
      aType: "i8",
      bType: "i8",
      channels: 16,
      groups: 1,
      out: 8,
      kernel: [3, 2],
      stride: [1, 1],
      dilation: [1, 1],
      pads: [2, 1, 0, 3],
    },
    {
      aType: "u8",
      bType: "i8",
      channels: 10,
      groups: 2,
      out: 6,
      kernel: [1, 5],
      stride: [1, 3],
      dilation: [2, 2],
      pads: [0, 4, 0, 4],
    },
    {
      aType: "i16",
      bType: "i8",
      channels: 5,
      groups: 5,
      out: 5,
      kernel: [3, 3],
      stride: [1, 1],
      dilation: [2, 1],
      pads: [5, 1, 5, 1],
    },
    {
      aType: "i32",
      bType: "i16",
      channels: 4,
      groups: 2,
      out: 4,
      kernel: [2, 2],
      stride: [1, 1],
      dilation: [1, 1],
      pads: [1, 0, 0, 1],
    },
    {
      aType: "i16",
      bType: "i16",
      channels: 24,
      groups: 1,
      out: 12,
      kernel: [1, 1],
      stride: [1, 1],
      dilation: [1, 1],
      pads: [0, 0, 0, 0],
    },
  ] as const;
  it.each(CASES)(
    "$kernel $aType·$bType, $groups groups, stride $stride, dilation $dilation, pads $pads",
    (c) => {
      for (const [height, width] of [
        [7, 9],
        [1, 4],
        [5, 1],
      ] as const) {
        for (const padValue of [0, 100]) {
          const [kh, kw] = c.kernel;
          const inGroup = c.channels / c.groups;
          const outGroup = Math.ceil(c.out / c.groups);
          const out = outGroup * c.groups;
          const length = (axis: 0 | 1, size: number) =>
            Math.floor(
              (size +
                c.pads[axis] +
                c.pads[axis + 2]! -
                (c.kernel[axis] - 1) * c.dilation[axis] -
                1) /
                c.stride[axis],
            ) + 1;
          const [outHeight, outWidth] = [length(0, height), length(1, width)];
          if (outHeight < 1 || outWidth < 1) continue;
          arena.reset();
          const image = random.array(c.aType, height * width * c.channels);
          const weights = random.array(c.bType, kh * kw * inGroup * out);
          const sizes = { m: outHeight * outWidth, k: kh * kw * inGroup, n: outGroup };
          const a = arena.putAtEnd(image);
          const dst = arena.alloc(sizes.m * out * 8);
          const window = arena.alloc(WINDOW_BYTES);
          writeWindow(arena.view, window, {
            height,
            width,
            channels: inGroup,
            pixelBytes: c.channels * bytesOf(c.aType),
            kernelHeight: kh,
            kernelWidth: kw,
            strideY: c.stride[0],
            strideX: c.stride[1],
            dilationY: c.dilation[0],
            dilationX: c.dilation[1],
            padTop: c.pads[0],
            padLeft: c.pads[1],
            outHeight,
            outWidth,
            padValue,
          });
          for (let g = 0; g < c.groups; g++) {
            const own = weights.filter(
              (_, i) => Math.floor((i % out) / outGroup) === g,
            ) as IntegerArray;
            contract({
              ...sizes,
              a: a + g * inGroup * bytesOf(c.aType),
              aType: code(c.aType),
              aRowBytes: 0,
              ...packed(own, c.bType, sizes, A_MAX[c.aType]!, c.aType === "i32"),
              epilogue: arena.epilogue({ type: code("i64") }),
              dst: dst + g * outGroup * 8,
              dstRowBytes: out * 8,
              window,
              matrixBytes: 0,
              axes: 0,
              axisCount: 0,
            });
          }
          const expected: bigint[] = [];
          for (let oy = 0; oy < outHeight; oy++)
            for (let ox = 0; ox < outWidth; ox++)
              for (let o = 0; o < out; o++) {
                const g = Math.floor(o / outGroup);
                let sum = 0n;
                for (let y = 0; y < kh; y++)
                  for (let x = 0; x < kw; x++)
                    for (let i = 0; i < inGroup; i++) {
                      const iy = oy * c.stride[0] + y * c.dilation[0] - c.pads[0];
                      const ix = ox * c.stride[1] + x * c.dilation[1] - c.pads[1];
                      const inside = iy >= 0 && iy < height && ix >= 0 && ix < width;
                      const value = inside
                        ? image[(iy * width + ix) * c.channels + g * inGroup + i]!
                        : padValue;
                      sum +=
                        BigInt(value) * BigInt(weights[((y * kw + x) * inGroup + i) * out + o]!);
                    }
                expected.push(sum);
              }
          expect(arena.take("i64", dst, expected.length)).toEqual(expected);
        }
      }
    },
  );
});

describe("contract: epilogues", () => {
  const random = new Random(4);
  const OUT: Dtype[] = ["i8", "u8", "i16", "i32", "i64"];
  it.each(OUT)("adds a bias, rescales per channel, adds a zero point and clamps to %s", (type) => {
    for (const width of ["i32", "i64"] as const) {
      for (let n = 1; n <= 40; n++) {
        arena.reset();
        const sizes = { m: random.between(1, 14), k: 6, n };
        const a = random.array("i16", sizes.m * sizes.k);
        const b = random.uniform("i16", sizes.k * n, -5000, 5000);
        const bias = random.uniform("i32", n, -1e9, 1e9);
        const shifts = Array.from({ length: n }, () =>
          n % 3 === 0 ? random.between(1, 62) : 32 + (n % 30),
        );
        const multipliers = Array.from({ length: n }, () =>
          n % 5 === 0
            ? random.between(-(2 ** 31), 2 ** 31 - 1)
            : random.between(0, 2 ** (n % 32) - 1),
        );
        const { min, max } = DTYPE_INFO[type];
        const zeroPoint =
          random.big(DTYPE_INFO[type].bits, DTYPE_INFO[type].signed) / (n % 2 ? 1n : 4n);
        const [lo, hi] = n % 4 ? [min, max] : [min / 2n, max / 3n];
        const dst = arena.alloc(sizes.m * n * bytesOf(type));
        const plan = packed(b, "i16", sizes, 32768, false);
        contract({
          ...sizes,
          a: arena.put(a),
          aType: code("i16"),
          aRowBytes: sizes.k * 2,
          ...plan,
          sums: width === "i32" ? SUMS.i32 : SUMS.runs,
          epilogue: arena.epilogue({
            bias: arena.put(width === "i32" ? bias : BigInt64Array.from(bias, BigInt)),
            ...arena.rescaleBy(
              multipliers,
              shifts,
              width === "i32" ? "i32" : "i64",
              45,
              n % 7 !== 0,
            ),
            zeroPoint,
            lo,
            hi,
            type: code(type),
          }),
          dst,
          dstRowBytes: n * bytesOf(type),
          window: 0,
          matrixBytes: 0,
          axes: 0,
          axisCount: 0,
        });
        const expected = product(a, b, sizes.m, sizes.k, n).map((sum, i) => {
          const s = BigInt(shifts[i % n]!);
          const value =
            (((sum + BigInt(bias[i % n]!)) * BigInt(multipliers[i % n]!) + (1n << (s - 1n))) >> s) +
            zeroPoint;
          return value < lo ? lo : value > hi ? hi : value;
        });
        expect(arena.take(type, dst, sizes.m * n)).toEqual(expected);
      }
    }
  });

  it("looks results up in a table, direct or interpolated", () => {
    for (const [kind, tableType] of [
      ["direct", "i8"],
      ["direct", "i64"],
      ["interpolated", "i16"],
      ["interpolated", "u8"],
      ["short", "i16"],
      ["short", "u8"],
    ] as const) {
      arena.reset();
      const sizes = { m: 29, k: 10, n: 21 };
      const a = random.array("i8", sizes.m * sizes.k);
      const b = random.array("i8", sizes.k * sizes.n);
      const direct = random.array(tableType, 65536);
      const segments = random.uniform("i32", 1025, -(2 ** 20), 2 ** 20);
      const dst = arena.alloc(sizes.m * sizes.n * bytesOf(tableType));
      const multipliers = [3 * 2 ** 20];
      contract({
        ...sizes,
        a: arena.put(a),
        aType: code("i8"),
        aRowBytes: sizes.k,
        ...packed(b, "i8", sizes, 128, false),
        epilogue: arena.epilogue({
          ...arena.rescaleBy(Array<number>(8).fill(multipliers[0]!), Array<number>(8).fill(23)),
          channelMask: 0,
          lo: -32768n,
          hi: 32767n,
          type: code("i16"),
          table: arena.put(kind === "direct" ? direct : segments),
          segmentsLog2: kind === "direct" ? 0 : 10,
          guardBits: 4,
          shortTable: kind === "short" ? 1 : 0,
          tableType: code(tableType),
        }),
        dst,
        dstRowBytes: sizes.n * bytesOf(tableType),
        window: 0,
        matrixBytes: 0,
        axes: 0,
        axisCount: 0,
      });
      const expected = product(a, b, sizes.m, sizes.k, sizes.n).map((sum) => {
        const u = Number(saturate((sum * 3n * 2n ** 20n + 2n ** 22n) >> 23n, "i16")) + 32768;
        if (kind === "direct") return BigInt(direct[u]!);
        const [i, r] = [u >> 6, BigInt(u & 63)];
        return saturate(
          (BigInt(segments[i]!) * (64n - r) + BigInt(segments[i + 1]!) * r + 512n) >> 10n,
          tableType,
        );
      });
      expect(arena.take(tableType, dst, sizes.m * sizes.n)).toEqual(expected);
    }
  });
});
