import { describe, expect, it } from "vitest";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/** Elements are moved, at most rounded once: into the format of the result. */
const BOUND = { fx16: 70, fx32: 110 } as const;

const integers = (...values: number[]) => tensor("int64", [values.length], values);

/** Random indices lie in −6 … 6, so axes that they index have 7 elements. */
const indexed = (
  op: string,
  name: string,
  inputs: Record<string, number[]>,
  attributes: Record<string, AttributeValue> = {},
  rest: Partial<OperatorCase> = {},
): OperatorCase => ({
  name: `${op}, ${name}`,
  inputs,
  types: { i: "int64" },
  build: (b) => b.node(op, Object.keys(inputs), ["y"], attributes),
  ...rest,
});

/** The same operator over reals and over integers, which must come out as they are. */
const both = (test: OperatorCase, ...names: string[]): OperatorCase[] => [
  test,
  {
    ...test,
    name: `${test.name}, of integers`,
    types: { ...test.types, ...Object.fromEntries(names.map((name) => [name, "int64"] as const)) },
    outputs: { y: "int64" },
    spread: 2,
  },
];

const cases: readonly OperatorCase[] = [
  ...both(indexed("Gather", "axis 1", { x: [2, 7, 3], i: [4, 2] }, { axis: 1 }), "x"),
  indexed("Gather", "a scalar", { x: [7, 3], i: [] }),
  ...both(indexed("GatherElements", "axis 1", { x: [3, 7, 2], i: [2, 5, 2] }, { axis: 1 }), "x"),
  indexed("GatherElements", "one axis", { x: [7], i: [20] }),
  ...both(indexed("GatherND", "slices", { x: [7, 8, 3], i: [5, 2] }), "x"),
  indexed("GatherND", "elements", { x: [7, 8], i: [2, 3, 2] }),
  indexed("GatherND", "batches", { x: [2, 3, 7, 2], i: [2, 3, 4, 1] }, { batch_dims: 2 }),
  ...both(
    indexed(
      "ScatterElements",
      "axis 1, one place twice",
      { x: [3, 7], i: [3, 9], u: [3, 9] },
      { axis: 1, reduction: "add" },
      { opset: 18 },
    ),
    "x",
    "u",
  ),
  indexed(
    "ScatterElements",
    "max",
    { x: [9, 2], i: [5, 2], u: [5, 2] },
    { reduction: "max" },
    { opset: 18 },
  ),
  indexed(
    "ScatterElements",
    "min",
    { x: [9], i: [5], u: [5] },
    { reduction: "min" },
    { opset: 18 },
  ),
  {
    name: "ScatterElements, mul, constant indices",
    inputs: { x: [4, 3], u: [5, 3] },
    opset: 18,
    build: (b) => {
      b.constant("i", tensor("int64", [5, 3], [0, 1, 2, 0, 2, 1, 3, 1, 0, 0, 3, 3, 1, 1, 1]));
      b.node("ScatterElements", ["x", "i", "u"], ["y"], { reduction: "mul" });
    },
  },
  {
    name: "ScatterND, rows",
    inputs: { x: [7, 2, 3], u: [3, 3] },
    build: (b) => {
      b.constant("i", tensor("int64", [3, 2], [0, 1, 6, -2, 3, 0]));
      b.node("ScatterND", ["x", "i", "u"], ["y"]);
    },
  },
  ...["none", "add", "max", "min"].map((reduction) =>
    indexed(
      "ScatterND",
      `${reduction}, one index a row`,
      { x: [8, 3], i: [1, 1], u: [1, 3] },
      { reduction },
      { opset: 18 },
    ),
  ),
  ...[0, 1].map((largest): OperatorCase => ({
    name: `TopK, ${largest === 1 ? "largest" : "smallest"}`,
    inputs: { x: [3, 9, 2] },
    outputs: { y: "float32", i: "int64" },
    build: (b) => {
      b.constant("k", integers(4)).node("TopK", ["x", "k"], ["y", "i"], { axis: 1, largest });
    },
  })),
  {
    name: "TopK, integers with many equals",
    inputs: { x: [4, 30] },
    types: { x: "int64" },
    outputs: { y: "int64", i: "int64" },
    build: (b) => b.constant("k", integers(30)).node("TopK", ["x", "k"], ["y", "i"]),
  },
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].flatMap((reverse) =>
      both(
        {
          name: `CumSum, exclusive ${String(exclusive)}, reverse ${String(reverse)}`,
          inputs: { x: [3, 8, 2] },
          build: (b) => {
            b.constant("axis", tensor("int64", [], [1]));
            b.node("CumSum", ["x", "axis"], ["y"], { exclusive, reverse });
          },
        },
        "x",
      ),
    ),
  ),
  indexed(
    "OneHot",
    "computed values",
    { i: [2, 5], v: [2] },
    { axis: 1 },
    {
      build: (b) =>
        b
          .constant("d", tensor("int64", [], [7]))
          .node("OneHot", ["i", "d", "v"], ["y"], { axis: 1 }),
    },
  ),
  {
    name: "ReverseSequence, time first",
    inputs: { x: [5, 3, 2] },
    build: (b) => b.constant("l", integers(1, 4, 5)).node("ReverseSequence", ["x", "l"], ["y"]),
  },
  {
    name: "ReverseSequence, batch first",
    inputs: { x: [3, 5, 2] },
    build: (b) => {
      b.constant("l", integers(5, 1, 2));
      b.node("ReverseSequence", ["x", "l"], ["y"], { batch_axis: 0, time_axis: 1 });
    },
  },
  {
    name: "Hardmax",
    inputs: { x: [3, 5, 4] },
    build: (b) => b.node("Hardmax", ["x"], ["y"], { axis: 1 }),
  },
  ...[0, 1].map((upper): OperatorCase => ({
    name: `Trilu, upper ${String(upper)}, diagonal of an input`,
    inputs: { x: [2, 5, 7], k: [] },
    types: { k: "int64" },
    build: (b) => b.node("Trilu", ["x", "k"], ["y"], { upper }),
  })),
  ...["ArgMax", "ArgMin"].map((op): OperatorCase => ({
    name: `${op}, the last of equals`,
    inputs: { x: [3, 20] },
    types: { x: "int32" },
    outputs: { y: "int64" },
    build: (b) => b.node(op, ["x"], ["y"], { axis: 1, keepdims: 0, select_last_index: 1 }),
  })),
  {
    name: "NonZero, Transpose, GatherND: values at places that values choose",
    inputs: { x: [3, 4, 5], m: [3, 4] },
    types: { m: "bool" },
    build: (b) => {
      b.node("NonZero", ["m"], ["at"]);
      b.node("Transpose", ["at"], ["places"]);
      b.node("Transpose", ["x"], ["back"], { perm: [2, 1, 0] });
      b.node("Transpose", ["back"], ["same"], { perm: [2, 1, 0] });
      b.node("Slice", ["places", "zero", "one", "one"], ["rows"]);
      b.node("Reshape", ["rows", "all"], ["row"]);
      b.node("Gather", ["same", "row"], ["y"], { axis: 0 });
      b.constant("zero", integers(0)).constant("one", integers(1)).constant("all", integers(-1));
    },
  },
  {
    name: "Compress, an axis, then a product",
    inputs: { x: [3, 8], c: [8] },
    types: { c: "bool" },
    build: (b) => {
      b.node("Compress", ["x", "c"], ["z"], { axis: 1 });
      b.node("Mul", ["z", "z"], ["y"]);
    },
  },
  {
    name: "Compress, flat, a short condition",
    inputs: { x: [3, 8], c: [9] },
    types: { c: "bool" },
    build: (b) => b.node("Compress", ["x", "c"], ["y"]),
  },
  ...[0, 1].flatMap((center_point_box) =>
    [["least"], []].map((least): OperatorCase => ({
      name: `NonMaxSuppression, centres ${String(center_point_box)}, ${least.length > 0 ? "a" : "no"} least score`,
      inputs: { boxes: [2, 40, 4], scores: [2, 3, 40] },
      outputs: { y: "int64" },
      build: (b) => {
        b.constant("most", integers(9)).constant("overlap", tensor("float32", [], [0.3]));
        if (least.length > 0) b.constant("least", tensor("float32", [], [0.8]));
        const inputs = ["boxes", "scores", "most", "overlap", ...least];
        b.node("NonMaxSuppression", inputs, ["y"], { center_point_box });
      },
    })),
  ),
  ...[0, 1].map((storage_order): OperatorCase => ({
    name: `MaxPool with indices, storage order ${String(storage_order)}`,
    inputs: { x: [2, 3, 9, 7] },
    outputs: { y: "float32", i: "int64" },
    build: (b) =>
      b.node("MaxPool", ["x"], ["y", "i"], {
        kernel_shape: [3, 2],
        strides: [2, 1],
        pads: [1, 0, 1, 1],
        storage_order,
      }),
  })),
  {
    name: "Relu, Pad, MaxPool with indices, MaxUnpool",
    inputs: { x: [1, 2, 6, 8] },
    outputs: { y: "float32", i: "int64" },
    build: (b) => {
      b.node("Relu", ["x"], ["r"]);
      b.constant("pads", integers(0, 0, 1, 1, 0, 0, 1, 1)).node("Pad", ["r", "pads"], ["p"]);
      b.node("MaxPool", ["p"], ["m", "i"], { kernel_shape: [2, 2], strides: [2, 2] });
      b.node("MaxUnpool", ["m", "i"], ["y"], { kernel_shape: [2, 2], strides: [2, 2] });
    },
  },
  ...["TF", "IDF", "TFIDF"].map((mode): OperatorCase => ({
    name: `TfIdfVectorizer, ${mode}`,
    inputs: { x: [3, 30] },
    types: { x: "int64" },
    build: (b) =>
      b.node("TfIdfVectorizer", ["x"], ["y"], {
        mode,
        min_gram_length: 1,
        max_gram_length: 2,
        max_skip_count: 3,
        ngram_counts: [0, 3],
        ngram_indexes: [0, 1, 2, 5, 4, 3],
        pool_int64s: [0, 1, -2, 0, 1, -1, 0, 1, 1],
        weights: [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
      }),
  })),
  ...[0, 1].flatMap((sorted) =>
    [undefined, 0, 1].map((axis): OperatorCase => ({
      name: `Unique, sorted ${String(sorted)}, axis ${String(axis)}`,
      inputs: { x: [12, 2] },
      types: { x: "int64" },
      spread: 0.5,
      outputs: { y: "int64", first: "int64", inverse: "int64", counts: "int64" },
      build: (b) => {
        const attributes = axis === undefined ? { sorted } : { sorted, axis };
        b.node("Unique", ["x"], ["y", "first", "inverse", "counts"], attributes);
      },
    })),
  ),
];

describe.each(["fx16", "fx32"] as const)("%s", (precision) => {
  it.each(cases.map((test) => [test.name, test] as const))("%s", async (_name, test) => {
    const outputs = Object.values(test.outputs ?? { y: "float32" });
    const bound = outputs.includes("float32") ? BOUND[precision] : Infinity;
    expect(await sqnrDb(test, precision)).toBeGreaterThanOrEqual(bound);
  });
});
