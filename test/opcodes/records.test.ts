import { describe, expect, it } from "vitest";
import type { Dtype } from "../../src/core/dtype.js";
import { DTYPE_INFO, INTEGER_DTYPES } from "../../src/core/dtype.js";
import type { Shape } from "../../src/core/shape.js";
import type { ExactValue } from "../../src/opcodes/evaluate.js";
import { evaluateExact } from "../../src/opcodes/evaluate.js";
import { GAS_UNITS, gasOf } from "../../src/opcodes/gas.js";
import type { TensorOpName } from "../../src/opcodes/index.js";
import {
  MACHINE_OPS,
  OP_BY_CODE,
  OPS,
  TENSOR_OPS,
  tensorRecordOf,
} from "../../src/opcodes/index.js";
import type { AnyImmediates, TensorOp } from "../../src/opcodes/record.js";

const tensor = (dtype: Dtype, shape: Shape, values: readonly (number | bigint)[]): ExactValue => ({
  dtype,
  shape,
  values: values.map(BigInt),
});
const vector = (dtype: Dtype, ...values: (number | bigint)[]): ExactValue =>
  tensor(dtype, [values.length], values);
const run = (op: TensorOpName, imm: AnyImmediates, ...operands: ExactValue[]): ExactValue =>
  evaluateExact(op, imm, operands)[0]!;
const values = (op: TensorOpName, imm: AnyImmediates, ...operands: ExactValue[]): bigint[] => [
  ...run(op, imm, ...operands).values,
];
const trapOf = (op: TensorOpName, imm: AnyImmediates, ...operands: ExactValue[]): unknown => {
  try {
    run(op, imm, ...operands);
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

const I64 = DTYPE_INFO.i64;
const tensorOps = Object.entries(TENSOR_OPS) as [TensorOpName, TensorOp][];

describe("records", () => {
  it("have codes of one byte, each once", () => {
    const codes = Object.values(OPS).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(OP_BY_CODE.size).toBe(codes.length);
    expect(codes.every((code) => Number.isInteger(code) && code >= 0 && code <= 0xff)).toBe(true);
    expect(Object.keys(OPS)).toHaveLength(
      Object.keys(TENSOR_OPS).length + Object.keys(MACHINE_OPS).length,
    );
  });

  it.each(tensorOps)("%s refers only to operands and immediates that it has", (_op, record) => {
    const operands = record.operands.map(({ name }) => name);
    const immediates = Object.keys(record.immediates);
    const seen: string[] = [];
    for (const { name, dtype, rank, repeat, when } of record.operands) {
      if ("same" in dtype) expect(seen).toContain(dtype.same);
      if (typeof rank === "object" && "same" in rank) expect(seen).toContain(rank.same);
      if (repeat !== undefined) expect(immediates).toContain(repeat);
      if (when !== undefined) expect(immediates).toContain(when.immediate);
      seen.push(name);
    }
    for (const spec of Object.values(record.immediates)) {
      if ("of" in spec) expect(operands).toContain(spec.of);
    }
    for (const { dtype, rank } of record.results) {
      if (typeof dtype === "object") {
        if ("of" in dtype) expect(operands).toContain(dtype.of);
        else expect(immediates).toContain(dtype.immediate);
      }
      if (typeof rank === "object" && "max" in rank) {
        for (const name of rank.max) expect(operands).toContain(name);
      }
    }
    for (const check of record.checks) expect(operands).toContain(check.operand);
    for (const { per, rate } of record.gas.terms) {
      expect(GAS_UNITS[per].doc).not.toBe("");
      if (typeof rate === "object") {
        const by = record.operands.find(({ name }) => name === rate.by)?.dtype;
        const immediate = record.immediates[rate.by];
        const among = by ?? (immediate?.kind === "dtype" ? immediate.among : []);
        expect(among).toEqual(expect.arrayContaining(Object.keys(rate.rates)));
        expect(among).not.toEqual([]);
      }
    }
  });

  it.each(tensorOps)("%s lists the traps of its checks", (_op, { checks, traps }) => {
    expect(traps.includes("OperandRange")).toBe(checks.some(({ check }) => check !== "index"));
    expect(traps.includes("IndexOutOfRange")).toBe(checks.some(({ check }) => check === "index"));
  });
});

describe("saturation", () => {
  it.each(INTEGER_DTYPES)("once, at both ends of %s", (dtype) => {
    const { min, max } = DTYPE_INFO[dtype];
    const [lo, hi] = [vector(dtype, min), vector(dtype, max)];
    const one = vector(dtype, 1);
    expect(values("add", {}, hi, hi)).toEqual([max]);
    expect(values("add", {}, hi, lo)).toEqual([max + min]);
    expect(values("sub", {}, lo, one)).toEqual([min]);
    expect(values("mul", {}, hi, hi)).toEqual([max]);
    expect(values("mul", {}, lo, hi)).toEqual([min]);
    expect(values("neg", {}, lo)).toEqual([min === 0n ? 0n : max]);
    expect(values("abs", {}, lo)).toEqual([min === 0n ? 0n : max]);
    expect(values("shl", {}, hi, one)).toEqual([max]);
    expect(values("shl", {}, lo, one)).toEqual([min]);
    for (const div of ["div.floor", "div.trunc"] as const) {
      expect(values(div, {}, hi, vector(dtype, 0))).toEqual([max]);
      expect(values(div, {}, vector(dtype, 0), vector(dtype, 0))).toEqual([0n]);
      expect(values(div, {}, lo, vector(dtype, 0))).toEqual([min]);
      if (min < 0n) expect(values(div, {}, lo, vector(dtype, -1))).toEqual([max]);
    }
    if (min < 0n) {
      expect(values("mod.floor", {}, lo, vector(dtype, -1))).toEqual([0n]);
      expect(values("mod.trunc", {}, lo, vector(dtype, -1))).toEqual([0n]);
    }
    expect(values("cast", { dtype }, vector("i64", I64.min, I64.max))).toEqual([min, max]);
  });

  it("of scattered and cumulative sums comes after the last term", () => {
    const at = vector("i32", 0, 0);
    const [one, two] = [vector("i8", 100), vector("i8", 100, -100)];
    expect(values("scatter.add", { axis: 0 }, one, at, two)).toEqual([100n]);
    expect(values("scatter.mul", { axis: 0 }, one, at, vector("i8", 100, 0))).toEqual([0n]);
    const x = vector("i64", I64.max, 1, -2, I64.min);
    expect(values("cumsum", { axis: 0, dtype: "i64" }, x)).toEqual([
      I64.max,
      I64.max,
      I64.max - 1n,
      -2n,
    ]);
  });

  it("of sums and products comes after the last term", () => {
    const x = vector("i64", I64.max, 1, -1);
    expect(values("reduce.sum", { axes: [0], dtype: "i64" }, x)).toEqual([I64.max]);
    const y = vector("i64", I64.max, I64.max, -I64.max);
    expect(values("reduce.sum", { axes: [0], dtype: "i32" }, y)).toEqual([2147483647n]);
    const z = vector("i64", I64.max, I64.max, 0);
    expect(values("reduce.prod", { axes: [0], dtype: "i64" }, z)).toEqual([0n]);
  });
});

describe("rescale", () => {
  const imm = { dtype: "i64", zeroPoint: 0n, lo: I64.min, hi: I64.max };
  it("rounds halves towards +∞", () => {
    const halves = vector("i32", -5, -3, -1, 1, 3, 5);
    expect(values("rescale", { multiplier: 1, shift: 1, ...imm }, halves)).toEqual([
      -2n,
      -1n,
      0n,
      1n,
      2n,
      3n,
    ]);
    expect(values("rescale", { multiplier: -1, shift: 1, ...imm }, halves)).toEqual([
      3n,
      2n,
      1n,
      0n,
      -1n,
      -2n,
    ]);
  });

  it("is exact where 64 bits would not hold the product", () => {
    const ends = vector("i64", I64.min, I64.max);
    // −2^63 · −2^31 / 2^62 = 2^32; (2^63 − 1) · −2^31 / 2^62 = −2^32 + 2^−31 → −2^32
    expect(values("rescale", { multiplier: -0x80000000, shift: 62, ...imm }, ends)).toEqual([
      1n << 32n,
      -(1n << 32n),
    ]);
    // beyond i64: saturates to the interval
    expect(values("rescale", { multiplier: 0x7fffffff, shift: 1, ...imm }, ends)).toEqual([
      I64.min,
      I64.max,
    ]);
  });

  it("adds the zero point after rounding and clamps last", () => {
    const x = vector("i32", -10, 0, 10, 300);
    const out = { multiplier: 1, shift: 1, dtype: "u8", zeroPoint: 128n, lo: 128n, hi: 200n };
    expect(values("rescale", out, x)).toEqual([128n, 128n, 133n, 200n]);
  });

  it("by tensors traps on a shift outside 1 … 62, before anything else of the values", () => {
    const x = tensor("i32", [2, 1], [8, 8]);
    const by = (...shifts: number[]) => [x, vector("i32", 1), vector("i8", ...shifts)] as const;
    expect(values("rescale.by", imm, ...by(2))).toEqual([2n, 2n]);
    for (const shift of [0, 63, -1])
      expect(trapOf("rescale.by", imm, ...by(shift))).toBe("OperandRange");
    expect(trapOf("rescale.by", imm, ...by(1, 0))).toBe("ShapeMismatch");
  });
});

describe("shifts", () => {
  it("take counts from 0 to 63", () => {
    const x = vector("i64", 1, 1, 1, -1, -1, 1);
    const counts = vector("i64", 62, 63, I64.max, 63, 64, I64.min);
    expect(values("shl", {}, x, counts)).toEqual([
      1n << 62n,
      I64.max,
      I64.max,
      I64.min,
      I64.min,
      1n,
    ]);
    expect(
      values("shr", {}, vector("i64", I64.min, -1, 5, 5), vector("i64", 63, 64, 1, -7)),
    ).toEqual([-1n, -1n, 2n, 5n]);
  });
});

describe("square roots, signs and normalisation", () => {
  it("are exact at the ends of i64", () => {
    // ⌊√(2^63 − 1)⌋ = 3037000499
    const x = vector(
      "i64",
      I64.max,
      3037000499n * 3037000499n,
      3037000499n * 3037000499n - 1n,
      I64.min,
    );
    expect(values("sqrt.floor", {}, x)).toEqual([3037000499n, 3037000499n, 3037000498n, 0n]);
    const [mantissa, exponent] = evaluateExact("normalize", {}, [
      vector("i64", I64.max, 1n << 31n, 5, -5),
    ]);
    expect(mantissa!.values).toEqual([0x7fffffffn, 1n << 30n, 5n << 28n, 0n]);
    expect(exponent!.values).toEqual([62n, 31n, 2n, 0n]);
  });

  it("complement by dtype", () => {
    expect(values("not", {}, vector("bool", 0, 1))).toEqual([1n, 0n]);
    expect(values("not", {}, vector("i64", I64.min, 0))).toEqual([I64.max, -1n]);
    expect(values("cast", { dtype: "bool" }, vector("i16", 0, -3, 1))).toEqual([0n, 1n, 1n]);
  });
});

describe("tables", () => {
  it("interpolate up to the last segment", () => {
    // f = 3: x = 32767 is segment 8191, r = 7: (8191·1 + 8192·7 + 4) >> 3 = 8192 (65539 / 8 = 8192.4)
    const table = tensor(
      "i32",
      [8193],
      Array.from({ length: 8193 }, (_, i) => i),
    );
    const imm = { segmentsLog2: 13, guardBits: 0, dtype: "i16" };
    expect(values("lut.interpolate", imm, vector("i16", 32767, -32768), table)).toEqual([
      8192n,
      0n,
    ]);
    expect(trapOf("lut.interpolate", { ...imm, segmentsLog2: 12 }, vector("i16", 0), table)).toBe(
      "ShapeMismatch",
    );
  });

  it("have as many entries as their input has values", () => {
    const table = tensor("i8", [256], new Array(256).fill(7));
    expect(values("lut", {}, vector("u8", 0, 255), table)).toEqual([7n, 7n]);
    expect(trapOf("lut", {}, vector("i16", 0), table)).toBe("ShapeMismatch");
  });
});

describe("ties", () => {
  it("go to the lowest index", () => {
    expect(values("argmax", { axis: 0 }, vector("i8", 1, 3, 3))).toEqual([1n]);
    expect(values("argmin", { axis: 0 }, vector("i64", I64.min, I64.min))).toEqual([0n]);
  });
});

describe("empty tensors", () => {
  const empty = tensor("i8", [2, 0], []);
  it("reduce to the neutral element", () => {
    expect(run("reduce.sum", { axes: [1], dtype: "i32" }, empty)).toEqual(
      tensor("i32", [2, 1], [0, 0]),
    );
    expect(values("reduce.prod", { axes: [1], dtype: "i32" }, empty)).toEqual([1n, 1n]);
    expect(values("reduce.max", { axes: [1] }, empty)).toEqual([-128n, -128n]);
    expect(values("reduce.min", { axes: [1] }, empty)).toEqual([127n, 127n]);
    expect(trapOf("argmax", { axis: 1 }, empty)).toBe("ShapeMismatch");
    expect(run("argmax", { axis: 0 }, empty)).toEqual(tensor("i32", [1, 0], []));
  });

  it("multiply, join and slice", () => {
    const imm = { aBits: 8, bBits: 8, accumulator: "i32" };
    expect(run("matmul", imm, empty, tensor("i8", [0, 3], []))).toEqual(
      tensor("i32", [2, 3], new Array(6).fill(0)),
    );
    expect(run("concat", { count: 2, axis: 1 }, empty, tensor("i8", [2, 1], [4, 5]))).toEqual(
      tensor("i8", [2, 1], [4, 5]),
    );
    const backwards = { starts: [0, 5], ends: [2, -9], steps: [1, -1] };
    expect(run("slice", backwards, empty).shape).toEqual([2, 0]);
    expect(
      trapOf(
        "resize.nearest",
        { sizes: [1], numerators: [1], denominators: [1], offsets: [0] },
        tensor("i8", [1, 0, 1], []),
      ),
    ).toBe("ShapeMismatch");
  });

  it("do not reshape by inference beside a 0", () => {
    expect(trapOf("reshape", { dims: [0, -1] }, empty)).toBe("ShapeMismatch");
    expect(run("reshape", { dims: [-1, 7] }, empty).shape).toEqual([0, 7]);
    expect(run("reshape", { dims: [0, 5] }, empty).shape).toEqual([0, 5]);
  });
});

describe("shapes", () => {
  const m = tensor("i8", [2, 3], [1, 2, 3, 4, 5, 6]);
  it("broadcast from the last axis", () => {
    expect(run("add", {}, tensor("i8", [2, 1], [10, 20]), vector("i8", 1, 2))).toEqual(
      tensor("i8", [2, 2], [11, 12, 21, 22]),
    );
    expect(trapOf("add", {}, vector("i8", 1, 2), vector("i8", 1, 2, 3))).toBe("ShapeMismatch");
    expect(run("add", {}, tensor("i8", [0], []), vector("i8", 1)).shape).toEqual([0]);
  });

  it("are taken from data where the list says so", () => {
    expect(run("reshape", { dims: [-2, -3] }, m, vector("i64", 3)).shape).toEqual([3, 2]);
    expect(trapOf("reshape", { dims: [-2, -1] }, m, vector("i64", -1))).toBe("ShapeMismatch");
    expect(trapOf("reshape", { dims: [-2, -1] }, m, vector("i64", 3, 2))).toBe("ShapeMismatch");
    expect(trapOf("expand", { dims: [-2] }, m, vector("i64", 1n << 31n))).toBe("ShapeMismatch");
    expect(run("iota", { dims: [-2] }, vector("i64", 2)).values).toEqual([0n, 1n]);
  });

  it("have no dimension above 2^31 − 1", () => {
    const wide = (before: number) => ({ before: [before], after: [0], interior: [0], value: 0n });
    const shapeOf = (before: number) =>
      tensorRecordOf("pad").shape(wide(before) as never, [{ dtype: "i8", shape: [3] }], []);
    expect(shapeOf(0x7fffffff - 3)).toEqual([[0x7fffffff]]);
    expect(() => shapeOf(0x7fffffff - 2)).toThrow(
      expect.objectContaining({ code: "ShapeMismatch" }),
    );
    const long = { dtype: "i8" as const, shape: [0x7fffffff] };
    expect(() =>
      tensorRecordOf("concat").shape({ count: 2, axis: 0 } as never, [long, long], []),
    ).toThrow(expect.objectContaining({ code: "ShapeMismatch" }));
  });

  it("broadcast the batch of a product", () => {
    const imm = { aBits: 8, bBits: 8, accumulator: "i32" };
    const a = tensor("i8", [2, 1, 1, 2], [1, 2, 3, 4]);
    const b = tensor("i8", [2, 2, 1], [1, 0, 0, 1]);
    expect(run("matmul", imm, a, b)).toEqual(tensor("i32", [2, 2, 1, 1], [1, 2, 3, 4]));
    expect(trapOf("matmul", imm, m, m)).toBe("ShapeMismatch");
  });
});

describe("contractions", () => {
  it("trap on values beyond the stated bits", () => {
    const imm = { aBits: 4, bBits: 8, accumulator: "i32" };
    const b = tensor("i8", [1, 1], [-128]);
    expect(values("matmul", imm, tensor("i8", [1, 1], [-8]), b)).toEqual([1024n]);
    expect(trapOf("matmul", imm, tensor("i8", [1, 1], [8]), b)).toBe("OperandRange");
    expect(trapOf("matmul", { ...imm, aBits: 1 }, tensor("u8", [1, 1], [2]), b)).toBe(
      "OperandRange",
    );
    expect(values("matmul", { ...imm, aBits: 1 }, tensor("u8", [1, 1], [1]), b)).toEqual([-128n]);
  });

  it("trap where the accumulator might not hold the sum, by shapes alone", () => {
    const imm = { aBits: 32, bBits: 32, accumulator: "i64" };
    // 2^31 · 2^31 · 1 ≤ 2^63 − 1, twice that is not
    const row = (k: number) => tensor("i32", [1, k], new Array(k).fill(0));
    const column = (k: number) => tensor("i32", [k, 1], new Array(k).fill(0));
    expect(trapOf("matmul", imm, row(1), column(1))).toBe(undefined);
    expect(trapOf("matmul", imm, row(2), column(2))).toBe("AccumulatorBound");
    // unsigned: 255 · 128 · 65,793 = 2^31 − 128, 65,794 times is more
    const u8 = { aBits: 8, bBits: 8, accumulator: "i32" };
    const shape = (k: number) =>
      tensorRecordOf("matmul").shape(
        u8 as never,
        [
          { dtype: "u8", shape: [1, k] },
          { dtype: "i8", shape: [k, 1] },
        ],
        [],
      );
    expect(shape(65_793)).toEqual([[1, 1]]);
    expect(() => shape(65_794)).toThrow(expect.objectContaining({ code: "AccumulatorBound" }));
  });

  it("convolve by groups, strides and dilations", () => {
    // Two groups of one channel; kernel of two taps, two apart; stride 2; padded by 7s in front.
    const x = tensor("i8", [1, 5, 2], [1, 10, 2, 20, 3, 30, 4, 40, 5, 50]);
    const w = tensor("i8", [2, 1, 2], [1, 2, 3, -1]);
    const imm = {
      aBits: 8,
      bBits: 8,
      accumulator: "i32",
      strides: [2],
      dilations: [2],
      pads: [1, 0],
      groups: 2,
      padValue: 7n,
    };
    // channel 0: 7 + 3·2 = 13, 2 + 3·4 = 14; channel 1: 2·7 − 20 = −6, 2·20 − 40 = 0
    expect(run("conv", imm, x, w)).toEqual(tensor("i32", [1, 2, 2], [13, -6, 14, 0]));
    expect(trapOf("conv", { ...imm, groups: 1 }, x, w)).toBe("ShapeMismatch");
    expect(trapOf("conv", { ...imm, pads: [0, 0], dilations: [5] }, x, w)).toBe("ShapeMismatch");
  });
});

describe("indices", () => {
  it("outside the axis trap", () => {
    const x = vector("i8", 1, 2);
    expect(values("gather", { axis: 0 }, x, vector("i64", 1, 0))).toEqual([2n, 1n]);
    expect(trapOf("gather", { axis: 0 }, x, vector("i64", 2))).toBe("IndexOutOfRange");
    expect(trapOf("gather", { axis: 0 }, x, vector("i32", -1))).toBe("IndexOutOfRange");
    expect(run("gather", { axis: 0 }, x, tensor("i64", [], [1]))).toEqual(tensor("i8", [], [2]));
    const two = vector("i8", 3, 4);
    expect(trapOf("scatter", { axis: 0 }, x, vector("i64", 2, 0), two)).toBe("IndexOutOfRange");
    expect(trapOf("scatter", { axis: 0 }, x, vector("i32", 0, -1), two)).toBe("IndexOutOfRange");
    expect(trapOf("scatter", { axis: 0 }, x, vector("i32", 0), two)).toBe("ShapeMismatch");
    expect(trapOf("gather", { axis: 0 }, tensor("i8", [0], []), vector("i32", 0))).toBe(
      "IndexOutOfRange",
    );
  });
});

describe("windows", () => {
  const imm = { kernel: [2], strides: [1], dilations: [1], pads: [2, 0] };
  it("of padding alone give the least value, or a sum of 0", () => {
    const x = tensor("i8", [1, 2, 1], [-3, -4]);
    expect(values("pool.max", imm, x)).toEqual([-128n, -3n, -3n]);
    expect(values("pool.sum", { ...imm, dtype: "i32" }, x)).toEqual([0n, -3n, -7n]);
    expect(trapOf("pool.max", { ...imm, kernel: [5] }, x)).toBe("ShapeMismatch");
  });
});

describe("gas", () => {
  const BASE = 1_500_000n;
  const gas = (
    op: TensorOpName,
    imm: AnyImmediates,
    operands: readonly Shape[],
    results: readonly Shape[],
  ): bigint => {
    const { gas: formula, operands: rules } = tensorRecordOf(op);
    const specs = (shapes: readonly Shape[]) =>
      shapes.map((shape) => ({ dtype: "i16" as const, shape }));
    return gasOf(formula, rules, { imm, operands: specs(operands), results: specs(results) });
  };

  it("counts macs and sums in columns of eight", () => {
    // 3 · 2 rows, 9 columns → 16: 96 sums of 5; 3 matrices; elements 3·2·5 + 5·9 = 75
    expect(
      gas(
        "matmul",
        {},
        [
          [3, 2, 5],
          [5, 9],
        ],
        [[3, 2, 9]],
      ),
    ).toBe(BASE + 50n * 480n + 800n * 96n + 75_000n * 3n + 600n * 75n);
    // 4 positions, 2 groups of 3 → 8 outputs: 64 sums of 3 · 2; elements 16 + 36
    expect(
      gas(
        "conv",
        { groups: 2 },
        [
          [1, 4, 4],
          [3, 2, 6],
        ],
        [[1, 4, 6]],
      ),
    ).toBe(BASE + 60n * 384n + 1_900n * 64n + 16_000n * 8n + 120_000n + 500n * 52n);
    // depthwise: 4 positions, 6 → 8 channels: 32 sums of 3; elements 24 + 18
    expect(
      gas(
        "conv",
        { groups: 6 },
        [
          [1, 4, 6],
          [3, 1, 6],
        ],
        [[1, 4, 6]],
      ),
    ).toBe(BASE + 80n * 96n + 800n * 32n + 120_000n + 500n * 42n);
  });

  it("counts dimensions of 0 as 1", () => {
    expect(gas("add", {}, [[0], [0]], [[0]])).toBe(BASE + 350n + 1_000n);
  });

  it("is exact where doubles are not", () => {
    const side = 0x7fffffff;
    const cube = BigInt(side) ** 3n;
    expect(gas("expand", {}, [[1]], [[side, side, side]])).toBe(
      BASE + 300n * cube + 150n * 2n * cube,
    );
  });
});
