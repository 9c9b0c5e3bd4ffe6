import { describe, expect, it } from "vitest";
import type { AttributeValue } from "../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../support/compiler/operatorCase.js";
import { sqnrDb } from "../support/compiler/operatorCase.js";

/**
 * Every operator that is lowered, alone or with what fuses into it, against onnxruntime-web,
 * calibrated on the samples it is tested on. The bounds are signal to noise in dB. Normal values
 * reach some 4 times their root mean square: with a headroom of 2 in 16 bits a rounding is 83 dB
 * down, with weights of 12 bits and a function that narrows its argument no less than 60 is left;
 * 8 bits without headroom round at 41 dB, twice, and functions amplify that.
 */
const BOUND = { fx16: 60, fx16w8: 34, fx8: 28, fx32: 72 } as const;

const unary = (
  op: string,
  attributes: Record<string, AttributeValue> = {},
  spread = 4,
): OperatorCase => ({
  name: op,
  inputs: { x: [1, 3, 5, 7] },
  spread,
  build: (b) => b.node(op, ["x"], ["y"], attributes),
});
const binary = (op: string, a: number[], b: number[]): OperatorCase => ({
  name: `${op} [${String(a)}] [${String(b)}]`,
  inputs: { a, b },
  build: (m) => m.node(op, ["a", "b"], ["y"]),
});
const conv = (
  name: string,
  x: number[],
  w: number[],
  attributes: Record<string, AttributeValue>,
  after: readonly string[] = [],
): OperatorCase => ({
  name,
  inputs: { x },
  precisions: ["fx16", "fx16w8", "fx8", "fx32"],
  build: (b, random) => {
    b.constant(
      "w",
      tensor(
        "float32",
        w,
        random(
          w.reduce((p, d) => p * d, 1),
          0.5,
        ),
      ),
    );
    b.constant("bias", tensor("float32", [w[0]!], random(w[0]!)));
    const names = ["c", ...after.map((_, i) => `c${String(i)}`)];
    names[names.length - 1] = "y";
    b.node("Conv", ["x", "w", "bias"], [names[0]!], attributes);
    after.forEach((op, i) => b.node(op, [names[i]!], [names[i + 1]!]));
  },
});

const CASES: readonly OperatorCase[] = [
  conv("Conv 3×3, padded", [2, 3, 8, 9], [5, 3, 3, 3], { pads: [1, 1, 1, 1] }),
  conv("Conv 1×1", [1, 8, 5, 5], [4, 8, 1, 1], {}),
  conv("Conv, strides, dilations, uneven pads", [1, 2, 11, 12], [3, 2, 3, 2], {
    strides: [2, 3],
    dilations: [2, 1],
    pads: [0, 1, 2, 0],
  }),
  conv("Conv, depthwise", [1, 6, 9, 9], [6, 1, 3, 3], { group: 6, pads: [1, 1, 1, 1] }),
  conv("Conv, groups", [1, 6, 7, 7], [4, 3, 3, 3], { group: 2 }),
  conv("Conv, 1-D", [2, 3, 12], [4, 3, 5], { pads: [2, 2] }),
  conv("Conv, 3-D", [1, 2, 5, 5, 5], [3, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }),
  conv("Conv then Relu", [1, 3, 8, 8], [5, 3, 3, 3], {}, ["Relu"]),
  conv("Conv then Sigmoid", [1, 3, 8, 8], [5, 3, 3, 3], {}, ["Sigmoid"]),
  conv("Conv then Tanh", [1, 3, 8, 8], [5, 3, 3, 3], {}, ["Tanh"]),
  conv("Conv, Tanh, Relu", [1, 3, 8, 8], [5, 3, 3, 3], {}, ["Tanh", "Relu"]),
  {
    name: "Conv, SiLU, depthwise Conv over quiet channels",
    inputs: { x: [1, 2, 8, 8] },
    precisions: ["fx16"],
    build: (b, random) => {
      const quiet = random(4 * 2 * 9).map(
        (v, i) => v * [1, 1 / 50, 1 / 100, 8][Math.floor(i / 18)]!,
      );
      b.constant("w", tensor("float32", [4, 2, 3, 3], quiet));
      b.node("Conv", ["x", "w"], ["c"], { pads: [1, 1, 1, 1] });
      b.node("Sigmoid", ["c"], ["s"]);
      b.node("Mul", ["c", "s"], ["m"]);
      const loud = random(4 * 9).map((v, i) => v * [1, 50, 100, 1 / 8][Math.floor(i / 9)]!);
      b.constant("d", tensor("float32", [4, 1, 3, 3], loud));
      b.node("Conv", ["m", "d"], ["y"], { group: 4 });
    },
  },
  {
    name: "Conv, BatchNormalization, Clip",
    inputs: { x: [1, 3, 6, 6] },
    build: (b, random) => {
      b.constant("w", tensor("float32", [4, 3, 3, 3], random(108, 0.3)));
      for (const n of ["scale", "shift", "mean"]) b.constant(n, tensor("float32", [4], random(4)));
      b.constant(
        "var",
        tensor(
          "float32",
          [4],
          random(4).map((v) => 0.5 + Math.abs(v)),
        ),
      );
      b.constant("lo", tensor("float32", [], [-0.5]));
      b.constant("hi", tensor("float32", [], [0.75]));
      b.node("Conv", ["x", "w"], ["c"]);
      b.node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"]);
      b.node("Clip", ["n", "lo", "hi"], ["y"]);
    },
  },
  {
    name: "Gemm, transposed, alpha, beta",
    inputs: { x: [3, 8] },
    build: (b, random) => {
      b.constant("w", tensor("float32", [5, 8], random(40)));
      b.constant("c", tensor("float32", [5], random(5)));
      b.node("Gemm", ["x", "w", "c"], ["y"], { transB: 1, alpha: 0.5, beta: 1.5 });
    },
  },
  {
    name: "MatMul by a constant, then Add",
    inputs: { x: [2, 3, 8] },
    build: (b, random) => {
      b.constant("w", tensor("float32", [8, 5], random(40)));
      b.constant("c", tensor("float32", [5], random(5)));
      b.node("MatMul", ["x", "w"], ["m"]).node("Add", ["m", "c"], ["y"]);
    },
  },
  binary("MatMul", [2, 3, 8], [2, 8, 4]),
  binary("MatMul", [3, 8], [2, 8, 4]),
  binary("Add", [2, 3, 4], [2, 3, 4]),
  binary("Add", [2, 3, 4], [4]),
  binary("Sub", [2, 3, 1], [1, 4]),
  binary("Mul", [2, 3, 4], [3, 1]),
  binary("Max", [2, 5], [2, 5]),
  binary("Min", [2, 5], [5]),
  {
    name: "Sum of three",
    inputs: { a: [2, 5], b: [2, 5], c: [5] },
    build: (b) => b.node("Sum", ["a", "b", "c"], ["y"]),
  },
  {
    name: "residual block",
    inputs: { x: [1, 4, 6, 6] },
    build: (b, random) => {
      b.constant("w", tensor("float32", [4, 4, 3, 3], random(144, 0.4)));
      b.node("Conv", ["x", "w"], ["c"], { pads: [1, 1, 1, 1] });
      b.node("Add", ["c", "x"], ["a"]).node("Relu", ["a"], ["y"]);
    },
  },
  unary("Relu"),
  unary("LeakyRelu", { alpha: 0.125 }),
  unary("Sigmoid"),
  unary("Tanh"),
  unary("Exp", {}, 2),
  unary("Erf"),
  unary("Softplus"),
  unary("HardSwish"),
  unary("HardSigmoid"),
  unary("Elu"),
  unary("Abs"),
  unary("Neg"),
  unary("Softmax", { axis: 1 }),
  unary("Softmax", { axis: 3 }),
  unary("Transpose", { perm: [0, 2, 3, 1] }),
  unary("MaxPool", { kernel_shape: [2, 3], strides: [2, 2], pads: [0, 1, 1, 1] }),
  unary("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  unary("AveragePool", { kernel_shape: [2, 2] }),
  unary("AveragePool", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  unary("AveragePool", { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
  unary("GlobalAveragePool"),
  unary("GlobalMaxPool"),
  unary("ReduceMean", { axes: [1, 2], keepdims: 0 }),
  unary("ReduceMax", { axes: [2] }),
  unary("Flatten", { axis: 2 }),
  {
    name: "PRelu",
    inputs: { x: [1, 3, 5, 7] },
    build: (b) => {
      b.constant("slope", tensor("float32", [3, 1, 1], [0.25, -0.5, 2]));
      b.node("PRelu", ["x", "slope"], ["y"]);
    },
  },
  {
    name: "Concat of different scales into a Conv",
    inputs: { x: [1, 2, 5, 5], z: [1, 3, 5, 5] },
    build: (b, random) => {
      b.constant("k", tensor("float32", [], [20]));
      b.constant("w", tensor("float32", [4, 5, 1, 1], random(20)));
      b.node("Mul", ["x", "k"], ["xk"]).node("Concat", ["xk", "z"], ["c"], { axis: 1 });
      b.node("Conv", ["c", "w"], ["y"]);
    },
  },
  {
    name: "Concat, Slice, Reshape",
    inputs: { x: [2, 3, 4], z: [2, 3, 4] },
    build: (b) => {
      b.constant("starts", tensor("int64", [2], [3, 0]));
      b.constant("ends", tensor("int64", [2], [-100, 2]));
      b.constant("axes", tensor("int64", [2], [2, 0]));
      b.constant("steps", tensor("int64", [2], [-2, 1]));
      b.constant("shape", tensor("int64", [2], [0, -1]));
      b.node("Concat", ["x", "z"], ["c"], { axis: 1 });
      b.node("Slice", ["c", "starts", "ends", "axes", "steps"], ["s"]);
      b.node("Reshape", ["s", "shape"], ["y"]);
    },
  },
  {
    name: "Pad, Gather",
    inputs: { x: [1, 2, 4, 4] },
    build: (b) => {
      b.constant("pads", tensor("int64", [8], [0, 0, 1, 2, 0, 1, 0, 0]));
      b.constant("fill", tensor("float32", [], [0.5]));
      b.constant("indices", tensor("int64", [3], [2, -1, 0]));
      b.node("Pad", ["x", "pads", "fill"], ["p"]).node("Gather", ["p", "indices"], ["y"], {
        axis: 1,
      });
    },
  },
  ...["half_pixel", "asymmetric", "align_corners"].flatMap((mode): OperatorCase[] =>
    ["nearest", "linear"].map((kind) => ({
      name: `Resize ${kind} ${mode}`,
      inputs: { x: [1, 2, 4, 5] },
      build: (b) => {
        b.constant("scales", tensor("float32", [4], [1, 1, 2, 3]));
        b.node("Resize", ["x", "", "scales"], ["y"], {
          mode: kind,
          coordinate_transformation_mode: mode,
          ...(kind === "nearest" ? { nearest_mode: "floor" } : {}),
        });
      },
    })),
  ),
];

describe("operators against onnxruntime", () => {
  for (const test of CASES) {
    for (const precision of test.precisions ?? (["fx16", "fx32"] as const)) {
      it(`${test.name}, ${precision}`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(BOUND[precision]);
      });
    }
  }
});
