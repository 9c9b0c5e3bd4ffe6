import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPE_INFO } from "../../../src/core/dtype.js";
import type { Shape } from "../../../src/core/shape.js";
import { elementCount } from "../../../src/core/shape.js";
import {
  CONTRACTION_ROWS,
  accumulatorHolds,
  bitsInterval,
} from "../../../src/opcodes/contraction.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

type Row = (typeof CONTRACTION_ROWS)[number];
type Fill = (dtype: Dtype, shape: Shape, lo: bigint, hi: bigint) => ExactValue;

/** The most bits of both operands for which the accumulator holds k products. */
function bitsFor([a, b, accumulator]: Row, k: number): { aBits: number; bBits: number } {
  let aBits = DTYPE_INFO[a].bits;
  let bBits = DTYPE_INFO[b].bits;
  const holds = (): boolean =>
    accumulatorHolds(BigInt(k), { dtype: a, bits: aBits }, { dtype: b, bits: bBits }, accumulator);
  while (!holds()) {
    if (bBits >= aBits) bBits--;
    else aBits--;
  }
  return { aBits, bBits };
}

const constant =
  (end: "lo" | "hi"): Fill =>
  (dtype, shape, lo, hi) => ({
    dtype,
    shape,
    values: new Array<bigint>(elementCount(shape)).fill(end === "lo" ? lo : hi),
  });

const name = ([a, b, accumulator]: Row): string => `${a} by ${b} into ${accumulator}`;

export function describeContraction(backend: TheBackend): void {
  const matmul = (row: Row, a: Shape, b: Shape, fillA: Fill, fillB: Fill): void => {
    const bits = bitsFor(row, a[a.length - 1]!);
    const [left, right, accumulator] = row;
    check(
      backend(),
      "matmul",
      { ...bits, accumulator },
      fillA(left, a, ...bitsInterval(left, bits.aBits)),
      fillB(right, b, ...bitsInterval(right, bits.bBits)),
    );
  };

  describe("matmul", () => {
    for (const row of CONTRACTION_ROWS) {
      it(name(row), () => {
        const random = new SeededRandom(31);
        const any: Fill = (dtype, shape, lo, hi) => random.tensor(dtype, shape, lo, hi);
        for (const n of LENGTHS) {
          matmul(row, [3, n], [n, 5], any, any);
          matmul(row, [2, 7], [7, n], any, any);
          matmul(row, [n, 6], [6, 3], any, any);
        }
        matmul(row, [1, 40], [40, 1], any, any);
        matmul(row, [33, 65], [65, 34], any, any);
        // Leading axes broadcast.
        matmul(row, [2, 3, 5], [2, 5, 4], any, any);
        matmul(row, [2, 3, 5], [5, 4], any, any);
        matmul(row, [3, 5], [2, 5, 4], any, any);
        matmul(row, [2, 1, 3, 5], [4, 5, 2], any, any);
        matmul(row, [1, 3, 2, 5], [2, 1, 5, 2], any, any);
        matmul(row, [0, 3, 5], [5, 2], any, any);
        matmul(row, [2, 3, 0], [0, 4], any, any);
        matmul(row, [2, 0, 3], [3, 4], any, any);
      });

      it(`${name(row)} at the ends of its bits`, () => {
        for (const k of [1, 2, 3, 4, 7, 8, 16, 31, 33, 64, 100, 1_025, 2_500]) {
          for (const a of ["lo", "hi"] as const) {
            for (const b of ["lo", "hi"] as const) {
              matmul(row, [5, k], [k, 6], constant(a), constant(b));
            }
          }
        }
      });
    }
  });

  interface Geometry {
    readonly input: readonly number[];
    readonly kernel: readonly number[];
    readonly strides?: readonly number[];
    readonly dilations?: readonly number[];
    readonly pads?: readonly number[];
    readonly groups?: number;
    readonly perGroup: number;
    readonly outputsPerGroup: number;
    readonly batch?: number;
  }

  const conv = (
    row: Row,
    g: Geometry,
    padding: "zero" | "lo" | "hi",
    fillA: Fill,
    fillB: Fill,
  ): void => {
    const [left, right, accumulator] = row;
    const spatial = g.input.length;
    const groups = g.groups ?? 1;
    const bits = bitsFor(row, elementCount(g.kernel) * g.perGroup);
    const [lo, hi] = bitsInterval(left, bits.aBits);
    const ones = new Array<number>(spatial).fill(1);
    check(
      backend(),
      "conv",
      {
        ...bits,
        accumulator,
        strides: g.strides ?? ones,
        dilations: g.dilations ?? ones,
        pads: g.pads ?? new Array<number>(2 * spatial).fill(0),
        groups,
        padValue: padding === "zero" ? 0n : padding === "lo" ? lo : hi,
      },
      fillA(left, [g.batch ?? 1, ...g.input, groups * g.perGroup], lo, hi),
      fillB(
        right,
        [...g.kernel, g.perGroup, groups * g.outputsPerGroup],
        ...bitsInterval(right, bits.bBits),
      ),
    );
  };

  const one = { perGroup: 1, outputsPerGroup: 1 };
  const GEOMETRIES: readonly Geometry[] = [
    // 1-D
    { input: [9], kernel: [3], perGroup: 2, outputsPerGroup: 3 },
    {
      input: [9],
      kernel: [4],
      strides: [2],
      dilations: [2],
      pads: [3, 1],
      perGroup: 3,
      outputsPerGroup: 5,
    },
    { input: [0], kernel: [2], pads: [2, 3], perGroup: 2, outputsPerGroup: 2 },
    { input: [12], kernel: [5], pads: [2, 2], groups: 9, ...one },
    {
      input: [40],
      kernel: [7],
      strides: [4],
      pads: [3, 3],
      groups: 2,
      perGroup: 4,
      outputsPerGroup: 3,
    },
    // 2-D
    { input: [5, 6], kernel: [1, 1], perGroup: 5, outputsPerGroup: 9 },
    { input: [5, 6], kernel: [1, 1], strides: [2, 3], perGroup: 8, outputsPerGroup: 8 },
    {
      input: [6, 7],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
      perGroup: 3,
      outputsPerGroup: 8,
      batch: 2,
    },
    { input: [6, 7], kernel: [3, 3], pads: [1, 1, 1, 1], perGroup: 16, outputsPerGroup: 17 },
    {
      input: [6, 7],
      kernel: [3, 2],
      strides: [2, 1],
      pads: [0, 1, 2, 3],
      perGroup: 4,
      outputsPerGroup: 5,
    },
    {
      input: [9, 8],
      kernel: [3, 3],
      dilations: [2, 3],
      pads: [2, 3, 2, 3],
      perGroup: 2,
      outputsPerGroup: 4,
    },
    { input: [9, 8], kernel: [2, 2], strides: [3, 4], perGroup: 3, outputsPerGroup: 2 },
    { input: [2, 2], kernel: [5, 5], pads: [4, 4, 4, 4], perGroup: 2, outputsPerGroup: 3 },
    { input: [7, 6], kernel: [3, 3], pads: [1, 1, 1, 1], groups: 19, ...one, batch: 2 },
    { input: [7, 6], kernel: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1], groups: 16, ...one },
    { input: [7, 6], kernel: [5, 5], dilations: [1, 2], pads: [2, 4, 2, 4], groups: 5, ...one },
    {
      input: [5, 5],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
      groups: 4,
      perGroup: 1,
      outputsPerGroup: 2,
    },
    { input: [5, 5], kernel: [3, 3], groups: 3, perGroup: 4, outputsPerGroup: 5 },
    { input: [5, 5], kernel: [1, 1], groups: 3, perGroup: 2, outputsPerGroup: 1 },
    { input: [4, 4], kernel: [2, 2], perGroup: 0, outputsPerGroup: 3 },
    { input: [4, 4], kernel: [2, 2], perGroup: 3, outputsPerGroup: 0 },
    { input: [4, 4], kernel: [2, 2], perGroup: 3, outputsPerGroup: 2, batch: 0 },
    // 3-D
    { input: [3, 4, 5], kernel: [2, 2, 2], perGroup: 3, outputsPerGroup: 4 },
    {
      input: [3, 4, 5],
      kernel: [3, 3, 3],
      pads: [1, 1, 1, 1, 1, 1],
      strides: [1, 2, 1],
      perGroup: 2,
      outputsPerGroup: 3,
      batch: 2,
    },
    {
      input: [4, 4, 4],
      kernel: [2, 1, 2],
      dilations: [2, 1, 3],
      pads: [1, 0, 2, 0, 1, 1],
      groups: 2,
      perGroup: 2,
      outputsPerGroup: 2,
    },
    { input: [3, 3, 3], kernel: [2, 2, 2], pads: [1, 1, 1, 0, 0, 0], groups: 6, ...one },
  ];

  describe("conv", () => {
    for (const row of CONTRACTION_ROWS) {
      it(name(row), () => {
        const random = new SeededRandom(32);
        const any: Fill = (dtype, shape, lo, hi) => random.tensor(dtype, shape, lo, hi);
        for (const geometry of GEOMETRIES) {
          for (const padding of ["zero", "lo", "hi"] as const) {
            conv(row, geometry, padding, any, any);
          }
        }
        for (const channels of LENGTHS) {
          const image = { input: [3, 4], kernel: [2, 2], pads: [1, 0, 0, 1] };
          conv(row, { ...image, perGroup: channels, outputsPerGroup: 3 }, "lo", any, any);
          conv(row, { ...image, perGroup: 2, outputsPerGroup: channels }, "hi", any, any);
          if (channels > 0) conv(row, { ...image, ...one, groups: channels }, "hi", any, any);
        }
      });

      it(`${name(row)}, random geometry`, () => {
        const random = new SeededRandom(33);
        const any: Fill = (dtype, shape, lo, hi) => random.tensor(dtype, shape, lo, hi);
        for (let i = 0; i < 25; i++) {
          const spatial = random.int(1, 3);
          const each = (lo: number, hi: number, count = spatial): number[] =>
            Array.from({ length: count }, () => random.int(lo, hi));
          const kernel = each(1, 3);
          const dilations = each(1, 2);
          const depthwise = random.int(0, 2) === 0;
          conv(
            row,
            {
              input: kernel.map((k, axis) => (k - 1) * dilations[axis]! + random.int(1, 3)),
              kernel,
              dilations,
              strides: each(1, 3),
              pads: each(0, 2, 2 * spatial),
              groups: depthwise ? random.int(1, 20) : random.int(1, 2),
              perGroup: depthwise ? 1 : random.int(1, 9),
              outputsPerGroup: depthwise ? 1 : random.int(1, 12),
              batch: random.int(1, 2),
            },
            random.pick(["zero", "lo", "hi"] as const),
            any,
            any,
          );
        }
      });

      it(`${name(row)} at the ends of its bits`, () => {
        for (const perGroup of [1, 3, 8, 121, 300]) {
          const image = { input: [3, 3], kernel: [3, 3], pads: [1, 1, 1, 1], perGroup };
          for (const a of ["lo", "hi"] as const) {
            for (const b of ["lo", "hi"] as const) {
              conv(row, { ...image, outputsPerGroup: 3 }, a, constant(a), constant(b));
            }
          }
        }
      });
    }
  });

  describe("mul.wide", () => {
    for (const row of CONTRACTION_ROWS) {
      it(name(row), () => {
        const random = new SeededRandom(34);
        const [left, right, accumulator] = row;
        const imm = { accumulator };
        const run = (a: Shape, b: Shape): void =>
          check(backend(), "mul.wide", imm, random.tensor(left, a), random.tensor(right, b));
        for (const n of LENGTHS) {
          run([n], [n]);
          run([2, n], [n]);
        }
        run([], []);
        run([4, 1], [9]);
        run([130, 3], [130, 1]);
        run([3, 5], []);
        run([0, 3], [3]);
      });
    }
  });
}
