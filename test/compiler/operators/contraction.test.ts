import { describe, expect, it } from "vitest";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { Normal, OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/** Bounds as in operators.test.ts: roundings of both operands and of the result. */
const BOUND = { fx16: 60, fx32: 90 } as const;

const constant = (random: Normal, dims: readonly number[], spread = 1) =>
  tensor(
    "float32",
    dims,
    random(
      dims.reduce((p, d) => p * d, 1),
      spread,
    ),
  );

/** A convolution with a kernel and bias of constants, and one that computes them. */
const convolutions = (
  op: string,
  name: string,
  x: number[],
  w: number[],
  outputs: number,
  attributes: Record<string, AttributeValue>,
): OperatorCase[] => [
  {
    name: `${op}, ${name}`,
    inputs: { x },
    build: (b, random) => {
      b.constant("w", constant(random, w, 0.5)).constant("b", constant(random, [outputs]));
      b.node(op, ["x", "w", "b"], ["y"], attributes);
    },
  },
  {
    name: `${op}, ${name}, computed kernel`,
    inputs: { x, w, b: [outputs] },
    build: (b) => b.node(op, ["x", "w", "b"], ["y"], attributes),
  },
];

const transpose = (
  name: string,
  x: number[],
  w: number[],
  attributes: Record<string, AttributeValue> & { group?: number },
): OperatorCase[] =>
  convolutions("ConvTranspose", name, x, w, w[1]! * (attributes.group ?? 1), attributes);

const gemm = (
  name: string,
  inputs: Record<string, number[]>,
  attributes: Record<string, AttributeValue>,
): OperatorCase => ({
  name: `Gemm, ${name}`,
  inputs,
  build: (b) => b.node("Gemm", Object.keys(inputs), ["y"], attributes),
});

const matmul = (a: number[], b: number[]): OperatorCase => ({
  name: `MatMul [${String(a)}] [${String(b)}]`,
  inputs: { a, b },
  build: (m) => m.node("MatMul", ["a", "b"], ["y"]),
});

const CASES: readonly OperatorCase[] = [
  ...transpose("1-D, strides beyond the kernel", [2, 3, 5], [3, 2, 2], { strides: [3] }),
  ...transpose("2-D, strides, pads, output padding", [1, 3, 5, 4], [3, 2, 3, 3], {
    strides: [2, 3],
    pads: [1, 0, 2, 1],
    output_padding: [1, 2],
  }),
  ...transpose("dilations, groups", [1, 4, 4, 5], [4, 3, 2, 3], {
    dilations: [2, 1],
    group: 2,
    strides: [1, 2],
  }),
  ...transpose("pads that cut beyond the kernel", [1, 2, 6, 6], [2, 2, 2, 2], {
    pads: [3, 2, 2, 3],
  }),
  ...transpose("output shape", [1, 2, 3, 3], [2, 3, 3, 3], {
    strides: [3, 2],
    output_shape: [10, 8],
  }),
  ...transpose("SAME_UPPER", [1, 1, 3, 3], [1, 2, 3, 3], {
    auto_pad: "SAME_UPPER",
    strides: [2, 2],
  }),
  ...transpose("3-D", [1, 2, 2, 3, 2], [2, 2, 3, 2, 2], { strides: [2, 1, 2] }),
  ...convolutions("Conv", "groups, strides, pads", [2, 4, 7, 6], [6, 2, 3, 2], 6, {
    group: 2,
    strides: [2, 1],
    pads: [1, 0, 1, 1],
  }),
  ...convolutions("Conv", "1-D, dilations", [1, 3, 9], [2, 3, 3], 2, { dilations: [2] }),
  ...convolutions("Conv", "3-D", [1, 2, 4, 4, 3], [3, 2, 2, 2, 3], 3, {}),
  gemm("two computed matrices", { a: [3, 5], b: [5, 4] }, {}),
  gemm(
    "transposed, alpha, beta, a column",
    { a: [5, 3], b: [4, 5], c: [3, 1] },
    { transA: 1, transB: 1, alpha: 0.25, beta: -1.5 },
  ),
  gemm("a row", { a: [3, 5], b: [5, 4], c: [4] }, { beta: 2.5 }),
  gemm("a scalar", { a: [3, 5], b: [5, 4], c: [] }, {}),
  {
    name: "Gemm by a constant, a computed bias",
    inputs: { a: [3, 5], c: [3, 4] },
    build: (b, random) => {
      b.constant("w", constant(random, [5, 4]));
      b.node("Gemm", ["a", "w", "c"], ["y"], { alpha: 0.5, beta: 2.5 });
    },
  },
  {
    name: "Gemm by a constant, a matrix of constants added",
    inputs: { a: [3, 5] },
    build: (b, random) => {
      b.constant("w", constant(random, [5, 4])).constant("c", constant(random, [3, 4]));
      b.node("Gemm", ["a", "w", "c"], ["y"]);
    },
  },
  matmul([6], [6]),
  matmul([6], [2, 6, 3]),
  matmul([2, 3, 6], [6]),
  matmul([2, 1, 3, 6], [4, 6, 2]),
];

describe.each(["fx16", "fx32"] as const)("contractions, %s", (precision) => {
  it.each(CASES)("$name", async (test) => {
    expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
  });
});
