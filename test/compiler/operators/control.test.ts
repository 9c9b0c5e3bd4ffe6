import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { openFloatModel } from "../../../src/analysis/floatModel.js";
import { compile } from "../../../src/compiler/compile.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import { instantiate } from "../../../src/vm/instance.js";

type Inputs = Record<string, HostArray>;

const reals = (dims: readonly number[], ...values: number[]): HostArray => ({
  elementType: "float32",
  dims,
  data: Float32Array.from(values),
});
const int64 = (value: number): HostArray => ({
  elementType: "int64",
  dims: [],
  data: BigInt64Array.of(BigInt(value)),
});
const bool = (value: boolean): HostArray => ({
  elementType: "bool",
  dims: [],
  data: Uint8Array.of(value ? 1 : 0),
});
const hostValue = ({ elementType, dims, data }: HostArray): HostValue =>
  elementType === "float32"
    ? { dims, reals: data as Float32Array }
    : { dims, integers: data as ArrayLike<number> };

/** Compiles a model calibrated on all samples and compares each with onnxruntime. */
async function agrees(b: ModelBuilder, outputs: readonly string[], samples: readonly Inputs[]) {
  const model = b.encode();
  const maps = samples.map((sample) => new Map(Object.entries(sample)));
  const calibration = await calibrate(model, maps);
  const float = await openFloatModel(model);
  for (const precision of ["fx16", "fx32"] as const) {
    const { bytes } = compile(model, { calibration, precision });
    const instance = instantiate(bytes, { backend: createReferenceBackend() });
    for (const sample of maps) {
      const expected = await float.run(sample);
      const result = instance.runSync({
        inputs: Object.fromEntries(Array.from(sample, ([name, x]) => [name, hostValue(x)])),
      });
      for (const name of outputs) {
        const exact = expected.get(name)!;
        const got = result.outputs![name]!;
        expect(got.shape).toEqual(exact.dims);
        if (exact.elementType !== "float32") {
          expect(Array.from<number | bigint, bigint>(got.integers, BigInt)).toEqual(
            Array.from<number | bigint, bigint>(exact.data as BigInt64Array, BigInt),
          );
          continue;
        }
        const values = got.reals("float64");
        const tolerance = precision === "fx16" ? 2e-3 : 2e-5;
        const unit = Math.max(...Array.from(exact.data as Float32Array, Math.abs), 1);
        (exact.data as Float32Array).forEach((v, i) =>
          expect(Math.abs(values[i]! - v) / unit).toBeLessThan(tolerance),
        );
      }
    }
    instance.dispose();
  }
  await float.dispose();
}

const body = (build: (b: ModelBuilder) => void) => {
  const b = new ModelBuilder(17);
  build(b);
  return b.graph();
};

describe("If", () => {
  it("takes a branch, in another too, with values of what is around it", async () => {
    const b = new ModelBuilder(17);
    b.input("x", "float32", [3]).input("first", "bool", []).input("second", "bool", []);
    b.constant("two", tensor("float32", [], [2]));
    b.node("Mul", ["x", "two"], ["doubled"]);
    const inner = (name: string, op: string) =>
      body((c) => c.node(op, ["doubled"], [name]).output(name, "float32", [3]));
    b.node("If", ["first"], ["y", "n"], {
      then_branch: body((c) =>
        c
          .constant("one", tensor("int64", [1], [1]))
          .node("Sigmoid", ["x"], ["s"])
          .node("Add", ["s", "doubled"], ["t"])
          .output("t", "float32", [3])
          .output("one", "int64", [1]),
      ),
      else_branch: body((c) =>
        c
          .constant("seven", tensor("int64", [1], [7]))
          .node("If", ["second"], ["e"], {
            then_branch: inner("r", "Relu"),
            else_branch: inner("r", "Neg"),
          })
          .output("e", "float32", [3])
          .output("seven", "int64", [1]),
      ),
    });
    b.output("y", "float32", [3]).output("n", "int64", [1]);
    const samples = [0, 1, 2, 3].map((k) => ({
      x: reals([3], 1.5 + k, -2 + k / 2, 0.25),
      first: bool(k % 2 === 1),
      second: bool(k > 1),
    }));
    await agrees(b, ["y", "n"], samples);
  });
});

describe("If, a branch of which no sample took", () => {
  it("traps there, and is reported", async () => {
    const b = new ModelBuilder(17);
    b.input("x", "float32", [2]).input("taken", "bool", []);
    const arm = (op: string) =>
      body((c) => c.node(op, ["x"], [`${op}_x`]).output(`${op}_x`, "float32", [2]));
    b.node("If", ["taken"], ["y"], { then_branch: arm("Relu"), else_branch: arm("Neg") });
    b.output("y", "float32", [2]);
    const model = b.encode();
    const sample = { x: reals([2], 1, -2), taken: bool(true) };
    const calibration = await calibrate(model, [new Map(Object.entries(sample))]);
    const { bytes, report } = compile(model, { calibration });
    expect(report.untakenBranches).toEqual(["y: else_branch"]);
    const instance = instantiate(bytes, { backend: createReferenceBackend() });
    const run = (taken: boolean) =>
      instance.runSync({ inputs: { x: hostValue(sample.x), taken: hostValue(bool(taken)) } });
    expect(run(true).outputs!["y"]!.reals()[0]).toBeCloseTo(1, 3);
    expect(run(false).trap).toMatchObject({ code: "Unreachable" });
    instance.dispose();
  });
});

describe("Loop", () => {
  const counted = (trips: boolean): ModelBuilder => {
    const b = new ModelBuilder(17);
    if (trips) b.input("trips", "int64", []);
    else b.constant("trips", tensor("int64", [], [70]));
    b.input("goes", "bool", []).input("x", "float32", [2]).input("limit", "int64", []);
    b.constant("decay", tensor("float32", [], [0.75]));
    b.node("Loop", ["trips", "goes", "x", "limit"], ["last", "count", "all"], {
      body: body((c) =>
        c
          .input("i", "int64", [])
          .input("before", "bool", [])
          .input("v", "float32", [2])
          .input("k", "int64", [])
          .constant("one", tensor("int64", [], [1]))
          .node("Mul", ["v", "decay"], ["w"])
          .node("Add", ["w", "x"], ["next"])
          .node("Sub", ["k", "one"], ["fewer"])
          .node("Cast", ["fewer"], ["after"], { to: 9 })
          .output("after", "bool", [])
          .output("next", "float32", [2])
          .output("fewer", "int64", [])
          .output("w", "float32", [2]),
      ),
    });
    b.output("last", "float32", [2]).output("count", "int64", []).output("all", "float32");
    return b;
  };
  const x = reals([2], 1, -0.5);

  it("runs as often as a number and a condition say", async () => {
    const samples = [
      { trips: int64(3), goes: bool(true), x, limit: int64(100) },
      { trips: int64(9), goes: bool(true), x, limit: int64(2) },
      { trips: int64(1), goes: bool(true), x, limit: int64(1) },
    ];
    await agrees(counted(true), ["last", "count", "all"], samples);
  });

  it("may not run at all", async () => {
    const samples = [
      { trips: int64(2), goes: bool(true), x, limit: int64(100) },
      { trips: int64(0), goes: bool(true), x, limit: int64(100) },
      { trips: int64(2), goes: bool(false), x, limit: int64(100) },
    ];
    await agrees(counted(true), ["last", "count", "all"], samples);
  });

  it("collects rows at a cost that grows as they do", async () => {
    const b = new ModelBuilder(17).input("trips", "int64", []).input("x", "float32", [1]);
    b.node("Loop", ["trips", "", "x"], ["", "rows", "places"], {
      body: body((c) =>
        c
          .input("i", "int64", [])
          .input("before", "bool", [])
          .input("v", "float32", [1])
          .node("Identity", ["before"], ["after"])
          .node("Identity", ["v"], ["same"])
          .constant("wide", tensor("int64", [1], [64]))
          .node("Expand", ["i", "wide"], ["row"])
          .node("Mul", ["i", "i"], ["place"])
          .output("after", "bool", [])
          .output("same", "float32", [1])
          .output("row", "int64", [64])
          .output("place", "int64", []),
      ),
    });
    b.output("rows", "int64").output("places", "int64");
    const model = b.encode();
    const inputs = (trips: number) => ({ trips: int64(trips), x: reals([1], 1) });
    const calibration = await calibrate(model, [new Map(Object.entries(inputs(3)))]);
    const instance = instantiate(compile(model, { calibration }).bytes, {
      backend: createReferenceBackend(),
    });
    const run = (trips: number): bigint => {
      const result = instance.runSync({
        inputs: { trips: hostValue(int64(trips)), x: hostValue(reals([1], 1)) },
      });
      const { rows, places } = result.outputs!;
      const counted = Array.from({ length: trips }, (_, i) => BigInt(i));
      expect(Array.from(places!.integers as BigInt64Array)).toEqual(counted.map((i) => i * i));
      expect(rows!.shape).toEqual([trips, 64]);
      expect((rows!.integers as BigInt64Array).every((v, k) => v === counted[k >> 6])).toBe(true);
      return BigInt(result.receipt.gasUsed);
    };
    for (const trips of [1, 31, 32, 33]) run(trips);
    const [some, many] = [run(1100), run(2200)];
    expect(Number(many) / Number(some)).toBeLessThan(2.1);
    instance.dispose();
  });

  it("is written out where it is short", async () => {
    const b = new ModelBuilder(17);
    b.input("x", "float32", [2, 1]);
    b.constant("trips", tensor("int64", [], [3]));
    b.constant("going", tensor("bool", [], [1]));
    b.node("Loop", ["trips", "going", "x"], ["y", "z"], {
      body: body((c) =>
        c
          .input("i", "int64", [])
          .input("go", "bool", [])
          .input("v", "float32", [2, 1])
          .node("Identity", ["go"], ["still"])
          .node("Cast", ["i"], ["real"], { to: 1 })
          // Its shape grows from round to round.
          .node("Concat", ["v", "x"], ["longer"], { axis: 1 })
          .node("Mul", ["x", "real"], ["row"])
          .output("still", "bool", [])
          .output("longer", "float32")
          .output("row", "float32", [2, 1]),
      ),
    });
    b.output("y", "float32").output("z", "float32");
    await agrees(b, ["y", "z"], [{ x: reals([2, 1], 3, -1) }]);
  });
});

describe("Scan", () => {
  it("reads and writes sequences along axes, both ways", async () => {
    for (const length of [4, "n"]) {
      const b = new ModelBuilder(17);
      b.input("start", "float32", [2]);
      b.input("p", "float32", [2, length]);
      b.input("q", "float32", [length, 2]);
      b.node("Scan", ["start", "p", "q"], ["end", "sums", "products"], {
        num_scan_inputs: 2,
        scan_input_axes: [1, 0],
        scan_input_directions: [0, 1],
        scan_output_axes: [0, -1],
        scan_output_directions: [1, 0],
        body: body((c) =>
          c
            .input("s", "float32", [2])
            .input("a", "float32", [2])
            .input("b", "float32", [2])
            .node("Mul", ["a", "b"], ["product"])
            .node("Add", ["s", "product"], ["sum"])
            .output("sum", "float32", [2])
            .node("Identity", ["sum"], ["seen"])
            .output("seen", "float32", [2])
            .output("product", "float32", [2]),
        ),
      });
      for (const name of ["end", "sums", "products"]) b.output(name, "float32");
      const sample = {
        start: reals([2], 0.5, -1),
        p: reals([2, 4], 1, 2, 3, 4, -1, -2, -3, -4),
        q: reals([4, 2], 1, 0.5, -1, 0.25, 2, -0.5, 3, 1),
      };
      await agrees(b, ["end", "sums", "products"], [sample]);
    }
  });
});
