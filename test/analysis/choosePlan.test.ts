import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import type { ChosenPlan } from "../../src/analysis/choosePlan.js";
import { choosePlan } from "../../src/analysis/choosePlan.js";
import { compare } from "../../src/analysis/compare.js";
import { parsePlan } from "../../src/analysis/planFile.js";
import { compile, prepare } from "../../src/compiler/compile.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import type { Plan } from "../../src/compiler/plan.js";
import { planText } from "../../src/compiler/plan.js";
import type { HostArray } from "../../src/core/hostArray.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import type { Instance } from "../../src/vm/instance.js";
import { instantiate } from "../../src/vm/instance.js";

/** Three products of 24 by 24 with biases, one after another. */
function model(): Uint8Array {
  const weights = (seed: number) =>
    tensor(
      "float32",
      [24, 24],
      Array.from({ length: 576 }, (_, i) => Math.sin(i * i + seed)),
    );
  return new ModelBuilder()
    .input("x", "float32", [2, 24])
    .constant("w1", weights(1))
    .constant("w2", weights(2))
    .constant("w3", weights(3))
    .constant("bias", tensor("float32", [24], new Array<number>(24).fill(0.25)))
    .node("Gemm", ["x", "w1", "bias"], ["a"], {}, { name: "first" })
    .node("Relu", ["a"], ["b"])
    .node("Gemm", ["b", "w2", "bias"], ["c"], {}, { name: "second" })
    .node("Relu", ["c"], ["d"])
    .node("Gemm", ["d", "w3", "bias"], ["y"], {}, { name: "third" })
    .output("y", "float32", [2, 24])
    .encode();
}

const MODEL = model();
const sample = (seed: number): Map<string, HostArray> =>
  new Map([
    [
      "x",
      {
        elementType: "float32",
        dims: [2, 24],
        data: Float32Array.from({ length: 48 }, (_, i) => Math.cos(i * i * 0.7 + seed)),
      },
    ],
  ]);
const SAMPLES = [sample(1), sample(2), sample(3)];
const make = (module: Uint8Array): Instance =>
  instantiate(module, { backend: createReferenceBackend() });
const CALIBRATION = await calibrate(MODEL, SAMPLES);
const choose = (targetSqnrDb: number): Promise<ChosenPlan> =>
  choosePlan(MODEL, SAMPLES, { calibration: CALIBRATION, targetSqnrDb, instantiate: make });

/** SQNR of the worst sample as `compare` measures it, which does not know of plans. */
async function worstOf(plan: Plan): Promise<number> {
  const { bytes } = compile(MODEL, { calibration: CALIBRATION, plan });
  const { outputs } = await compare(MODEL, make(bytes), SAMPLES);
  return outputs["y"]!.worst.sqnrDb;
}

describe("choosePlan", () => {
  it("gives 8 bits where the target allows, and fewer the higher it is", async () => {
    const [low, middle] = [await choose(20), await choose(66)];
    expect(Object.keys(low.plan.weightBits)).toEqual(["first", "second", "third"]);
    expect(low.reached).toBe(true);
    // Three times 576 weights of one byte instead of two.
    expect(low.fullBytes - low.bytes).toBeGreaterThan(0.9 * 3 * 576);
    const some = Object.keys(middle.plan.weightBits).length;
    expect(some).toBeLessThan(3);
    expect(middle.bytes).toBeGreaterThan(low.bytes);
    for (const { plan, sqnrDb, fullSqnrDb } of [low, middle]) {
      expect(fullSqnrDb).toBeGreaterThan(sqnrDb - 1e-9);
      expect(Math.abs((await worstOf(plan)) - sqnrDb)).toBeLessThan(3);
    }
    expect(low.sqnrDb).toBeGreaterThanOrEqual(20);
    expect(middle.sqnrDb).toBeGreaterThanOrEqual(66);
  });

  it("says so when not even 16 bits reach the target, and tries nothing more", async () => {
    let trials = 0;
    const chosen = await choosePlan(MODEL, SAMPLES, {
      calibration: CALIBRATION,
      targetSqnrDb: 150,
      instantiate: make,
      onTrial: () => trials++,
    });
    expect(trials).toBe(1);
    expect(chosen).toMatchObject({ reached: false, bytes: chosen.fullBytes });
    expect(chosen.plan.weightBits).toEqual({});
    expect(chosen.sqnrDb).toBe(chosen.fullSqnrDb);
    expect(chosen.sqnrDb).toBeLessThan(150);
  });

  it("wants samples", async () => {
    const options = { calibration: CALIBRATION, targetSqnrDb: 40, instantiate: make };
    await expect(choosePlan(MODEL, [], options)).rejects.toMatchObject({ code: "NoSamples" });
  });
});

describe("choosing in a deep model", () => {
  it("tries no more modules than it says, and fewer than there are contractions", async () => {
    const count = 100;
    let builder = new ModelBuilder().input("x", "float32", [2, 4]);
    for (let i = 0; i < count; i++) {
      const weights = Array.from({ length: 16 }, (_, k) =>
        k % 5 === 0 ? 0.9 : 0.1 * Math.sin(k + i),
      );
      builder = builder
        .constant(`w${String(i)}`, tensor("float32", [4, 4], weights))
        .node(
          "MatMul",
          [i === 0 ? "x" : `y${String(i - 1)}`, `w${String(i)}`],
          [`m${String(i)}`],
          {},
          { name: `n${String(i)}` },
        )
        .node("Relu", [`m${String(i)}`], [`y${String(i)}`]);
    }
    const deep = builder.output(`y${String(count - 1)}`, "float32", [2, 4]).encode();
    const samples = [
      new Map([
        [
          "x",
          {
            ...sample(1).get("x")!,
            dims: [2, 4],
            data: Float32Array.of(1, -1, 0.5, 2, 0.3, -0.7, 1, 1),
          },
        ],
      ]),
    ];
    const calibration = await calibrate(deep, samples);
    const seen: [number, number][] = [];
    const chosen = await choosePlan(deep, samples, {
      calibration,
      targetSqnrDb: 5,
      instantiate: make,
      onTrial: (done, of) => seen.push([done, of]),
    });
    expect(seen.length).toBeLessThan(0.75 * count);
    expect(seen.every(([done, of], i) => done === i + 1 && done <= of)).toBe(true);
    expect(Object.keys(chosen.plan.weightBits).length).toBeGreaterThan(count / 4);
  });
});

describe("a plan", () => {
  const plan: Plan = {
    version: 1,
    model: CALIBRATION.model,
    precision: "fx16",
    weightBits: { third: 8, first: 8 },
  };

  it("is read as it was written, and compiles to the same bytes", async () => {
    const again = parsePlan(planText(plan), "p.json");
    expect(again).toEqual(plan);
    expect(planText(again)).toBe(planText(plan));
    const [a, b] = [plan, again].map((p) => compile(MODEL, { calibration: CALIBRATION, plan: p }));
    expect(a!.bytes).toEqual(b!.bytes);
    const bits = a!.report.weights.map(({ node, bits: n }) => [node, n <= 8] as const);
    expect(bits).toEqual([
      ["first", true],
      ["second", false],
      ["third", true],
    ]);
    const plain = compile(MODEL, { calibration: CALIBRATION });
    expect(a!.bytes.length).toBeLessThan(plain.bytes.length - 2 * 500);
    const chosen = await choose(30);
    expect(await choose(30)).toEqual(chosen);
  });

  it("gives the same bytes by what was prepared, however often", () => {
    const compilePlan = prepare(MODEL, { calibration: CALIBRATION });
    const plain = compile(MODEL, { calibration: CALIBRATION });
    const planned = compile(MODEL, { calibration: CALIBRATION, plan });
    for (let i = 0; i < 2; i++) {
      expect(compilePlan(plan).bytes).toEqual(planned.bytes);
      expect(compilePlan().bytes).toEqual(plain.bytes);
    }
  });

  it("of another model, or with nodes that are not there, is refused", () => {
    const other = { ...plan, model: "0".repeat(64) };
    const options = { calibration: CALIBRATION };
    expect(() => compile(MODEL, { ...options, plan: other })).toThrow(/made for model 0{64}/);
    const unknown: Plan = { ...plan, weightBits: { nowhere: 8 } };
    expect(() => compile(MODEL, { ...options, plan: unknown })).toThrow(
      expect.objectContaining({ code: "WrongPlan", message: expect.stringMatching(/"nowhere"/) }),
    );
  });

  it("is refused when its text is damaged", () => {
    const text = (change: object): string => JSON.stringify({ ...plan, ...change });
    const wrong: [string, RegExp][] = [
      ["{", /p\.json is no plan file: .*--precision auto/],
      ["[]", /holds no object/],
      [text({ version: 2 }), /version 2 is unknown/],
      [text({ model: "abc" }), /"model" is no SHA-256/],
      [text({ precision: "fx7" }), /"precision" is none of fx16, fx16w8, fx8, fx32/],
      [text({ weightBits: [8] }), /"weightBits" holds no bits/],
      [text({ weightBits: { first: 4 } }), /node "first" is given 4 bits/],
    ];
    for (const [bad, says] of wrong) {
      const read = (): Plan => parsePlan(bad, "p.json");
      expect(read).toThrow(says);
      expect(read).toThrow(expect.objectContaining({ code: "BadPlan" }));
    }
  });
});
