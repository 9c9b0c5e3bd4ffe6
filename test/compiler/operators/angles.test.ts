import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { compile } from "../../../src/compiler/compile.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { Precision } from "../../support/compiler/operatorCase.js";

/**
 * Functions that repeat, of arguments of hundreds of turns, against their exact values: what
 * doubles make of the very integers, or float32 numbers, that go in.
 */
type Formula = (place: number, frequency: number) => number;

/** Value of `to` in Cast. */
const FLOAT32 = 1;
const HALF = 160;
/** As diffusion models have them: 10000^(−i/half), rounded to float32. */
const FREQUENCIES = Float32Array.from({ length: HALF }, (_, i) =>
  Math.exp((-Math.log(10_000) * i) / HALF),
);
const STEPS = [1, 7, 20, 181, 500, 777, 981, 999];

interface AngleCase {
  readonly name: string;
  readonly input: "int64" | "float32";
  readonly places: readonly number[];
  /** Writes nodes from `t` [n] to outputs, and says what each is. */
  readonly build: (b: ModelBuilder) => void;
  readonly formulas: Readonly<Record<string, Formula>>;
}

function angles(b: ModelBuilder, t: string): void {
  b.constant("axes", tensor("int64", [1], [1]));
  b.constant("frequencies", tensor("float32", [1, HALF], [...FREQUENCIES]));
  b.node("Unsqueeze", [t, "axes"], ["column"]).node("Mul", ["column", "frequencies"], ["angle"]);
}

const circle: Readonly<Record<string, Formula>> = {
  s: (t, f) => Math.sin(t * f),
  c: (t, f) => Math.cos(t * f),
};

const CASES: readonly AngleCase[] = [
  {
    name: "the time steps of a diffusion model, whole",
    input: "int64",
    places: STEPS,
    build: (b) => {
      b.node("Cast", ["t"], ["real"], { to: FLOAT32 });
      angles(b, "real");
      b.node("Sin", ["angle"], ["s"]).node("Cos", ["angle"], ["c"]);
    },
    formulas: circle,
  },
  {
    name: "time steps as floats",
    input: "float32",
    places: STEPS,
    build: (b) => {
      angles(b, "t");
      b.node("Sin", ["angle"], ["s"]).node("Cos", ["angle"], ["c"]);
    },
    formulas: circle,
  },
  {
    name: "rotary positions by an outer product",
    input: "int64",
    places: Array.from({ length: 24 }, (_, i) => i * 89),
    build: (b) => {
      b.node("Cast", ["t"], ["real"], { to: FLOAT32 });
      b.constant("axes", tensor("int64", [2], [0, 1]));
      b.constant("frequencies", tensor("float32", [1, HALF, 1], [...FREQUENCIES]));
      b.node("Unsqueeze", ["real", "axes"], ["row"]);
      b.node("MatMul", ["frequencies", "row"], ["product"]);
      b.node("Transpose", ["product"], ["angle"], { perm: [0, 2, 1] });
      b.node("Concat", ["angle", "angle"], ["both"], { axis: -1 });
      b.node("Sin", ["both"], ["s"]).node("Cos", ["both"], ["c"]);
    },
    formulas: circle,
  },
  {
    name: "a function of a sine and its argument's factor",
    input: "float32",
    places: [-30, -12.5, -1, 0, 0.25, 3, 17, 29],
    build: (b) => {
      b.constant("thirty", tensor("float32", [], [30]));
      b.constant("one", tensor("float32", [], [1]));
      angles(b, "t");
      b.node("Mul", ["angle", "thirty"], ["scaled"]).node("Add", ["scaled", "one"], ["moved"]);
      b.node("Sin", ["moved"], ["sine"]).node("Exp", ["sine"], ["s"]);
    },
    formulas: { s: (t, f) => Math.exp(Math.sin(30 * t * f + 1)) },
  },
];

/** Signal to noise of each output. */
async function sqnr(test: AngleCase, precision: Precision): Promise<number[]> {
  const b = new ModelBuilder(17).input("t", test.input, [test.places.length]);
  test.build(b);
  for (const name of Object.keys(test.formulas)) b.output(name, "float32");
  const model = b.encode();
  const dims = [test.places.length];
  const places: HostArray =
    test.input === "int64"
      ? { elementType: "int64", dims, data: BigInt64Array.from(test.places, BigInt) }
      : { elementType: "float32", dims, data: Float32Array.from(test.places) };
  const calibration = await calibrate(model, [new Map([["t", places]])]);
  const { bytes } = compile(model, { calibration, precision });
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend });
  const { outputs } = instance.runSync({
    inputs: {
      t:
        test.input === "int64"
          ? { dims, integers: test.places }
          : { dims, reals: Float32Array.from(test.places) },
    },
  });
  const result = Object.entries(test.formulas).map(([name, formula]) => {
    const values = outputs![name]!.reals("float64");
    const perPlace = values.length / test.places.length;
    let signal = 0;
    let noise = 0;
    values.forEach((v, i) => {
      const exact = formula(
        test.places[Math.floor(i / perPlace)]!,
        FREQUENCIES[(i % perPlace) % HALF]!,
      );
      signal += exact ** 2;
      noise += (exact - v) ** 2;
    });
    return 10 * Math.log10(signal / noise);
  });
  instance.dispose();
  backend.dispose();
  return result;
}

describe("functions that repeat, over many turns", () => {
  for (const test of CASES) {
    it(`${test.name}: as accurate as within one turn`, async () => {
      const fx16 = await sqnr(test, "fx16");
      const fx32 = await sqnr(test, "fx32");
      for (const db of fx16) expect(db).toBeGreaterThan(80);
      // Constants have 24 bits, as float32 has: at 1000 that is 2^-15 of a radian.
      for (const db of fx32) expect(db).toBeGreaterThan(85);
    }, 60_000);
  }
});
