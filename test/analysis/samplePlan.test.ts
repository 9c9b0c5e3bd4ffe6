import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import { madeUpSamples } from "../../src/analysis/madeUpSamples.js";
import { planSamples } from "../../src/analysis/samplePlan.js";
import { describeModel } from "../../src/compiler/describe.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

/** Looks tokens up, whose table has 5 rows, and adds their positions, of which there are 16. */
function embedding(): Uint8Array {
  return new ModelBuilder()
    .input("tokens", "int64", ["batch", "length"])
    .input("positions", "int32", ["batch", "length"])
    .input("mask", "int64", ["batch", "length"])
    .input("picture", "uint8", [3])
    .constant("table", tensor("float32", [5, 2], zeros(10)))
    .constant("places", tensor("float32", [16, 2], zeros(32)))
    .constant("axis", tensor("int64", [1], [2]))
    .node("Gather", ["table", "tokens"], ["a"])
    .node("Cast", ["positions"], ["p"], { to: 7 })
    .node("Gather", ["places", "p"], ["b"])
    .node("Add", ["a", "b"], ["sum"])
    .node("Cast", ["mask"], ["m"], { to: 1 })
    .node("Unsqueeze", ["m", "axis"], ["weights"])
    .node("Mul", ["sum", "weights"], ["y"])
    .node("Cast", ["picture"], ["z"], { to: 1 })
    .output("y", "float32", ["batch", "length", 2])
    .output("z", "float32", [3])
    .encode();
}

describe("planSamples", () => {
  it("keeps indices inside their tables, masks 0 and 1, bytes whole", () => {
    const { dims, ranges } = planSamples(embedding());
    expect(dims).toEqual({ batch: 1, length: 8 });
    expect(ranges).toEqual({
      tokens: [0, 4],
      positions: [0, 15],
      mask: [0, 1],
      picture: [0, 255],
    });
  });

  it("leaves sizes that are given, and makes samples that run", async () => {
    const plan = planSamples(embedding(), { dims: { length: 3 } });
    expect(plan.dims).toEqual({ batch: 1, length: 3 });
    const { inputs } = describeModel(embedding());
    const samples = [...madeUpSamples(inputs, { ...plan, count: 4 })];
    const tokens = samples.flatMap((sample) => [...(sample.get("tokens")?.data as Int32Array)]);
    expect(Math.min(...tokens.map(Number))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...tokens.map(Number))).toBeLessThanOrEqual(4);
    expect(new Set(tokens).size).toBeGreaterThan(2);
    const calibration = await calibrate(embedding(), samples);
    expect(calibration.dims).toEqual(plan.dims);
    expect(calibration.tensors["z"]?.max).toBeGreaterThan(1);
  });

  it("goes on to sizes that windows fit into", () => {
    const model = new ModelBuilder()
      .input("x", "float32", ["n", 1, "h", "w"])
      .constant("k", tensor("float32", [1, 1, 20, 20], zeros(400)))
      .node("Conv", ["x", "k"], ["y"])
      .output("y", "float32", undefined)
      .encode();
    expect(planSamples(model).dims).toEqual({ n: 1, h: 32, w: 32 });
  });

  it("says what is wrong where no size fits", () => {
    const model = new ModelBuilder()
      .input("x", "float32", ["n", 3])
      .constant("a", tensor("float32", [4], [1, 2, 3, 4]))
      .node("Add", ["x", "a"], ["y"])
      .output("y", "float32", undefined)
      .encode();
    expect(() => planSamples(model)).toThrow(expect.objectContaining({ code: "ShapeMismatch" }));
  });
});
