import { describe, expect, it } from "vitest";
import { accuracy, compare } from "../../src/analysis/compare.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../src/core/hostArray.js";
import type { Module } from "../../src/module/module.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { instantiate } from "../../src/vm/instance.js";

const f64 = (...values: number[]): Float64Array => Float64Array.from(values);

describe("accuracy", () => {
  it("computes what it says, by hand", () => {
    // signal 25, noise 0.01 + 0.04 = 0.05: 10·log10(500) = 26.9897 dB
    const { sqnrDb, maxAbsError, cosine, argmaxAgreement } = accuracy(f64(3, 4), f64(3.1, 3.8), 2);
    expect(sqnrDb).toBeCloseTo(26.9897, 4);
    expect(maxAbsError).toBeCloseTo(0.2, 12);
    // (9.3 + 15.2) / (5 · √(9.61 + 14.44))
    expect(cosine).toBeCloseTo(24.5 / (5 * Math.sqrt(24.05)), 12);
    expect(argmaxAgreement).toBe(1);
  });

  it("counts rows whose greatest element is elsewhere; ties take the first", () => {
    const f = f64(1, 2, 5, 5, 3, 0);
    const q = f64(2, 1, 5, 5, 3, 0);
    expect(accuracy(f, q, 2).argmaxAgreement).toBeCloseTo(2 / 3, 12);
    expect(accuracy(f, q, 1).argmaxAgreement).toBe(1);
  });

  it("stays within bounds where a ratio has none", () => {
    expect(accuracy(f64(1, 2), f64(1, 2), 2)).toEqual({
      sqnrDb: 300,
      maxAbsError: 0,
      cosine: 1,
      argmaxAgreement: 1,
    });
    expect(accuracy(f64(0, 0), f64(0, 0), 2)).toMatchObject({ sqnrDb: 300, cosine: 1 });
    expect(accuracy(f64(0, 0), f64(0, 1), 2)).toMatchObject({ sqnrDb: -300, cosine: 0 });
    expect(accuracy(f64(), f64(), 0)).toMatchObject({ sqnrDb: 300, argmaxAgreement: 1 });
  });

  it("leaves out elements that are not finite", () => {
    const result = accuracy(f64(-Infinity, 1, NaN), f64(-9, 1, 0), 3);
    expect(result).toMatchObject({ sqnrDb: 300, maxAbsError: 0, cosine: 1 });
  });

  it("has no figures where nothing is finite", () => {
    expect(accuracy(f64(NaN, Infinity), f64(1, 2), 2)).toEqual({
      sqnrDb: NaN,
      maxAbsError: NaN,
      cosine: NaN,
      argmaxAgreement: NaN,
    });
  });
});

const STEP = { mantissa: 1, exponent: -3, zeroPoint: 0n };
/** `y = x`, in eighths. */
const IDENTITY: Module = {
  configuration: {
    isaVersion: 1,
    gasVersion: 1,
    features: [],
    dimensions: [],
    entries: [
      {
        name: "main",
        function: 0,
        inputs: [{ name: "x", dtype: "i16", shape: [2], scale: STEP }],
        outputs: [{ name: "y", dtype: "i16", shape: [2], scale: STEP }],
      },
    ],
    aggregations: [],
  },
  functions: [
    {
      params: [{ dtype: "i16", rank: 1 }],
      results: [{ dtype: "i16", rank: 1 }],
      locals: [],
      body: [
        { op: "local.get", imm: { local: 0 } },
        { op: "end", imm: {} },
      ],
    },
  ],
  aggregation: [],
  parameters: [],
  parameterData: [],
  provenance: {},
};

function identity(output = "y"): Uint8Array {
  return new ModelBuilder()
    .input("x", "float32", [2])
    .node("Identity", ["x"], [output])
    .output(output, "float32", [2])
    .encode();
}

const sample = (...values: number[]): Map<string, HostArray> =>
  new Map([["x", { elementType: "float32", dims: [2], data: Float32Array.from(values) }]]);

describe("compare", () => {
  it("sets float and fixed point side by side, mean and worst", async () => {
    const instance = instantiate(IDENTITY, { backend: createReferenceBackend() });
    // 2.3125 is 18.5 eighths, which rounds to 19, 2.375: an error of 1/16. 1 and 0 are exact.
    const done: number[] = [];
    const result = await compare(identity(), instance, [sample(2.3125, 0), sample(1, 0)], {
      onProgress: (count) => done.push(count),
    });
    const worst = 20 * Math.log10(2.3125 / 0.0625);
    expect(result).toMatchObject({ samples: 2, backend: "reference", moduleId: instance.moduleId });
    expect(result.outputs["y"]).toEqual({
      sqnrDb: expect.closeTo((worst + 300) / 2, 9),
      maxAbsError: 0.0625,
      cosine: 1,
      argmaxAgreement: 1,
      notFinite: 0,
      worst: {
        sqnrDb: expect.closeTo(worst, 9),
        maxAbsError: 0.0625,
        cosine: 1,
        argmaxAgreement: 1,
      },
    });
    expect(done).toEqual([1, 2]);
  });

  it("counts what the module clipped of its inputs", async () => {
    const instance = instantiate(IDENTITY, { backend: createReferenceBackend() });
    // i16 in eighths ends at 4095.875.
    const samples = [sample(5000, 1), sample(-6000, 5000), sample(0, 4095)];
    const { clippedInputs } = await compare(identity(), instance, samples);
    expect(clippedInputs).toEqual({ x: 3 });
    expect((await compare(identity(), instance, [sample(1, 2)])).clippedInputs).toEqual({});
  });

  it("takes the evaluator for a model that onnxruntime cannot open", async () => {
    // onnxruntime has no recurrent networks with the batch first; relu(1·x + 0·h) is x for x ≥ 0.
    const model = new ModelBuilder()
      .input("x", "float32", [2])
      .constant("shape", tensor("int64", [3], [1, 2, 1]))
      .constant("flat", tensor("int64", [1], [2]))
      .constant("w", tensor("float32", [1, 1, 1], [1]))
      .constant("r", tensor("float32", [1, 1, 1], [0]))
      .node("Reshape", ["x", "shape"], ["steps"])
      .node("RNN", ["steps", "w", "r"], ["states"], {
        layout: 1,
        hidden_size: 1,
        activations: { type: "strings", value: ["Relu"] },
      })
      .node("Reshape", ["states", "flat"], ["y"])
      .output("y", "float32", [2])
      .encode();
    const instance = instantiate(IDENTITY, { backend: createReferenceBackend() });
    const result = await compare(model, instance, [sample(2.5, 0.125)]);
    expect(result.engine).toBe("aivm");
    expect(result.outputs["y"]).toMatchObject({ sqnrDb: 300, maxAbsError: 0 });
  });

  it("refuses a module of another model, and no samples", async () => {
    const instance = instantiate(IDENTITY, { backend: createReferenceBackend() });
    await expect(compare(identity("z"), instance, [sample(1, 2)])).rejects.toThrow(
      expect.objectContaining({ code: "OtherModel", message: expect.stringMatching(/"z"/) }),
    );
    await expect(compare(identity(), instance, [])).rejects.toThrow(
      expect.objectContaining({ code: "NoSamples" }),
    );
  });
});
