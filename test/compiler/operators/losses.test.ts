import { describe, expect, it } from "vitest";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/** Losses, powers and determinants against onnxruntime-web; logarithms and weights have 22 bits and more. */
const BOUND = { fx16: 70, fx32: 100 } as const;

const CLASSES = 5;
const loss = (
  op: string,
  reduction: string,
  weighted: boolean,
  ignored?: number,
): OperatorCase => ({
  name: `${op}, ${reduction}${weighted ? ", weighted" : ""}${ignored === undefined ? "" : ", one ignored"}`,
  inputs: { x: [4, CLASSES, 3], c: [4, 3] },
  types: { c: "int64" },
  spread: 2,
  build: (b) => {
    b.constant("w", tensor("float32", [CLASSES], [0.5, 2, 0.1, 1, 3]));
    b.constant("least", tensor("int64", [], [0]));
    b.constant("most", tensor("int64", [], [CLASSES - 1]));
    b.node("Max", ["c", "least"], ["low"]).node("Min", ["low", "most"], ["target"]);
    const inputs = ["x", "target", ...(weighted ? ["w"] : [])];
    b.node(op, inputs, ["y"], {
      reduction,
      ...(ignored === undefined ? {} : { ignore_index: ignored }),
    });
  },
});

const CASES: readonly OperatorCase[] = [
  ...["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"].flatMap((op) => [
    loss(op, "none", true),
    loss(op, "sum", false),
    loss(op, "mean", false, 0),
    loss(op, "mean", true, 1),
  ]),
  {
    name: "Pow of magnitudes by a tensor",
    inputs: { x: [3, 4, 5], e: [5] },
    build: (b) => {
      b.constant("tenth", tensor("float32", [], [0.1]));
      b.node("Abs", ["x"], ["size"]).node("Add", ["size", "tenth"], ["safe"]);
      b.node("Pow", ["safe", "e"], ["y"]);
    },
  },
  {
    name: "Pow of either sign by whole numbers",
    inputs: { x: [3, 4, 5] },
    build: (b) => {
      b.constant("e", tensor("int64", [5], [1, 2, 3, 4, 0]));
      b.node("Pow", ["x", "e"], ["y"]);
    },
  },
  {
    name: "Pow of −1/2",
    inputs: { x: [3, 4, 5] },
    build: (b) => {
      b.constant("tenth", tensor("float32", [], [0.1]));
      b.constant("e", tensor("float32", [], [-0.5]));
      b.node("Abs", ["x"], ["size"]).node("Add", ["size", "tenth"], ["safe"]);
      b.node("Pow", ["safe", "e"], ["y"]);
    },
  },
  ...[1, 2, 3, 4].map((size): OperatorCase => ({
    name: `Det of ${String(size)} rows`,
    inputs: { x: [2, 3, size, size] },
    build: (b) => b.node("Det", ["x"], ["y"]),
  })),
];

describe("losses, powers and determinants, against onnxruntime", () => {
  for (const test of CASES) {
    for (const precision of ["fx16", "fx32"] as const) {
      it(`${test.name} (${precision})`, async () => {
        expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(BOUND[precision]);
      });
    }
  }
});
