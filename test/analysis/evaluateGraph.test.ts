import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../src/analysis/evaluateGraph.js";
import { FAST_FUNCTIONS } from "../../src/analysis/fastFunctions.js";
import { functions, isElementary, pow } from "../../src/compiler/elementary.js";
import type { ConstantTensor, Graph } from "../../src/compiler/graph.js";
import { importModel } from "../../src/compiler/importModel.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { decodeTensor } from "../../src/compiler/onnx/tensor.js";
import { optimise } from "../../src/compiler/optimise.js";
import { CompileError } from "../../src/core/errors.js";
import { sharedData } from "../support/sharedData.js";

const floats = (dims: number[], ...values: number[]): ConstantTensor =>
  tensor("float32", dims, values);
const numbers = (t: ConstantTensor | undefined): number[] =>
  Array.from(t?.data as ArrayLike<number>, Number);

function evaluate(
  model: ModelBuilder,
  feeds: Record<string, ConstantTensor>,
  options: Parameters<typeof evaluateGraph>[2] = {},
): Map<string, ConstantTensor> {
  const graph = optimise(importModel(model.encode()));
  return evaluateGraph(graph, new Map(Object.entries(feeds)), options);
}

describe("evaluateGraph", () => {
  it("takes sizes of open dimensions from the data", () => {
    const model = (): ModelBuilder =>
      new ModelBuilder()
        .input("x", "float32", ["n", "w"])
        .constant("start", tensor("int64", [1], [-2]))
        .constant("end", tensor("int64", [1], [1000]))
        .constant("axis", tensor("int64", [1], [1]))
        .constant("shape", tensor("int64", [2], [-1, 1]))
        .node("Slice", ["x", "start", "end", "axis"], ["tail"])
        .node("Reshape", ["tail", "shape"], ["y"])
        .output("y", "float32", undefined);
    const y = evaluate(model(), { x: floats([2, 3], 1, 2, 3, 4, 5, 6) }).get("y");
    expect([y?.dims, numbers(y)]).toEqual([
      [4, 1],
      [2, 3, 5, 6],
    ]);
  });

  it("resolves what is known only at run time", () => {
    const model = new ModelBuilder()
      .input("x", "float32", [2, 3])
      .input("target", "int64", [2])
      .input("axes", "int64", ["k"])
      .node("Reshape", ["x", "target"], ["r"])
      .node("ReduceSum", ["r", "axes"], ["y"], { keepdims: 0 })
      .output("y", "float32", undefined);
    const feeds = {
      x: floats([2, 3], 1, 2, 3, 4, 5, 6),
      target: tensor("int64", [2], [3, -1]),
      axes: tensor("int64", [1], [-1]),
    };
    const y = evaluate(model, feeds).get("y");
    expect([y?.dims, numbers(y)]).toEqual([[3], [3, 7, 11]]);
  });

  it("takes the widest of several float types, as passes drop casts between them", () => {
    const model = new ModelBuilder()
      .input("x", "float16", [1])
      .constant("third", tensor("float32", [1], [1 / 3]))
      .node("Cast", ["x"], ["wide"], { to: 1 })
      .node("Add", ["wide", "third"], ["sum"])
      .node("Add", ["sum", "wide"], ["y"])
      .output("y", "float32", [1])
      .encode();
    const graph = optimise(importModel(model));
    expect(graph.nodes.map(({ opType }) => opType)).not.toContain("Cast");
    const x = { elementType: "float16", dims: [1], data: Float64Array.of(2) } as const;
    const [y] = numbers(evaluateGraph(graph, new Map([["x", x]])).get("y"));
    expect(y).toBeCloseTo(4 + 1 / 3, 6);
  });

  it("computes only what is wanted, from what is known", () => {
    const model = (): ModelBuilder =>
      new ModelBuilder()
        .input("x", "float32", [1])
        .node("Sqrt", ["x"], ["root"])
        .node("Abs", ["root"], ["y"])
        .node("Neg", ["x"], ["z"])
        .output("y", "float32", [1])
        .output("z", "float32", [1]);
    const seen: string[] = [];
    const results = evaluate(
      model(),
      { x: floats([1], 4) },
      {
        known: new Map([["root", floats([1], -7)]]),
        wanted: ["y"],
        measure: (name) => seen.push(name),
      },
    );
    expect(numbers(results.get("y"))).toEqual([7]);
    expect(seen).toEqual(["y"]);
  });

  it("runs the bodies of loops, and measures what is in them each time", () => {
    const body: Graph = {
      name: "body",
      inputs: ["i", "c", "total"],
      outputs: ["c2", "next", "double"],
      nodes: [],
      initializers: new Map(),
      values: new Map(),
      opsets: new Map([["", 17]]),
    };
    body.values.set("i", { elementType: "int64", shape: [] });
    body.values.set("c", { elementType: "bool", shape: [] });
    body.values.set("total", { elementType: "float32", shape: [1] });
    const node = (opType: string, inputs: string[], output: string, type = "float32"): void => {
      body.values.set(output, {
        elementType: type as "float32",
        shape: type === "bool" ? [] : [1],
      });
      body.nodes.push({
        name: output,
        opType,
        domain: "",
        inputs,
        outputs: [output],
        attributes: new Map(),
      });
    };
    node("Identity", ["c"], "c2", "bool");
    node("Add", ["total", "x"], "next");
    node("Add", ["next", "next"], "double");
    const graph: Graph = {
      name: "main",
      inputs: ["x"],
      outputs: ["last", "all"],
      nodes: [
        {
          name: "loop",
          opType: "Loop",
          domain: "",
          inputs: ["three", "", "x"],
          outputs: ["last", "all"],
          attributes: new Map([["body", { type: "graph", value: body }]]),
        },
      ],
      initializers: new Map([["three", tensor("int64", [], [3])]]),
      values: new Map([
        ["x", { elementType: "float32", shape: [1] }],
        ["three", { elementType: "int64", shape: [] }],
        ["last", { elementType: "float32", shape: [1] }],
        ["all", { elementType: "float32", shape: [3, 1] }],
      ]),
      opsets: new Map([["", 17]]),
    };
    const seen: [string, number][] = [];
    const results = evaluateGraph(graph, new Map([["x", floats([1], 2)]]), {
      measure: (name, t, inBody) => {
        if (inBody && (name === "next" || name === "total")) seen.push([name, numbers(t)[0]!]);
      },
    });
    expect(numbers(results.get("last"))).toEqual([8]);
    expect([results.get("all")?.dims, numbers(results.get("all"))]).toEqual([
      [3, 1],
      [8, 12, 16],
    ]);
    expect(seen).toEqual([
      ["total", 2],
      ["next", 4],
      ["total", 4],
      ["next", 6],
      ["total", 6],
      ["next", 8],
    ]);
  });

  it("names the node that it cannot compute, or goes on without it", () => {
    const model = (): ModelBuilder =>
      new ModelBuilder()
        .input("x", "float32", [2])
        .node("Frobnicate", ["x"], ["strange"], {}, { domain: "com.example" })
        .node("Neg", ["strange"], ["y"])
        .node("Neg", ["x"], ["z"])
        .output("y", "float32", [2])
        .output("z", "float32", [2]);
    const feeds = { x: floats([2], 1, 2) };
    expect(() => evaluate(model(), feeds)).toThrow(
      expect.objectContaining({
        code: "NotEvaluated",
        message: expect.stringMatching(/com\.example\.Frobnicate/),
      }),
    );
    const failures: string[] = [];
    const results = evaluate(model(), feeds, { onFailure: ({ code }) => failures.push(code) });
    expect([...results.keys()]).toEqual(["z"]);
    expect(failures).toEqual(["NotEvaluated"]);
  });

  it("refuses results that no memory holds", () => {
    const model = new ModelBuilder()
      .input("x", "float32", [1])
      .input("shape", "int64", [2])
      .node("Expand", ["x", "shape"], ["y"])
      .output("y", "float32", undefined);
    const feeds = { x: floats([1], 1), shape: tensor("int64", [2], [2 ** 30, 2 ** 20]) };
    expect(() => evaluate(model, feeds)).toThrow(expect.objectContaining({ code: "TooLarge" }));
  });
});

describe("fast functions", () => {
  const points = [-30, -5, -2.6, -1, -0.75, -0.3, 0, 1e-5, 0.2, 0.9, 1, 1.5, 2.4, 2.6, 5.5, 8, 30];

  it.each(Object.keys(functions).filter(isElementary))("%s agrees with the exact one", (name) => {
    for (const x of points) {
      const [fast, exact] = [FAST_FUNCTIONS.named[name](x), functions[name](x)];
      if (Number.isFinite(exact))
        expect(Math.abs(fast - exact)).toBeLessThan(1e-6 * Math.max(1, Math.abs(exact)));
      else expect(fast).toBe(exact);
    }
  });

  it("pow agrees with the exact one", () => {
    for (const x of points) {
      const [fast, exact] = [FAST_FUNCTIONS.pow(x, 3), pow(x, 3)];
      expect(Math.abs(fast - exact)).toBeLessThan(1e-12 * Math.max(1, Math.abs(exact)));
    }
  });
});

const folder = sharedData("onnx-backend-v1.17.0", "node");

/** Cases whose expected outputs are not what ONNX's text says. */
const OTHERWISE: readonly [RegExp, string][] = [
  [/BFLOAT16/, "bfloat16 in the bits of another type"],
  [/no_saturate/, "what is too large for float8 saturates here"],
  [/qlinearmatmul_.*_int8_/, "wraps where it should saturate"],
  [
    /averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True/,
    "counts the overhang",
  ],
];

function tensors(name: string, kind: "input" | "output"): ConstantTensor[] {
  const found: ConstantTensor[] = [];
  for (let i = 0; ; i++) {
    const file = join(folder ?? "", name, "test_data_set_0", `${kind}_${String(i)}.pb`);
    if (!existsSync(file)) return found;
    found.push(decodeTensor(readFileSync(file)).tensor);
  }
}

/** "equal", "refused", or what is wrong. */
function verdict(name: string): string {
  try {
    const graph = optimise(importModel(readFileSync(join(folder ?? "", name, "model.onnx"))));
    const inputs = tensors(name, "input");
    const feeds = new Map(graph.inputs.flatMap((n, i) => (inputs[i] ? [[n, inputs[i]]] : [])));
    const results = evaluateGraph(graph, feeds);
    for (const [i, expected] of tensors(name, "output").entries()) {
      const actual = results.get(graph.outputs[i] ?? "");
      if (expected.elementType === "string" || actual === undefined) continue;
      if (actual.dims.join() !== expected.dims.join()) return `shape ${actual.dims.join()}`;
      const [e, a] = [numbers(expected), numbers(actual)];
      const greatest = e.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
      // Of half precision, a few units in the last place.
      const tolerance = (expected.elementType === "float16" ? 2e-3 : 1e-4) * greatest;
      const same = e.every(
        (v, k) => Object.is(v, a[k]) || v === a[k] || Math.abs(v - a[k]!) <= tolerance,
      );
      if (!same) return "values";
    }
    return "equal";
  } catch (error) {
    if (error instanceof CompileError) return "refused";
    throw error;
  }
}

describe.skipIf(folder === undefined)(
  folder === undefined ? "ONNX node tests: skipped, there is no ../shared/data" : "ONNX node tests",
  () => {
    it("gives what the suite expects, for more than 1000 cases, and nothing else", () => {
      const names = readdirSync(folder ?? "").filter(
        (name) =>
          existsSync(join(folder ?? "", name, "model.onnx")) &&
          !OTHERWISE.some(([pattern]) => pattern.test(name)),
      );
      const verdicts = names.map((name) => [name, verdict(name)] as const);
      const wrong = verdicts.filter(([, v]) => v !== "equal" && v !== "refused");
      expect(wrong).toEqual([]);
      expect(verdicts.filter(([, v]) => v === "equal").length).toBeGreaterThan(1000);
    }, 60_000);
  },
);
