import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { compareLayers } from "../../../src/analysis/compareLayers.js";
import { compilationReport } from "../../../src/analysis/report/compilationReport.js";
import type { CompilationReport } from "../../../src/analysis/report/compilationReport.js";
import { magnitudes } from "../../../src/analysis/report/magnitudes.js";
import { compile, importSupported } from "../../../src/compiler/compile.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/instance.js";

/** A product, a Relu that becomes part of it, a table, and a sum with a constant row. */
const MODEL = new ModelBuilder()
  .input("x", "float32", ["n", 4])
  .constant("w", tensor("float32", [4, 3], [1, -2, 3, 4, -5, 6, 7, 8, -9, 1, 2, 3]))
  .constant("row", tensor("float32", [3], [0.5, 0.25, -1]))
  .node("MatMul", ["x", "w"], ["product"], {}, { name: "multiply" })
  .node("Relu", ["product"], ["positive"], {}, { name: "clamp" })
  .node("Sigmoid", ["positive"], ["gate"], {}, { name: "squash" })
  .node("Add", ["gate", "row"], ["y"], {}, { name: "shift" })
  .output("y", "float32", ["n", 3])
  .encode();

const x = (...data: number[]): Map<string, HostArray> =>
  new Map([["x", { elementType: "float32", dims: [1, 4], data: Float32Array.from(data) }]]);
const SAMPLES = [x(1, 0.5, -0.25, 0.75), x(-1, 0.125, 0.5, 0)];

async function reportOf(measured: boolean): Promise<CompilationReport> {
  const calibration = await calibrate(MODEL, SAMPLES);
  const result = compile(MODEL, { calibration });
  const comparison = measured
    ? await compareLayers(MODEL, SAMPLES, {
        calibration,
        instantiate: (bytes) => instantiate(bytes, { backend: createReferenceBackend() }),
      })
    : undefined;
  const graph = importSupported(MODEL, {});
  return compilationReport({ name: "m", graph, calibration, result, comparison });
}

describe("compilationReport", () => {
  it("gives every unit of gas and every byte to one layer", async () => {
    const report = await reportOf(false);
    const { layers } = report;
    expect(report.gasKind).toBe("exact");
    expect(report.dims).toEqual({ n: 1 });
    expect(layers.reduce((sum, layer) => sum + layer.gas!, 0n)).toBe(report.gas);
    const total = (key: "parameterBytes" | "instructions"): number =>
      layers.reduce((sum, layer) => sum + layer[key], 0);
    expect(total("parameterBytes")).toBe(report.parameterBytes);
    expect(total("instructions")).toBe(report.instructions);
  });

  it("has the layers in order, with what is known of them", async () => {
    const { layers, measuredSamples } = await reportOf(true);
    expect(measuredSamples).toBe(2);
    const names = layers.map(({ node }) => node);
    expect(names.slice(0, 2)).toEqual(["x", "multiply"]);
    expect(names.indexOf("squash")).toBeLessThan(names.indexOf("shift"));
    const at = (node: string) => layers.find((layer) => layer.node === node);
    expect(at("x")?.operator).toBe("Input");
    expect(at("x")?.values[0]?.range).toEqual([-1, 1]);
    expect(at("multiply")?.weightBits).toBeGreaterThan(8);
    expect(at("multiply")?.parameterBytes).toBeGreaterThanOrEqual(24);
    const gate = at("squash")?.values[0];
    const y = at("shift")?.values[0];
    expect(y?.isOutput).toBe(true);
    expect(gate?.isOutput).toBe(false);
    expect(y?.lostDb).toBeCloseTo(gate!.error!.sqnrDb - y!.error!.sqnrDb, 12);
    // The calibrated range is rounded to float32.
    for (const { limits, range, clipped } of layers.flatMap(({ values }) => values)) {
      expect(clipped).toBe(0);
      if (range === undefined) continue;
      expect(limits[0]).toBeLessThanOrEqual(range[0] + 1e-7);
      expect(limits[1]).toBeGreaterThanOrEqual(range[1] - 1e-7);
    }
  });

  it("has no errors where nothing was measured", async () => {
    const { layers, measuredSamples } = await reportOf(false);
    expect(measuredSamples).toBeUndefined();
    for (const { values } of layers)
      for (const value of values) {
        expect(value).not.toHaveProperty("error");
        expect(value).not.toHaveProperty("lostDb");
      }
  });
});

describe("magnitudes", () => {
  it("adds up octaves, signs left out", () => {
    const bin = (v: number): number => {
      const view = new DataView(new ArrayBuffer(4));
      view.setFloat32(0, v);
      return view.getUint32(0) >>> 20;
    };
    const histogram = [1, 1.5, -1.75, 2, -0.3, 0, -0].map((v): [number, number] => [bin(v), 10]);
    expect(magnitudes(histogram)).toEqual([
      { exponent: -127, count: 20 },
      { exponent: -2, count: 10 },
      { exponent: 0, count: 30 },
      { exponent: 1, count: 10 },
    ]);
  });
});
