import { expect } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { openFloatModel } from "../../../src/analysis/floatModel.js";
import { compile } from "../../../src/compiler/compile.js";
import { ModelBuilder } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray, HostElementType } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import { instantiate } from "../../../src/vm/instance.js";
import { SeededRandom } from "../seededRandom.js";

export type Precision = "fx16" | "fx16w8" | "fx8" | "fx32";
export type Normal = (count: number, spread?: number) => number[];

/** A small model, from inputs of random numbers to outputs `y`, … */
export interface OperatorCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Element types of inputs that are not float32. */
  readonly types?: Readonly<Record<string, "uint8" | "int64" | "int32" | "bool">>;
  /** Spread of the random inputs. */
  readonly spread?: number;
  readonly build: (b: ModelBuilder, random: Normal) => void;
  readonly precisions?: readonly Precision[];
  /** Names and element types of the outputs; `y` of float32 unless said. */
  readonly outputs?: Readonly<Record<string, "float32" | "uint8" | "int64">>;
  readonly opset?: number;
}

/**
 * Calibrates a case on three samples, compiles it, runs it over the same samples and compares it
 * with onnxruntime: the least signal to quantisation noise of any output, in dB.
 */
export async function sqnrDb(test: OperatorCase, precision: Precision): Promise<number> {
  const random = new SeededRandom(1);
  const normal: Normal = (count, spread = 1) =>
    Array.from({ length: count }, () => {
      // Twelve uniforms make a normal value without transcendental functions.
      let sum = -6;
      for (let i = 0; i < 12; i++) sum += random.int(0, 1_000_000) / 1_000_000;
      return Math.fround(sum * spread);
    });
  const typeOf = (name: string): HostElementType => test.types?.[name] ?? "float32";
  const b = new ModelBuilder(test.opset ?? 17);
  for (const [name, dims] of Object.entries(test.inputs)) b.input(name, typeOf(name), dims);
  test.build(b, normal);
  const outputs = Object.entries(test.outputs ?? { y: "float32" as const });
  for (const [name, type] of outputs) b.output(name, type);
  const model = b.encode();
  const sample = (): Map<string, HostArray> =>
    new Map(
      Object.entries(test.inputs).map(([name, dims]) => {
        const count = dims.reduce((product, d) => product * d, 1);
        return [name, arrayOf(typeOf(name), dims, normal(count, test.spread ?? 1))];
      }),
    );
  const samples = [sample(), sample(), sample()];
  const calibration = await calibrate(model, samples);
  const { bytes } = compile(model, { calibration, precision });
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend });
  const float = await openFloatModel(model);
  const signal = outputs.map(() => 0);
  const noise = outputs.map(() => 0);
  for (const inputs of samples) {
    const expected = await float.run(inputs);
    const result = instance.runSync({
      inputs: Object.fromEntries(Array.from(inputs, ([name, array]) => [name, hostValue(array)])),
    });
    outputs.forEach(([name, type], o) => {
      const exact = expected.get(name)!;
      const output = result.outputs![name]!;
      expect(output.shape).toEqual(exact.dims);
      const values = type === "float32" ? output.reals("float64") : output.integers;
      Array.from<number | bigint, number>(values, Number).forEach((v, k) => {
        const e = Number(exact.data[k]);
        signal[o]! += e * e;
        noise[o]! += (v - e) * (v - e);
      });
    });
  }
  await float.dispose();
  instance.dispose();
  backend.dispose();
  return Math.min(
    ...signal.map((s, o) => (noise[o] === 0 ? Infinity : 10 * Math.log10(s / noise[o]!))),
  );
}

function arrayOf(
  elementType: HostElementType,
  dims: readonly number[],
  values: readonly number[],
): HostArray {
  const integers = values.map((v) => Math.round(v));
  switch (elementType) {
    case "uint8":
      return { elementType, dims, data: Uint8Array.from(integers, (v) => v + 128) };
    case "bool":
      return { elementType, dims, data: Uint8Array.from(integers, (v) => v & 1) };
    case "int32":
      return { elementType, dims, data: Int32Array.from(integers) };
    case "int64":
      return { elementType, dims, data: BigInt64Array.from(integers, BigInt) };
    default:
      return { elementType, dims, data: Float32Array.from(values) };
  }
}

function hostValue({ elementType, dims, data }: HostArray): HostValue {
  return elementType === "float32"
    ? { dims, reals: data as Float32Array }
    : { dims, integers: data as ArrayLike<number> };
}
