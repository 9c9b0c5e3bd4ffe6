import { describe, expect, it } from "vitest";
import type { OperatorCase } from "../support/compiler/operatorCase.js";
import { sqnrDb } from "../support/compiler/operatorCase.js";
import { importModel } from "../../src/compiler/importModel.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";

const CASES: readonly OperatorCase[] = [
  {
    name: "SequenceConstruct, Insert, Erase, At, ConcatFromSequence",
    inputs: { a: [2, 3], b: [2, 3] },
    build: (m) => {
      m.constant("zero", tensor("int64", [], [0])).constant("last", tensor("int64", [], [-1]));
      m.node("Neg", ["a"], ["c"]).node("SequenceConstruct", ["a", "b"], ["s"]);
      m.node("SequenceInsert", ["s", "c", "zero"], ["t"]).node(
        "SequenceErase",
        ["t", "last"],
        ["u"],
      );
      m.node("SequenceInsert", ["u", "b"], ["v"]).node("SequenceAt", ["v", "zero"], ["first"]);
      m.node("ConcatFromSequence", ["v"], ["all"], { axis: 1 }).node("Relu", ["first"], ["r"]);
      m.node("Concat", ["all", "r"], ["y"], { axis: 1 });
    },
  },
  {
    name: "SplitToSequence, SequenceLength, new axis",
    inputs: { a: [2, 5] },
    build: (m) => {
      m.node("SplitToSequence", ["a"], ["s"], { axis: 1, keepdims: 0 });
      m.node("SequenceLength", ["s"], ["n"]).node("Cast", ["n"], ["count"], { to: 1 });
      m.node("ConcatFromSequence", ["s"], ["all"], { axis: 0, new_axis: 1 });
      m.node("Mul", ["all", "count"], ["y"]);
    },
  },
  {
    name: "SplitToSequence into parts of a size",
    inputs: { a: [2, 5] },
    build: (m) => {
      m.constant("two", tensor("int64", [], [2])).constant("last", tensor("int64", [], [-1]));
      m.node("SplitToSequence", ["a", "two"], ["s"], { axis: 1 });
      m.node("SequenceAt", ["s", "last"], ["rest"]).node("SequenceAt", ["s", "zero"], ["first"]);
      m.constant("zero", tensor("int64", [], [0]));
      m.node("Mul", ["first", "rest"], ["y"]);
    },
  },
];

describe("sequences that are known when compiling", () => {
  for (const test of CASES) {
    it(test.name, async () => {
      expect(await sqnrDb(test, "fx32")).toBeGreaterThan(100);
    });
  }

  it("are collected by loops of known length", () => {
    const b = new ModelBuilder(17).input("a", "float32", [2, 3]);
    b.constant("trips", tensor("int64", [], [3])).node("SequenceEmpty", [], ["none"]);
    const body = new ModelBuilder(17)
      .input("i", "int64", [])
      .input("go", "bool", [])
      .node("Cast", ["i"], ["real"], { to: 1 })
      .node("Mul", ["a", "real"], ["row"])
      .node("SequenceInsert", ["list", "row"], ["longer"])
      .node("Identity", ["go"], ["on"])
      .output("on", "bool", [])
      .graph();
    const list = (name: string) => ({ name, type: { sequenceType: {} } });
    b.node("Loop", ["trips", "", "none"], ["s"], {
      body: {
        ...body,
        input: [...(body.input ?? []), list("list")],
        output: [...(body.output ?? []), list("longer")],
      },
    });
    b.node("ConcatFromSequence", ["s"], ["y"], { axis: 0 }).output("y", "float32");
    const graph = importModel(b.encode());
    expect(graph.values.get("y")?.shape).toEqual([6, 3]);
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(["Mul", "Mul", "Mul", "Concat"]);
  });

  it("are refused where they come out", () => {
    const b = new ModelBuilder(17).input("a", "float32", [2]);
    b.node("SequenceConstruct", ["a"], ["s"]).output("s", "float32");
    expect(() => importModel(b.encode())).toThrow('output "s" is a sequence');
  });

  it("give optionals and what is in them", () => {
    const b = new ModelBuilder(18).input("a", "float32", [2]);
    b.node("Optional", ["a"], ["o"]).node("OptionalHasElement", ["o"], ["has"]);
    b.node("OptionalGetElement", ["o"], ["y"]).node("OptionalHasElement", [], ["not"]);
    for (const name of ["has", "not"]) b.output(name, "bool", []);
    b.output("y", "float32", [2]);
    const graph = importModel(b.encode());
    expect(["has", "not"].map((name) => graph.initializers.get(name)!.data[0])).toEqual([1, 0]);
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(["Identity", "Identity"]);
  });
});
