import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import { compare } from "../../src/analysis/compare.js";
import type { LayersComparison } from "../../src/analysis/compareLayers.js";
import { compareLayers } from "../../src/analysis/compareLayers.js";
import { compile } from "../../src/compiler/compile.js";
import type { Precision } from "../../src/compiler/lower/profile.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../src/core/hostArray.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import type { Instance } from "../../src/vm/instance.js";
import { instantiate } from "../../src/vm/instance.js";

/** Two convolutions, the first depthwise with one loud and one quiet channel; a Relu that goes into it. */
function model(): Uint8Array {
  const weights = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => Math.sin(3 * i + 1));
  return new ModelBuilder()
    .input("x", "float32", [1, 2, 4, 4])
    .constant(
      "dw",
      tensor("float32", [2, 1, 3, 3], [...weights(9), ...weights(9).map((w) => w / 200)]),
    )
    .constant("dw2", tensor("float32", [2, 1, 3, 3], weights(18)))
    .constant("pw", tensor("float32", [3, 2, 1, 1], weights(6)))
    .node("Conv", ["x", "dw"], ["first"], { group: 2, pads: [1, 1, 1, 1] })
    .node("Relu", ["first"], ["positive"])
    .node("Conv", ["positive", "dw2"], ["second"], { group: 2, pads: [1, 1, 1, 1] })
    .node("Sigmoid", ["second"], ["gate"])
    .node("Conv", ["gate", "pw"], ["y"])
    .output("y", "float32", [1, 3, 4, 4])
    .encode();
}

const sample = (seed: number): Map<string, HostArray> =>
  new Map([
    [
      "x",
      {
        elementType: "float32",
        dims: [1, 2, 4, 4],
        data: Float32Array.from({ length: 32 }, (_, i) => Math.sin(i * i + seed)),
      },
    ],
  ]);
const make = (module: Uint8Array): Instance =>
  instantiate(module, { backend: createReferenceBackend() });

async function layersOf(precision: Precision): Promise<LayersComparison> {
  const bytes = model();
  const samples = [sample(1), sample(2)];
  const calibration = await calibrate(bytes, samples);
  return compareLayers(bytes, samples, { calibration, precision, instantiate: make });
}

describe("compareLayers", () => {
  it("says how far each value is off that the program holds", async () => {
    const { layers, samples, compiled } = await layersOf("fx16");
    expect(samples).toBe(2);
    // What the convolutions give is never held: the Relu and the table are part of them.
    expect(layers.map(({ name }) => name)).toEqual(["positive", "gate", "y"]);
    expect(compiled.observed).toEqual(["positive", "gate"]);
    expect(layers.map(({ operator }) => operator)).toEqual(["Relu", "aivm.Unary", "Conv"]);
    expect(layers.map(({ isOutput }) => isOutput)).toEqual([false, false, true]);
    for (const { sqnrDb, count } of layers) {
      expect(sqnrDb).toBeGreaterThan(50);
      expect(count % 32).toBe(0);
    }
  });

  it("has larger errors in narrower formats", async () => {
    const [wide, narrow] = [await layersOf("fx32"), await layersOf("fx8")];
    wide.layers.forEach(({ name, sqnrDb }, i) => {
      expect(narrow.layers[i]).toMatchObject({ name });
      expect(sqnrDb).toBeGreaterThan((narrow.layers[i]?.sqnrDb ?? 0) + 20);
    });
  });

  it("leaves the program as it is", async () => {
    const bytes = model();
    const calibration = await calibrate(bytes, [sample(1)]);
    const plain = compile(bytes, { calibration });
    const { layers, compiled } = await compareLayers(bytes, [sample(3)], {
      calibration,
      instantiate: make,
    });
    const inputs = { x: { reals: sample(3).get("x")!.data as Float32Array, dims: [1, 2, 4, 4] } };
    const integers = (module: Uint8Array): unknown =>
      make(module).runSync({ inputs }).outputs?.["y"]?.integers;
    expect(integers(compiled.bytes)).toEqual(integers(plain.bytes));
    expect(plain.observed).toEqual([]);
    // Of an output, it is what `compare` says.
    const whole = await compare(bytes, make(plain.bytes), [sample(3)]);
    const y = layers.find(({ name }) => name === "y");
    expect(y?.sqnrDb).toBeCloseTo(whole.outputs["y"]?.sqnrDb ?? 0, 6);
    expect(y?.maxAbsError).toBeCloseTo(whole.outputs["y"]?.maxAbsError ?? 0, 12);
  });

  it("observes only what is named", async () => {
    const bytes = model();
    const calibration = await calibrate(bytes, [sample(1)]);
    const { observed } = compile(bytes, { calibration, observe: ["gate", "first", "unknown"] });
    expect(observed).toEqual(["gate"]);
  });
});
