import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { LENGTHS, notable } from "./elementwise.js";
import type { TheBackend } from "./harness.js";
import { check } from "./harness.js";

const SHIFTS: readonly number[] = Array.from({ length: 62 }, (_, i) => i + 1);
const MULTIPLIERS: readonly number[] = [
  1, -1, 2, 3, -5, 0, 32_767, -32_768, 65_536, 0x40000000, -0x40000000, 0x7fffffff, -0x7fffffff,
  -0x80000000, 1_431_655_765,
];

interface Output {
  readonly dtype: Dtype;
  readonly zeroPoint: bigint;
  readonly lo: bigint;
  readonly hi: bigint;
}

const all = (dtype: Dtype): Output => {
  const { min, max } = DTYPE_INFO[dtype];
  return { dtype, zeroPoint: 0n, lo: min, hi: max };
};

/** Zero points at the ends, ReLU, narrow and single-valued intervals. */
function outputs(dtype: Dtype): Output[] {
  const { min, max } = DTYPE_INFO[dtype];
  return [
    all(dtype),
    { dtype, zeroPoint: max, lo: min, hi: max },
    { dtype, zeroPoint: min, lo: min, hi: max },
    { dtype, zeroPoint: 3n, lo: 3n, hi: max },
    { dtype, zeroPoint: 5n, lo: min, hi: max >> 1n },
    { dtype, zeroPoint: 0n, lo: max, hi: max },
    { dtype, zeroPoint: 0n, lo: min, hi: min },
  ];
}

const vector = (dtype: Dtype, values: readonly bigint[]): ExactValue => ({
  dtype,
  shape: [values.length],
  values,
});

/** Values of `dtype` at and beside those whose product lies half-way between two results. */
function nearTies(dtype: Dtype, multiplier: number, shift: number): bigint[] {
  const { min, max } = DTYPE_INFO[dtype];
  if (multiplier === 0) return [min, max];
  const reach = (max * BigInt(Math.abs(multiplier))) >> BigInt(shift);
  const results = [0n, -1n, 1n, 2n, 126n, 127n, -128n, 32_767n, reach - 1n, reach, -reach];
  return results
    .flatMap((k) => {
      const x = (((2n * k + 1n) << BigInt(shift - 1)) / BigInt(multiplier)) as bigint;
      return [x - 1n, x, x + 1n];
    })
    .concat(min, max)
    .filter((x) => x >= min && x <= max);
}

export function describeRescale(backend: TheBackend): void {
  describe("rescale", () => {
    for (const dtype of INTEGER_DTYPES) {
      it(`of ${dtype}: every shift, at and beside ties`, () => {
        for (const shift of SHIFTS) {
          for (const multiplier of MULTIPLIERS) {
            const x = vector(dtype, nearTies(dtype, multiplier, shift));
            const imm = { multiplier, shift, ...all(dtype) };
            check(backend(), "rescale", imm, x);
          }
        }
      });

      it(`of ${dtype} to each dtype, zero points and intervals`, () => {
        const random = new SeededRandom(11);
        for (const result of INTEGER_DTYPES) {
          for (const output of outputs(result)) {
            for (const shift of [1, 7, 15, 31, 40, 62]) {
              const multiplier = random.int(-0x80000000, 0x7fffffff);
              const x = vector(dtype, [...notable(dtype), ...random.tensor(dtype, [20]).values]);
              check(backend(), "rescale", { multiplier, shift, ...output }, x);
            }
          }
        }
      });

      it(`of ${dtype}: lengths and shapes`, () => {
        const random = new SeededRandom(12);
        for (const shape of [...LENGTHS.map((n) => [n]), [], [3, 0], [2, 3, 7]]) {
          for (const result of ["i8", "i16", "i64"] as const) {
            const imm = { multiplier: 1_234_567_891, shift: 36, ...all(result) };
            check(backend(), "rescale", imm, random.tensor(dtype, shape));
          }
        }
      });
    }
  });

  it("rescale: a product nearer to a tie than doubles can tell", () => {
    // 257 · x = 526591 · 2^39 − 1, some 2^58: the nearest double is the tie.
    const x = (526_591n * 2n ** 39n - 1n) / 257n;
    const operand = vector("i64", [x, -x, x + 1n, -x - 1n]);
    check(backend(), "rescale", { multiplier: 257, shift: 40, ...all("i64") }, operand);
    check(backend(), "rescale", { multiplier: -257, shift: 40, ...all("i32") }, operand);
  });

  describe("rescale.by", () => {
    for (const dtype of INTEGER_DTYPES) {
      it(`of ${dtype}: every shift, at and beside ties`, () => {
        const pairs = SHIFTS.flatMap((shift) => MULTIPLIERS.map((m) => [m, shift] as const));
        const rows = pairs.map(([m, shift]) => nearTies(dtype, m, shift));
        const width = Math.max(...rows.map((row) => row.length));
        const x = rows.flatMap((row) => [
          ...row,
          ...new Array<bigint>(width - row.length).fill(1n),
        ]);
        check(
          backend(),
          "rescale.by",
          all(dtype) as never,
          { dtype, shape: [pairs.length, width], values: x },
          { dtype: "i32", shape: [pairs.length, 1], values: pairs.map(([m]) => BigInt(m)) },
          { dtype: "i8", shape: [pairs.length, 1], values: pairs.map(([, s]) => BigInt(s)) },
        );
      });

      it(`of ${dtype}: lengths, broadcasting, results`, () => {
        const random = new SeededRandom(13);
        const shift = (shape: readonly number[]): ExactValue => random.tensor("i8", shape, 1n, 62n);
        const multiplier = (shape: readonly number[]): ExactValue => random.tensor("i32", shape);
        for (const n of LENGTHS) {
          const imm = { ...random.pick(outputs(random.pick(INTEGER_DTYPES))) };
          const x = random.tensor(dtype, [3, n]);
          check(backend(), "rescale.by", imm, x, multiplier([n]), shift([n]));
          check(backend(), "rescale.by", imm, x, multiplier([n]), shift([]));
          check(backend(), "rescale.by", imm, x, multiplier([3, 1]), shift([1, n]));
          check(backend(), "rescale.by", imm, x, multiplier([3, n]), shift([3, n]));
          check(backend(), "rescale.by", imm, x, multiplier([1]), shift([1, 1]));
        }
        const imm = { ...all("i16") };
        check(backend(), "rescale.by", imm, random.tensor(dtype, []), multiplier([]), shift([]));
        const image = random.tensor(dtype, [1, 3, 2, 24]);
        check(backend(), "rescale.by", imm, image, multiplier([24]), shift([24]));
        check(backend(), "rescale.by", imm, image, multiplier([24]), { ...shift([1]) });
      });
    }
  });

  describe("rescale.add", () => {
    const narrow = ["u8", "i8", "i16", "i32"] as const;
    for (const left of narrow) {
      it(`of ${left} and each dtype`, () => {
        const random = new SeededRandom(14);
        for (const right of narrow) {
          for (const shift of SHIFTS) {
            const output = random.pick(outputs(random.pick(INTEGER_DTYPES)));
            const imm = {
              aMultiplier: random.pick(MULTIPLIERS),
              bMultiplier: random.pick(MULTIPLIERS),
              shift,
              ...output,
            };
            const b = vector(right, notable(right));
            const a = vector(left, notable(left));
            check(backend(), "rescale.add", imm, { ...a, shape: [a.values.length, 1] }, b);
          }
          for (const n of LENGTHS) {
            const imm = { aMultiplier: 715_827_883, bMultiplier: -99, shift: 31, ...all("i16") };
            const b = random.tensor(right, [n]);
            check(backend(), "rescale.add", imm, random.tensor(left, [n]), b);
            check(backend(), "rescale.add", imm, random.tensor(left, [2, n]), b);
            check(backend(), "rescale.add", imm, random.tensor(left, []), b);
          }
        }
      });
    }

    it("at every tie", () => {
      for (const shift of SHIFTS) {
        const half = 1n << BigInt(shift - 1);
        // a · m + b · 1 = ±half + {−1, 0, 1}: m as large as it takes for a to fit.
        const m = shift > 31 ? 1n << 30n : 1n;
        const a = [half / m, -half / m, (3n * half) / m, (-3n * half) / m].filter(
          (v) => v >= -0x80000000n && v <= 0x7fffffffn,
        );
        const imm = { aMultiplier: Number(m), bMultiplier: 1, shift, ...all("i32") };
        check(
          backend(),
          "rescale.add",
          imm,
          { dtype: "i32", shape: [a.length, 1], values: a },
          vector("i32", [-1n, 0n, 1n]),
        );
      }
    });
  });
}
