import type { ConstantTensor, Graph } from "../compiler/graph.js";
import { importModel } from "../compiler/importModel.js";
import { CompileError, InputError } from "../core/errors.js";
import type { HostArray } from "../core/hostArray.js";
import { evaluateGraph } from "./evaluateGraph.js";
import type { FloatModel, NamedArrays } from "./floatModel.js";
import { openFloatModel } from "./floatModel.js";
import type { ModelSource } from "./selfContained.js";
import { selfContained } from "./selfContained.js";
import { hostArrayOf, tensorOf } from "./hostTensors.js";

/** Whether an error says that onnxruntime cannot cope with a model. */
export function isBeyondRuntime(error: unknown): error is InputError {
  return error instanceof InputError && (error.code === "FloatModel" || error.code === "FloatRun");
}

/** An error of onnxruntime's with what stood in the evaluator's way after it. */
export function beyondBoth(reason: string, error: CompileError): InputError {
  return new InputError(
    "FloatModel",
    `${reason}; and our own evaluator cannot compute it either: ${error.message}`,
    { ...error.place },
    error,
  );
}

/** The float model's outputs: from onnxruntime, or from the evaluator where that gives up. */
export class ReferenceModel {
  readonly #model: Uint8Array;
  readonly #source: ModelSource;
  readonly #pins: Readonly<Record<string, HostArray>>;
  #runtime: FloatModel | undefined;
  #graph: Graph | undefined;
  #reason: string | undefined;

  constructor(
    model: Uint8Array,
    source: ModelSource,
    pins: Readonly<Record<string, HostArray>> = {},
  ) {
    this.#model = model;
    this.#source = source;
    this.#pins = pins;
  }

  /** Why it is not onnxruntime that computes; undefined where it is. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** @param sample all inputs of the model, those that are pinned included */
  async run(sample: NamedArrays): Promise<Map<string, HostArray>> {
    if (this.#reason === undefined) {
      try {
        this.#runtime ??= await openFloatModel(
          selfContained(this.#model, this.#source.externalData),
        );
        return await this.#runtime.run(sample);
      } catch (error) {
        if (!isBeyondRuntime(error)) throw error;
        this.#reason = error.message;
      }
    }
    return this.#evaluate(sample, this.#reason);
  }

  #evaluate(sample: NamedArrays, reason: string): Map<string, HostArray> {
    try {
      const graph = (this.#graph ??= importModel(this.#model, {
        ...this.#source,
        pins: this.#pins,
      }));
      const feeds = new Map<string, ConstantTensor>();
      for (const name of graph.inputs) {
        const array = sample.get(name);
        const declared = graph.values.get(name)?.elementType;
        if (array !== undefined) feeds.set(name, tensorOf(array, declared));
      }
      const outputs = new Map<string, HostArray>();
      for (const [name, tensor] of evaluateGraph(graph, feeds)) {
        const array = hostArrayOf(tensor);
        if (array !== undefined) outputs.set(name, array);
      }
      return outputs;
    } catch (error) {
      throw error instanceof CompileError ? beyondBoth(reason, error) : error;
    }
  }

  async dispose(): Promise<void> {
    await this.#runtime?.dispose();
    this.#runtime = undefined;
  }
}
