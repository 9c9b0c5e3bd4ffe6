import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { newArray, saturate } from "../../../src/core/dtype.js";
import type { Shape } from "../../../src/core/shape.js";
import { compute } from "../../../src/tensor/simd/compute.js";
import { SUMS } from "../../../src/tensor/simd/descriptors.js";
import { Engine } from "../../../src/tensor/simd/engine.js";
import { Heap } from "../../../src/tensor/simd/heap.js";
import { instantiateKernels } from "../../../src/tensor/simd/kernels.js";
import { kernelSet } from "../../../src/tensor/simd/kernelSet.js";
import { packWeights } from "../../../src/tensor/simd/packedWeights.js";
import type { SimdTensor } from "../../../src/tensor/simd/tensor.js";
import { boundsOf } from "../../../src/tensor/simd/values.js";
import { Random } from "./assembly/arena.js";

const memory = new WebAssembly.Memory({ initial: 64, maximum: 64 });
const engine = new Engine(new Heap(memory, 1024, 64), instantiateKernels(memory), 2 ** 20, compute);
const kernels = kernelSet(engine);

function tensor(dtype: Dtype, shape: Shape, values: readonly (number | bigint)[]): SimdTensor {
  const data = newArray(dtype, values.length);
  values.forEach((value, i) => {
    if (data instanceof BigInt64Array) data[i] = BigInt(value);
    else data[i] = Number(value);
  });
  const x = engine.make(dtype, shape);
  engine.fill(x, { dtype, shape, data, refs: 1 });
  boundsOf(engine, x);
  return x;
}

function take(x: SimdTensor): bigint[] {
  const values = Array.from(engine.hostView(x).data, BigInt);
  engine.release(x);
  return values;
}

/** The greatest and the least sum of a·w over a in [lo, hi] and subsets of w: every partial sum. */
function extremes(
  weights: readonly number[],
  lo: number,
  hi: number,
): { most: bigint; least: bigint } {
  let [most, least] = [0n, 0n];
  for (const w of weights) {
    const products = [0n, BigInt(lo) * BigInt(w), BigInt(hi) * BigInt(w)];
    most += products.reduce((x, y) => (x > y ? x : y));
    least += products.reduce((x, y) => (x < y ? x : y));
  }
  return { most, least };
}

const MAX = 2n ** 31n - 1n;
const MIN = -(2n ** 31n);

describe("the proof that 32 bits hold all sums", () => {
  it("is found exactly when they do", () => {
    const random = new Random(11);
    let proofs = 0;
    for (let round = 0; round < 300; round++) {
      const [k, n, matrices] = [random.between(1, 40), random.between(1, 20), random.between(1, 3)];
      const b = Array.from({ length: matrices * k * n }, () => random.between(-9000, 9000));
      const lo = -random.between(0, 32768) >> random.below(16);
      const hi = random.between(0, 32767) >> random.below(16);
      const columns = Array.from({ length: matrices * n }, (_, c) =>
        extremes(
          b.filter((_, i) => i % n === c % n && Math.floor(i / (k * n)) === Math.floor(c / n)),
          lo,
          hi,
        ),
      );
      // Biases that fill the columns up to the ends, and one of them by one too many at times.
      const over = random.below(3) - 1;
      const broken = random.below(columns.length);
      const biases = columns.map(({ most, least }, c) => {
        const excess = c === broken ? BigInt(over) : 0n;
        return random.below(2) === 0 ? MAX - most + excess : MIN - least - excess;
      });
      const fits = columns.every(({ most, least }, c) => {
        const bias = biases[c]!;
        const [positive, negative] = [bias > 0n ? bias : 0n, bias < 0n ? bias : 0n];
        return most + positive <= MAX && least + negative >= MIN;
      });
      const weights = tensor("i16", [matrices, k, n], b);
      const bias = tensor("i64", [columns.length], biases);
      const layout = { matrices, stepBytes: k * n * 2, k, n, rowBytes: n * 2 };
      const packed = packWeights(engine, weights, false, layout);
      expect(packed.plan({ lo, hi }, weights, bias).sums === SUMS.i32).toBe(fits);
      if (fits) proofs++;
      engine.release(weights);
      engine.release(bias);
      engine.packed.trim();
    }
    expect(proofs).toBeGreaterThan(50);
    expect(proofs).toBeLessThan(250);
  });

  it.each([1, 2, 8191, 8192, 8193, 16384, 16387, 33001])("sums %i rows exactly", (k) => {
    const random = new Random(12);
    const columns = [
      () => -32768,
      () => 32767,
      () => random.between(-32768, 32767),
      (i: number) => (i % 2 === 0 ? -32768 : 32767),
      () => 0,
      () => random.between(-3, 1),
      () => random.between(-1, 3),
      (i: number) => (i === k - 1 ? -1 : 0),
      () => -1,
    ];
    const b = Array.from({ length: k * 9 }, (_, i) => columns[i % 9]!(Math.floor(i / 9)));
    const pairs = (k + 1) >> 1;
    const [from, packed, dst] = [
      engine.heap.allocate(k * 18),
      engine.heap.allocate(pairs * 64),
      engine.heap.allocate(256),
    ];
    new Int16Array(memory.buffer, from, k * 9).set(b);
    engine.wasm.pack(0, 3, from, 18, 2, k, 9, packed, 1, 0);
    engine.wasm.columnSums(packed, k, 9, dst);
    const sums = new Float64Array(memory.buffer, dst, 32);
    for (let c = 0; c < 16; c++) {
      const own = b.filter((_, i) => i % 9 === c);
      const sum = (sign: number): number =>
        own.reduce((total, w) => total + Math.max(sign * w, 0), 0);
      expect(sums[(c >> 3) * 16 + (c & 7)]).toBe(sum(1));
      expect(sums[(c >> 3) * 16 + (c & 7) + 8]).toBe(sum(-1));
    }
    for (const at of [from, packed, dst]) engine.heap.release(at);
  });
});

describe("sums at the ends of 32 bits", () => {
  // The sums fit; biases take them to the ends, or one beyond.
  const weights = [32767, 32700, 1, -5000, -7, -32768];

  it.each([-1n, 0n, 1n])("are right %i beyond", (excess) => {
    const [lo, hi] = [-3, 32767];
    const { most, least } = extremes(weights, lo, hi);
    const rows = [
      weights.map((w) => (w > 0 ? hi : lo)),
      weights.map((w) => (w > 0 ? lo : hi)),
      weights.map((_, i) => (i % 2 === 0 ? hi : lo)),
    ];
    for (const accumulator of ["i32", "i64"] as const) {
      for (const bias of [MAX - most + excess, MIN - least - excess]) {
        const a = tensor("i16", [3, 6], rows.flat());
        const b = tensor("i16", [6, 1], weights);
        const bias1 = tensor(accumulator, [1], [bias]);
        const attributes = { aBits: 16, bBits: 16, accumulator };
        const sums = kernels.matmul(a, b, attributes, [3, 1]);
        const y = kernels.binary("add", sums, bias1, [3, 1]);
        const wanted = rows.map((row) => {
          const sum = row.reduce((total, x, i) => total + BigInt(x) * BigInt(weights[i]!), 0n);
          return saturate(sum + bias, accumulator);
        });
        expect(take(y)).toEqual(wanted);
        for (const x of [a, b, bias1, sums]) engine.release(x);
      }
    }
  });

  it("count what pads", () => {
    const channels = 4;
    const a = tensor("i16", [1, 2, channels], new Array<number>(2 * channels).fill(1));
    const b = tensor("i16", [3, channels, 1], new Array<number>(3 * channels).fill(-32768));
    for (const padValue of [32767n, -32768n]) {
      const attributes = {
        aBits: 16,
        bBits: 16,
        accumulator: "i64",
        strides: [1],
        dilations: [1],
        pads: [2, 2],
        groups: 1,
        padValue,
      } as const;
      const y = kernels.conv(a, b, attributes, [1, 4, 1]);
      const wanted = [2n, 1n, 1n, 2n].map(
        (pads) => BigInt(channels) * -32768n * (pads * padValue + 3n - pads),
      );
      expect(take(y)).toEqual(wanted);
    }
    for (const x of [a, b]) engine.release(x);
  });

  it("take each group's own biases", () => {
    // One value reaches the end of 32 bits in the second group only.
    const a = tensor("i16", [1, 1, 4], [16384, 16384, 16384, 16384]);
    const b = tensor("i16", [1, 2, 4], [1, 32767, 32767, 1, 1, 32767, 32767, 1]);
    const bias = tensor("i32", [4], [2 ** 31 - 1 - 32768, 32767, 32768 + 1, -5]);
    const attributes = {
      aBits: 16,
      bBits: 16,
      accumulator: "i32",
      strides: [1],
      dilations: [1],
      pads: [0, 0],
      groups: 2,
      padValue: 0n,
    } as const;
    const sums = kernels.conv(a, b, attributes, [1, 1, 4]);
    const y = kernels.binary("add", sums, bias, [1, 1, 4]);
    const products = [32768n, 1073709056n, 1073709056n, 32768n];
    const wanted = [2n ** 31n - 1n, 1073709056n + 32767n, 1073709056n + 32769n, 32763n];
    expect(products.every((sum) => sum <= MAX)).toBe(true);
    expect(take(y)).toEqual(wanted);
    for (const x of [a, b, bias, sums]) engine.release(x);
  });
});
