import { describe, expect, it } from "vitest";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/** Fourth powers of 14 bits fit a sum of 64: the roots of fx32 are as coarse as those. */
const BOUND = { fx16: 60, fx32: 75 } as const;

const einsum = (equation: string, ...shapes: number[][]): OperatorCase => {
  const inputs = Object.fromEntries(shapes.map((shape, i) => [`x${String(i)}`, shape]));
  return {
    name: `Einsum ${equation}`,
    inputs,
    build: (b) => b.node("Einsum", Object.keys(inputs), ["y"], { equation }),
  };
};

const lpPool = (
  x: number[],
  attributes: Record<string, AttributeValue>,
  op = "LpPool",
): OperatorCase => ({
  name: `${op} [${String(x)}] ${JSON.stringify(attributes)}`,
  inputs: { x },
  build: (b) => b.node(op, ["x"], ["y"], attributes),
});

const col2im = (
  x: number[],
  image: number[],
  block: number[],
  attributes: Record<string, AttributeValue>,
): OperatorCase => ({
  name: `Col2Im [${String(x)}] ${JSON.stringify(attributes)}`,
  inputs: { x },
  opset: 18,
  build: (b) => {
    b.constant("image", tensor("int64", [image.length], image));
    b.constant("block", tensor("int64", [block.length], block));
    b.node("Col2Im", ["x", "image", "block"], ["y"], attributes);
  },
});

const CASES: readonly OperatorCase[] = [
  einsum("ij,jk->ik", [3, 4], [4, 5]),
  einsum("bhqd,bhkd->bhqk", [2, 3, 4, 5], [2, 3, 6, 5]),
  einsum("bqhd,bkhd->bhqk", [2, 4, 3, 5], [2, 6, 3, 5]),
  einsum("ij->ji", [3, 4]),
  einsum("ij->i", [3, 4]),
  einsum("bii->bi", [2, 4, 4]),
  einsum("i,j->ij", [3], [4]),
  einsum("i,i", [5], [5]),
  einsum("...ij,...jk->...ik", [2, 5, 3, 4], [2, 5, 4, 2]),
  einsum("bij,jk,k->bi", [2, 3, 4], [4, 5], [5]),
  einsum("ijk,k->j", [2, 3, 4], [4]),
  lpPool([1, 2, 8], { kernel_shape: [3] }),
  lpPool([1, 2, 6, 7], { kernel_shape: [2, 3], strides: [2, 1], pads: [1, 0, 0, 1], p: 1 }),
  lpPool([1, 2, 6, 6], { kernel_shape: [3, 3], p: 3 }),
  lpPool([1, 2, 6, 6], { kernel_shape: [2, 2], p: 4 }),
  lpPool([2, 3, 5, 4], { p: 2 }, "GlobalLpPool"),
  col2im([1, 8, 4], [4, 5], [2, 2], { strides: [2, 2] }),
  col2im([2, 12, 20], [5, 6], [2, 3], { pads: [1, 0, 0, 1], dilations: [2, 1], strides: [1, 1] }),
];

describe.each(["fx16", "fx32"] as const)("%s", (precision) => {
  it.each(CASES)("$name", async (test) => {
    expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
  });
});
