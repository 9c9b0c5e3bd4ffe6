import { describe, expect, it } from "vitest";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/**
 * Normalisations against onnxruntime-web. They read 24 bits and more in every profile, so that
 * only the result's own rounding is left: 83 dB down in 16 bits with a headroom of 2.
 */
const BOUND = { fx16: 75, fx32: 105 } as const;

const withParameters = (
  op: string,
  dims: number[],
  count: number,
  attributes: Record<string, number>,
  opset?: number,
): OperatorCase => ({
  name: `${op} of [${String(dims)}], ${String(count)} parameters`,
  inputs: { x: dims },
  ...(opset === undefined ? {} : { opset }),
  build: (b, random) => {
    b.constant("scale", tensor("float32", [count], random(count)));
    b.constant("bias", tensor("float32", [count], random(count)));
    b.node(op, ["x", "scale", "bias"], ["y"], attributes);
  },
});

const CASES: readonly OperatorCase[] = [
  withParameters("LayerNormalization", [2, 3, 24], 24, { axis: -1 }),
  withParameters("LayerNormalization", [2, 600], 600, { axis: 1, epsilon: 0.1 }),
  withParameters("InstanceNormalization", [2, 3, 6, 5], 3, {}),
  withParameters("GroupNormalization", [2, 6, 5, 4], 3, { num_groups: 3 }, 18),
  withParameters("GroupNormalization", [2, 6, 5, 4], 6, { num_groups: 2 }, 21),
  {
    name: "LayerNormalization with its statistics",
    inputs: { x: [3, 4, 16] },
    outputs: { y: "float32", mean: "float32", inverse: "float32" },
    build: (b, random) => {
      b.constant("scale", tensor("float32", [4, 16], random(64)));
      b.node("LayerNormalization", ["x", "scale"], ["y", "mean", "inverse"], { axis: 1 });
    },
  },
  {
    name: "LayerNormalization of almost constant rows: ε counts",
    inputs: { x: [8, 16] },
    spread: 0.002,
    // Of such differences float32 itself keeps no more than 78 dB.
    precisions: ["fx16"],
    build: (b) => {
      b.constant("rows", tensor("float32", [8, 1], [0, 1, 2, 3, 4, 5, 6, 7]));
      b.constant("scale", tensor("float32", [16], new Array<number>(16).fill(1)));
      b.node("Add", ["x", "rows"], ["shifted"]);
      b.node("LayerNormalization", ["shifted", "scale"], ["y"], { epsilon: 1e-5 });
    },
  },
  {
    name: "InstanceNormalization behind a Conv",
    inputs: { x: [1, 3, 8, 8] },
    build: (b, random) => {
      b.constant("w", tensor("float32", [4, 3, 3, 3], random(108)));
      b.constant("scale", tensor("float32", [4], random(4)));
      b.constant("bias", tensor("float32", [4], random(4)));
      b.node("Conv", ["x", "w"], ["c"]);
      b.node("InstanceNormalization", ["c", "scale", "bias"], ["y"]);
    },
  },
  {
    name: "BatchNormalization whose statistics are computed",
    inputs: { x: [2, 3, 5, 4], s: [3], b: [3], m: [3], v: [3] },
    build: (b) => {
      b.constant("one", tensor("float32", [], [1]));
      b.node("Mul", ["v", "v"], ["squared"]);
      b.node("Add", ["squared", "one"], ["variance"]);
      b.node("BatchNormalization", ["x", "s", "b", "m", "variance"], ["y"]);
    },
  },
  {
    name: "MeanVarianceNormalization",
    inputs: { x: [3, 2, 6, 5] },
    build: (b) => b.node("MeanVarianceNormalization", ["x"], ["y"]),
  },
  ...[1, 2].map((p): OperatorCase => ({
    name: `LpNormalization, p = ${String(p)}`,
    inputs: { x: [3, 6, 4] },
    build: (b) => b.node("LpNormalization", ["x"], ["y"], { axis: 1, p }),
  })),
  {
    name: "LRN",
    inputs: { x: [2, 7, 4, 3] },
    spread: 4,
    build: (b) => b.node("LRN", ["x"], ["y"], { size: 3, alpha: 0.5, beta: 0.75, bias: 1.5 }),
  },
];

describe("normalisations, against onnxruntime", () => {
  for (const test of CASES) {
    for (const precision of ["fx16", "fx32"] as const) {
      if (test.precisions?.includes(precision) === false) continue;
      it(`${test.name} (${precision})`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(BOUND[precision]);
      });
    }
  }
});
