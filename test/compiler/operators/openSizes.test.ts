import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { openFloatModel } from "../../../src/analysis/floatModel.js";
import { compile } from "../../../src/compiler/compile.js";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/index.js";
import { SeededRandom } from "../../support/seededRandom.js";

/** Operators on open dimensions: one module, run at sizes that calibration did not see. */
interface Case {
  readonly input: readonly (string | number)[];
  readonly calibrated: readonly (readonly number[])[];
  readonly run: readonly (readonly number[])[];
  readonly build: (b: ModelBuilder) => void;
  readonly integers?: boolean;
  readonly opset?: number;
  /** Of the greatest magnitude of the output. */
  readonly tolerance?: number;
}

const random = new SeededRandom(11);

function sampleOf(dims: readonly number[]): Map<string, HostArray> {
  const count = dims.reduce((p, d) => p * d, 1);
  const data = Float32Array.from({ length: count }, () => random.int(-2000, 2000) / 1000);
  return new Map([["x", { elementType: "float32", dims, data }]]);
}

async function check(test: Case): Promise<void> {
  const b = new ModelBuilder(test.opset ?? 18).input("x", "float32", [...test.input]);
  test.build(b);
  const model = b.output("y", test.integers === true ? "int64" : "float32").encode();
  const calibration = await calibrate(model, test.calibrated.map(sampleOf));
  const { bytes } = compile(model, { calibration });
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend, ownsBackend: true });
  const float = await openFloatModel(model);
  for (const sample of test.run.map(sampleOf)) {
    const x = sample.get("x")!;
    const expected = (await float.run(sample)).get("y")!;
    const run = instance.runSync({
      inputs: { x: { reals: x.data as Float32Array, dims: x.dims } },
    });
    expect(run.trap).toBeUndefined();
    const y = run.outputs!["y"]!;
    expect(y.shape).toEqual(expected.dims);
    const wanted = Array.from<number | bigint, number>(
      expected.data as ArrayLike<number | bigint>,
      Number,
    );
    const found = Array.from<number | bigint, number>(
      test.integers === true ? y.integers : y.reals("float64"),
      Number,
    );
    const bound = (test.tolerance ?? 1e-3) * Math.max(...wanted.map(Math.abs));
    wanted.forEach((v, i) => {
      if (test.integers === true) expect(found[i]).toBe(v);
      else expect(Math.abs(found[i]! - v)).toBeLessThan(bound);
    });
  }
  await float.dispose();
  instance.dispose();
}

const ints = (...values: number[]) => tensor("int64", [values.length], values);
const IMAGE = {
  input: ["n", 2, "h", "w"],
  calibrated: [
    [1, 2, 5, 7],
    [2, 2, 4, 6],
  ],
  run: [
    [3, 2, 9, 4],
    [1, 2, 6, 11],
  ],
} as const;

describe("Resize of open sizes", () => {
  const MODES: [mode: string, attributes: Record<string, AttributeValue>][] = [
    ["nearest", { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" }],
    ["nearest", { coordinate_transformation_mode: "half_pixel", nearest_mode: "ceil" }],
    ["nearest", { nearest_mode: "round_prefer_ceil" }],
    ["nearest", {}],
    ["linear", { coordinate_transformation_mode: "half_pixel" }],
    ["linear", { coordinate_transformation_mode: "pytorch_half_pixel" }],
    ["linear", { coordinate_transformation_mode: "align_corners" }],
    ["cubic", { coordinate_transformation_mode: "half_pixel" }],
    ["cubic", { coordinate_transformation_mode: "align_corners", cubic_coeff_a: -0.5 }],
    ["cubic", { coordinate_transformation_mode: "asymmetric" }],
  ];

  // Corners that are aligned by a scale that cuts a size: the runtime and the standard differ.
  const aligned = (attributes: Record<string, AttributeValue>): boolean =>
    attributes["coordinate_transformation_mode"] === "align_corners";

  it.each(MODES)("by scales, %s %j", (mode, attributes) =>
    check({
      ...IMAGE,
      build: (b) =>
        b
          .constant("scales", tensor("float32", [4], [1, 1, 2, aligned(attributes) ? 3 : 1.5]))
          .node("Resize", ["x", "", "scales"], ["y"], { mode, ...attributes }),
    }),
  );

  it.each(MODES)("to the sizes of another value, %s %j", (mode, attributes) =>
    check({
      ...IMAGE,
      build: (b) =>
        b
          .node("MaxPool", ["x"], ["small"], {
            kernel_shape: [2, 3],
            strides: [2, 2],
            pads: [0, 1, 0, 1],
          })
          .node("Shape", ["x"], ["sizes"])
          .node("Resize", ["small", "", "", "sizes"], ["y"], { mode, ...attributes }),
    }),
  );
});

describe("indices of open sizes", () => {
  const ROWS = {
    input: ["n", "m"],
    calibrated: [
      [2, 4],
      [3, 7],
    ],
    run: [
      [4, 5],
      [1, 9],
    ],
  } as const;

  it("GatherElements with the positions of TopK, and NonZero with GatherND", () =>
    check({
      ...ROWS,
      build: (b) =>
        b
          .constant("k", ints(3))
          .node("TopK", ["x", "k"], ["best", "at"])
          .node("GatherElements", ["x", "at"], ["same"], { axis: 1 })
          .node("Sub", ["same", "best"], ["zero"])
          .node("Abs", ["x"], ["positive"])
          .node("NonZero", ["x"], ["places"])
          .node("Transpose", ["places"], ["rows"])
          .node("GatherND", ["positive", "rows"], ["flat"])
          .node("ReduceSum", ["flat"], ["sum"], { keepdims: 0 })
          .node("Add", ["zero", "sum"], ["y"]),
    }));

  it("ScatterElements and ScatterND", () =>
    check({
      ...ROWS,
      build: (b) =>
        b
          .constant("k", ints(2))
          .node("TopK", ["x", "k"], ["best", "at"])
          .node("ScatterElements", ["x", "at", "best"], ["more"], { axis: 1, reduction: "add" })
          .constant("row", tensor("int64", [1, 1], [0]))
          .constant("first", ints(0))
          .node("Gather", ["x", "first"], ["slice"], { axis: 0 })
          .node("ScatterND", ["more", "row", "slice"], ["y"]),
    }));

  it("triangles, and the indices of maxima", async () => {
    await check({ ...ROWS, build: (b) => b.node("Trilu", ["x"], ["y"], { upper: 0 }) });
    await check({
      ...IMAGE,
      integers: true,
      build: (b) =>
        b.node("MaxPool", ["x"], ["most", "y"], { kernel_shape: [2, 2], strides: [2, 1] }),
    });
  });
});

describe("movement by open amounts", () => {
  const ROWS = {
    input: ["n", "m"],
    calibrated: [
      [2, 4],
      [3, 7],
    ],
    run: [
      [4, 5],
      [2, 10],
    ],
  } as const;
  /** The size m, and m modulo 3, which is nothing but data to the compiler. */
  const sizes = (b: ModelBuilder): ModelBuilder =>
    b
      .constant("one", ints(1))
      .constant("three", ints(3))
      .node("Shape", ["x"], ["m"], { start: 1, end: 2 })
      .node("Mod", ["m", "three"], ["rest"]);

  it("slices from what is data, and both parts joined the other way round", () =>
    check({
      ...ROWS,
      build: (b) =>
        sizes(b)
          .constant("none", ints(0))
          .node("Slice", ["x", "rest", "m", "one"], ["after"])
          .node("Slice", ["x", "none", "rest", "one"], ["before"])
          .node("Concat", ["after", "before"], ["y"], { axis: 1 }),
    }));

  it("slices several axes, from the end and beyond it", () =>
    check({
      ...ROWS,
      build: (b) =>
        sizes(b)
          .constant("far", ints(100))
          .constant("last", ints(-2))
          .constant("none", ints(0))
          .node("Neg", ["rest"], ["back"])
          .node("Concat", ["none", "back"], ["starts"], { axis: 0 })
          .node("Concat", ["last", "far"], ["ends"], { axis: 0 })
          .node("Slice", ["x", "starts", "ends"], ["some"])
          .node("ReduceSum", ["some"], ["s"], { keepdims: 1 })
          .node("Add", ["x", "s"], ["y"]),
    }));

  it.each(["constant", "edge", "reflect"])("pads by what is data, %s", (mode) =>
    check({
      ...ROWS,
      build: (b) =>
        sizes(b)
          .constant("none", ints(0))
          .constant("fill", tensor("float32", [], [0.5]))
          .node("Concat", ["none", "rest", "none", "one"], ["pads"], { axis: 0 })
          .node("Pad", ["x", "pads", "fill"], ["y"], { mode }),
    }),
  );

  it("pads to the size of another value, in PyTorch's order, and crops", () =>
    check({
      ...ROWS,
      build: (b) =>
        sizes(b)
          .constant("two", ints(2))
          .constant("zeros", ints(0, 0))
          .constant("pairs", ints(-1, 2))
          .constant("flat", ints(-1))
          .constant("first", ints(-1))
          .constant("end", ints(-1000))
          .constant("axis", ints(0))
          .constant("minus", ints(-1))
          .node("Div", ["m", "two"], ["half"])
          .node("Mul", ["half", "two"], ["even"])
          .node("Sub", ["m", "even"], ["odd"])
          .node("Concat", ["odd", "minus", "zeros"], ["theirs"], { axis: 0 })
          .node("Reshape", ["theirs", "pairs"], ["table"])
          .node("Slice", ["table", "first", "end", "axis", "first"], ["turned"])
          .node("Transpose", ["turned"], ["columns"], { perm: [1, 0] })
          .node("Reshape", ["columns", "flat"], ["pads"])
          .node("Pad", ["x", "pads"], ["y"]),
    }));

  it("tiles by what is data, and by a size", () =>
    check({
      ...ROWS,
      build: (b) =>
        sizes(b)
          .node("Add", ["rest", "one"], ["times"])
          .node("Concat", ["times", "one"], ["some"], { axis: 0 })
          .node("Tile", ["x", "some"], ["more"])
          .node("Concat", ["one", "m"], ["many"], { axis: 0 })
          .node("Tile", ["more", "many"], ["y"]),
    }));

  it("splits an open axis into parts", () =>
    check({
      ...ROWS,
      build: (b) =>
        b
          .node("Split", ["x"], ["a", "b"], { axis: 1, num_outputs: 2 })
          .node("Neg", ["a"], ["c"])
          .node("Concat", ["b", "c"], ["y"], { axis: 1 }),
    }));

  it("reshapes to what is data", () =>
    check({
      input: ["n", 12],
      calibrated: [[3, 12]],
      run: [
        [2, 12],
        [5, 12],
      ],
      build: (b) =>
        b
          .constant("one", ints(1))
          .constant("three", ints(3))
          .constant("rest", ints(-1))
          .node("Shape", ["x"], ["n"], { end: 1 })
          .node("Mod", ["n", "three"], ["odd"])
          .node("Concat", ["odd", "rest", "three"], ["target"], { axis: 0 })
          .node("Reshape", ["x", "target"], ["r"])
          .node("Sigmoid", ["r"], ["y"]),
    }));
});

describe("pools of open sizes", () => {
  it.each([
    [{ count_include_pad: 0, pads: [1, 1, 1, 1] }],
    [{ count_include_pad: 0, pads: [1, 0, 1, 0], ceil_mode: 1 }],
    [{ count_include_pad: 1, pads: [1, 1, 1, 1], ceil_mode: 1 }],
  ])("AveragePool over a border, %j", (attributes) =>
    check({
      ...IMAGE,
      opset: 19,
      build: (b) =>
        b.node("AveragePool", ["x"], ["y"], {
          kernel_shape: [3, 3],
          strides: [2, 2],
          ...attributes,
        }),
    }),
  );

  it("MaxPool that rounds up", () =>
    check({
      ...IMAGE,
      build: (b) =>
        b.node("MaxPool", ["x"], ["y"], { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 }),
    }));
});

describe("attention of open sizes", () => {
  /** Scores x·xᵀ under a causal mask that is made from sizes, as exporters write it. */
  const causal = (b: ModelBuilder, hidden: number): ModelBuilder =>
    b
      .constant("one", ints(1))
      .constant("zero", tensor("int64", [], [0]))
      .constant("step", tensor("int64", [], [1]))
      .constant("last", ints(-1))
      .node("Shape", ["x"], ["shape"])
      .node("Gather", ["shape", "step"], ["length"])
      .node("Range", ["zero", "length", "step"], ["places"])
      .node("Unsqueeze", ["places", "one"], ["rows"])
      .node("LessOrEqual", ["places", "rows"], ["seen"])
      .constant("nothing", tensor("float32", [], [0]))
      .constant("hidden", tensor("float32", [], [hidden]))
      .node("Where", ["seen", "nothing", "hidden"], ["mask"])
      .node("Transpose", ["x"], ["t"], { perm: [0, 2, 1] })
      .node("MatMul", ["x", "t"], ["scores"])
      .node("Add", ["scores", "mask"], ["masked"])
      .node("Softmax", ["masked"], ["shares"], { axis: -1 })
      .node("MatMul", ["shares", "x"], ["y"]);

  it.each([-Infinity, -3.4028234663852886e38, -10_000])("masked by %d", (hidden) =>
    check({
      input: ["n", "t", 6],
      calibrated: [
        [1, 4, 6],
        [2, 7, 6],
      ],
      run: [
        [1, 9, 6],
        [3, 3, 6],
      ],
      build: (b) => causal(b, hidden),
      tolerance: 2e-3,
    }),
  );

  it("angles of places, which a sample's size makes constant", () =>
    check({
      input: ["n", "t"],
      calibrated: [[2, 9]],
      run: [
        [1, 12],
        [3, 5],
      ],
      build: (b) =>
        b
          .constant("zero", tensor("int64", [], [0]))
          .constant("one", tensor("int64", [], [1]))
          .node("Shape", ["x"], ["shape"])
          .node("Gather", ["shape", "one"], ["length"])
          .node("Range", ["zero", "length", "one"], ["places"])
          .node("Cast", ["places"], ["reals"], { to: 1 })
          .constant("speed", tensor("float32", [], [0.3]))
          .node("Mul", ["reals", "speed"], ["angles"])
          .node("Cos", ["angles"], ["cosines"])
          .node("Mul", ["x", "cosines"], ["y"]),
    }));
});

describe("sizes that are far from calibration's", () => {
  const FEW = {
    input: ["n", "t"],
    calibrated: [
      [2, 16],
      [1, 20],
    ],
    run: [
      [3, 5],
      [2, 3],
      [1, 40],
    ],
  } as const;

  it("Softmax among fewer keys", () =>
    check({
      ...FEW,
      build: (b) =>
        b
          .constant("quiet", tensor("float32", [], [0.05]))
          .node("Mul", ["x", "quiet"], ["scores"])
          .node("Softmax", ["scores"], ["y"], { axis: -1 }),
    }));

  it("a norm over more elements", () =>
    check({
      ...FEW,
      run: [
        [2, 300],
        [1, 16],
      ],
      build: (b) =>
        b
          .constant("axes", ints(1))
          .constant("one", tensor("float32", [], [1]))
          .node("Mul", ["x", "x"], ["squares"])
          .node("ReduceSum", ["squares", "axes"], ["sum"])
          .node("Add", ["sum", "one"], ["more"])
          .node("Sqrt", ["more"], ["norm"])
          .node("Div", ["x", "norm"], ["y"]),
    }));
});

describe("sizes computed in floats", () => {
  type Step = readonly [opType: string, by?: number];
  const FORMULAS: readonly (readonly Step[])[] = [
    [["Div", 2], ["Ceil"], ["Mul", 2]],
    [["Div", 3], ["Ceil"]],
    [["Mul", 0.7], ["Floor"]],
    [
      ["Mul", 1.5],
      ["Add", 0.5],
    ],
    [["Sub", 1], ["Div", 2], ["Floor"], ["Add", 1]],
  ];

  it.each(FORMULAS.map((steps) => [JSON.stringify(steps), steps] as const))("%s", (_, steps) =>
    check({
      input: ["n", "t"],
      calibrated: [
        [2, 8],
        [1, 30],
      ],
      run: [
        [3, 1],
        [1, 10],
        [2, 30],
        [1, 63],
        [1, 64],
      ],
      integers: true,
      build: (b) => {
        b.constant("zero", tensor("int64", [], [0]))
          .constant("one", tensor("int64", [], [1]))
          .node("Shape", ["x"], ["shape"])
          .node("Gather", ["shape", "one"], ["length"])
          .node("Cast", ["length"], ["f0"], { to: 1 });
        steps.forEach(([opType, by], i) => {
          const inputs = [`f${String(i)}`];
          if (by !== undefined) {
            b.constant(`c${String(i)}`, tensor("float32", [], [by]));
            inputs.push(`c${String(i)}`);
          }
          b.node(opType, inputs, [`f${String(i + 1)}`]);
        });
        return b
          .node("Cast", [`f${String(steps.length)}`], ["end"], { to: 7 })
          .node("Range", ["zero", "end", "one"], ["y"]);
      },
    }),
  );

  it("by the ratio of two sizes", () =>
    check({
      input: ["n", "t"],
      calibrated: [[2, 8]],
      run: [
        [3, 7],
        [11, 49],
      ],
      integers: true,
      build: (b) =>
        b
          .constant("zero", tensor("int64", [], [0]))
          .constant("one", tensor("int64", [], [1]))
          .node("Shape", ["x"], ["shape"])
          .node("Cast", ["shape"], ["sizes"], { to: 1 })
          .node("Gather", ["sizes", "zero"], ["n"])
          .node("Gather", ["sizes", "one"], ["t"])
          .node("Div", ["t", "n"], ["ratio"])
          .node("Floor", ["ratio"], ["times"])
          .node("Cast", ["times"], ["end"], { to: 7 })
          .node("Range", ["zero", "end", "one"], ["y"]),
    }));
});

describe("spectra of open sizes", () => {
  it.each([0, 1])("STFT, one side only %i", (onesided) =>
    check({
      input: ["n", "samples", 1],
      calibrated: [[1, 40, 1]],
      run: [
        [2, 40, 1],
        [1, 67, 1],
        [3, 12, 1],
      ],
      opset: 17,
      tolerance: 2e-3,
      build: (b) =>
        b
          .constant("step", tensor("int64", [], [5]))
          .constant("length", tensor("int64", [], [12]))
          .node("HannWindow", ["length"], ["window"])
          .node("STFT", ["x", "step", "window", "length"], ["y"], { onesided }),
    }),
  );
});
