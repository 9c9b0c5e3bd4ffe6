/** Calibration: the ranges of a float model's values over samples. */
import type { Calibration, TensorRange } from "../compiler/calibration.js";
import { describeModel } from "../compiler/describe.js";
import type { ImportOptions } from "../compiler/importModel.js";
import type { Graph } from "../compiler/graph.js";
import { intAttribute, subgraphs } from "../compiler/graph.js";
import { importModel } from "../compiler/importModel.js";
import { optimise } from "../compiler/optimise.js";
import { InputError } from "../core/errors.js";
import { toHex } from "../module/hex.js";
import { sha256 } from "../module/sha256.js";
import { FloatObserver } from "./floatObserver.js";
import type { NamedArrays } from "./floatModel.js";
import { fitSample, withPins } from "./modelSample.js";
import { TensorStatistics } from "./tensorStatistics.js";

/** The same options as for compiling: the values of the graph that is lowered are measured. */
export interface CalibrateOptions extends ImportOptions {
  /** Whether the samples were made up for want of real ones. */
  readonly madeUp?: boolean;
  /** Called after each sample with how many are done. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Runs the float model over samples and measures every float value: graph inputs and what nodes
 * make, between the Q and DQ nodes of a quantised model too, and what the compiler's normal form
 * puts in their place. onnxruntime-web computes what the model has, the compiler's own evaluator
 * what the normal form adds and what happens in the bodies of control flow; a model that
 * onnxruntime cannot open or run is computed by the evaluator alone (`engine` says so).
 *
 * @param model bytes of the ONNX file
 * @param samples the model's inputs by name; at least one
 * @throws InputError `BadSample`, `NoSamples`, `FloatModel`, `FloatRun` when neither can run it
 * @throws HostError `MissingPackage` when onnxruntime-web is not installed
 * @throws CompileError when the model cannot be imported
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { calibrate, describeModel, madeUpSamples } from "aivm/analysis";
 *
 * const model = new Uint8Array(await readFile("examples/models/digits.onnx"));
 * const samples = madeUpSamples(describeModel(model).inputs); // for want of real ones
 * const { tensors } = await calibrate(model, samples, { madeUp: true });
 * console.log((tensors["image"]?.count ?? 0) > 0); // true
 * ```
 */
export async function calibrate(
  model: Uint8Array,
  samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { dims: given = {}, pins = {}, externalData } = options;
  const source = externalData === undefined ? {} : { externalData };
  const { inputs } = describeModel(model, { ...source, dims: given });
  const lowered = optimise(importModel(model, { ...source, dims: given, pins }));
  const dims: Record<string, number> = { ...given };
  const statistics = new Map<string, TensorStatistics>();
  const summed = summedAxes(lowered);

  const observer = new FloatObserver(model, source, lowered, dims, (name, data, shape) => {
    let of = statistics.get(name);
    if (of === undefined) statistics.set(name, (of = new TensorStatistics(summed.get(name))));
    of.add(data, shape);
  });
  let count = 0;
  try {
    for await (const sample of samples) {
      const fitted = fitSample(inputs, withPins(sample, pins), dims);
      // What onnxruntime got to of the first sample before it gave up is measured again.
      await observer.observeOrGiveUp(fitted, count === 0 ? () => statistics.clear() : undefined);
      count++;
      options.onProgress?.(count);
    }
  } finally {
    await observer.dispose();
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
    ...observer.engine,
  };
}

const PRODUCTS: ReadonlySet<string> = new Set(["Linear", "Gemm", "MatMul"]);

/** What contractions with constant weights read, by the axis that they sum over. */
function summedAxes(
  graph: Graph,
  constants: ReadonlySet<string> = new Set(),
): Map<string, "first" | "last"> {
  const known = new Set([...constants, ...graph.initializers.keys()]);
  const found = new Map<string, "first" | "last">();
  for (const node of graph.nodes) {
    for (const body of subgraphs(node))
      for (const [name, axis] of summedAxes(body, known)) found.set(name, axis);
    const [x, weights] = node.inputs;
    if (x === undefined || weights === undefined || !known.has(weights)) continue;
    if (node.opType === "Conv" || node.opType === "ConvTranspose") found.set(x, "first");
    else if (PRODUCTS.has(node.opType) && intAttribute(node, "transA") !== 1) found.set(x, "last");
  }
  return found;
}
