import { describe, expect, test } from "vitest";
import { evaluateExpression } from "../../src/compiler/evaluateExpression.js";
import {
  constantNumbers,
  expressionAttribute,
  intsAttribute,
  operatorName,
} from "../../src/compiler/graph.js";
import type { Graph } from "../../src/compiler/graph.js";
import { importModel } from "../../src/compiler/importModel.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { optimise } from "../../src/compiler/optimise.js";
import { exportGraph } from "../support/compiler/exportGraph.js";
import { floatTensor, madeUp, relativeError, runModel } from "../support/compiler/runtime.js";

/** Optimises, checks that onnxruntime gets the same numbers as before, and gives the operators. */
async function optimised(b: ModelBuilder, ...outputs: string[]): Promise<Graph> {
  for (const name of outputs) b.output(name, "float32");
  const bytes = b.encode();
  const graph = optimise(importModel(bytes));
  const feeds = Object.fromEntries(
    graph.inputs.map((name, i) => [
      name,
      floatTensor(graph.values.get(name)?.shape as number[], i + 7),
    ]),
  );
  const before = await runModel(bytes, feeds);
  const after = await runModel(exportGraph(graph), feeds);
  for (const name of outputs) {
    const [a, e] = [after[name], before[name]];
    if (a === undefined || e === undefined) throw new TypeError(`${name} is missing`);
    expect(a.dims).toEqual(e.dims);
    expect(relativeError(a, e)).toBeLessThan(1e-5);
  }
  return graph;
}

const operators = (graph: Graph): string[] => graph.nodes.map(operatorName);

function image(): ModelBuilder {
  return new ModelBuilder(17).input("x", "float32", [1, 4, 6, 6]);
}

function floats(
  b: ModelBuilder,
  name: string,
  dims: readonly number[],
  seed: number,
  offset = 0,
): ModelBuilder {
  const values = madeUp(
    dims.reduce((a, c) => a * c, 1),
    seed,
  ).map((v) => v + offset);
  return b.constant(name, tensor("float32", dims, values));
}

function batchNormalization(
  b: ModelBuilder,
  from: string,
  to: string,
  channels: number,
): ModelBuilder {
  floats(b, `${to}.g`, [channels], 2, 1.5);
  floats(b, `${to}.b`, [channels], 3);
  floats(b, `${to}.m`, [channels], 4);
  floats(b, `${to}.v`, [channels], 5, 2);
  return b.node("BatchNormalization", [from, `${to}.g`, `${to}.b`, `${to}.m`, `${to}.v`], [to]);
}

describe("affine folding", () => {
  test.each([1, 2])("everything after a Conv in %i groups", async (group) => {
    const b = floats(image(), "w", [6, 4 / group, 3, 3], 1);
    b.node("Conv", ["x", "w"], ["c"], { pads: [1, 1, 1, 1], group });
    batchNormalization(b, "c", "n", 6);
    floats(b, "scale", [6, 1, 1], 8).node("Mul", ["scale", "n"], ["m"]);
    floats(b, "shift", [1, 6, 1, 1], 9).node("Sub", ["shift", "m"], ["s"]);
    b.constant("two", tensor("float32", [], [2])).node("Div", ["s", "two"], ["y"]);
    const graph = await optimised(b, "y");
    expect(operators(graph)).toEqual(["Conv"]);
    expect(graph.nodes[0]?.inputs).toHaveLength(3);
  });

  test.each([1, 2])("everything after a ConvTranspose in %i groups", async (group) => {
    const b = floats(image(), "w", [4, 6 / group, 2, 2], 1);
    b.node("ConvTranspose", ["x", "w"], ["c"], { strides: [2, 2], group });
    batchNormalization(b, "c", "y", 6);
    expect(operators(await optimised(b, "y"))).toEqual(["ConvTranspose"]);
  });

  test("what comes before a Conv, a shift only without padding", async () => {
    for (const [pad, expected] of [
      [0, ["Conv"]],
      [1, ["Add", "Conv"]],
    ] as const) {
      const b = floats(floats(image(), "w", [6, 2, 3, 3], 1), "s", [4, 1, 1], 2);
      floats(b, "t", [4, 1, 1], 3);
      b.node("Add", ["x", "t"], ["a"]).node("Mul", ["a", "s"], ["m"]);
      b.node("Conv", ["m", "w"], ["y"], { group: 2, pads: [pad, pad, pad, pad] });
      expect(operators(await optimised(b, "y"))).toEqual(expected);
    }
  });

  test("nothing that others read too is folded away", async () => {
    const b = floats(image(), "w", [4, 4, 1, 1], 1).node("Conv", ["x", "w"], ["c"]);
    floats(b, "s", [4, 1, 1], 2).node("Mul", ["c", "s"], ["y"]);
    expect(operators(await optimised(b, "y", "c"))).toEqual(["Conv", "Mul"]);
  });

  test("constants that enlarge, or vary along other axes, stay", async () => {
    const b = floats(image(), "w", [4, 4, 1, 1], 1).node("Conv", ["x", "w"], ["c"]);
    floats(b, "wide", [6], 2).node("Mul", ["c", "wide"], ["m"]);
    floats(b, "deep", [2, 1, 1, 1, 1], 3).node("Add", ["m", "deep"], ["y"]);
    expect(operators(await optimised(b, "y"))).toEqual(["Conv", "Mul", "Add"]);
  });

  test("a BatchNormalization on its own becomes a depthwise Conv, between Reshapes for rows", async () => {
    const graph = await optimised(batchNormalization(image(), "x", "y", 4), "y");
    expect(operators(graph)).toEqual(["Conv"]);
    const flat = new ModelBuilder().input("x", "float32", [3, 4]);
    expect(operators(await optimised(batchNormalization(flat, "x", "y", 4), "y"))).toEqual([
      "Reshape",
      "Conv",
      "Reshape",
    ]);
  });

  test("weights stay unrounded", () => {
    const b = new ModelBuilder().input("x", "float32", [1, 1]);
    b.constant("w", tensor("float32", [1, 1], [Math.fround(0.1)]));
    b.constant("s", tensor("float32", [], [Math.fround(0.3)]));
    b.node("MatMul", ["x", "w"], ["p"]).node("Mul", ["p", "s"], ["y"]).output("y", "float32");
    const graph = optimise(importModel(b.encode()));
    const weights = graph.initializers.get(graph.nodes[0]?.inputs[1] ?? "");
    const product = Math.fround(0.1) * Math.fround(0.3);
    expect(constantNumbers(weights ?? tensor("float32", [0], []))).toEqual([product]);
    expect(Math.fround(product)).not.toBe(product);
  });
});

describe("products with constants", () => {
  test("Gemm with all its options", async () => {
    const b = new ModelBuilder().input("x", "float32", [2, 3]);
    floats(floats(b, "w", [5, 3], 1), "c", [1, 5], 2);
    b.node("Gemm", ["x", "w", "c"], ["y"], { transB: 1, alpha: 0.5, beta: -2.5 });
    expect(operators(await optimised(b, "y"))).toEqual(["aivm.Linear"]);
  });

  test("MatMul and Add, of any rank", async () => {
    const b = new ModelBuilder().input("x", "float32", [2, 4, 3]);
    floats(floats(b, "w", [1, 3, 5], 1), "c", [5], 2);
    b.node("MatMul", ["x", "w"], ["p"]).node("Add", ["c", "p"], ["y"]);
    const graph = await optimised(b, "y");
    expect(operators(graph)).toEqual(["aivm.Linear"]);
    expect(graph.values.get("y")?.shape).toEqual([2, 4, 5]);
  });

  test("a bias of rows, and a batch of matrices, stay", async () => {
    const b = new ModelBuilder().input("x", "float32", [2, 3]).input("z", "float32", [2, 2, 3]);
    floats(floats(b, "w", [3, 5], 1), "c", [2, 1], 2).node("Gemm", ["x", "w", "c"], ["y"]);
    floats(b, "v", [2, 3, 5], 3).node("MatMul", ["z", "v"], ["u"]);
    expect(operators(await optimised(b, "y", "u")).sort()).toEqual(["Gemm", "MatMul"]);
  });
});

describe("pads", () => {
  const pads = [0, 0, 1, 2, 0, 0, 3, 1];

  test.each<[string, string, Record<string, number | readonly number[]>, string[]]>([
    ["Relu", "MaxPool", { kernel_shape: [4, 4] }, ["Relu", "MaxPool"]],
    ["Relu", "MaxPool", { kernel_shape: [3, 3] }, ["Relu", "Pad", "MaxPool"]],
    ["Neg", "MaxPool", { kernel_shape: [4, 4] }, ["Neg", "Pad", "MaxPool"]],
    ["Neg", "AveragePool", { kernel_shape: [4, 4] }, ["Neg", "AveragePool"]],
    [
      "Neg",
      "AveragePool",
      { kernel_shape: [4, 4], pads: [1, 1, 1, 1] },
      ["Neg", "Pad", "AveragePool"],
    ],
  ])("after %s into %s %j", async (before, pool, attributes, expected) => {
    const b = image().node(before, ["x"], ["a"]);
    b.constant("pads", tensor("int64", [8], pads)).node("Pad", ["a", "pads"], ["p"]);
    expect(operators(await optimised(b.node(pool, ["p"], ["y"], attributes), "y"))).toEqual(
      expected,
    );
  });

  test("into a Conv, unless they pad by something else than 0", async () => {
    for (const [value, expected] of [
      [0, ["Conv"]],
      [1, ["Pad", "Conv"]],
    ] as const) {
      const b = floats(image(), "w", [2, 4, 3, 3], 1);
      b.constant("pads", tensor("int64", [8], pads)).constant("v", tensor("float32", [], [value]));
      b.node("Pad", ["x", "pads", "v"], ["p"]);
      b.node("Conv", ["p", "w"], ["y"], { pads: [1, 0, 1, 0], strides: [2, 2] });
      const graph = await optimised(b, "y");
      expect(operators(graph)).toEqual(expected);
      if (value === 0)
        expect(intsAttribute(graph.nodes[0] ?? failed(), "pads")).toEqual([2, 2, 4, 1]);
    }
  });
});

function failed(): never {
  throw new TypeError("no node is left");
}

describe("movement", () => {
  test("Transposes and Reshapes merge, and vanish where they undo each other", async () => {
    const b = image()
      .node("Transpose", ["x"], ["a"], { perm: [0, 2, 3, 1] })
      .node("Identity", ["a"], ["i"])
      .node("Transpose", ["i"], ["b"], { perm: [0, 3, 1, 2] })
      .node("Relu", ["b"], ["r"])
      .node("Flatten", ["r"], ["f"])
      .constant("s", tensor("int64", [3], [1, 36, -1]))
      .node("Reshape", ["f", "s"], ["y"]);
    expect(operators(await optimised(b, "y"))).toEqual(["Relu", "Reshape"]);
  });

  test("a Transpose that moves only axes of size 1 is a Reshape", async () => {
    const b = new ModelBuilder().input("x", "float32", [1, 3, 1, 5]);
    b.node("Transpose", ["x"], ["y"], { perm: [2, 1, 3, 0] });
    expect(operators(await optimised(b, "y"))).toEqual(["Reshape"]);
  });

  test("outputs of the graph keep their names", async () => {
    const b = image()
      .node("Relu", ["x"], ["a"])
      .node("Identity", ["a"], ["y"])
      .node("Identity", ["a"], ["z"]);
    const graph = await optimised(b.node("Identity", ["x"], ["w"]), "y", "z", "w");
    expect(graph.outputs).toEqual(["y", "z", "w"]);
    expect(operators(graph)).toEqual(["Relu", "Identity", "Identity"]);
  });
});

describe("functions of one variable", () => {
  const scalar = (b: ModelBuilder, name: string, value: number): ModelBuilder =>
    b.constant(name, tensor("float32", [], [value]));

  async function becomesOne(b: ModelBuilder, at: number, expected: number): Promise<void> {
    const graph = await optimised(b, "y");
    expect(operators(graph)).toEqual(["aivm.Unary"]);
    const node = graph.nodes[0] ?? failed();
    expect(node.inputs).toEqual(["x"]);
    const expression = expressionAttribute(node, "expression") ?? failed();
    expect(evaluateExpression(expression, at)).toBeCloseTo(expected, 6);
  }

  test("SiLU", async () => {
    const b = image().node("Sigmoid", ["x"], ["s"]).node("Mul", ["x", "s"], ["y"]);
    await becomesOne(b, 1, 0.7310585786300049);
  });

  test("hard-swish in four steps", async () => {
    const b = scalar(scalar(scalar(image(), "three", 3), "zero", 0), "six", 6);
    b.node("Add", ["x", "three"], ["a"]).node("Clip", ["a", "zero", "six"], ["c"]);
    b.node("Mul", ["x", "c"], ["m"]).node("Div", ["m", "six"], ["y"]);
    await becomesOne(b, 1, 4 / 6);
  });

  test("GELU by erf", async () => {
    const b = scalar(scalar(scalar(image(), "root", Math.SQRT2), "one", 1), "half", 0.5);
    b.node("Div", ["x", "root"], ["d"]).node("Erf", ["d"], ["e"]).node("Add", ["e", "one"], ["a"]);
    b.node("Mul", ["x", "a"], ["m"]).node("Mul", ["m", "half"], ["y"]);
    await becomesOne(b, 1, 0.8413447460685429);
  });

  test("GELU by tanh, with the cube as products", async () => {
    const b = scalar(scalar(image(), "k", 0.044715), "root", 0.7978845608);
    scalar(scalar(b, "one", 1), "half", 0.5);
    b.node("Mul", ["x", "x"], ["x2"])
      .node("Mul", ["x2", "x"], ["x3"])
      .node("Mul", ["k", "x3"], ["kx3"]);
    b.node("Add", ["x", "kx3"], ["in"])
      .node("Mul", ["in", "root"], ["r"])
      .node("Tanh", ["r"], ["t"]);
    b.node("Add", ["t", "one"], ["p"])
      .node("Mul", ["x", "half"], ["h"])
      .node("Mul", ["h", "p"], ["y"]);
    await becomesOne(b, 1, 0.8411919906082768);
  });

  test("attributes reach the function", async () => {
    await becomesOne(image().node("LeakyRelu", ["x"], ["y"], { alpha: 0.125 }), -4, -0.5);
    await becomesOne(
      image().node("Elu", ["x"], ["y"], { alpha: 2.5 }),
      -1,
      2.5 * (Math.exp(-1) - 1),
    );
  });

  test("Relu, Clip and affine steps alone stay; so do the parts of a norm", async () => {
    const b = scalar(image().node("Relu", ["x"], ["r"]), "c", 0.001);
    b.node("Mul", ["r", "r"], ["sq"]).node("ReduceMean", ["sq"], ["mean"], { axes: [1] });
    b.node("Add", ["mean", "c"], ["e"])
      .node("Sqrt", ["e"], ["root"])
      .node("Div", ["r", "root"], ["y"]);
    expect(operators(await optimised(b, "y"))).toEqual([
      "Relu",
      "Mul",
      "ReduceMean",
      "Add",
      "Sqrt",
      "Div",
    ]);
  });

  test("a value inside that others read is computed on its own", async () => {
    const b = image().node("Sigmoid", ["x"], ["s"]).node("Mul", ["x", "s"], ["y"]);
    const graph = await optimised(b, "y", "s");
    expect(operators(graph)).toEqual(["aivm.Unary", "aivm.Unary"]);
    expect(graph.nodes.every((n) => n.inputs[0] === "x")).toBe(true);
  });

  test("functions of two tensors are not one", async () => {
    const b = image().input("z", "float32", [1, 4, 6, 6]).node("Sigmoid", ["z"], ["s"]);
    const graph = await optimised(b.node("Mul", ["x", "s"], ["y"]), "y");
    expect(operators(graph)).toEqual(["aivm.Unary", "Mul"]);
  });
});

test("the graph that is handed in is not changed", () => {
  const b = floats(image(), "w", [4, 4, 1, 1], 1).node("Conv", ["x", "w"], ["c"]);
  const graph = importModel(b.node("Sigmoid", ["c"], ["y"]).output("y", "float32").encode());
  const before = structuredClone({ nodes: graph.nodes, values: graph.values });
  optimise(graph);
  expect({ nodes: graph.nodes, values: graph.values }).toEqual(before);
});
