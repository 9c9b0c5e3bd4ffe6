import { describe, expect, it } from "vitest";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/** What only moves elements adds no noise to that of quantising the input: some 83 dB in 16 bits. */
const BOUND = { fx16: 75, fx16w8: 75, fx8: 75, fx32: 110 } as const;

const ints = (...values: number[]) => tensor("int64", [values.length], values);

const pad = (mode: string, ...pads: number[]): OperatorCase => ({
  name: `Pad ${mode} [${String(pads)}]`,
  inputs: { x: [1, 2, 4, 5] },
  build: (b) => {
    b.constant("pads", ints(...pads));
    b.node("Pad", ["x", "pads"], ["y"], { mode });
  },
  opset: 19,
});

const CASES: readonly OperatorCase[] = [
  pad("constant", 0, 1, 2, 0, 0, 0, 1, 3),
  pad("constant", 0, 0, -1, 2, 0, 1, 3, -2),
  pad("edge", 0, 0, 2, 1, 0, 0, 0, 6),
  pad("reflect", 0, 1, 3, 0, 0, 0, 1, 4),
  pad("wrap", 0, 0, 3, 1, 0, 1, 4, 2),
  {
    name: "Tile",
    inputs: { x: [2, 3, 1, 4] },
    build: (b) => {
      b.constant("r", ints(2, 1, 3, 2));
      b.node("Tile", ["x", "r"], ["y"]);
    },
  },
  ...["DCR", "CRD"].map((mode): OperatorCase => ({
    name: `DepthToSpace ${mode}`,
    inputs: { x: [2, 8, 2, 3] },
    build: (b) => b.node("DepthToSpace", ["x"], ["y"], { blocksize: 2, mode }),
  })),
  {
    name: "SpaceToDepth",
    inputs: { x: [2, 3, 4, 6] },
    build: (b) => b.node("SpaceToDepth", ["x"], ["y"], { blocksize: 2 }),
  },
  {
    name: "CenterCropPad, one axis cut and one padded",
    inputs: { x: [7, 4, 3] },
    build: (b) => {
      b.constant("s", ints(4, 9));
      b.node("CenterCropPad", ["x", "s"], ["y"], { axes: [0, 1] });
    },
    opset: 18,
  },
  {
    name: "Pad of integers",
    inputs: { x: [3, 4] },
    types: { x: "int64" },
    outputs: { y: "int64" },
    spread: 50,
    build: (b) => {
      b.constant("pads", ints(1, 0, 0, 2));
      b.constant("value", tensor("int64", [], [7]));
      b.node("Pad", ["x", "pads", "value"], ["y"]);
    },
  },
];

describe.each(["fx16", "fx32"] as const)("movement, %s", (precision) => {
  it.each(CASES)("$name", async (test) => {
    expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
  });
});
