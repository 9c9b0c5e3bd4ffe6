import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import { formatCalibration, parseCalibration } from "../../src/analysis/calibrationFile.js";
import { madeUpSamples } from "../../src/analysis/madeUpSamples.js";
import { observedModels } from "../../src/analysis/observedModels.js";
import { selfContained } from "../../src/analysis/selfContained.js";
import { importModel } from "../../src/compiler/importModel.js";
import { optimise } from "../../src/compiler/optimise.js";
import { describeModel } from "../../src/compiler/describe.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { decodeModel, encodeModel } from "../../src/compiler/onnx/wire.js";
import type { HostArray } from "../../src/core/hostArray.js";

const floats = (dims: number[], ...values: number[]): HostArray => ({
  elementType: "float32",
  dims,
  data: Float32Array.from(values),
});
const sample = (...values: number[]): Map<string, HostArray> =>
  new Map([["x", floats([values.length, 1], ...values)]]);

/** y = relu(2x − 1), over a batch. */
function affine(): Uint8Array {
  return new ModelBuilder()
    .input("x", "float32", ["batch", 1])
    .constant("two", tensor("float32", [1], [2]))
    .constant("one", tensor("float32", [1], [1]))
    .node("Mul", ["x", "two"], ["doubled"])
    .node("Sub", ["doubled", "one"], ["less"])
    .node("Relu", ["less"], ["y"])
    .output("y", "float32", ["batch", 1])
    .encode();
}

const fails = (promise: Promise<unknown>, code: string, says: RegExp): Promise<void> =>
  expect(promise).rejects.toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(says) }),
  );

describe("calibrate", () => {
  it("measures inputs, inner values and outputs", async () => {
    const model = affine();
    const progress: number[] = [];
    const calibration = await calibrate(model, [sample(0, 3), sample(-1)], {
      onProgress: (done) => progress.push(done),
    });
    expect(calibration).toMatchObject({
      version: 1,
      model: createHash("sha256").update(model).digest("hex"),
      samples: 2,
      madeUp: false,
      dims: { batch: 2 },
      tensors: {
        x: { min: -1, max: 3, count: 3 },
        doubled: { min: -2, max: 6, count: 3 },
        less: { min: -3, max: 5, count: 3 },
        y: { min: 0, max: 5, count: 3 },
      },
    });
    expect(Object.keys(calibration.tensors)).toEqual(["doubled", "less", "x", "y"]);
    expect(progress).toEqual([1, 2]);
  });

  it("measures floats between the Q and DQ nodes of a quantised model, and no integers", async () => {
    const model = new ModelBuilder()
      .input("x", "float32", [2, 1])
      .constant("scale", tensor("float32", [], [0.5]))
      .constant("zero", tensor("uint8", [], [10]))
      .node("QuantizeLinear", ["x", "scale", "zero"], ["q"])
      .node("DequantizeLinear", ["q", "scale", "zero"], ["dq"])
      .node("Neg", ["dq"], ["y"])
      .output("y", "float32", [2, 1])
      .encode();
    // 0.6 / 0.5 = 1.2 rounds to 1; −9 / 0.5 + 10 = −8 saturates to 0, which stands for −5
    const { tensors } = await calibrate(model, [sample(0.6, -9)]);
    expect(Object.keys(tensors)).toEqual(["dq", "x", "y"]);
    expect(tensors["dq"]).toMatchObject({ min: -5, max: 0.5 });
    expect(tensors["y"]).toMatchObject({ min: -0.5, max: 5 });
  });

  it("gives the same text again, which reads back as the same calibration", async () => {
    const first = await calibrate(affine(), [sample(0.1, 0.7)]);
    const second = await calibrate(affine(), [sample(0.1, 0.7)]);
    const text = formatCalibration(first);
    expect(formatCalibration(second)).toBe(text);
    expect(parseCalibration(text, "c.json")).toEqual(first);
  });

  it("converts samples to the types of the inputs, where nothing is lost", async () => {
    const integers: HostArray = { elementType: "uint8", dims: [1, 1], data: Uint8Array.of(200) };
    const { tensors } = await calibrate(affine(), [new Map([["x", integers]])]);
    expect(tensors["x"]).toMatchObject({ min: 200, max: 200 });
    const gather = new ModelBuilder()
      .input("i", "int64", [1])
      .constant("table", tensor("float32", [3], [1, 2, 4]))
      .node("Gather", ["table", "i"], ["y"])
      .output("y", "float32", [1])
      .encode();
    const index: HostArray = { elementType: "int32", dims: [1], data: Int32Array.of(2) };
    expect((await calibrate(gather, [new Map([["i", index]])])).tensors["y"]?.max).toBe(4);
    const half = new Map([["i", floats([1], 0.5)]]);
    await fails(calibrate(gather, [half]), "BadSample", /"i" takes int64.*float32/);
  });

  it("measures what the normal form puts in the place of an operator", async () => {
    // Before operator set 13, a Softmax runs over all axes from `axis` on: Reshapes around it.
    const model = new ModelBuilder(11)
      .input("x", "float32", [1, 2, 2])
      .node("Softmax", ["x"], ["hot"], { axis: 1 })
      .node("Neg", ["hot"], ["y"])
      .output("y", "float32", [1, 2, 2])
      .encode();
    const lowered = optimise(importModel(model));
    const invented = lowered.nodes
      .flatMap(({ outputs }) => outputs)
      .filter((name) => name.includes("#") && lowered.values.get(name)?.elementType === "float32");
    expect(invented.length).toBeGreaterThan(0);
    const input = new Map([["x", floats([1, 2, 2], 0, 0, 0, 0)]]);
    const calibration = await calibrate(model, [input]);
    expect(calibration.engine).toBeUndefined();
    expect(calibration.tensors["y"]).toMatchObject({ min: -0.25, max: -0.25, count: 4 });
    for (const name of invented) expect(calibration.tensors[name]?.count).toBeGreaterThan(0);
  });

  it("computes a model that onnxruntime cannot open, and says so", async () => {
    const model = new ModelBuilder()
      .input("x", "float32", [1, 2, 1])
      .constant("w", tensor("float32", [1, 1, 1], [2]))
      .constant("r", tensor("float32", [1, 1, 1], [1]))
      .node("RNN", ["x", "w", "r"], ["y"], {
        layout: 1,
        hidden_size: 1,
        activations: { type: "strings", value: ["Relu"] },
      })
      .output("y", "float32", [1, 2, 1, 1])
      .encode();
    const input = new Map([["x", floats([1, 2, 1], 1, 3)]]);
    const calibration = await calibrate(model, [input, input]);
    // relu(2·1) = 2, relu(2·3 + 2) = 8
    expect(calibration.tensors["y"]).toMatchObject({ min: 2, max: 8, count: 4 });
    expect(calibration.tensors["x"]).toMatchObject({ min: 1, max: 3, count: 4 });
    expect(calibration).toMatchObject({
      engine: "aivm",
      engineReason: expect.stringMatching(/onnxruntime/),
    });
    expect(parseCalibration(formatCalibration(calibration), "c")).toEqual(calibration);
  });

  it("says which operator neither onnxruntime nor the evaluator can compute", async () => {
    const model = new ModelBuilder()
      .input("x", "float32", [1])
      .node("Frobnicate", ["x"], ["y"], {}, { domain: "com.example" })
      .output("y", "float32", [1])
      .encode();
    const input = new Map([["x", floats([1], 1)]]);
    await fails(calibrate(model, [input]), "FloatModel", /onnxruntime.*Frobnicate "y"/s);
  });

  it("measures values in the branches of a conditional", async () => {
    const branch = (op: string, inner: string): ReturnType<ModelBuilder["graph"]> =>
      new ModelBuilder()
        .node(op, ["x"], [inner])
        .node("Neg", [inner], [`${inner}_out`])
        .output(`${inner}_out`, "float32", [2])
        .graph();
    const model = new ModelBuilder()
      .input("x", "float32", [2])
      .input("c", "bool", [])
      .node("If", ["c"], ["y"], {
        then_branch: branch("Exp", "grown"),
        else_branch: branch("Abs", "positive"),
      })
      .output("y", "float32", [2])
      .encode();
    const run = (c: number, ...values: number[]): Map<string, HostArray> =>
      new Map([
        ["x", floats([2], ...values)],
        ["c", { elementType: "bool", dims: [], data: Uint8Array.of(c) }],
      ]);
    const { tensors } = await calibrate(model, [run(1, 0, 1), run(0, -5, 2)]);
    expect(tensors["grown_out"]?.min).toBeCloseTo(-Math.E, 5);
    expect(tensors["positive"]).toMatchObject({ min: 2, max: 5, count: 2 });
    expect(tensors["y"]).toMatchObject({ min: -5, count: 4 });
  });

  it("refuses samples that are not the model's", async () => {
    await fails(calibrate(affine(), []), "NoSamples", /at least one/);
    await fails(calibrate(affine(), [new Map()]), "BadSample", /lacks input "x"/);
    const flat = new Map([["x", floats([2], 1, 2)]]);
    await fails(calibrate(affine(), [flat]), "BadSample", /\[2\].*\[batch,1\]/);
    const other = new Map([...sample(1), ["z", floats([], 1)]]);
    await fails(calibrate(affine(), [other]), "BadSample", /no input "z".*"x"/);
    const pinned = calibrate(affine(), [sample(1, 2)], { dims: { batch: 1 } });
    await fails(pinned, "BadSample", /\[2,1\].*\[1,1\]/);
  });
});

describe("observedModels", () => {
  it("parts the values into several models where memory is short", () => {
    const small = observedModels(affine(), { dims: { batch: 4 }, maxBytes: 40 });
    // three values of 16 bytes each
    expect(small.map(({ names }) => names)).toEqual([["doubled", "less"], ["y"]]);
    const all = observedModels(affine());
    expect(all.map(({ names }) => names)).toEqual([["doubled", "less", "y"]]);
  });

  it("leaves out what is constant", () => {
    const model = new ModelBuilder()
      .input("x", "float32", [1])
      .constant("a", tensor("float32", [1], [3]))
      .node("Neg", ["a"], ["constant"])
      .node("Add", ["x", "constant"], ["y"])
      .output("y", "float32", [1])
      .encode();
    expect(observedModels(model).map(({ names }) => names)).toEqual([["y"]]);
  });
});

describe("madeUpSamples", () => {
  const { inputs } = describeModel(affine());

  it("follows from its seed, and dims default to 1", () => {
    const all = [...madeUpSamples(inputs, { seed: 7 })];
    expect(all).toHaveLength(8);
    expect([...madeUpSamples(inputs, { seed: 7 })]).toEqual(all);
    expect([...madeUpSamples(inputs, { seed: 8 })]).not.toEqual(all);
    expect(all[0]?.get("x")?.dims).toEqual([1, 1]);
    const [wide] = madeUpSamples(inputs, { dims: { batch: 1000 } });
    expect(wide?.get("x")?.dims).toEqual([1000, 1]);
  });

  it("is uniform and normal by turns", () => {
    const [uniform, normal] = madeUpSamples(inputs, { dims: { batch: 20000 }, count: 2 });
    const moments = (from: ReadonlyMap<string, HostArray> | undefined): [number, number] => {
      const data = Array.from(from?.get("x")?.data as Float32Array);
      const mean = data.reduce((a, b) => a + b, 0) / data.length;
      return [mean, data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length];
    };
    const [mean, variance] = moments(uniform);
    expect(mean).toBeCloseTo(0.5, 1);
    expect(variance).toBeCloseTo(1 / 12, 2);
    const [center, spread] = moments(normal);
    expect(center).toBeCloseTo(0, 1);
    expect(spread).toBeCloseTo(1, 1);
  });

  it("asks for samples where the model does not say enough", () => {
    const open = [{ name: "x", elementType: "float32", dims: undefined } as const];
    expect(() => [...madeUpSamples(open)]).toThrow(/"x".*give samples/);
  });
});

describe("selfContained", () => {
  it("moves external data into the model", () => {
    const proto = decodeModel(affine());
    const initializer = (proto.graph?.initializer ?? []).map((t) => {
      if (t.name !== "two") return t;
      const rest = { ...t };
      delete rest.rawData;
      const externalData = [
        { key: "location", value: "w.bin" },
        { key: "offset", value: "8" },
      ];
      return { ...rest, dataLocation: 1, externalData };
    });
    const apart = encodeModel({ ...proto, graph: { ...proto.graph, initializer } });
    const asked: unknown[] = [];
    const whole = selfContained(apart, (...where) => {
      asked.push(where);
      return new Uint8Array(Float32Array.of(2).buffer);
    });
    expect(asked).toEqual([["w.bin", 8, 4]]);
    const read = (bytes: Uint8Array) =>
      decodeModel(bytes).graph?.initializer?.map(({ name, rawData }) => [
        name,
        [...(rawData ?? [])],
      ]);
    expect(read(whole)).toEqual(read(affine()));
    expect(() => selfContained(apart)).toThrow(expect.objectContaining({ code: "ExternalData" }));
  });

  it("leaves other models alone", () => {
    const model = affine();
    expect(selfContained(model)).toBe(model);
  });
});

describe("parseCalibration", () => {
  it("says what is wrong with a file", () => {
    const good = {
      version: 1,
      model: "0".repeat(64),
      samples: 1,
      madeUp: false,
      dims: {},
      tensors: { x: { min: 0, max: 1, rms: 1, count: 1, channels: [], histogram: [[1, 1]] } },
    };
    const text = (changes: object): string => JSON.stringify({ ...good, ...changes });
    expect(parseCalibration(text({}), "c.json")).toEqual(good);
    const refused: [string, RegExp][] = [
      ["{", /c\.json is no calibration file.*aivm calibrate/],
      ["[]", /no object/],
      [text({ version: 2 }), /version 2/],
      [text({ model: "abc" }), /"model"/],
      [text({ samples: -1 }), /"samples"/],
      [text({ madeUp: 1 }), /"madeUp"/],
      [text({ dims: { n: "1" } }), /"dims"/],
      [text({ tensors: [] }), /"tensors"/],
      [text({ tensors: { y: { ...good.tensors.x, min: 2 } } }), /tensor "y"/],
      [text({ tensors: { y: { ...good.tensors.x, max: null } } }), /tensor "y"/],
      [text({ tensors: { y: { ...good.tensors.x, histogram: [[1]] } } }), /tensor "y"/],
      [
        text({ tensors: { y: { ...good.tensors.x, channels: [{ axis: 1, min: [0], max: [] }] } } }),
        /tensor "y"/,
      ],
    ];
    for (const [bad, says] of refused) {
      expect(() => parseCalibration(bad, "c.json")).toThrow(
        expect.objectContaining({ code: "BadCalibration", message: expect.stringMatching(says) }),
      );
    }
  });
});
