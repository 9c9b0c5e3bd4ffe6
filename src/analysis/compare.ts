/** Float and fixed point side by side, over samples. */
import { describeModel } from "../compiler/describe.js";
import type { ExternalData } from "../compiler/onnx/tensor.js";
import { InputError } from "../core/errors.js";
import type { HostArray } from "../core/hostArray.js";
import type { HostValue } from "../vm/hostValues.js";
import type { Instance } from "../vm/instance.js";
import type { OutputTensor } from "../vm/outputTensor.js";
import type { NamedArrays } from "./floatModel.js";
import { ReferenceModel } from "./referenceModel.js";
import { fitSample, isReal, withPins } from "./modelSample.js";

/** How near the fixed-point values of one output are to the float ones. */
export interface Accuracy {
  /** 10·log10(Σf² / Σ(f − q)²), from −300 to 300, which stands for no difference at all. */
  readonly sqnrDb: number;
  readonly maxAbsError: number;
  /** Cosine of the angle between the two; 1 where both are zero. */
  readonly cosine: number;
  /** Share of rows along the last axis whose greatest element is in the same place. */
  readonly argmaxAgreement: number;
}

export interface OutputComparison extends Accuracy {
  /** The worst of each figure over the samples; the others are means, but `maxAbsError` is the greatest. */
  readonly worst: Accuracy;
  /** Float elements that were NaN or infinite; they are left out of all figures. */
  readonly notFinite: number;
}

/** How near a module's outputs are to the float model's, over all samples. */
export interface Comparison {
  readonly samples: number;
  readonly backend: string;
  readonly moduleId: string;
  /** What computed the floats, where onnxruntime could not. */
  readonly engine?: "aivm";
  /** How many elements of each input the module clipped, over all samples; inputs without any are left out. */
  readonly clippedInputs: Readonly<Record<string, number>>;
  readonly outputs: Readonly<Record<string, OutputComparison>>;
}

/** What of the module is compared, and how the float model is run. */
export interface CompareOptions {
  /** Entry of the module; its first unless said. */
  readonly entry?: string;
  readonly externalData?: ExternalData;
  /** Values of inputs that were pinned when compiling; samples need not have them. */
  readonly pins?: Readonly<Record<string, HostArray>>;
  /** Called after each sample with how many are done. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Runs a model in floats and a module that was compiled from it on the same samples. A model that
 * onnxruntime cannot open or run is computed by our own evaluator (`engine` says so).
 *
 * @param model bytes of the ONNX file
 * @throws InputError `BadSample`, `NoSamples`, `FloatModel`, `FloatRun`; `Trapped` when the module traps
 * @throws HostError `MissingPackage` when onnxruntime-web is not installed
 */
export async function compare(
  model: Uint8Array,
  instance: Instance,
  samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
  options: CompareOptions = {},
): Promise<Comparison> {
  const pins = options.pins ?? {};
  const { externalData } = options;
  const source = externalData === undefined ? {} : { externalData };
  const { inputs, outputs } = describeModel(model, source);
  const results = new Map(
    outputs.map(({ name }) => [name, [] as (Accuracy & { notFinite: number })[]]),
  );
  const floatModel = new ReferenceModel(model, source, pins);
  const clipped: Record<string, number> = {};
  let count = 0;
  try {
    for await (const sample of samples) {
      const fitted = fitSample(inputs, withPins(sample, pins), {});
      const floats = await floatModel.run(fitted);
      for (const name of Object.keys(pins)) fitted.delete(name);
      const { outputs: fixed, saturated } = await runFixed(instance, fitted, options.entry);
      for (const [name, n] of Object.entries(saturated)) clipped[name] = (clipped[name] ?? 0) + n;
      for (const [name, list] of results) {
        list.push(measure(name, floats.get(name), fixed[name]));
      }
      count++;
      options.onProgress?.(count);
    }
  } finally {
    await floatModel.dispose();
  }
  if (count === 0) throw new InputError("NoSamples", "a comparison needs at least one sample");
  return {
    samples: count,
    backend: instance.backend.name,
    moduleId: instance.moduleId,
    ...(floatModel.reason === undefined ? {} : { engine: "aivm" as const }),
    clippedInputs: clipped,
    outputs: Object.fromEntries([...results].map(([name, list]) => [name, summarise(list)])),
  };
}

/** A host array as the VM takes it: reals stay reals, integers integers. */
export function hostValue({ elementType, dims, data }: HostArray): HostValue {
  return isReal(elementType) ? { reals: data as Float32Array, dims } : { integers: data, dims };
}

/** A run of the module on a sample, and how many elements of each input it clipped. */
export async function runFixed(
  instance: Instance,
  sample: NamedArrays,
  entry?: string,
): Promise<{
  outputs: Readonly<Record<string, OutputTensor>>;
  saturated: Readonly<Record<string, number>>;
}> {
  const inputs = Object.fromEntries([...sample].map(([name, array]) => [name, hostValue(array)]));
  const { outputs, trap, statistics } = await instance.run({ entry, inputs });
  if (outputs !== undefined) return { outputs, saturated: statistics.saturated };
  throw new InputError(
    "Trapped",
    `the module trapped on a sample: ${trap?.message ?? ""}`,
    {},
    trap,
  );
}

const MAX_DB = 300;

function measure(
  name: string,
  float: HostArray | undefined,
  fixed: OutputTensor | undefined,
): Accuracy & { notFinite: number } {
  if (float === undefined || fixed === undefined || float.data.length !== fixed.integers.length) {
    throw new InputError(
      "OtherModel",
      `output "${name}" of the model is not one of the module; compare a module with the model it was compiled from`,
      { name },
    );
  }
  const f = Float64Array.from(float.data as ArrayLike<number>, Number);
  const q =
    fixed.scale === undefined
      ? Float64Array.from(fixed.integers as ArrayLike<number>, Number)
      : fixed.reals("float64");
  return {
    ...accuracy(f, q, fixed.shape.at(-1) ?? 1),
    notFinite: f.filter((x) => !Number.isFinite(x)).length,
  };
}

/**
 * Accuracy of `q` as an approximation of `f`; `rowLength` is the size of the last axis. All figures
 * are NaN (null in JSON) where `f` has elements and none is finite: there is nothing to compare.
 */
export function accuracy(f: Float64Array, q: Float64Array, rowLength: number): Accuracy {
  let [signal, noise, power, product, maxAbsError] = [0, 0, 0, 0, 0];
  for (let i = 0; i < f.length; i++) {
    const x = f[i]!;
    const y = q[i]!;
    if (!Number.isFinite(x)) continue;
    const error = Math.abs(x - y);
    signal += x * x;
    power += y * y;
    product += x * y;
    noise += error * error;
    if (error > maxAbsError) maxAbsError = error;
  }
  if (f.length > 0 && !f.some(Number.isFinite)) {
    return { sqnrDb: NaN, maxAbsError: NaN, cosine: NaN, argmaxAgreement: NaN };
  }
  const db = noise === 0 ? MAX_DB : 10 * Math.log10(signal / noise);
  const norm = Math.sqrt(signal * power); // one root: equal sums give a cosine of exactly 1
  let [rows, agreeing] = [0, 0];
  for (let at = 0; at + rowLength <= f.length && rowLength > 0; at += rowLength) {
    rows++;
    if (argmax(f, at, rowLength) === argmax(q, at, rowLength)) agreeing++;
  }
  return {
    sqnrDb: Math.min(MAX_DB, Math.max(-MAX_DB, db)),
    maxAbsError,
    cosine: norm === 0 ? (signal === power ? 1 : 0) : product / norm,
    argmaxAgreement: rows === 0 ? 1 : agreeing / rows,
  };
}

/** Place of the greatest element; of several, the first. */
function argmax(x: Float64Array, from: number, length: number): number {
  let best = from;
  for (let i = from + 1; i < from + length; i++) if (x[i]! > x[best]!) best = i;
  return best - from;
}

function summarise(list: readonly (Accuracy & { notFinite: number })[]): OutputComparison {
  const of = (key: keyof Accuracy): number[] => list.map((accuracy) => accuracy[key]);
  const mean = (key: keyof Accuracy): number => of(key).reduce((a, b) => a + b, 0) / list.length;
  const least = (key: keyof Accuracy): number => of(key).reduce((a, b) => Math.min(a, b));
  const maxAbsError = of("maxAbsError").reduce((a, b) => Math.max(a, b));
  return {
    sqnrDb: mean("sqnrDb"),
    maxAbsError,
    cosine: mean("cosine"),
    argmaxAgreement: mean("argmaxAgreement"),
    worst: {
      sqnrDb: least("sqnrDb"),
      maxAbsError,
      cosine: least("cosine"),
      argmaxAgreement: least("argmaxAgreement"),
    },
    notFinite: list.reduce((sum, { notFinite }) => sum + notFinite, 0),
  };
}
