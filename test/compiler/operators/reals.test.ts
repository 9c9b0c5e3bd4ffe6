import { describe, expect, it } from "vitest";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/**
 * Arithmetic between real tensors, against onnxruntime-web. Normal values in 16 bits with a
 * headroom of 2 are rounded 83 dB down; roots and quotients amplify what their operands lost, by
 * the square of how much their relative errors grow. The operands are inputs of the model, which
 * keep the profile's width.
 */
const BOUND = { fx16: 60, fx32: 100 } as const;

/** 1 + x², so that divisors and radicands are clear of 0. */
const positive = (b: Parameters<OperatorCase["build"]>[0], from: string, to: string): void => {
  b.constant(`${to}_one`, tensor("float32", [], [1]));
  b.node("Mul", [from, from], [`${to}_squared`]);
  b.node("Add", [`${to}_squared`, `${to}_one`], [to]);
};

const CASES: readonly OperatorCase[] = [
  {
    name: "Div",
    inputs: { a: [2, 3, 5], b: [3, 1] },
    build: (b) => {
      positive(b, "b", "d");
      b.node("Div", ["a", "d"], ["y"]);
    },
  },
  {
    name: "Div by constants",
    inputs: { a: [2, 3, 4] },
    build: (b) => {
      b.constant("d", tensor("float32", [4], [0.5, -3, 7, 1000]));
      b.node("Div", ["a", "d"], ["y"]);
    },
  },
  {
    name: "Sqrt",
    inputs: { a: [2, 3, 4] },
    build: (b) => {
      positive(b, "a", "d");
      b.node("Sqrt", ["d"], ["y"]);
    },
  },
  {
    name: "Reciprocal",
    inputs: { a: [2, 3, 4] },
    build: (b) => {
      positive(b, "a", "d");
      b.node("Reciprocal", ["d"], ["y"]);
    },
  },
  {
    name: "Log over seven decades",
    inputs: { x: [2, 3, 40] },
    build: (b) => {
      b.constant("tiny", tensor("float32", [], [1e-4]));
      b.node("Mul", ["x", "x"], ["squared"]);
      b.node("Mul", ["squared", "squared"], ["fourth"]);
      b.node("Add", ["fourth", "tiny"], ["safe"]);
      b.node("Log", ["safe"], ["y"]);
    },
  },
  {
    name: "Exp, steep",
    inputs: { x: [2, 3, 4] },
    spread: 3,
    build: (b) => b.node("Exp", ["x"], ["y"]),
  },
  {
    name: "LayerNormalization in parts",
    inputs: { x: [2, 5, 24] },
    build: (b) => {
      b.constant("epsilon", tensor("float32", [], [1e-5]));
      b.constant("two", tensor("float32", [], [2]));
      b.node("ReduceMean", ["x"], ["mean"], { axes: [-1] });
      b.node("Sub", ["x", "mean"], ["centred"]);
      b.node("Pow", ["centred", "two"], ["squared"]);
      b.node("ReduceMean", ["squared"], ["variance"], { axes: [-1] });
      b.node("Add", ["variance", "epsilon"], ["safe"]);
      b.node("Sqrt", ["safe"], ["deviation"]);
      b.node("Div", ["centred", "deviation"], ["y"]);
    },
  },
  {
    name: "softmax in parts",
    inputs: { x: [3, 20] },
    build: (b) => {
      b.node("ReduceMax", ["x"], ["greatest"], { axes: [-1] });
      b.node("Sub", ["x", "greatest"], ["below"]);
      b.node("Exp", ["below"], ["powers"]);
      b.node("ReduceSum", ["powers", "axes"], ["total"]);
      b.constant("axes", tensor("int64", [1], [-1]));
      b.node("Div", ["powers", "total"], ["y"]);
    },
  },
  ...[-1e9, -3.4e38, -Infinity].map((masked): OperatorCase => ({
    name: `Softmax of scores with ${String(masked)} added`,
    inputs: { x: [3, 8] },
    build: (b) => {
      const places = [0, masked, 0, 0, masked, 0, 0, masked];
      b.constant("mask", tensor("float32", [8], places));
      b.node("Add", ["x", "mask"], ["scores"]);
      b.node("Softmax", ["scores"], ["y"]);
    },
  })),
  {
    name: "Softmax under a mask of zeros and ones",
    inputs: { x: [3, 8], m: [8] },
    types: { m: "bool" },
    build: (b) => {
      b.constant("one", tensor("float32", [], [1]));
      b.constant("least", tensor("float32", [], [-3.4e38]));
      b.node("Cast", ["m"], ["kept"], { to: 1 });
      b.node("Sub", ["one", "kept"], ["dropped"]);
      b.node("Mul", ["dropped", "least"], ["mask"]);
      b.node("Add", ["x", "mask"], ["scores"]);
      b.node("Softmax", ["scores"], ["y"]);
    },
  },
  {
    name: "LogSoftmax along another axis",
    inputs: { x: [3, 8, 4] },
    spread: 3,
    build: (b) => b.node("LogSoftmax", ["x"], ["y"], { axis: 1 }),
  },
  ...["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd"].map(
    (op): OperatorCase => ({
      name: op,
      inputs: { x: [3, 6, 4] },
      build: (b) => b.node(op, ["x"], ["y"], { axes: [1], keepdims: 0 }),
    }),
  ),
  {
    name: "ReduceLogSum",
    inputs: { x: [3, 6, 4] },
    build: (b) => {
      positive(b, "x", "p");
      b.node("ReduceLogSum", ["p"], ["y"], { axes: [0, 2] });
    },
  },
  {
    name: "log Σ exp in parts",
    inputs: { x: [3, 6, 4] },
    spread: 10,
    build: (b) => {
      b.node("Exp", ["x"], ["e"]);
      b.constant("axes", tensor("int64", [1], [1]));
      b.node("ReduceSum", ["e", "axes"], ["s"], { keepdims: 0 });
      b.node("Log", ["s"], ["y"]);
    },
  },
];

describe("real arithmetic, against onnxruntime", () => {
  for (const test of CASES) {
    for (const precision of ["fx16", "fx32"] as const) {
      it(`${test.name} (${precision})`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(BOUND[precision]);
      });
    }
  }
});
