/** Calibration: the ranges of a float model's values over samples. */
import type { Calibration, TensorRange } from "../compiler/calibration.js";
import { describeModel } from "../compiler/describe.js";
import type { ExternalData } from "../compiler/onnx/tensor.js";
import { InputError } from "../core/errors.js";
import type { HostArray } from "../core/hostArray.js";
import { toHex } from "../module/hash.js";
import { sha256 } from "../module/sha256.js";
import type { FloatModel, NamedArrays } from "./floatModel.js";
import { openFloatModel } from "./floatModel.js";
import { fitSample, isReal, withPins } from "./modelSample.js";
import { observedModels } from "./observedModels.js";
import { selfContained } from "./selfContained.js";
import { TensorStatistics } from "./tensorStatistics.js";

export interface CalibrateOptions {
  /** Whether the samples were made up for want of real ones. */
  readonly madeUp?: boolean;
  /** Sizes that the samples must give to open dimensions, by name. */
  readonly dims?: Readonly<Record<string, number>>;
  readonly externalData?: ExternalData;
  /** Values of inputs that compiling pins; samples need not have them. */
  readonly pins?: Readonly<Record<string, HostArray>>;
  /** Called after each sample with how many are done. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Runs the float model in onnxruntime-web over samples and measures every float value: graph inputs
 * and what nodes make, between the Q and DQ nodes of a quantised model too.
 *
 * @param model bytes of the ONNX file
 * @param samples the model's inputs by name; at least one
 * @throws InputError `BadSample`, `NoSamples`, `FloatModel`, `FloatRun`
 * @throws HostError `MissingPackage` when onnxruntime-web is not installed
 * @throws CompileError when the model cannot be imported
 */
export async function calibrate(
  model: Uint8Array,
  samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const complete = selfContained(model, options.externalData);
  const { inputs } = describeModel(
    complete,
    options.dims === undefined ? {} : { dims: options.dims },
  );
  const dims: Record<string, number> = { ...options.dims };
  const statistics = new Map<string, TensorStatistics>();
  const measure = (name: string, { elementType, dims: shape, data }: HostArray): void => {
    if (!isReal(elementType)) return;
    let of = statistics.get(name);
    if (of === undefined) statistics.set(name, (of = new TensorStatistics()));
    of.add(data as Float32Array, shape);
  };

  let models: FloatModel[] | undefined;
  let count = 0;
  try {
    for await (const sample of samples) {
      const fitted = fitSample(inputs, withPins(sample, options.pins), dims);
      models ??= await open(complete, dims);
      for (const [name, array] of fitted) measure(name, array);
      for (const observed of models) {
        for (const [name, array] of await observed.run(fitted)) measure(name, array);
      }
      count++;
      options.onProgress?.(count);
    }
  } finally {
    for (const observed of models ?? []) await observed.dispose();
  }
  if (count === 0) {
    throw new InputError("NoSamples", "calibration needs at least one sample");
  }

  const tensors = new Map<string, TensorRange>();
  for (const name of [...statistics.keys()].sort()) {
    const range = statistics.get(name)?.finish();
    if (range !== undefined) tensors.set(name, range);
  }
  return {
    version: 1,
    model: toHex(sha256(model)),
    samples: count,
    madeUp: options.madeUp ?? false,
    dims: Object.fromEntries(Object.entries(dims).sort(([a], [b]) => (a < b ? -1 : 1))),
    tensors: Object.fromEntries(tensors),
  };
}

async function open(model: Uint8Array, dims: Record<string, number>): Promise<FloatModel[]> {
  const models: FloatModel[] = [];
  for (const { model: observed } of observedModels(model, { dims })) {
    // Unoptimised: nothing is fused away that is to be measured.
    models.push(await openFloatModel(observed, { optimise: false }));
  }
  return models;
}
