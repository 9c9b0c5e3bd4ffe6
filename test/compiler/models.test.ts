import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { importModel } from "../../src/compiler/importModel.js";
import { optimise } from "../../src/compiler/optimise.js";
import { exportGraph } from "../support/compiler/exportGraph.js";
import { floatTensor, relativeError, runModel } from "../support/compiler/runtime.js";
import { sharedData } from "../support/sharedData.js";
import type { Graph } from "../../src/compiler/graph.js";

const MODELS = [
  "blazeface_front",
  "dtln_1",
  "dtln_2",
  "light_resnet50",
  "magika",
  "mnist",
  "mobilenet_v2_qdq",
  "ppocr_v4_rec",
  "silero_vad_v5",
  "stories260K_seq64",
  "yolox_nano",
];

/** Models whose ranks must all be known, and what to bind their open dimensions to. */
const NAMED: readonly [string, Record<string, number>][] = [
  ["mnist", {}],
  ["mobilenet_v2_qdq", { batch: 1 }],
  ["yolox_nano", {}],
  ["blazeface_front", {}],
  ["light_resnet50", {}],
  ["dtln_2", {}],
  ["ppocr_v4_rec", { "p2o.DynamicDimension.0": 1, "p2o.DynamicDimension.1": 64 }],
];

function load(name: string): Uint8Array {
  return readFileSync(sharedData("models", `${name}.onnx`) ?? "");
}

function values(graph: Graph): string[] {
  return graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ""));
}

const here = sharedData("models") !== undefined;
const title = here ? "real models" : "real models: skipped, there is no ../shared/data";

describe.skipIf(!here)(title, () => {
  test.each(MODELS)("%s imports and optimises, every element type known", (name) => {
    const graph = importModel(load(name));
    for (const each of [graph, optimise(graph)]) {
      const untyped = values(each).filter((v) => each.values.get(v)?.elementType === undefined);
      expect(untyped).toEqual([]);
    }
  });

  test.each(NAMED)("%s: shapes and results are those of onnxruntime", async (name, dims) => {
    const bytes = load(name);
    const graph = importModel(bytes, { dims });
    const optimised = optimise(graph);
    for (const each of [graph, optimised]) {
      expect(values(each).filter((v) => each.values.get(v)?.shape === undefined)).toEqual([]);
    }
    const feeds = Object.fromEntries(
      graph.inputs.map((input, i) => {
        const shape = graph.values.get(input)?.shape as number[];
        return [input, floatTensor(shape, i + 1)];
      }),
    );
    const expected = await runModel(bytes, feeds, "basic");
    const actual = await runModel(exportGraph(optimised), feeds, "basic");
    for (const output of graph.outputs) {
      const [e, a] = [expected[output], actual[output]];
      if (e === undefined || a === undefined) throw new TypeError(`${output} is missing`);
      expect(graph.values.get(output)?.shape).toEqual(e.dims);
      expect(optimised.values.get(output)?.shape).toEqual(e.dims);
      expect(relativeError(a, e)).toBeLessThan(2e-4);
    }
  });

  test("open dimensions flow through by name", () => {
    const graph = importModel(load("mobilenet_v2_qdq"));
    expect(graph.values.get("scores")?.shape).toEqual(["batch", 1000]);
    expect(graph.values.get("image")?.shape).toEqual(["batch", 3, 244, 244]);
  });
});
