import { describe, expect, it, test } from "vitest";
import type { Calibration, TensorRange } from "../../../src/compiler/calibration.js";
import { compile } from "../../../src/compiler/compile.js";
import type { ElementType } from "../../../src/compiler/graph.js";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import { CompileError } from "../../../src/core/errors.js";
import { toHex } from "../../../src/module/hex.js";
import { sha256 } from "../../../src/module/sha256.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import { instantiate } from "../../../src/vm/instance.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

const range = (min: number, max: number): TensorRange => ({
  min,
  max,
  rms: Math.max(-min, max),
  count: 1,
  channels: [],
  histogram: [],
});

/** Compiles by stated ranges and runs on the reference engine; the integers of `y`, or its reals. */
function run(
  b: ModelBuilder,
  inputs: Readonly<Record<string, HostValue>>,
  tensors: Calibration["tensors"] = {},
): (number | bigint)[] {
  const model = b.encode();
  const calibration: Calibration = {
    version: 1,
    model: toHex(sha256(model)),
    samples: 1,
    madeUp: false,
    dims: {},
    tensors,
  };
  const { bytes } = compile(model, { calibration, precision: "fx16" });
  const instance = instantiate(bytes, { backend: createReferenceBackend(), ownsBackend: true });
  const { outputs } = instance.runSync({ inputs });
  const y = outputs!["y"]!;
  const values =
    y.scale === undefined ? Array.from<number | bigint>(y.integers) : [...y.reals("float64")];
  instance.dispose();
  return values;
}

const integers = (values: readonly (number | bigint)[]): HostValue => ({
  integers: values.map(BigInt),
  dims: [values.length],
});
const reals = (values: readonly number[]): HostValue => ({ reals: values, dims: [values.length] });

/** `op` of tensors of one type, given value by value; the results as bigints. */
function apply(
  op: string,
  type: ElementType,
  operands: readonly (readonly (number | bigint)[])[],
  attributes: Record<string, AttributeValue> = {},
  resultType: ElementType = type,
): bigint[] {
  const names = operands.map((_, i) => `x${String(i)}`);
  const b = new ModelBuilder(18).output("y", resultType);
  names.forEach((name, i) => b.input(name, type, [operands[i]!.length]));
  b.node(op, names, ["y"], attributes);
  const given = Object.fromEntries(names.map((name, i) => [name, integers(operands[i]!)]));
  return run(b, given).map(BigInt);
}

const TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"] as const;
const bitsOf = (type: string): number => Number(/\d+/.exec(type)![0]);
const wrap = (type: string, value: bigint): bigint =>
  type.startsWith("u") ? BigInt.asUintN(bitsOf(type), value) : BigInt.asIntN(bitsOf(type), value);

/** All pairs of values at the ends of a type and in its middle. */
function pairs(type: string): [bigint[], bigint[]] {
  const width = 1n << BigInt(bitsOf(type));
  const ends = type.startsWith("u")
    ? [0n, 1n, 3n, width / 2n, width / 3n, width - 2n, width - 1n]
    : [-width / 2n, 1n - width / 2n, -width / 5n, -1n, 0n, 1n, 7n, width / 3n, width / 2n - 1n];
  return [ends.flatMap((a) => ends.map(() => a)), ends.flatMap(() => ends)];
}

describe("integer arithmetic", () => {
  test.each(TYPES)("of %s wraps", (type) => {
    const [a, b] = pairs(type);
    const expected = (f: (a: bigint, b: bigint) => bigint): bigint[] =>
      a.map((v, i) => wrap(type, f(v, b[i]!)));
    expect(apply("Add", type, [a, b])).toEqual(expected((x, y) => x + y));
    expect(apply("Sub", type, [a, b])).toEqual(expected((x, y) => x - y));
    expect(apply("Mul", type, [a, b])).toEqual(expected((x, y) => x * y));
    if (type.startsWith("u")) return;
    expect(apply("Neg", type, [a])).toEqual(expected((x) => -x));
    expect(apply("Abs", type, [a])).toEqual(expected((x) => (x < 0n ? -x : x)));
    expect(apply("Sign", type, [a])).toEqual(expected((x) => (x < 0n ? -1n : x > 0n ? 1n : 0n)));
  });

  it("of uint64 stays within the half that is held", () => {
    const most = (1n << 63n) - 1n;
    expect(
      apply("Add", "uint64", [
        [most, 5n],
        [1n, 6n],
      ]),
    ).toEqual([most, 11n]);
    expect(
      apply("Sub", "uint64", [
        [3n, 9n],
        [5n, 2n],
      ]),
    ).toEqual([0n, 7n]);
  });

  it("divides towards zero, and takes remainders by either sign", () => {
    const [a, b] = [
      [7, -7, 7, -7, 6, 0],
      [2, 2, -2, -2, 3, 5],
    ];
    expect(apply("Div", "int32", [a, b])).toEqual([3n, -3n, -3n, 3n, 2n, 0n]);
    expect(apply("Mod", "int32", [a, b])).toEqual([1n, 1n, -1n, -1n, 0n, 0n]);
    expect(apply("Mod", "int32", [a, b], { fmod: 1 })).toEqual([1n, -1n, 1n, -1n, 0n, 0n]);
  });

  it("raises to powers that are known when running", () => {
    const base = [2, 3, -2, -1, -1, 1, 0, 5, 2];
    const power = [10, 4, 3, 64, 65, -7, 0, -1, 31];
    expect(apply("Pow", "int32", [base, power])).toEqual([
      1024n,
      81n,
      -8n,
      1n,
      -1n,
      1n,
      1n,
      0n,
      BigInt.asIntN(32, 1n << 31n),
    ]);
  });

  it("raises to a constant power", () => {
    const b = new ModelBuilder(18).input("x", "int32", [3]).output("y", "int32");
    b.constant("p", tensor("int64", [], [5])).node("Pow", ["x", "p"], ["y"]);
    expect(run(b, { x: integers([3, -4, 100]) }).map(Number)).toEqual([243, -1024, 1410065408]);
  });

  it("shifts and complements bits", () => {
    const x = [1, 2, 200, 255];
    const left: Record<string, AttributeValue> = { direction: "LEFT" };
    const right: Record<string, AttributeValue> = { direction: "RIGHT" };
    expect(apply("BitShift", "uint8", [x, [7, 7, 1, 8]], left)).toEqual([128n, 0n, 144n, 0n]);
    expect(apply("BitShift", "uint8", [x, [0, 1, 3, 8]], right)).toEqual([1n, 1n, 25n, 0n]);
    expect(apply("BitwiseNot", "uint16", [[0, 65535, 1]])).toEqual([65535n, 0n, 65534n]);
    expect(apply("BitwiseNot", "int16", [[0, -1, 1]])).toEqual([-1n, 0n, -2n]);
    expect(
      apply("BitwiseXor", "uint32", [
        [12, 0xffffffff],
        [10, 1],
      ]),
    ).toEqual([6n, 0xfffffffen]);
  });

  it("limits what a host hands in to the type", () => {
    const beyond = [[-1, 70_000, 5]];
    expect(apply("Identity", "uint16", beyond).map(Number)).toEqual([0, 65_535, 5]);
  });

  it("clips between bounds that are known when running", () => {
    const b = new ModelBuilder(18)
      .input("x", "int32", [4])
      .input("lo", "int32", [])
      .input("hi", "int32", []);
    b.node("Clip", ["x", "lo", "hi"], ["y"]).output("y", "int32");
    const bound = (v: number): HostValue => ({ integers: [v], dims: [] });
    expect(run(b, { x: integers([-9, 0, 4, 9]), lo: bound(-2), hi: bound(3) }).map(Number)).toEqual(
      [-2, 0, 3, 3],
    );
  });
});

describe("casts", () => {
  const cast = (
    from: ElementType,
    to: ElementType,
    code: number,
    values: (number | bigint)[],
  ): number[] => apply("Cast", from, [values], { to: code }, to).map(Number);

  it("between integers keep the lower bits", () => {
    expect(cast("int32", "int8", 3, [127, 128, -129, 1000])).toEqual([127, -128, 127, -24]);
    expect(cast("int64", "uint8", 2, [-1n, 256n, 511n])).toEqual([255, 0, 255]);
    expect(cast("int16", "bool", 9, [0, 5, -1])).toEqual([0, 1, 1]);
  });

  it("of reals go towards zero and saturate; whole numbers stay what they are", () => {
    const x = [-2.5, -2, -0.75, 0.75, 2, 2.75, 3, 3.7];
    const to = (type: ElementType, code: number, peak: number): number[] =>
      run(
        new ModelBuilder(18)
          .input("x", "float32", [x.length])
          .node("Cast", ["x"], ["y"], { to: code })
          .output("y", type),
        { x: reals(x) },
        { x: range(-peak, peak) },
      ).map(Number);
    for (const peak of [3.7, 5.3, 9.1, 77.7])
      expect(to("int32", 6, peak)).toEqual([-2, -2, 0, 0, 2, 2, 3, 3]);
    expect(to("uint8", 2, 3.7)).toEqual([0, 0, 0, 0, 2, 2, 3, 3]);
  });

  it("to 8-bit floats are refused by name", () => {
    const b = new ModelBuilder(19).input("x", "float32", [2]);
    b.node("Cast", ["x"], ["y"], { to: 17 }, { name: "narrow" }).output("y", "float8e4m3fn");
    expect(() => run(b, {}, { x: range(-1, 1) })).toThrow(CompileError);
    expect(() => run(b, {}, { x: range(-1, 1) })).toThrow(/"narrow"/);
  });
});

describe("roundings", () => {
  test.each([
    ["Floor", [-3, -2, -1, 0, 1, 2, 2, 3]],
    ["Ceil", [-2, -2, 0, 1, 2, 3, 2, 4]],
    ["Round", [-2, -2, 0, 0, 2, 2, 2, 4]],
  ])("%s whole numbers and halves as such", (op, expected) => {
    const x = [-2.5, -2, -0.5, 0.5, 1.5, 2.5, 2, 3.5];
    for (const peak of [3.5, 5.3, 9.1, 30.3]) {
      const b = new ModelBuilder(18).input("x", "float32", [x.length]);
      b.node(op, ["x"], ["y"]).output("y", "float32");
      const ranges = { x: range(-peak, peak), y: range(-peak, peak) };
      expect(run(b, { x: reals(x) }, ranges).map((v) => Number(v) + 0)).toEqual(expected);
    }
  });
});

describe("comparisons", () => {
  const x = [-0.7, -0.3, 0, 0.1, 0.3, 0.7];
  const compare = (op: string, c: number): number[] =>
    run(
      new ModelBuilder(18)
        .input("x", "float32", [x.length])
        .constant("c", tensor("float32", [], [c]))
        .node(op, ["x", "c"], ["y"])
        .output("y", "bool"),
      { x: reals(x) },
      { x: range(-0.83, 0.83) },
    ).map(Number);

  test.each([-0.3, 0, 0.1, 0.7])("of reals with the real %d among them", (c) => {
    expect(compare("Equal", c)).toEqual(x.map((v) => Number(v === c)));
    expect(compare("Less", c)).toEqual(x.map((v) => Number(v < c)));
    expect(compare("LessOrEqual", c)).toEqual(x.map((v) => Number(v <= c)));
    expect(compare("Greater", c)).toEqual(x.map((v) => Number(v > c)));
    expect(compare("GreaterOrEqual", c)).toEqual(x.map((v) => Number(v >= c)));
  });

  test.each(["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"])(
    "%s of whole numbers with a real between them",
    (op) => {
      const whole = [-3, -1, 0, 2, 3, 5];
      const test = { Less: (v: number) => v < 2.5, Greater: (v: number) => v > 2.5 };
      const expected = whole.map((v) =>
        Number(op === "Equal" ? false : op.startsWith("Less") ? test.Less(v) : test.Greater(v)),
      );
      const b = new ModelBuilder(18).input("i", "int32", [6]).output("y", "bool");
      b.node("Cast", ["i"], ["x"], { to: 1 }).constant("c", tensor("float32", [], [2.5]));
      b.node(op, ["x", "c"], ["y"]);
      expect(run(b, { i: integers(whole) }, { x: range(-3, 5) }).map(Number)).toEqual(expected);
    },
  );

  it("find no NaN and no infinity where none can be", () => {
    for (const op of ["IsNaN", "IsInf"]) {
      const b = new ModelBuilder(20).input("x", "float32", [2]).node(op, ["x"], ["y"]);
      expect(
        run(b.output("y", "bool"), { x: reals([1, -2]) }, { x: range(-2, 2) }).map(Number),
      ).toEqual([0, 0]);
    }
  });
});

describe("ranges and shapes", () => {
  const scalar = (v: number): HostValue => ({ integers: [v], dims: [] });

  test.each([
    [0, 5, 1, [0, 1, 2, 3, 4]],
    [10, 3, -3, [10, 7, 4]],
    [2, 2, 1, []],
    [5, 0, 1, []],
  ])("Range from %d to %d by %d", (start, limit, delta, expected) => {
    const b = new ModelBuilder(18).output("y", "int64", ["n"]);
    for (const name of ["start", "limit", "delta"]) b.input(name, "int64", []);
    b.node("Range", ["start", "limit", "delta"], ["y"]);
    const given = { start: scalar(start), limit: scalar(limit), delta: scalar(delta) };
    expect(run(b, given).map(Number)).toEqual(expected);
  });

  it("Shape and Size tell open dimensions, transposed ones too", () => {
    const b = new ModelBuilder(18).input("x", "int32", ["n", 3, "m"]).output("y", "int64");
    b.node("Transpose", ["x"], ["t"], { perm: [2, 0, 1] });
    b.node("Shape", ["t"], ["s"]).node("Size", ["x"], ["k"]);
    b.constant("one", tensor("int64", [1], [1])).node("Reshape", ["k", "one"], ["k1"]);
    b.node("Concat", ["s", "k1"], ["y"], { axis: 0 });
    const x = { integers: new Array<number>(24).fill(0), dims: [2, 3, 4] };
    expect(run(b, { x }).map(Number)).toEqual([4, 2, 3, 24]);
  });
});

describe("functions in pieces", () => {
  it.each(["fx16", "fx32"] as const)("an exploded Elu is one table, %s", async (precision) => {
    const db = await sqnrDb(
      {
        name: "Elu in parts",
        inputs: { x: [1, 3, 5, 7] },
        spread: 4,
        build: (b) => {
          b.constant("zero", tensor("float32", [], [0])).constant(
            "one",
            tensor("float32", [], [1]),
          );
          b.node("Less", ["x", "zero"], ["c"]).node("Exp", ["x"], ["e"]);
          b.node("Sub", ["e", "one"], ["m"]).node("Where", ["c", "m", "x"], ["y"]);
        },
      },
      precision,
    );
    // The exponential of the greatest x alone would leave fx16 less than 10 dB.
    expect(db).toBeGreaterThan(60);
  });

  it("a mask of −∞ before a Softmax leaves the scores their bits", async () => {
    const db = await sqnrDb(
      {
        name: "masked Softmax",
        inputs: { x: [2, 4, 16], m: [2, 1, 16] },
        types: { m: "bool" },
        build: (b) => {
          b.constant("low", tensor("float32", [], [-3.4e38]));
          b.node("Where", ["m", "x", "low"], ["s"]).node("Softmax", ["s"], ["y"], { axis: -1 });
        },
      },
      "fx16",
    );
    expect(db).toBeGreaterThan(60);
  });
});
