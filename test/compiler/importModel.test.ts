import { describe, expect, test } from "vitest";
import { constantNumbers, intsAttribute } from "../../src/compiler/graph.js";
import type { Graph, GraphNode } from "../../src/compiler/graph.js";
import type { ImportOptions } from "../../src/compiler/importModel.js";
import { importModel } from "../../src/compiler/importModel.js";
import { listUnsupported } from "../../src/compiler/listUnsupported.js";
import type { Support } from "../../src/compiler/listUnsupported.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { encodeModel } from "../../src/compiler/onnx/wire.js";

function only(graph: Graph): GraphNode {
  expect(graph.nodes).toHaveLength(1);
  return graph.nodes[0] as GraphNode;
}

function image(opset = 17): ModelBuilder {
  return new ModelBuilder(opset).input("x", "float32", ["batch", 4, 8, 8]);
}

describe("wiring", () => {
  test("nodes are put in order", () => {
    const b = image().node("Relu", ["a"], ["y"]).node("Relu", ["x"], ["a"]).output("y", "float32");
    expect(importModel(b.encode()).nodes.map((n) => n.outputs[0])).toEqual(["a", "y"]);
  });

  test.each<[string, (b: ModelBuilder) => ModelBuilder, RegExp]>([
    [
      "a missing input",
      (b) => b.node("Relu", ["z"], ["y"], {}, { name: "r" }),
      /Relu "r": input "z" is made by no/,
    ],
    ["a missing output", (b) => b.node("Relu", ["x"], ["z"]), /output "y" is made by no node/],
    ["a cycle", (b) => b.node("Add", ["x", "y"], ["a"]).node("Relu", ["a"], ["y"]), /has a cycle/],
    [
      "a name made twice",
      (b) => b.node("Relu", ["x"], ["y"]).node("Abs", ["x"], ["y"]),
      /already made by Relu/,
    ],
    [
      "an input made again",
      (b) => b.node("Relu", ["x"], ["x"]).node("Relu", ["x"], ["y"]),
      /already made by an input/,
    ],
  ])("refuses %s", (_, build, message) => {
    expect(() => importModel(build(image()).output("y", "float32").encode())).toThrow(message);
  });

  test("a file without a graph is said to be none", () => {
    expect(() => importModel(new Uint8Array())).toThrow(/holds no ONNX graph/);
  });

  test("functions of the model are inlined, attributes handed on", () => {
    const model = new ModelBuilder(17)
      .input("x", "float32", [2])
      .node("Twice", ["x"], ["y"], { slope: 0.25 }, { name: "call", domain: "mine" })
      .output("y", "float32")
      .build();
    const leaky = (from: string, to: string) => ({
      opType: "LeakyRelu",
      input: [from],
      output: [to],
      attribute: [{ name: "alpha", refAttrName: "slope", type: 1 }],
    });
    const f = {
      name: "Twice",
      domain: "mine",
      input: ["a"],
      output: ["b"],
      attribute: ["slope"],
      node: [leaky("a", "inner"), leaky("inner", "b")],
    };
    const graph = importModel(encodeModel({ ...model, functions: [f] }));
    expect(graph.nodes.map((n) => n.opType)).toEqual(["LeakyRelu", "LeakyRelu"]);
    expect(graph.nodes.map((n) => n.attributes.get("alpha")?.value)).toEqual([0.25, 0.25]);
    expect(graph.outputs).toEqual(["y"]);

    const recursive = {
      ...f,
      node: [{ opType: "Twice", domain: "mine", input: ["a"], output: ["b"] }],
    };
    expect(() => importModel(encodeModel({ ...model, functions: [recursive] }))).toThrow(
      /calls itself/,
    );
  });
});

describe("dimensions", () => {
  const model = image()
    .input("z", "float32", [null, 2])
    .node("Relu", ["x"], ["y"])
    .output("y", "float32");

  test("names stay, nameless ones are named after the input", () => {
    const graph = importModel(model.encode());
    expect(graph.values.get("y")?.shape).toEqual(["batch", 4, 8, 8]);
    expect(graph.values.get("z")?.shape).toEqual(["z_0", 2]);
  });

  test("are bound by name", () => {
    const graph = importModel(model.encode(), { dims: { batch: 3, z_0: 5 } });
    expect(graph.values.get("y")?.shape).toEqual([3, 4, 8, 8]);
    expect(graph.values.get("z")?.shape).toEqual([5, 2]);
  });

  test.each<[Record<string, number>, RegExp]>([
    [{ b: 1 }, /no dimension is named "b"; the model has batch, z_0/],
    [{ batch: 0 }, /must be a positive integer/],
    [{ batch: 1.5 }, /must be a positive integer/],
    [{ __proto__: 1, toString: 1 }, /no dimension is named "toString"/],
  ])("refuses %j", (dims, message) => {
    expect(() => importModel(model.encode(), { dims })).toThrow(message);
  });

  test("flow through shape arithmetic", () => {
    // reshape(x, [shape(x)[0], −1]): the usual way of flattening.
    const b = image()
      .constant("zero", tensor("int64", [1], [0]))
      .constant("rest", tensor("int64", [1], [-1]))
      .node("Shape", ["x"], ["s"])
      .node("Gather", ["s", "zero"], ["n"])
      .node("Concat", ["n", "rest"], ["target"], { axis: 0 })
      .node("Reshape", ["x", "target"], ["y"])
      .output("y", "float32");
    const graph = importModel(b.encode());
    expect(graph.values.get("y")?.shape).toEqual(["batch", 256]);
    const reshape = graph.nodes.find((n) => n.opType === "Reshape");
    expect(reshape?.inputs).toEqual(["x"]);
  });
});

describe("normal form", () => {
  test("Slice: attributes of operator set 1 and inputs of 10 end up the same", () => {
    const old = image(9).node("Slice", ["x"], ["y"], { starts: [-3], ends: [2 ** 31], axes: [-1] });
    const recent = image(13)
      .constant("from", tensor("int64", [1], [-3]))
      .constant("to", tensor("int64", [1], [Number.MAX_SAFE_INTEGER]))
      .constant("axis", tensor("int64", [1], [3]))
      .node("Slice", ["x", "from", "to", "axis"], ["y"]);
    for (const b of [old, recent]) {
      const graph = importModel(b.output("y", "float32").encode());
      const node = only(graph);
      expect(["axes", "starts", "ends", "steps"].map((n) => intsAttribute(node, n))).toEqual([
        [3],
        [5],
        [8],
        [1],
      ]);
      expect(graph.values.get("y")?.shape).toEqual(["batch", 4, 8, 3]);
    }
  });

  test("a falling Slice ends at −1", () => {
    const b = image();
    b.constant("s", tensor("int64", [1], [-1]));
    b.constant("e", tensor("int64", [1], [-100]));
    b.constant("a", tensor("int64", [1], [2]));
    b.constant("st", tensor("int64", [1], [-2]));
    const graph = importModel(
      b.node("Slice", ["x", "s", "e", "a", "st"], ["z"]).output("z", "float32").encode(),
    );
    const node = graph.nodes.find((n) => n.outputs[0] === "z") as GraphNode;
    expect(["starts", "ends", "steps"].map((n) => intsAttribute(node, n))).toEqual([
      [7],
      [-1],
      [-2],
    ]);
    expect(graph.values.get("z")?.shape).toEqual(["batch", 4, 4, 8]);
  });

  test("Split becomes Slices, unread parts none", () => {
    const b = image(9).node("Split", ["x"], ["a", "b", "c"], { axis: 1, split: [1, 2, 1] });
    const graph = importModel(b.output("a", "float32").output("c", "float32").encode());
    expect(graph.nodes.map((n) => [n.opType, n.outputs[0], intsAttribute(n, "starts")])).toEqual([
      ["Slice", "a", [0]],
      ["Slice", "c", [3]],
    ]);
  });

  test.each([
    ["SAME_UPPER", 1, [1, 1, 1, 1], 8],
    ["SAME_UPPER", 2, [0, 0, 1, 1], 4],
    ["SAME_LOWER", 2, [1, 1, 0, 0], 4],
    ["VALID", 2, [0, 0, 0, 0], 3],
  ])("auto_pad %s with stride %i", (mode, stride, pads, size) => {
    const b = image()
      .constant("w", tensor("float32", [2, 4, 3, 3], new Float32Array(72)))
      .node("Conv", ["x", "w"], ["y"], { auto_pad: mode, strides: [stride, stride] });
    const graph = importModel(b.output("y", "float32").encode());
    const node = only(graph);
    expect(intsAttribute(node, "pads")).toEqual(pads);
    expect(intsAttribute(node, "kernel_shape")).toEqual([3, 3]);
    expect(node.attributes.has("auto_pad")).toBe(false);
    expect(graph.values.get("y")?.shape).toEqual(["batch", 2, size, size]);
  });

  test("a last window beyond the data does not count", () => {
    // 8 wide, kernel 1, stride 3, ceil: starts at 0, 3, 6 and 9, which is outside.
    const b = image().node("MaxPool", ["x"], ["y"], {
      kernel_shape: [1, 1],
      strides: [3, 3],
      ceil_mode: 1,
    });
    expect(importModel(b.output("y", "float32").encode()).values.get("y")?.shape).toEqual([
      "batch",
      4,
      3,
      3,
    ]);
  });

  test("Softmax over several axes, as before operator set 13, runs over a matrix", () => {
    const graph = importModel(
      image(11).node("Softmax", ["x"], ["y"]).output("y", "float32").encode(),
    );
    expect(graph.nodes.map((n) => n.opType)).toEqual(["Reshape", "Softmax", "Reshape"]);
    const inner = graph.nodes[1]?.outputs[0] ?? "";
    expect(graph.values.get(inner)?.shape).toEqual(["batch", 256]);
    expect(graph.values.get("y")?.shape).toEqual(["batch", 4, 8, 8]);
  });

  test("a conditional on a constant leaves its branch", () => {
    const branch = (value: number) =>
      new ModelBuilder()
        .constant(`c${String(value)}`, tensor("float32", [], [value]))
        .node("Add", ["x", `c${String(value)}`], [`r${String(value)}`])
        .output(`r${String(value)}`, "float32")
        .graph();
    const b = image()
      .constant("cond", tensor("bool", [], [0]))
      .node("If", ["cond"], ["y"], { then_branch: branch(1), else_branch: branch(2) });
    const graph = importModel(b.output("y", "float32").encode());
    expect(graph.nodes.map((n) => n.opType)).toEqual(["Add", "Identity"]);
    expect(graph.nodes[0]?.inputs).toEqual(["x", "c2"]);
    expect(graph.values.get("y")).toEqual({ elementType: "float32", shape: ["batch", 4, 8, 8] });
  });

  test("quantised weights keep their integers", () => {
    const b = image()
      .constant("q", tensor("int8", [4, 1, 1], [1, -2, 3, -4]))
      .constant("scale", tensor("float32", [], [0.5]))
      .node("DequantizeLinear", ["q", "scale"], ["w"])
      .node("Add", ["x", "w"], ["y"])
      .output("y", "float32");
    const graph = importModel(b.encode());
    expect(graph.nodes.map((n) => n.opType)).toEqual(["DequantizeLinear", "Add"]);
    expect(constantNumbers(graph.initializers.get("q") ?? tensor("int8", [0], []))).toEqual([
      1, -2, 3, -4,
    ]);
  });

  test("constants are computed in float32", () => {
    const b = new ModelBuilder()
      .constant("a", tensor("float32", [2], [Math.fround(0.1), 16777216]))
      .constant("b", tensor("float32", [1], [1]))
      .node("Add", ["a", "b"], ["s"])
      .node("Sqrt", ["s"], ["y"])
      .output("y", "float32");
    const graph = importModel(b.encode());
    // fround(√fround(0.1f + 1)) and fround(√2^24): 2^24 + 1 is no float32.
    const first = Math.fround(Math.sqrt(Math.fround(Math.fround(0.1) + 1)));
    expect(graph.nodes).toEqual([]);
    expect(constantNumbers(graph.initializers.get("y") ?? tensor("float32", [0], []))).toEqual([
      first,
      4096,
    ]);
  });
});

describe("operators that do not fit", () => {
  test("operands of two types are refused, constant or not", () => {
    const b = image()
      .constant("i", tensor("int64", [1], [1]))
      .constant("f", tensor("float32", [1], [1]))
      .node("Concat", ["i", "f"], ["y"], { axis: 0 });
    expect(() => importModel(b.output("y", "float32").encode())).toThrow(
      /operands are int64 and float32; types must agree/,
    );
  });

  test("names of JavaScript's own are operators like others", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      const b = image()
        .constant("c", tensor("float32", [1], [1]))
        .node(name, ["c"], ["y"]);
      const graph = importModel(b.output("y", "float32").encode());
      expect(() => listUnsupported(graph, support("Relu"))).toThrow(`${name}: "y"`);
    }
  });
});

const support = (name: string): Support => ({
  supported: new Set([name]),
  refusals: new Map([["Expand", () => "for a reason"]]),
});

describe("pins", () => {
  const target = (dims: number[], ...values: number[]) =>
    ({ elementType: "int64", dims, data: BigInt64Array.from(values, BigInt) }) as const;
  const bytes = image()
    .input("target", "int64", [2])
    .node("Reshape", ["x", "target"], ["y"])
    .output("y", "float32")
    .encode();

  test("make a constant of an input", () => {
    const graph = importModel(bytes, { pins: { target: target([2], 3, -1) } });
    expect(graph.inputs).toEqual(["x"]);
    expect(graph.values.get("y")?.shape?.[0]).toBe(3);
  });

  test("must name an input and fit it", () => {
    const pinned = (pins: ImportOptions["pins"] & object) => () => importModel(bytes, { pins });
    expect(pinned({ shape: target([2], 3, -1) })).toThrow(
      'no input "shape" to pin; it has "x", "target"',
    );
    expect(pinned({ target: target([1], 3) })).toThrow('input "target" has shape [2], its pin [1]');
    expect(
      pinned({ target: { elementType: "float32", dims: [2], data: Float32Array.of(3, -1) } }),
    ).toThrow('input "target" takes int64, its pin is float32');
  });
});

describe("listUnsupported", () => {
  test("lists every node at once, and parameters known only when running", () => {
    const b = image()
      .input("target", "int64", [2])
      .node("ReduceSum", ["x", "target"], ["r"], {}, { name: "sums" })
      .node("Expand", ["x", "target"], ["w"], {}, { name: "expand" })
      .node("Det", ["x"], ["d"], {}, { name: "first" })
      .node("Det", ["x"], ["e"], {}, { name: "second" })
      .node("Mystery", ["x"], ["m"], {}, { name: "third", domain: "com.example" });
    for (const name of ["r", "w", "d", "e", "m"]) b.output(name, "float32");
    const graph = importModel(b.encode());
    expect(() => listUnsupported(graph, support("ReduceSum"))).toThrow(
      "the model uses operators that cannot be compiled:\n" +
        '  ReduceSum with axes known only at run time (pin the input that says it, --pin NAME=VALUE): "sums"\n' +
        '  Expand, for a reason: "expand"\n' +
        '  Det: "first", "second"\n' +
        '  com.example.Mystery: "third"',
    );
    expect(() =>
      listUnsupported(
        importModel(image().node("Relu", ["x"], ["y"]).output("y", "float32").encode()),
        support("Relu"),
      ),
    ).not.toThrow();
  });
});
