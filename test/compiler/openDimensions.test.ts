import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/analysis/calibrate.js";
import { openFloatModel } from "../../src/analysis/floatModel.js";
import { compile } from "../../src/compiler/compile.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import {
  addDims,
  ceilDivideDim,
  divideDims,
  floorDivideDim,
  multiplyDims,
  productOfDims,
  quotientOf,
  subtractDims,
} from "../../src/compiler/shapes/dims.js";
import type { Dim } from "../../src/compiler/graph.js";
import type { HostArray } from "../../src/core/hostArray.js";
import type { Module } from "../../src/module/module.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { estimateGas, instantiate } from "../../src/vm/index.js";
import { SeededRandom } from "../support/seededRandom.js";

describe("arithmetic on dimensions", () => {
  /** Every step of a formula, with numbers for its names. */
  const follow = (steps: (dims: Dim[]) => Dim, sizes: number[]): [Dim, number] => [
    steps(sizes.map((_, i) => "nmk"[i]!)),
    steps(sizes) as number,
  ];
  const valueOf = (dim: Dim, sizes: number[]): number => {
    if (typeof dim === "number") return dim;
    const { name, multiplier, offset, divisor } = quotientOf(dim);
    return Math.floor((multiplier * sizes["nmk".indexOf(name)]! + offset) / divisor);
  };

  it("keeps quotients of one name", () => {
    const stride2 = (d: Dim): Dim => addDims(floorDivideDim(addDims(d, -1), 2), 1);
    const formulas: ((dims: Dim[]) => Dim)[] = [
      ([n]) => stride2(stride2(stride2(n!))),
      ([n]) => ceilDivideDim(addDims(n!, 5), 3),
      ([n]) => floorDivideDim(multiplyDims(n!, 6), 4),
      ([n]) => multiplyDims(3, multiplyDims(n!, 5)),
      ([n]) => subtractDims(multiplyDims(n!, 5), addDims(n!, 3)),
      ([n]) => addDims(addDims(n!, n!), addDims(7, n!)),
      ([n]) => subtractDims(addDims(n!, 3), n!),
    ];
    for (const formula of formulas) {
      for (const n of [1, 2, 3, 7, 8, 200, 641]) {
        const [dim, value] = follow(formula, [n]);
        expect([formula.toString(), n, valueOf(dim, [n])]).toEqual([formula.toString(), n, value]);
      }
    }
    expect(stride2("n")).toBe("⌊(1·[n]+1)/2⌋");
    expect(floorDivideDim(multiplyDims("n", 6), 3)).toBe(multiplyDims("n", 2));
  });

  it("gives equal products one text, and divides them", () => {
    const a = productOfDims(["n", 4, "m", "k"]);
    const b = productOfDims(["k", "m", 2, "n", 2]);
    expect(a).toBe(b);
    expect(divideDims(a, multiplyDims("m", 2))).toBe(productOfDims([2, "n", "k"]));
    expect(divideDims(a, "other")).toBeUndefined();
    expect(divideDims(multiplyDims("n", 3), multiplyDims("n", 3))).toBe(1);
    const grown = addDims("m", 1);
    expect(divideDims(productOfDims(["n", grown, 8]), grown)).toBe(multiplyDims("n", 8));
    expect(multiplyDims("n", 0)).toBe(0);
  });
});

interface Case {
  readonly input: readonly (string | number)[];
  readonly sizes: readonly (readonly number[])[];
  readonly build: (b: ModelBuilder) => void;
  /** What the module says of its output's shape. */
  readonly says?: Module["configuration"]["entries"][number]["outputs"][number]["shape"];
}

/** Compiled once, calibrated on all sizes, run at each of them and compared with onnxruntime. */
async function check({ input, sizes, build, says }: Case): Promise<void> {
  const b = new ModelBuilder(17).input("x", "float32", [...input]);
  build(b);
  const model = b.output("y", "float32").encode();
  const random = new SeededRandom(5);
  const samples = sizes.map((dims): Map<string, HostArray> => {
    const count = dims.reduce((p, d) => p * d, 1);
    const data = Float32Array.from({ length: count }, () => random.int(-999, 999) / 500);
    return new Map([["x", { elementType: "float32", dims, data }]]);
  });
  const { module, bytes } = compile(model, { calibration: await calibrate(model, samples) });
  if (says !== undefined) expect(module.configuration.entries[0]!.outputs[0]!.shape).toEqual(says);
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend, ownsBackend: true });
  const float = await openFloatModel(model);
  for (const sample of samples) {
    const x = sample.get("x")!;
    const expected = (await float.run(sample)).get("y")!;
    const run = instance.runSync({
      inputs: { x: { reals: x.data as Float32Array, dims: x.dims } },
    });
    expect(run.trap).toBeUndefined();
    const y = run.outputs!["y"]!;
    expect(y.shape).toEqual(expected.dims);
    const greatest = Math.max(...Array.from(expected.data as Float32Array, Math.abs));
    y.reals().forEach((v, i) => {
      expect(Math.abs(v - Number(expected.data[i]))).toBeLessThan(greatest * 1e-3);
    });
    expect(estimateGas(module, { x: x.dims })).toMatchObject({
      kind: "exact",
      gas: BigInt(run.receipt.gasUsed),
    });
  }
  await float.dispose();
  instance.dispose();
}

const weights = (dims: number[], seed: number) => {
  const random = new SeededRandom(seed);
  const count = dims.reduce((p, d) => p * d, 1);
  return tensor(
    "float32",
    dims,
    Array.from({ length: count }, () => random.int(-100, 100) / 100),
  );
};
const ints = (...values: number[]) => tensor("int64", [values.length], [...values]);

describe("one module for every size", () => {
  it("says how a size follows from an open one, through strides and padding", () =>
    check({
      input: ["n", 3, "h", "w"],
      sizes: [
        [1, 3, 9, 16],
        [3, 3, 14, 5],
      ],
      build: (b) =>
        b
          .constant("k", weights([4, 3, 3, 3], 1))
          .node("Conv", ["x", "k"], ["c"], { strides: [2, 2], pads: [1, 1, 1, 1] })
          .node("Relu", ["c"], ["r"])
          .node("MaxPool", ["r"], ["y"], { kernel_shape: [2, 2], strides: [2, 2] }),
      says: [
        { dimension: 0, multiplier: 1, offset: 0, divisor: 1 },
        4,
        { dimension: 1, multiplier: 1, offset: 1, divisor: 4 },
        { dimension: 2, multiplier: 1, offset: 1, divisor: 4 },
      ],
    }));

  it("means over open axes", () =>
    check({
      input: ["n", 3, "h", "w"],
      sizes: [
        [1, 3, 8, 6],
        [2, 3, 3, 31],
      ],
      build: (b) =>
        b
          .constant("k", weights([5, 3, 1, 1], 2))
          .node("Conv", ["x", "k"], ["c"])
          .node("GlobalAveragePool", ["c"], ["y"]),
    }));

  it("reshapes that merge and part open axes", () =>
    check({
      input: ["batch", "sequence", 8],
      sizes: [
        [1, 7, 8],
        [4, 2, 8],
      ],
      build: (b) => {
        b.constant("w", weights([8, 8], 3)).constant("rows", ints(-1, 8));
        b.node("Reshape", ["x", "rows"], ["flat"]).node("MatMul", ["flat", "w"], ["m"]);
        // As exporters write it: [batch, sequence, 2, 4] from Shape, Gather and Concat.
        b.node("Shape", ["x"], ["shape"]);
        b.constant("zero", tensor("int64", [], [0])).constant("one", tensor("int64", [], [1]));
        b.constant("first", ints(0)).constant("heads", ints(2)).constant("rest", ints(4));
        b.node("Gather", ["shape", "zero"], ["b0"]).node("Unsqueeze", ["b0", "first"], ["b1"]);
        b.node("Gather", ["shape", "one"], ["s0"]).node("Unsqueeze", ["s0", "first"], ["s1"]);
        b.node("Concat", ["b1", "s1", "heads", "rest"], ["target"], { axis: 0 });
        b.node("Reshape", ["m", "target"], ["split"]);
        b.node("Transpose", ["split"], ["t"], { perm: [0, 2, 1, 3] });
        b.node("Transpose", ["split"], ["u"], { perm: [0, 2, 3, 1] });
        b.node("MatMul", ["t", "u"], ["scores"]).node("Softmax", ["scores"], ["y"], { axis: -1 });
      },
    }));

  it("expands to open sizes", () =>
    check({
      input: ["n", 1, "m"],
      sizes: [
        [2, 1, 3],
        [1, 1, 5],
      ],
      build: (b) =>
        b
          .constant("row", weights([3, 1], 4))
          .node("Shape", ["x"], ["shape"])
          .node("Expand", ["row", "shape"], ["e"])
          .node("Mul", ["e", "x"], ["y"]),
    }));

  it.each(["reflect", "edge"])("pads open axes with their own elements: %s", (mode) =>
    check({
      input: ["n", "m"],
      sizes: [
        [2, 4],
        [5, 9],
      ],
      build: (b) =>
        b.constant("pads", ints(0, 3, 1, 2)).node("Pad", ["x", "pads"], ["y"], { mode }),
    }),
  );
});
