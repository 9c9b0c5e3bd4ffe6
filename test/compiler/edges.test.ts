import { describe, expect, it } from "vitest";
import type { ModelBuilder } from "../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { CompileError } from "../../src/core/errors.js";
import type { OperatorCase } from "../support/compiler/operatorCase.js";
import { sqnrDb } from "../support/compiler/operatorCase.js";

/**
 * Where formats, dtypes, shapes and graphs are unusual, against onnxruntime as in
 * `operators.test.ts`; and models that are refused, with the code of the error.
 */
const BOUND = { fx16: 60, fx16w8: 34, fx8: 28, fx32: 72 } as const;

const IMAGE = { x: [1, 4, 6, 6] };
const FLOAT32 = 1;
const BOOL = 9;
const INT8 = 3;

const reals = (b: ModelBuilder, name: string, dims: number[], values: number[]): ModelBuilder =>
  b.constant(name, tensor("float32", dims, values));
const bytes = (b: ModelBuilder, name: string, dims: number[], values: number[]): ModelBuilder =>
  b.constant(name, tensor("int8", dims, values));
const indices = (b: ModelBuilder, name: string, values: number[]): ModelBuilder =>
  b.constant(name, tensor("int64", [values.length], values));
const ramp = (count: number, step: number, from: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i * step);

/** Constant `d`, dequantised from bytes. */
const dequantized = (
  b: ModelBuilder,
  dims: number[],
  values: number[],
  scales = [0.01],
  axis = 0,
): ModelBuilder => {
  bytes(b, "q", dims, values);
  reals(b, "s", scales.length === 1 ? [] : [scales.length], scales);
  return b.node("DequantizeLinear", ["q", "s"], ["d"], { axis });
};

const INTERVALS: readonly OperatorCase[] = [
  {
    name: "the negative of what a Relu gives, clipped",
    inputs: IMAGE,
    build: (b) => {
      reals(b, "lo", [], [-0.5]).node("Relu", ["x"], ["r"]).node("Neg", ["r"], ["n"]);
      b.node("Clip", ["n", "lo"], ["y"]);
    },
  },
  {
    name: "Clip with crossed bounds gives the upper one",
    inputs: IMAGE,
    build: (b) => {
      reals(b, "lo", [], [2]);
      reals(b, "hi", [], [1]).node("Clip", ["x", "lo", "hi"], ["y"]);
    },
  },
  {
    name: "Clip with crossed bounds, taken in by a sum",
    inputs: IMAGE,
    build: (b) => {
      reals(b, "lo", [], [2]);
      reals(b, "hi", [], [1]).node("Add", ["x", "x"], ["a"]);
      b.node("Clip", ["a", "lo", "hi"], ["y"]);
    },
  },
  {
    name: "Max with a number beyond the format",
    inputs: IMAGE,
    build: (b) => {
      reals(b, "lo", [], [50]).node("Max", ["x", "lo"], ["y"]);
    },
  },
  {
    name: "Clip taken in by an extreme of one format",
    inputs: IMAGE,
    build: (b) => {
      reals(b, "lo", [], [-0.25]).node("Abs", ["x"], ["a"]).node("Neg", ["a"], ["n"]);
      b.node("Max", ["x", "n"], ["m"]).node("Clip", ["m", "lo"], ["y"]);
    },
  },
  {
    name: "Pad with a number beyond the format",
    inputs: IMAGE,
    build: (b) => {
      reals(indices(b, "p", [0, 0, 1, 1, 0, 0, 1, 1]), "v", [], [114]);
      b.node("Pad", ["x", "p", "v"], ["y"]);
    },
  },
  {
    name: "Pad with a number below what a Relu gives",
    inputs: IMAGE,
    build: (b) => {
      reals(indices(b, "p", [0, 0, 1, 1, 0, 0, 1, 1]), "v", [], [-1]);
      b.node("Relu", ["x"], ["r"]).node("Pad", ["r", "p", "v"], ["y"]);
    },
  },
  {
    name: "Pad with −∞ before a MaxPool",
    inputs: IMAGE,
    build: (b) => {
      reals(indices(b, "p", [0, 0, 1, 1, 0, 0, 1, 1]), "v", [], [-Infinity]);
      b.node("Pad", ["x", "p", "v"], ["q"]).node("MaxPool", ["q"], ["y"], { kernel_shape: [3, 3] });
    },
  },
];

const cast = (
  name: string,
  types: NonNullable<OperatorCase["types"]>,
  spread: number,
  build: (b: ModelBuilder, random: (count: number) => number[]) => void,
  inputs: OperatorCase["inputs"] = IMAGE,
): OperatorCase => ({
  name,
  inputs,
  types,
  spread,
  build: (b, random) => {
    for (const input of Object.keys(types)) b.node("Cast", [input], [`${input}f`], { to: FLOAT32 });
    build(b, random);
  },
});
const TWO = { x: [1, 4, 6, 6], z: [1, 4, 6, 6] };

const DTYPES: readonly OperatorCase[] = [
  cast("int64, Mul", { x: "int64" }, 100, (b) =>
    reals(b, "k", [], [0.375]).node("Mul", ["xf", "k"], ["y"]),
  ),
  cast("int64, Add", { x: "int64" }, 100, (b) => b.node("Add", ["xf", "z"], ["y"]), TWO),
  cast(
    "int32, beyond 16 bits, Add",
    { x: "int32" },
    1e5,
    (b) => b.node("Add", ["xf", "z"], ["y"]),
    TWO,
  ),
  cast("int32, Conv", { x: "int32" }, 100, (b, random) =>
    reals(b, "w", [2, 4, 1, 1], random(8)).node("Conv", ["xf", "w"], ["y"]),
  ),
  cast("uint8, Sub, Conv", { x: "uint8" }, 40, (b, random) =>
    reals(reals(b, "m", [1, 4, 1, 1], [100, 110, 120, 130]), "w", [2, 4, 1, 1], random(8))
      .node("Sub", ["xf", "m"], ["s"])
      .node("Conv", ["s", "w"], ["y"]),
  ),
  cast("uint8 by reals", { x: "uint8" }, 40, (b) => b.node("Mul", ["xf", "z"], ["y"]), TWO),
  cast("bool by reals", { x: "bool" }, 2, (b) => b.node("Mul", ["xf", "z"], ["y"]), TWO),
  cast("uint8, Neg", { x: "uint8" }, 40, (b) => b.node("Neg", ["xf"], ["y"])),
  cast("uint8, MatMul", { x: "uint8" }, 40, (b) => b.node("MatMul", ["xf", "z"], ["y"]), {
    x: [3, 4],
    z: [4, 3],
  }),
  cast(
    "bool by uint8",
    { x: "uint8", z: "bool" },
    40,
    (b) => b.node("MatMul", ["zf", "xf"], ["y"]),
    { x: [3, 4], z: [4, 3] },
  ),
  {
    name: "int64 to bool and on",
    inputs: IMAGE,
    types: { x: "int64" },
    build: (b) =>
      b.node("Cast", ["x"], ["b"], { to: BOOL }).node("Cast", ["b"], ["y"], { to: FLOAT32 }),
  },
];

const QUANTISED: readonly OperatorCase[] = [
  {
    name: "int8 without a zero point, Relu",
    inputs: IMAGE,
    types: { x: "int64" },
    spread: 40,
    build: (b) => {
      reals(b, "s", [], [0.125]).node("Cast", ["x"], ["q"], { to: INT8 });
      b.node("DequantizeLinear", ["q", "s"], ["d"]).node("Relu", ["d"], ["y"]);
    },
  },
  {
    name: "int32 without a zero point, Relu",
    inputs: IMAGE,
    types: { x: "int32" },
    spread: 1000,
    build: (b) => {
      reals(b, "s", [], [0.01]).node("DequantizeLinear", ["x", "s"], ["d"]);
      b.node("Relu", ["d"], ["y"]);
    },
  },
  {
    name: "int32, Conv",
    inputs: IMAGE,
    types: { x: "int32" },
    spread: 1000,
    build: (b, random) => {
      reals(b, "s", [], [0.01]).node("DequantizeLinear", ["x", "s"], ["d"]);
      reals(b, "w", [2, 4, 1, 1], random(8)).node("Conv", ["d", "w"], ["y"]);
    },
  },
  {
    name: "a quantised constant added, and an output",
    inputs: IMAGE,
    outputs: { y: "float32", d: "float32" },
    build: (b) => dequantized(b, [4, 1, 1], [10, 20, 30, -40]).node("Add", ["x", "d"], ["y"]),
  },
  {
    name: "a constant quantised by channel as a factor",
    inputs: IMAGE,
    build: (b) => {
      dequantized(b, [1, 4, 1, 1], [10, 20, 30, -40], [0.01, 0.02, 0.03, 0.04], 1);
      b.node("Mul", ["d", "x"], ["y"]);
    },
  },
  {
    name: "a quantised slope",
    inputs: IMAGE,
    build: (b) => dequantized(b, [4, 1, 1], [10, 20, 30, -40]).node("PRelu", ["x", "d"], ["y"]),
  },
  {
    name: "a quantised constant joined",
    inputs: IMAGE,
    build: (b) =>
      dequantized(b, [1, 1, 6, 6], ramp(36, 1, 0)).node("Concat", ["x", "d"], ["y"], { axis: 1 }),
  },
  {
    name: "a batch of quantised matrices",
    inputs: { x: [2, 3, 4] },
    build: (b) => dequantized(b, [2, 4, 5], ramp(40, 3, -60)).node("MatMul", ["x", "d"], ["y"]),
  },
  {
    name: "one quantised matrix as weights and as an activation",
    inputs: { x: [3, 4] },
    build: (b) => {
      dequantized(b, [4, 4], ramp(16, 7, -60)).node("MatMul", ["x", "d"], ["m"]);
      b.node("MatMul", ["d", "d"], ["dd"]).node("MatMul", ["m", "dd"], ["y"]);
    },
  },
  {
    name: "only weights quantised",
    inputs: IMAGE,
    precisions: ["fx16", "fx16w8", "fx8", "fx32"],
    build: (b) => {
      dequantized(b, [2, 4, 1, 1], [1, 2, 3, 4, -50, 6, 100, 8], [0.01, 0.02]);
      b.node("Conv", ["x", "d"], ["y"]);
    },
  },
];

const GRAPHS: readonly OperatorCase[] = [
  {
    name: "outputs that are an input, a constant and one value twice",
    inputs: IMAGE,
    outputs: { y: "float32", c: "float32", r: "float32", again: "float32" },
    build: (b) => {
      reals(b, "k", [2], [1, 2]).node("Identity", ["x"], ["y"]).node("Identity", ["k"], ["c"]);
      b.node("Relu", ["x"], ["r"]).node("Identity", ["r"], ["again"]);
    },
  },
  {
    name: "constants only",
    inputs: {},
    build: (b) => reals(b, "k", [2], [1, 2]).node("Identity", ["k"], ["y"]),
  },
  {
    name: "an input that nothing reads",
    inputs: { x: [2], z: [3] },
    build: (b) => b.node("Relu", ["x"], ["y"]),
  },
  {
    name: "a value before its activation is an output",
    inputs: IMAGE,
    outputs: { y: "float32", c: "float32" },
    build: (b, random) => {
      reals(b, "w", [2, 4, 1, 1], random(8)).node("Conv", ["x", "w"], ["c"]);
      b.node("Relu", ["c"], ["y"]);
    },
  },
  {
    name: "numbers without axes",
    inputs: { x: [], z: [] },
    build: (b) => {
      b.node("Add", ["x", "z"], ["a"]).node("Mul", ["a", "x"], ["m"]).node("Sigmoid", ["m"], ["y"]);
    },
  },
  {
    name: "a sum of no elements joined",
    inputs: { x: [0, 3], z: [2, 3] },
    build: (b) => {
      b.node("Concat", ["x", "z"], ["c"], { axis: 0 }).node("Add", ["c", "c"], ["y"]);
    },
  },
  {
    name: "dead channels and channels of bias alone",
    inputs: IMAGE,
    build: (b, random) => {
      reals(
        b,
        "w",
        [3, 4, 1, 1],
        random(12).map((v, i) => (i < 8 ? 0 : v)),
      );
      reals(b, "bias", [3], [0, 5, 1]).node("Conv", ["x", "w", "bias"], ["y"]);
    },
  },
  ...[3e-5, 1e-6, 1e-9, 1e-30].map((size) => ({
    name: `channels whose weights of ${String(size)} are little to their bias`,
    inputs: IMAGE,
    build: (b: ModelBuilder, random: (count: number) => number[]) => {
      reals(
        b,
        "w",
        [3, 4, 1, 1],
        random(12).map((v, i) => (i < 8 ? v * size : v)),
      );
      reals(b, "bias", [3], [-3, 5, 1]).node("Conv", ["x", "w", "bias"], ["y"]);
    },
  })),
  {
    name: "the same values on both sides",
    inputs: IMAGE,
    build: (b) => b.node("Mul", ["x", "x"], ["y"]),
  },
  {
    name: "BatchNormalization of rows",
    inputs: { x: [3, 4] },
    build: (b, random) => {
      for (const name of ["scale", "shift", "mean"]) reals(b, name, [4], random(4));
      reals(b, "var", [4], [1, 2, 3, 0.5]);
      b.node("BatchNormalization", ["x", "scale", "shift", "mean", "var"], ["y"]);
    },
  },
  {
    name: "Softmax over several axes",
    opset: 11,
    inputs: IMAGE,
    build: (b) => b.node("Softmax", ["x"], ["y"], { axis: 1 }),
  },
  {
    name: "more places than a call takes arguments: AveragePool",
    inputs: { x: [1, 1, 400, 400] },
    precisions: ["fx16"],
    build: (b) => b.node("AveragePool", ["x"], ["y"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  },
  {
    name: "more places than a call takes arguments: MatMul",
    inputs: { x: [1, 2] },
    precisions: ["fx16"],
    build: (b, random) =>
      reals(b, "w", [2, 140_000], random(280_000)).node("MatMul", ["x", "w"], ["y"]),
  },
];

describe("edges against onnxruntime", () => {
  for (const test of [...INTERVALS, ...DTYPES, ...QUANTISED, ...GRAPHS]) {
    for (const precision of test.precisions ?? (["fx16", "fx32"] as const)) {
      it(`${test.name}, ${precision}`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(BOUND[precision]);
      });
    }
  }
});

const REFUSED: readonly (OperatorCase & { readonly code: string })[] = [
  {
    name: "weights of scale 0",
    code: "BadQuantisation",
    inputs: IMAGE,
    build: (b) =>
      dequantized(b, [2, 4, 1, 1], [1, 2, 3, 4, 0, 0, 0, 0], [0.01, 0]).node(
        "Conv",
        ["x", "d"],
        ["y"],
      ),
  },
  {
    name: "activations of scale 0",
    code: "BadQuantisation",
    inputs: IMAGE,
    build: (b) => {
      reals(b, "s", [], [0]).node("QuantizeLinear", ["x", "s"], ["q"]);
      b.node("DequantizeLinear", ["q", "s"], ["y"]);
    },
  },
  {
    name: "an infinite constant",
    code: "NotFinite",
    inputs: IMAGE,
    build: (b) =>
      reals(b, "k", [6], [0, 0, 0, 0, 0, -Infinity])
        .node("Add", ["x", "k"], ["a"])
        .node("Tanh", ["a"], ["y"]),
  },
  {
    name: "weights that are NaN",
    code: "NotFinite",
    inputs: IMAGE,
    build: (b) => reals(b, "w", [1, 4, 1, 1], [0, NaN, 1, 2]).node("Conv", ["x", "w"], ["y"]),
  },
];

describe("models that are refused", () => {
  for (const test of REFUSED) {
    it(`${test.name}: ${test.code}`, async () => {
      const error: unknown = await sqnrDb(test, "fx16").catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(CompileError);
      expect(error).toMatchObject({ code: test.code });
    });
  }
});
