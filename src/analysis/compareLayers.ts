/** The error of every inner value, float against fixed point. */
import type { CompileOptions, CompileResult } from "../compiler/compile.js";
import { compile } from "../compiler/compile.js";
import { describeModel } from "../compiler/describe.js";
import { operatorName } from "../compiler/graph.js";
import { importModel } from "../compiler/importModel.js";
import { optimise } from "../compiler/optimise.js";
import type { Dtype } from "../core/dtype.js";
import { InputError } from "../core/errors.js";
import type { Instance } from "../vm/instance.js";
import type { OutputTensor } from "../vm/outputTensor.js";
import { runFixed } from "./compare.js";
import type { NamedArrays } from "./floatModel.js";
import { FloatObserver } from "./floatObserver.js";
import { fitSample, withPins } from "./modelSample.js";

/** How far one value of the model is off in fixed point, over all samples. */
export interface LayerComparison {
  /** The value's name. */
  readonly name: string;
  /** The node of the lowered graph that makes it. */
  readonly node: string;
  readonly operator: string;
  readonly dtype: Dtype;
  readonly isOutput: boolean;
  /** 10·log10(Σf² / Σ(f − q)²) over all elements of all samples, from −300 to 300; NaN where no float is finite. */
  readonly sqnrDb: number;
  readonly maxAbsError: number;
  /** Root of the mean of the floats' squares. */
  readonly rms: number;
  /** Elements that were compared: the finite ones. */
  readonly count: number;
}

/** How near the inner values of a module are to the float model's. */
export interface LayersComparison {
  readonly samples: number;
  /** What computed the floats, where onnxruntime could not. */
  readonly engine?: "aivm";
  /** In the order of the lowered graph: each value that the program holds. */
  readonly layers: readonly LayerComparison[];
  /** What was compiled for it, with the inner values as outputs. */
  readonly compiled: CompileResult;
}

/** How the model is compiled and on which engine it runs. */
export interface CompareLayersOptions extends CompileOptions {
  /** Makes an instance of the module, on an engine of the caller's choice; it is disposed of. */
  readonly instantiate: (module: Uint8Array) => Instance;
  /** Called after each sample with how many are done. */
  readonly onSample?: (done: number) => void;
}

/**
 * Compiles a model so that it puts out its inner values too (all, or those that `observe` names),
 * runs it beside the float model, and says how far each value is off. The error of a value holds
 * what it took over from those before it.
 *
 * @throws InputError `BadSample`, `NoSamples`, `FloatModel`, `FloatRun`; `Trapped` when the module traps
 * @throws CompileError as `compile` does
 */
export async function compareLayers(
  model: Uint8Array,
  samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
  options: CompareLayersOptions,
): Promise<LayersComparison> {
  const { pins = {}, dims = {}, observe = "all" } = options;
  const compiled = compile(model, { ...options, observe });
  const { externalData } = options;
  const source = externalData === undefined ? {} : { externalData };
  const { inputs } = describeModel(model, { ...source, dims });
  const graph = optimise(importModel(model, { ...source, dims, pins }));
  const sizes = { ...dims };
  const errors = new Map<string, LayerError>();
  let fixed: Readonly<Record<string, OutputTensor>> = {};
  const observer = new FloatObserver(model, source, graph, sizes, (name, data, shape, inBody) => {
    const tensor = inBody || !Object.hasOwn(fixed, name) ? undefined : fixed[name];
    if (tensor?.scale === undefined || tensor.shape.join() !== shape.join()) return;
    let error = errors.get(name);
    if (error === undefined) errors.set(name, (error = new LayerError(tensor.dtype)));
    error.add(data, tensor.reals("float64"));
  });
  const instance = options.instantiate(compiled.bytes);
  let count = 0;
  try {
    for await (const sample of samples) {
      const fitted = fitSample(inputs, withPins(sample, pins), sizes);
      const free = new Map([...fitted].filter(([name]) => !Object.hasOwn(pins, name)));
      fixed = (await runFixed(instance, free)).outputs;
      await observer.observeOrGiveUp(fitted, count === 0 ? () => errors.clear() : undefined);
      count++;
      options.onSample?.(count);
    }
  } finally {
    instance.dispose();
    await observer.dispose();
  }
  if (count === 0) throw new InputError("NoSamples", "a comparison needs at least one sample");
  const { engine } = observer.engine;
  return {
    samples: count,
    ...(engine === undefined ? {} : { engine }),
    layers: graph.nodes.flatMap((node) =>
      node.outputs.flatMap((name): LayerComparison[] => {
        const error = errors.get(name);
        if (error === undefined) return [];
        const isOutput = graph.outputs.includes(name);
        return [
          { name, node: node.name, operator: operatorName(node), isOutput, ...error.finish() },
        ];
      }),
    ),
    compiled,
  };
}

const MAX_DB = 300;

class LayerError {
  readonly #dtype: Dtype;
  #signal = 0;
  #noise = 0;
  #greatest = 0;
  #count = 0;

  constructor(dtype: Dtype) {
    this.#dtype = dtype;
  }

  add(floats: ArrayLike<number>, fixed: ArrayLike<number>): void {
    for (let i = 0; i < floats.length; i++) {
      const x = floats[i]!;
      if (x - x !== 0) continue;
      const error = Math.abs(x - fixed[i]!);
      this.#signal += x * x;
      this.#noise += error * error;
      if (error > this.#greatest) this.#greatest = error;
      this.#count++;
    }
  }

  finish(): Pick<LayerComparison, "dtype" | "sqnrDb" | "maxAbsError" | "rms" | "count"> {
    const [signal, noise, count] = [this.#signal, this.#noise, this.#count];
    const db = noise === 0 ? MAX_DB : 10 * Math.log10(signal / noise);
    return {
      dtype: this.#dtype,
      sqnrDb: count === 0 ? NaN : Math.min(MAX_DB, Math.max(-MAX_DB, db)),
      maxAbsError: this.#greatest,
      rms: count === 0 ? 0 : Math.sqrt(signal / count),
      count,
    };
  }
}
