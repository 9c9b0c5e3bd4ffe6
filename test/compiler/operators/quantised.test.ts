import { describe, expect, it } from "vitest";
import type { AttributeValue, ModelBuilder } from "../../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/**
 * Operators of quantised models against onnxruntime-web. Where scales are powers of two, or all is
 * integers, results are equal: `EXACT`. Else the two may round a tie apart: one step of 8 bits in
 * some hundred elements is 60 dB down. Reals that come from 8-bit integers have those as the float
 * model has them, and lose what the profile rounds.
 */
const EXACT = Infinity;

interface Case extends OperatorCase {
  readonly atLeast: number;
}

const CONTRIB = { domain: "com.microsoft" };
const floats = (b: ModelBuilder, name: string, dims: number[], values: number[]): ModelBuilder =>
  b.constant(name, tensor("float32", dims, values));
const bytes = (
  b: ModelBuilder,
  name: string,
  dims: number[],
  values: number[],
  type: "uint8" | "int8" = "uint8",
): ModelBuilder => b.constant(name, tensor(type, dims, values));
const scale = (b: ModelBuilder, name: string, value: number, zero = 0): ModelBuilder =>
  bytes(floats(b, name, [], [value]), `${name}z`, [], [zero]);
const int8s = (random: (count: number, spread?: number) => number[], count: number): number[] =>
  random(count, 40).map((v) => Math.max(Math.min(Math.round(v), 127), -128));

/** `op` of com.microsoft on bytes, quantised by 0.05 about 120, to bytes by 0.1 about 100. */
const contribUnary = (op: string, attributes: Record<string, AttributeValue> = {}): Case => ({
  name: op,
  atLeast: 55,
  inputs: { x: [1, 3, 4, 6] },
  types: { x: "uint8" },
  spread: 40,
  outputs: { y: "uint8" },
  build: (b) => {
    scale(b, "s", 0.05, 120);
    scale(b, "t", 0.1, 100);
    b.node(op, ["x", "s", "sz", "t", "tz"], ["y"], attributes, CONTRIB);
  },
});
const contribBinary = (op: string): Case => ({
  name: op,
  atLeast: 55,
  inputs: { a: [1, 3, 4], x: [2, 3, 1] },
  types: { a: "uint8", x: "uint8" },
  spread: 40,
  outputs: { y: "uint8" },
  build: (b) => {
    scale(b, "s", 0.05, 120);
    scale(b, "r", 0.03, 130);
    scale(b, "t", 0.2, 100);
    b.node(op, ["a", "s", "sz", "x", "r", "rz", "t", "tz"], ["y"], {}, CONTRIB);
  },
});

const CASES: readonly Case[] = [
  {
    name: "QuantizeLinear under a scale known at run time",
    atLeast: 60,
    inputs: { x: [3, 40], s: [] },
    outputs: { y: "uint8" },
    build: (b) => {
      bytes(b, "z", [], [100]);
      floats(b, "k", [], [0.01]);
      b.node("Abs", ["s"], ["m"]).node("Add", ["m", "k"], ["t"]);
      b.node("QuantizeLinear", ["x", "t", "z"], ["y"]);
    },
  },
  {
    name: "QuantizeLinear by channel, its ties",
    atLeast: EXACT,
    inputs: { x: [2, 3, 30] },
    types: { x: "int64" },
    spread: 20,
    outputs: { y: "uint8" },
    build: (b) => {
      floats(b, "s", [3], [2, 4, 5]);
      bytes(b, "z", [3], [128, 7, 200]);
      b.node("Cast", ["x"], ["f"], { to: 1 });
      b.node("QuantizeLinear", ["f", "s", "z"], ["y"], { axis: 1 });
    },
  },
  {
    name: "QuantizeLinear, ties under a power of two",
    atLeast: EXACT,
    inputs: { x: [2, 60] },
    types: { x: "int64" },
    spread: 30,
    outputs: { y: "uint8" },
    build: (b) => {
      scale(b, "s", 2, 128);
      b.node("Cast", ["x"], ["f"], { to: 1 });
      b.node("QuantizeLinear", ["f", "s", "sz"], ["y"]);
    },
  },
  {
    name: "activations quantised by channel and back",
    atLeast: 75,
    inputs: { x: [1, 4, 6, 6] },
    build: (b) => {
      floats(b, "s", [4], [0.1, 0.2, 0.3, 0.4]).node("QuantizeLinear", ["x", "s"], ["q"]);
      b.node("DequantizeLinear", ["q", "s"], ["y"]);
    },
  },
  {
    name: "DequantizeLinear by channel with zero points, under scales known at run time",
    atLeast: 75,
    inputs: { x: [2, 4, 5], s: [4] },
    types: { x: "uint8" },
    spread: 30,
    build: (b) => {
      bytes(b, "z", [4], [120, 130, 0, 255]);
      b.node("DequantizeLinear", ["x", "s", "z"], ["y"], { axis: 1 });
    },
  },
  {
    name: "DequantizeLinear by blocks",
    atLeast: 75,
    opset: 21,
    inputs: { x: [4, 6] },
    types: { x: "uint8" },
    spread: 30,
    build: (b) => {
      floats(b, "s", [2, 6], [1, 2, 3, 4, 5, 6, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
      bytes(b, "z", [2, 6], [120, 130, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8]);
      b.node("DequantizeLinear", ["x", "s", "z"], ["y"], { axis: 0, block_size: 2 });
    },
  },
  {
    name: "weights quantised by blocks",
    atLeast: 60,
    opset: 21,
    inputs: { x: [3, 8] },
    build: (b, random) => {
      bytes(b, "w", [8, 5], int8s(random, 40), "int8");
      floats(
        b,
        "s",
        [2, 5],
        random(10).map((v) => 0.01 + Math.abs(v)),
      );
      b.node("DequantizeLinear", ["w", "s"], ["d"], { axis: 0, block_size: 4 });
      b.node("MatMul", ["x", "d"], ["y"]);
    },
  },
  {
    name: "DynamicQuantizeLinear of the model's input",
    atLeast: EXACT,
    inputs: { x: [5, 40] },
    outputs: { y: "uint8", z: "uint8" },
    build: (b) => b.node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"]),
  },
  {
    name: "DynamicQuantizeLinear's scale",
    atLeast: 100,
    inputs: { x: [5, 40] },
    build: (b) => b.node("DynamicQuantizeLinear", ["x"], ["q", "y", "z"]),
  },
  {
    name: "a product as quantize_dynamic writes it",
    atLeast: 45,
    inputs: { x: [2, 4, 16] },
    build: (b, random) => {
      bytes(b, "w", [16, 6], int8s(random, 96), "int8");
      bytes(b, "wz", [], [0], "int8");
      floats(b, "ws", [], [0.02]);
      floats(b, "bias", [6], random(6));
      b.node("Relu", ["x"], ["r"]);
      b.node("DynamicQuantizeLinear", ["r"], ["q", "s", "z"]);
      b.node("MatMulInteger", ["q", "w", "z", "wz"], ["m"]);
      b.node("Cast", ["m"], ["f"], { to: 1 }).node("Mul", ["s", "ws"], ["sw"]);
      b.node("Mul", ["f", "sw"], ["p"]).node("Add", ["p", "bias"], ["y"]);
    },
  },
  {
    name: "a convolution as quantize_dynamic writes it",
    atLeast: 45,
    inputs: { x: [1, 3, 6, 6] },
    build: (b, random) => {
      bytes(b, "w", [4, 3, 3, 3], int8s(random, 108));
      b.constant(
        "v",
        tensor(
          "uint8",
          [4, 3, 3, 3],
          int8s(random, 108).map((v) => v + 128),
        ),
      );
      bytes(b, "wz", [], [128]);
      floats(b, "ws", [], [0.02]);
      b.node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]);
      b.node("ConvInteger", ["q", "v", "z", "wz"], ["m"], { pads: [1, 1, 1, 1] });
      b.node("Cast", ["m"], ["f"], { to: 1 }).node("Mul", ["s", "ws"], ["sw"]);
      b.node("Mul", ["f", "sw"], ["y"]);
    },
  },
  {
    name: "MatMulInteger of two computed matrices",
    atLeast: 75,
    inputs: { a: [2, 3, 8], x: [2, 8, 4] },
    types: { a: "uint8", x: "uint8" },
    spread: 30,
    build: (b) => {
      bytes(b, "az", [], [120]);
      bytes(b, "xz", [], [131]);
      b.node("MatMulInteger", ["a", "x", "az", "xz"], ["m"]).node("Cast", ["m"], ["y"], { to: 1 });
    },
  },
  {
    name: "MatMulInteger by a constant with a zero point for each column",
    atLeast: 75,
    inputs: { x: [5, 8] },
    types: { x: "uint8" },
    spread: 30,
    build: (b, random) => {
      bytes(b, "w", [8, 4], int8s(random, 32), "int8");
      bytes(b, "xz", [], [120]);
      bytes(b, "wz", [4], [1, -2, 100, -128], "int8");
      b.node("MatMulInteger", ["x", "w", "xz", "wz"], ["m"]).node("Cast", ["m"], ["y"], { to: 1 });
    },
  },
  {
    name: "ConvInteger with padding and strides",
    atLeast: 75,
    inputs: { x: [1, 3, 7, 7] },
    types: { x: "uint8" },
    spread: 30,
    build: (b, random) => {
      bytes(
        b,
        "w",
        [4, 3, 3, 3],
        int8s(random, 108).map((v) => v + 128),
      );
      bytes(b, "xz", [], [120]);
      bytes(b, "wz", [], [127]);
      b.node("ConvInteger", ["x", "w", "xz", "wz"], ["m"], { pads: [1, 0, 1, 2], strides: [2, 1] });
      b.node("Cast", ["m"], ["y"], { to: 1 });
    },
  },
  {
    name: "QLinearConv by channel with a bias",
    atLeast: 60,
    inputs: { x: [1, 3, 7, 7] },
    types: { x: "uint8" },
    spread: 30,
    outputs: { y: "uint8" },
    build: (b, random) => {
      bytes(b, "w", [4, 3, 3, 3], int8s(random, 108), "int8");
      scale(b, "s", 0.02, 125);
      floats(b, "ws", [4], [0.01, 0.02, 0.005, 0.03]);
      bytes(b, "wz", [4], [0, 0, 0, 0], "int8");
      scale(b, "t", 0.11, 110);
      b.constant("bias", tensor("int32", [4], [300, -200, 4000, 0]));
      const inputs = ["x", "s", "sz", "w", "ws", "wz", "t", "tz", "bias"];
      b.node("QLinearConv", inputs, ["y"], { pads: [1, 1, 1, 1] });
    },
  },
  {
    name: "QLinearMatMul, saturating",
    atLeast: 60,
    inputs: { x: [4, 8] },
    types: { x: "uint8" },
    spread: 30,
    outputs: { y: "uint8" },
    build: (b, random) => {
      bytes(b, "w", [8, 5], int8s(random, 40), "int8");
      scale(b, "s", 0.05, 125);
      floats(b, "ws", [], [0.05]);
      bytes(b, "wz", [], [3], "int8");
      scale(b, "t", 0.1, 128);
      b.node("QLinearMatMul", ["x", "s", "sz", "w", "ws", "wz", "t", "tz"], ["y"]);
    },
  },
  {
    name: "QLinearMatMul under scales known at run time",
    atLeast: 55,
    inputs: { x: [4, 8], r: [] },
    types: { x: "uint8" },
    spread: 30,
    outputs: { y: "uint8" },
    build: (b, random) => {
      bytes(b, "w", [8, 5], int8s(random, 40), "int8");
      floats(b, "tiny", [], [0.002]);
      floats(b, "least", [], [0.05]);
      b.node("Abs", ["r"], ["m"]).node("Mul", ["m", "tiny"], ["n"]);
      b.node("Add", ["n", "least"], ["s"]);
      bytes(b, "sz", [], [125]);
      floats(b, "ws", [], [0.05]);
      bytes(b, "wz", [], [3], "int8");
      scale(b, "t", 0.7, 128);
      b.node("QLinearMatMul", ["x", "s", "sz", "w", "ws", "wz", "t", "tz"], ["y"]);
    },
  },
  contribBinary("QLinearAdd"),
  contribBinary("QLinearMul"),
  contribUnary("QLinearSigmoid"),
  contribUnary("QLinearLeakyRelu", { alpha: 0.125 }),
  contribUnary("QLinearGlobalAveragePool"),
  contribUnary("QLinearAveragePool", { kernel_shape: [2, 2] }),
  {
    name: "QLinearConcat",
    atLeast: 55,
    inputs: { a: [2, 3], x: [2, 5] },
    types: { a: "uint8", x: "uint8" },
    spread: 40,
    outputs: { y: "uint8" },
    build: (b) => {
      scale(b, "s", 0.05, 120);
      scale(b, "r", 0.03, 130);
      scale(b, "t", 0.1, 100);
      const inputs = ["t", "tz", "a", "s", "sz", "x", "r", "rz"];
      b.node("QLinearConcat", inputs, ["y"], { axis: 1 }, CONTRIB);
    },
  },
  {
    name: "QGemm",
    atLeast: 55,
    inputs: { x: [4, 8] },
    types: { x: "uint8" },
    spread: 30,
    outputs: { y: "uint8" },
    build: (b, random) => {
      bytes(b, "w", [5, 8], int8s(random, 40), "int8");
      scale(b, "s", 0.05, 125);
      floats(b, "ws", [], [0.05]);
      bytes(b, "wz", [], [3], "int8");
      b.constant("bias", tensor("int32", [5], [300, -200, 4000, 0, 7]));
      scale(b, "t", 0.4, 128);
      const inputs = ["x", "s", "sz", "w", "ws", "wz", "bias", "t", "tz"];
      b.node("QGemm", inputs, ["y"], { transB: 1 }, CONTRIB);
    },
  },
  {
    name: "DynamicQuantizeMatMul",
    atLeast: 45,
    inputs: { x: [4, 8] },
    build: (b, random) => {
      bytes(b, "w", [8, 5], int8s(random, 40), "int8");
      floats(b, "ws", [], [0.05]);
      bytes(b, "wz", [], [3], "int8");
      floats(b, "bias", [5], random(5));
      b.node("DynamicQuantizeMatMul", ["x", "w", "ws", "wz", "bias"], ["y"], {}, CONTRIB);
    },
  },
  {
    name: "MatMulIntegerToFloat",
    atLeast: 60,
    inputs: { x: [4, 8], s: [] },
    types: { x: "uint8" },
    spread: 30,
    build: (b, random) => {
      bytes(b, "w", [8, 5], int8s(random, 40), "int8");
      floats(b, "ws", [5], [0.05, 0.1, 0.2, 0.3, 0.4]);
      bytes(b, "xz", [], [120]);
      bytes(b, "wz", [5], [3, 2, 1, 0, -1], "int8");
      const inputs = ["x", "w", "s", "ws", "xz", "wz"];
      b.node("MatMulIntegerToFloat", inputs, ["y"], {}, CONTRIB);
    },
  },
  {
    name: "FusedMatMul",
    atLeast: 60,
    inputs: { a: [2, 8, 3], x: [2, 4, 8] },
    build: (b) =>
      b.node("FusedMatMul", ["a", "x"], ["y"], { transA: 1, transB: 1, alpha: 0.25 }, CONTRIB),
  },
  {
    name: "FusedConv with a sum and a Relu",
    atLeast: 60,
    inputs: { x: [1, 3, 6, 6], z: [1, 4, 4, 4] },
    build: (b, random) => {
      floats(b, "w", [4, 3, 3, 3], random(108, 0.3)).constant(
        "bias",
        tensor("float32", [4], random(4)),
      );
      b.node("FusedConv", ["x", "w", "bias", "z"], ["y"], { activation: "Relu" }, CONTRIB);
    },
  },
  {
    name: "FusedConv, LeakyRelu",
    atLeast: 60,
    inputs: { x: [1, 3, 6, 6] },
    build: (b, random) => {
      floats(b, "w", [4, 3, 3, 3], random(108, 0.3));
      const attributes = { activation: "LeakyRelu", activation_params: [0.125] };
      b.node("FusedConv", ["x", "w"], ["y"], attributes, CONTRIB);
    },
  },
  {
    name: "FusedGemm",
    atLeast: 60,
    inputs: { x: [3, 8] },
    build: (b, random) => {
      floats(b, "w", [8, 4], random(32)).constant("bias", tensor("float32", [4], random(4)));
      const attributes = { activation: "LeakyRelu", activation_alpha: 0.125 };
      b.node("FusedGemm", ["x", "w", "bias"], ["y"], attributes, CONTRIB);
    },
  },
  ...["Gelu", "QuickGelu", "FastGelu"].map((op): Case => ({
    name: op,
    atLeast: 60,
    inputs: { x: [4, 10] },
    build: (b) => b.node(op, ["x"], ["y"], {}, CONTRIB),
  })),
  {
    name: "BiasGelu",
    atLeast: 60,
    inputs: { x: [4, 10] },
    build: (b, random) => {
      floats(b, "bias", [10], random(10));
      b.node("BiasGelu", ["x", "bias"], ["y"], {}, CONTRIB);
    },
  },
  ...([4, 8] as const).map((bits): Case => ({
    name: `MatMulNBits, ${String(bits)} bits`,
    atLeast: 60,
    inputs: { x: [3, 32] },
    build: (b, random) => {
      const [columns, blocks, blob] = [4, 2, (16 * bits) / 8];
      const packed = random(columns * blocks * blob, 70).map((v) => Math.round(Math.abs(v)) & 255);
      bytes(b, "w", [columns, blocks, blob], packed);
      floats(
        b,
        "s",
        [columns * blocks],
        random(columns * blocks).map((v) => 0.01 + Math.abs(v)),
      );
      const attributes = { K: 32, N: 4, bits, block_size: 16 };
      b.node("MatMulNBits", ["x", "w", "s"], ["y"], attributes, CONTRIB);
    },
  })),
];

describe("operators of quantised models against onnxruntime", () => {
  for (const test of CASES) {
    for (const precision of ["fx16", "fx32"] as const) {
      it(`${test.name}, ${precision}`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(test.atLeast);
      });
    }
  }
});
