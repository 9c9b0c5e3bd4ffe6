import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import { compile } from "../../src/compiler/compile.js";
import { importModel } from "../../src/compiler/importModel.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { findStates } from "../../src/compiler/states.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { instantiate } from "../../src/vm/instance.js";

/** A model whose outputs are its inputs times two, under given names. */
function renamed(inputs: readonly string[], outputs: readonly string[], shape = [1, 4]) {
  const b = new ModelBuilder(17);
  b.constant("two", tensor("float32", [], [2]));
  for (const name of inputs) b.input(name, "float32", shape);
  outputs.forEach((name, i) => b.node("Mul", [inputs[i % inputs.length]!, "two"], [name]));
  for (const name of outputs) b.output(name, "float32", shape);
  return importModel(b.encode());
}

describe("states", () => {
  it.each([
    ["state", "stateN"],
    ["h", "hn"],
    ["c", "c_n"],
    ["past_key_values.0.key", "present.0.key"],
    ["past_3", "present_3"],
    ["hidden_in", "hidden_out"],
    ["prevState", "newState"],
  ])("are found by name: %s and %s", (input, output) => {
    expect(findStates(renamed(["x", input], ["y", output]))).toEqual({ [output]: input });
  });

  it.each([
    ["input", "output"],
    ["input_1", "output_1"],
    ["a", "b"],
  ])("are not guessed: %s and %s", (input, output) => {
    expect(findStates(renamed([input], [output]))).toEqual({});
  });

  it("are found where a sum of an input comes out", () => {
    const b = new ModelBuilder(17);
    b.input("x", "float32", [1, 4]).input("a", "float32", [2, 4]);
    b.constant("zero", tensor("int64", [], [0])).constant("one", tensor("int64", [], [1]));
    b.constant("axis", tensor("int64", [1], [0]));
    b.node("Gather", ["a", "zero"], ["cell"]).node("Sigmoid", ["x"], ["gate"]);
    b.node("Mul", ["cell", "gate"], ["kept"]).node("Add", ["kept", "x"], ["next"]);
    b.node("Concat", ["next", "x"], ["b"], { axis: 0 }).output("b", "float32", [2, 4]);
    b.node("Relu", ["x"], ["y"]).output("y", "float32", [1, 4]);
    expect(findStates(importModel(b.encode()))).toEqual({ b: "a" });
  });

  it("can be stated, and denied", () => {
    const graph = renamed(["x", "state"], ["y", "stateN"]);
    expect(findStates(graph, { y: "state", stateN: "" })).toEqual({ y: "state" });
    expect(() => findStates(graph, { z: "state" })).toThrow('no output "z"');
    expect(() => findStates(graph, { y: "z" })).toThrow('no input "z"');
  });

  it("come out as they go in, wide enough to sum", async () => {
    const b = new ModelBuilder(17);
    b.input("x", "float32", [1, 4]).input("sum", "float32", [1, 4]);
    b.constant("decay", tensor("float32", [], [0.999]));
    b.node("Mul", ["sum", "decay"], ["kept"]).node("Add", ["kept", "x"], ["sum_new"]);
    b.output("sum_new", "float32", [1, 4]);
    const model = b.encode();
    const reals = (...values: number[]) => ({
      elementType: "float32" as const,
      dims: [1, 4],
      data: Float32Array.from(values),
    });
    const calibration = await calibrate(model, [
      new Map([
        ["x", reals(1, -0.5, 0.25, 0.01)],
        ["sum", reals(200, -100, 50, 2)],
      ]),
    ]);
    const { bytes, module, report } = compile(model, { calibration });
    expect(report.states).toEqual({ sum_new: "sum" });
    const [entry] = module.configuration.entries;
    const goesIn = entry!.inputs.find(({ name }) => name === "sum")!;
    expect({ ...entry!.outputs[0], name: "sum" }).toEqual(goesIn);
    expect(goesIn.dtype).toBe("i32");

    const instance = instantiate(bytes, { backend: createReferenceBackend() });
    const x = [1, -0.5, 0.25, 0.01];
    let raw: ArrayLike<number> = [0, 0, 0, 0];
    const exact = [0, 0, 0, 0];
    let reached: ArrayLike<number> = [];
    for (let run = 0; run < 500; run++) {
      const { outputs } = instance.runSync({
        inputs: { x: { dims: [1, 4], reals: x }, sum: { dims: [1, 4], integers: raw } },
      });
      raw = Array.from(outputs!["sum_new"]!.integers, Number);
      reached = outputs!["sum_new"]!.reals("float64");
      exact.forEach((v, i) => (exact[i] = v * Math.fround(0.999) + x[i]!));
    }
    // In 16 bits a step of the sum would be 0.01, as large as the least of what is added to it.
    exact.forEach((v, i) => expect(Math.abs(reached[i]! - v)).toBeLessThan(0.02));
    instance.dispose();
  });
});
