import { describe, expect, test } from "vitest";
import type { GraphNode } from "../../../src/compiler/graph.js";
import { checkSignature } from "../../../src/compiler/onnx/signatures.js";

function node(op: string, inputs: string[], outputs: string[] = ["y"], domain = ""): GraphNode {
  return { name: "n", opType: op, domain, inputs, outputs, attributes: new Map() };
}

// Each expectation is what ONNX's schema of that operator says, by version.
describe("a node has what its operator needs", () => {
  test.each<[string, GraphNode, number]>([
    ["optional inputs may be absent", node("GRU", ["x", "w", "r"], ["", "h"]), 14],
    ["also between others", node("Clip", ["x", "", "max"]), 13],
    ["any number of inputs", node("Concat", ["a", "b", "c", "d"]), 13],
    ["none at all", node("Constant", []), 13],
    ["bounds were attributes once", node("Clip", ["x"]), 6],
    ["a Loop without state", node("Loop", ["n"], ["y"]), 13],
    ["a version before the first that is known", node("Mish", ["x"]), 1],
    ["operators that ONNX does not have", node("Anything", ["", ""], [], "mine"), 1],
    ["onnxruntime's own", node("QGemm", ["a", "s", "z", "b", "t", "u"], ["y"], "com.microsoft"), 1],
  ])("%s", (_, subject, opset) => {
    expect(() => checkSignature(subject, opset)).not.toThrow();
  });

  test.each<[GraphNode, number, string, RegExp]>([
    [node("GRU", ["x", "w"]), 14, "MissingInput", /GRU "n": input 2, "R", is missing/],
    [node("MatMul", ["", "b"]), 13, "MissingInput", /input 0, "A", is missing/],
    [node("Gemm", ["a", "b"]), 9, "MissingInput", /input 2, "C", is missing/],
    [node("Slice", ["x"]), 10, "MissingInput", /input 1, "starts", is missing/],
    [node("Concat", []), 13, "MissingInput", /input 0, "inputs", is missing/],
    [node("Sum", ["a", "", "c"]), 13, "MissingInput", /input 1, "data_0", is missing/],
    [node("Slice", ["x", "s", "e"]), 9, "BadGraph", /has 3 inputs, the operator at most 1/],
    [node("TopK", ["x", "k"], ["y"]), 11, "BadGraph", /output 1, "Indices", is missing/],
    [node("Relu", ["x"], ["a", "b"]), 13, "BadGraph", /has 2 outputs, the operator at most 1/],
    [node("BiasGelu", ["x"], ["y"], "com.microsoft"), 1, "MissingInput", /input 1, "B"/],
  ])("%# is refused", (subject, opset, code, message) => {
    let error: unknown;
    try {
      checkSignature(subject, opset);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name: "CompileError", code });
    expect(String(error)).toMatch(message);
  });
});
