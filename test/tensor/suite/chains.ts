import { describe, it } from "vitest";
import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPE_INFO } from "../../../src/core/dtype.js";
import type { AnyImmediates } from "../../../src/opcodes/record.js";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { SeededRandom } from "../../support/seededRandom.js";
import type { Step, TheBackend } from "./harness.js";
import { checkChain } from "./harness.js";

interface Contraction {
  readonly title: string;
  readonly op: "matmul" | "conv";
  readonly imm: AnyImmediates;
  readonly a: ExactValue;
  readonly b: ExactValue;
  readonly accumulator: "i32" | "i64";
  readonly channels: number;
}

const WINDOW = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], padValue: 3n };

function contractions(random: SeededRandom): Contraction[] {
  const list: Contraction[] = [];
  for (const [a, b, aBits, bBits, accumulator] of [
    ["i16", "i16", 16, 12, "i64"],
    ["i16", "i16", 13, 12, "i32"],
    ["i8", "i8", 8, 8, "i32"],
    ["u8", "i8", 8, 8, "i32"],
    ["i16", "i8", 16, 8, "i64"],
    ["i32", "i16", 24, 16, "i64"],
    ["i32", "i32", 32, 20, "i64"],
  ] as const) {
    const bits = { aBits, bBits, accumulator };
    const limits = (dtype: Dtype, n: number): [bigint, bigint] =>
      DTYPE_INFO[dtype].signed
        ? [-(1n << BigInt(n - 1)), (1n << BigInt(n - 1)) - 1n]
        : [0n, (1n << BigInt(n)) - 1n];
    const add = (
      title: string,
      op: "matmul" | "conv",
      imm: AnyImmediates,
      aShape: number[],
      bShape: number[],
    ): void => {
      list.push({
        title: `${title} of ${a} by ${b} into ${accumulator}`,
        op,
        imm: { ...bits, ...imm },
        a: random.tensor(a, aShape, ...limits(a, aBits)),
        b: random.tensor(b, bShape, ...limits(b, bBits)),
        accumulator,
        channels: bShape[bShape.length - 1]!,
      });
    };
    add("matmul", "matmul", {}, [7, 25], [25, 18]);
    add("batched matmul", "matmul", {}, [2, 5, 8], [2, 8, 9]);
    add("row by matrix", "matmul", {}, [1, 40], [40, 33]);
    add("conv", "conv", { ...WINDOW, groups: 1 }, [1, 5, 6, 4], [3, 3, 4, 19]);
    add(
      "pointwise conv",
      "conv",
      { ...WINDOW, pads: [0, 0, 0, 0], groups: 1 },
      [1, 4, 5, 9],
      [1, 1, 9, 8],
    );
    add("depthwise conv", "conv", { ...WINDOW, groups: 21 }, [1, 5, 4, 21], [3, 3, 1, 21]);
    add("grouped conv", "conv", { ...WINDOW, groups: 2 }, [1, 4, 4, 6], [3, 3, 3, 10]);
  }
  return list;
}

/** What follows a contraction `y` in a compiled model, as steps from `y` to `end`. */
function tails(c: Contraction): { name: string; steps: Step[]; names: string[] }[] {
  const i16 = { dtype: "i16", zeroPoint: 0n, lo: -32_768n, hi: 32_767n };
  const u8 = { dtype: "u8", zeroPoint: 7n, lo: 7n, hi: 255n };
  const step = (op: Step["op"], from: string[], to: string, imm: AnyImmediates = {}): Step => ({
    op,
    imm,
    from,
    to,
  });
  const bias = step("add", ["y", "bias"], "biased");
  const rescale = (output: AnyImmediates): Step =>
    step("rescale", ["biased"], "narrow", { multiplier: 1_503_238_553, shift: 44, ...output });
  const rescaleBy = (output: AnyImmediates): Step =>
    step("rescale.by", ["biased", "multiplier", "shift"], "narrow", output);
  const list = [
    { name: "bias", steps: [bias] },
    { name: "bias, rescale", steps: [bias, rescale(i16)] },
    { name: "rescale alone", steps: [{ ...rescale(i16), from: ["y"] }] },
    {
      name: "bias, rescale.by, clamp",
      steps: [bias, rescaleBy(i16), step("clamp", ["narrow"], "end", { lo: 0n, hi: 20_000n })],
    },
    {
      name: "bias on the left, rescale.by to u8, lut",
      steps: [
        step("add", ["bias", "y"], "biased"),
        rescaleBy(u8),
        step("lut", ["narrow", "table8"], "end"),
      ],
    },
    {
      name: "bias, rescale, clamp, lut.interpolate, lut",
      steps: [
        bias,
        rescale(i16),
        step("clamp", ["narrow"], "clamped", { lo: -9_000n, hi: 9_000n }),
        step("lut.interpolate", ["clamped", "table16"], "curved", {
          segmentsLog2: 6,
          guardBits: 5,
          dtype: "i8",
        }),
        step("lut", ["curved", "table8"], "end"),
      ],
    },
    {
      name: "bias, rescale, residual, mul by itself",
      steps: [
        bias,
        rescale(i16),
        step("rescale.add", ["narrow", "narrow"], "sum", {
          aMultiplier: 3,
          bMultiplier: -2,
          shift: 1,
          ...i16,
        }),
        step("mul", ["sum", "narrow"], "end"),
      ],
    },
    {
      name: "sub, max, reshape, transpose",
      steps: [
        step("sub", ["y", "bias"], "biased"),
        step("max", ["biased", "bias"], "most"),
        step("reshape", ["most"], "flat", { dims: [-1, c.channels] }),
        step("transpose", ["flat"], "end", { perm: [1, 0] }),
      ],
    },
  ];
  return list.map((tail) => ({ ...tail, names: ["y", ...tail.steps.map(({ to }) => to)] }));
}

export function describeChains(backend: TheBackend): void {
  describe("chains", () => {
    for (const c of contractions(new SeededRandom(61))) {
      it(c.title, () => {
        const random = new SeededRandom(62);
        for (const tail of tails(c)) {
          const used = new Set(tail.steps.flatMap(({ from }) => from));
          const inputs = Object.fromEntries(
            Object.entries({
              bias: random.tensor(c.accumulator, [c.channels], -5_000_000n, 5_000_000n),
              multiplier: random.tensor("i32", [c.channels], 1n << 20n, (1n << 31n) - 1n),
              shift: random.tensor("i8", [c.channels], 30n, 62n),
              table8: random.tensor("i8", [256]),
              table16: random.tensor("i32", [65], -(1n << 14n), 1n << 14n),
            }).filter(([name]) => used.has(name)),
          );
          const steps: Step[] = [
            { op: c.op, imm: c.imm, from: ["a", "b"], to: "y" },
            ...tail.steps,
          ];
          const end = tail.names[tail.names.length - 1]!;
          const all = { a: c.a, b: c.b, ...inputs };
          checkChain(backend(), all, steps, [
            [end],
            // Somebody else holds one of the intermediate tensors and reads it afterwards.
            ...tail.names.map((name) => [name, end]),
            [...tail.names, "a", "b"],
          ]);
        }
      });
    }

    it("products, rescaled at once", () => {
      const random = new SeededRandom(65);
      const outputs = [
        { dtype: "i16", zeroPoint: 0n, lo: -32_768n, hi: 32_767n },
        { dtype: "i16", zeroPoint: -9n, lo: -1_000n, hi: 32_000n },
        { dtype: "i8", zeroPoint: 5n, lo: -128n, hi: 127n },
        { dtype: "i32", zeroPoint: 0n, lo: -(1n << 30n), hi: 1n << 30n },
        { dtype: "i32", zeroPoint: 77n, lo: -(1n << 31n), hi: (1n << 31n) - 1n },
      ];
      for (const b of ["i32", "i16"] as const) {
        for (const most of [1n << 31n, 1n << 18n]) {
          for (const [multiplier, shift] of [
            [1 << 28, 62],
            [1, 33],
            [1, 32],
            [1 << 30, 62],
            [-(1 << 30), 60],
            [1_503_238_553, 62],
            [1_503_238_553, 47],
          ] as const) {
            for (const shape of [[3, 1], [3, 21], [21]]) {
              for (const output of outputs) {
                const steps: Step[] = [
                  { op: "clamp", imm: { lo: -most, hi: most - 1n }, from: ["a"], to: "x" },
                  { op: "mul.wide", imm: { accumulator: "i64" }, from: ["x", "b"], to: "y" },
                  { op: "rescale", imm: { multiplier, shift, ...output }, from: ["y"], to: "end" },
                ];
                const inputs = { a: random.tensor("i32", [3, 21]), b: random.tensor(b, shape) };
                checkChain(backend(), inputs, steps, [["end"]]);
              }
            }
          }
        }
      }
    });

    it("two consumers of one contraction", () => {
      const random = new SeededRandom(63);
      for (const c of contractions(random)) {
        const imm = { multiplier: 1_234_567_890, shift: 45, dtype: "i16", zeroPoint: 0n };
        const steps: Step[] = [
          { op: c.op, imm: c.imm, from: ["a", "b"], to: "y" },
          { op: "add", imm: {}, from: ["y", "y"], to: "twice" },
          { op: "rescale", imm: { ...imm, lo: 0n, hi: 32_767n }, from: ["y"], to: "up" },
          { op: "rescale", imm: { ...imm, lo: -32_768n, hi: 0n }, from: ["y"], to: "down" },
          { op: "add", imm: {}, from: ["up", "down"], to: "both" },
        ];
        const keeping = [
          ["both", "twice"],
          ["both", "up", "twice"],
        ];
        checkChain(backend(), { a: c.a, b: c.b }, steps, keeping);
      }
    });

    it("weights that serve several inputs, and change", () => {
      const random = new SeededRandom(64);
      const imm = { aBits: 16, bBits: 12, accumulator: "i64", ...WINDOW, groups: 1 };
      for (const seed of [1, 2]) {
        const image = (): ExactValue => random.tensor("i16", [1, 5, 4, 3 + seed]);
        const steps: Step[] = ["a", "b", "c"].map((name) => ({
          op: "conv",
          imm,
          from: [name, "w"],
          to: `${name}y`,
        }));
        const inputs = {
          a: image(),
          b: image(),
          c: image(),
          w: random.tensor("i16", [3, 3, 3 + seed, 17], -2_048n, 2_047n),
        };
        checkChain(backend(), inputs, steps, [["ay", "by", "cy"]]);
      }
    });
  });
}
