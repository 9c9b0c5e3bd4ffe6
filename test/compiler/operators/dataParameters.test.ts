import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { openFloatModel } from "../../../src/analysis/floatModel.js";
import { compile } from "../../../src/compiler/compile.js";
import { importModel } from "../../../src/compiler/importModel.js";
import { listUnsupported } from "../../../src/compiler/listUnsupported.js";
import { SUPPORT } from "../../../src/compiler/lower/rules.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/index.js";
import { SeededRandom } from "../../support/seededRandom.js";

/**
 * What exporters usually leave constant, as inputs of the model: one module, run with parameters
 * that calibration did not see, against onnxruntime-web.
 */
interface Case {
  /** Dimensions of `x`. */
  readonly x: readonly (number | string)[];
  /** Sizes of `x` in each run, where some are open; the first is calibrated on. */
  readonly sizes?: readonly (readonly number[])[];
  /** Integer inputs: the first of each is calibrated on, all are run. */
  readonly integers?: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly build: (b: ModelBuilder) => void;
  readonly outputs?: Readonly<Record<string, "float32" | "int64">>;
  readonly opset?: number;
}

const random = new SeededRandom(5);

function samplesOf({ x, sizes, integers = {} }: Case): Map<string, HostArray>[] {
  const count = Math.max(sizes?.length ?? 1, ...Object.values(integers).map((v) => v.length));
  return Array.from({ length: count }, (_, run) => {
    const dims = sizes?.[Math.min(run, sizes.length - 1)] ?? (x as readonly number[]);
    const elements = dims.reduce((p, d) => p * d, 1);
    const data = Float32Array.from({ length: elements }, () => random.int(-2000, 2000) / 1000);
    const sample = new Map<string, HostArray>([["x", { elementType: "float32", dims, data }]]);
    for (const [name, runs] of Object.entries(integers)) {
      const values = runs[Math.min(run, runs.length - 1)]!;
      sample.set(name, {
        elementType: "int64",
        dims: [values.length],
        data: BigInt64Array.from(values, BigInt),
      });
    }
    return sample;
  });
}

async function check(test: Case): Promise<void> {
  const b = new ModelBuilder(test.opset ?? 18).input("x", "float32", [...test.x]);
  for (const [name, [first]] of Object.entries(test.integers ?? {}))
    b.input(name, "int64", [first!.length]);
  test.build(b);
  const outputs = Object.entries(test.outputs ?? { y: "float32" as const });
  for (const [name, type] of outputs) b.output(name, type);
  const model = b.encode();
  const samples = samplesOf(test);
  const calibration = await calibrate(model, samples);
  const { bytes } = compile(model, { calibration });
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend, ownsBackend: true });
  const float = await openFloatModel(model);
  for (const sample of samples) {
    const expected = await float.run(sample);
    const run = instance.runSync({
      inputs: Object.fromEntries(
        Array.from(sample, ([name, { elementType, dims, data }]) => [
          name,
          elementType === "float32"
            ? { dims, reals: data as Float32Array }
            : { dims, integers: data as BigInt64Array },
        ]),
      ),
    });
    expect(run.trap).toBeUndefined();
    for (const [name, type] of outputs) {
      const exact = expected.get(name)!;
      const y = run.outputs![name]!;
      expect(y.shape).toEqual(exact.dims);
      const wanted = Array.from(exact.data as ArrayLike<number | bigint>, Number);
      const found = Array.from<number | bigint, number>(
        type === "int64" ? y.integers : y.reals("float64"),
        Number,
      );
      if (type === "int64") expect(found).toEqual(wanted);
      else {
        const bound = 1e-3 * Math.max(...wanted.map(Math.abs));
        wanted.forEach((v, i) => expect(Math.abs(found[i]! - v)).toBeLessThan(bound));
      }
    }
  }
  await float.dispose();
  instance.dispose();
}

describe("parameters that are data", () => {
  it("Split: the sizes of the parts", () =>
    check({
      x: [2, 9],
      integers: {
        sizes: [
          [2, 3, 4],
          [5, 0, 4],
          [1, 1, 7],
        ],
      },
      build: (b) => b.node("Split", ["x", "sizes"], ["a", "b", "c"], { axis: -1 }),
      outputs: { a: "float32", b: "float32", c: "float32" },
    }));

  it("Split: sizes that are not those of the axis trap", async () => {
    const integers = (...sizes: number[]) => ({ integers: sizes, dims: [3] });
    const b = new ModelBuilder(18).input("x", "float32", [2, 9]).input("sizes", "int64", [3]);
    b.node("Split", ["x", "sizes"], ["a", "b", "c"], { axis: -1 });
    for (const name of ["a", "b", "c"]) b.output(name, "float32");
    const model = b.encode();
    const [sample] = samplesOf({ x: [2, 9], integers: { sizes: [[2, 3, 4]] }, build: () => b });
    const { bytes } = compile(model, { calibration: await calibrate(model, [sample!]) });
    const instance = instantiate(bytes, { backend: createReferenceBackend(), ownsBackend: true });
    const x = { reals: Float32Array.from({ length: 18 }, (_, i) => i / 100), dims: [2, 9] };
    const ended = (...sizes: number[]) =>
      instance.runSync({ inputs: { x, sizes: integers(...sizes) } }).trap?.code;
    expect(ended(4, 5, 0)).toBeUndefined();
    for (const sizes of [
      [2, 3, 3],
      [2, 3, 5],
      [0, 0, 0],
      [6, -1, 4],
      [4, -1, 4],
    ]) {
      expect([sizes, ended(...sizes)]).toEqual([sizes, "IndexOutOfRange"]);
    }
    instance.dispose();
  });

  it("Expand: the target, of the operand's rank, of less and of more", () =>
    check({
      x: [3, 1],
      integers: {
        long: [
          [2, 3, 4],
          [1, 1, 1],
          [5, 3, 1],
        ],
        short: [[4], [1], [7]],
      },
      build: (b) =>
        b
          .node("Expand", ["x", "long"], ["y"])
          .node("Expand", ["x", "short"], ["wide"])
          .node("Mul", ["wide", "x"], ["z"]),
      outputs: { y: "float32", z: "float32" },
    }));

  it("OneHot: the depth", () =>
    check({
      x: [1],
      integers: {
        at: [
          [0, -1, 2],
          [3, 4, -5],
          [1, 1, 1],
        ],
        depth: [[3], [5], [2]],
      },
      build: (b) =>
        b
          .constant("values", tensor("float32", [2], [-0.5, 2]))
          .constant("axis", tensor("int64", [0], []))
          .node("Reshape", ["depth", "axis"], ["scalar"])
          .node("OneHot", ["at", "scalar", "values"], ["hot"], { axis: 0 })
          .node("Add", ["hot", "x"], ["y"]),
    }));

  it.each([
    { exclusive: 0, reverse: 0 },
    { exclusive: 1, reverse: 1 },
  ])("CumSum: the axis, %j", (attributes) =>
    check({
      x: [2, 3, 4],
      integers: { axis: [[0], [1], [2], [-1], [-3]] },
      build: (b) =>
        b
          .constant("none", tensor("int64", [0], []))
          .node("Reshape", ["axis", "none"], ["scalar"])
          .node("CumSum", ["x", "scalar"], ["y"], attributes),
    }),
  );

  it.each([1, 0])("TopK: how many, largest %i", (largest) =>
    check({
      x: [2, "n"],
      sizes: [
        [2, 5],
        [2, 8],
      ],
      integers: { k: [[3], [8], [1]] },
      build: (b) => b.node("TopK", ["x", "k"], ["y", "at"], { largest }),
      outputs: { y: "float32", at: "int64" },
    }),
  );

  it("TopK of an axis of known size, where nobody wants the values", () =>
    check({
      x: [6, 2],
      integers: { k: [[3], [6], [1]] },
      build: (b) => b.node("TopK", ["x", "k"], ["best", "at"], { axis: 0 }),
      outputs: { at: "int64" },
    }));

  it("Slice: bounds under falling steps", () =>
    check({
      x: [7, 5],
      integers: {
        from: [
          [-1, 9],
          [5, 3],
          [0, 0],
        ],
        to: [
          [-100, 0],
          [2, -4],
          [-9, 4],
        ],
      },
      build: (b) =>
        b
          .constant("axes", tensor("int64", [2], [0, 1]))
          .constant("steps", tensor("int64", [2], [-1, -2]))
          .node("Slice", ["x", "from", "to", "axes", "steps"], ["y"]),
    }));

  it("Slice: the steps, either way", () =>
    check({
      x: [9, 2],
      integers: {
        from: [[8], [0], [-2], [20]],
        to: [[-20], [100], [1], [-20]],
        step: [[-2], [3], [-3], [-1]],
      },
      build: (b) =>
        b
          .constant("axes", tensor("int64", [1], [0]))
          .node("Slice", ["x", "from", "to", "axes", "step"], ["y"]),
    }));
});

describe("sizes that operators need when compiling", () => {
  it("are named as the model has them, where they follow from others", () => {
    const b = new ModelBuilder(16)
      .input("x", "float32", [1, 1, "h", 4])
      .node("MaxPool", ["x"], ["p", "at"], { kernel_shape: [2, 2], strides: [2, 2] })
      .node("MaxUnpool", ["p", "at"], ["y"], { kernel_shape: [2, 2] }, { name: "back" })
      .output("y", "float32");
    expect(() => listUnsupported(importModel(b.encode()), SUPPORT)).toThrow(
      'MaxUnpool, over "h", whose size it needs when compiling (pin it: --dim h=N): "back"',
    );
  });

  it("are asked for all at once, with what pins them", async () => {
    const b = new ModelBuilder(16)
      .input("x", "float32", [1, 1, "h", 4])
      .input("grid", "float32", [1, 2, 2, 2])
      .input("row", "float32", ["n"])
      .node("GridSample", ["x", "grid"], ["y"], {}, { name: "sampling" })
      .node("Unique", ["row"], ["z"], {}, { name: "distinct" })
      .constant("scales", tensor("float32", [4], [1, 1, 2, 1]))
      .node(
        "Resize",
        ["x", "", "scales"],
        ["w"],
        { mode: "cubic", exclude_outside: 1 },
        { name: "larger" },
      )
      .node("EyeLike", ["rows"], ["e"], {}, { name: "identity" })
      .input("rows", "float32", ["n", 3]);
    for (const name of ["y", "z", "w", "e"]) b.output(name, "float32");
    const model = b.encode();
    const real = (dims: number[]): HostArray => ({
      elementType: "float32",
      dims,
      data: new Float32Array(dims.reduce((p, d) => p * d, 1)).fill(0.5),
    });
    const sample = new Map([
      ["x", real([1, 1, 4, 4])],
      ["grid", real([1, 2, 2, 2])],
      ["row", real([5])],
      ["rows", real([5, 3])],
    ]);
    const calibration = await calibrate(model, [sample]);
    const message = (): string => {
      try {
        compile(model, { calibration });
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    expect(message()).toContain(
      'GridSample, over "h", whose size it needs when compiling (pin it: --dim h=N): "sampling"',
    );
    expect(message()).toContain('(pin it: --dim n=N): "distinct"');
    expect(message()).toContain(
      'Resize, with exclude_outside over "h", whose size it needs when compiling (pin it: --dim h=N): "larger"',
    );
    expect(message()).toContain('EyeLike, over "n", whose size it needs');
    expect(compile(model, { calibration, dims: { h: 4, n: 5 } }).bytes.length).toBeGreaterThan(0);
  });
});
