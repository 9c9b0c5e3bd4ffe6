import type { ConstantTensor, Graph } from "../compiler/graph.js";
import { isFloat } from "../compiler/graph.js";
import { CompileError } from "../core/errors.js";
import { bodyValues, evaluateGraph, planEvaluation } from "./evaluateGraph.js";
import type { FloatModel, NamedArrays } from "./floatModel.js";
import { openFloatModel } from "./floatModel.js";
import { tensorOf } from "./hostTensors.js";
import { isReal } from "./modelSample.js";
import { beyondBoth, isBeyondRuntime } from "./referenceModel.js";
import { observableNames, observedModels } from "./observedModels.js";
import type { ModelSource } from "./selfContained.js";
import { selfContained } from "./selfContained.js";

type Reals = Float32Array | Float64Array;

/** Called with each float value of a sample. */
export type RealMeasure = (
  name: string,
  data: Reals,
  dims: readonly number[],
  inBody: boolean,
) => void;

/**
 * Every float value of a model and of its lowered graph, over one sample after another: from
 * onnxruntime by name, the others from the evaluator, which starts from what onnxruntime gave.
 */
export class FloatObserver {
  readonly #model: Uint8Array;
  readonly #source: ModelSource;
  readonly #graph: Graph;
  readonly #dims: Readonly<Record<string, number>>;
  readonly #measure: RealMeasure;
  /** Values to be evaluated, and what of onnxruntime's they are evaluated from. */
  readonly #wanted: ReadonlySet<string>;
  readonly #kept: ReadonlySet<string>;
  #models: FloatModel[] | undefined;
  #reason: string | undefined;

  /**
   * @param graph its normal form, as it is lowered
   * @param dims sizes of open dimensions, from the sample that is observed first
   */
  constructor(
    model: Uint8Array,
    source: ModelSource,
    graph: Graph,
    dims: Readonly<Record<string, number>>,
    measure: RealMeasure,
  ) {
    this.#model = model;
    this.#source = source;
    this.#graph = graph;
    this.#dims = dims;
    this.#measure = measure;
    const given = observableNames(model);
    for (const name of graph.inputs) given.add(name);
    this.#wanted = new Set(
      graph.nodes.flatMap((node) =>
        bodyValues(node).length > 0
          ? node.outputs.filter((name) => name !== "")
          : node.outputs.filter(
              (name) => !given.has(name) && isFloat(graph.values.get(name)?.elementType),
            ),
      ),
    );
    const made = new Set(this.#wanted);
    this.#kept = planEvaluation(graph, made, (name) => given.has(name) && !made.has(name)).needs;
  }

  /** What the calibration says of how its values were computed. */
  get engine(): { engine?: "aivm"; engineReason?: string } {
    return this.#reason === undefined ? {} : { engine: "aivm", engineReason: this.#reason };
  }

  /**
   * Measures a sample. Where onnxruntime cannot open or run the model, everything is left to the
   * evaluator from now on, if there is `onGiveUp` to forget what was measured until then.
   *
   * @param sample all inputs of the model, those that are pinned included
   */
  async observeOrGiveUp(sample: NamedArrays, onGiveUp: (() => void) | undefined): Promise<void> {
    try {
      await this.#observe(sample);
    } catch (error) {
      if (onGiveUp === undefined || this.#reason !== undefined || !isBeyondRuntime(error))
        throw error;
      this.#reason = error.message;
      onGiveUp();
      await this.#observe(sample);
    }
  }

  async #observe(sample: NamedArrays): Promise<void> {
    const known = new Map<string, ConstantTensor>();
    const measured = new Set<string>();
    const measure = (name: string, data: Reals, dims: readonly number[]): void => {
      measured.add(name);
      this.#measure(name, data, dims, false);
    };
    if (this.#reason === undefined) {
      for (const observed of await this.#open()) {
        for (const [name, array] of await observed.run(sample)) {
          if (this.#kept.has(name)) known.set(name, tensorOf(array));
          if (isReal(array.elementType)) measure(name, array.data as Reals, array.dims);
        }
      }
    }
    const feeds = new Map<string, ConstantTensor>();
    for (const [name, array] of sample) {
      const declared = this.#graph.values.get(name)?.elementType;
      if (this.#graph.inputs.includes(name)) feeds.set(name, tensorOf(array, declared));
      if (isReal(array.elementType)) measure(name, array.data as Reals, array.dims);
    }
    const alone = this.#reason !== undefined;
    const everything = this.#graph.nodes.flatMap(({ outputs }) => outputs.filter(Boolean));
    try {
      evaluateGraph(this.#graph, feeds, {
        known,
        wanted: [],
        measured: alone ? everything : this.#wanted,
        measure: (name, { elementType, data, dims }, inBody) => {
          if (!isFloat(elementType) || (measured.has(name) && !inBody)) return;
          this.#measure(name, data as Reals, dims, inBody);
        },
        // Lowering asks for the range by name where it needs it.
        ...(alone ? {} : { onFailure: () => undefined }),
      });
    } catch (error) {
      throw alone && error instanceof CompileError ? beyondBoth(this.#reason ?? "", error) : error;
    }
  }

  async #open(): Promise<FloatModel[]> {
    if (this.#models !== undefined) return this.#models;
    const complete = selfContained(this.#model, this.#source.externalData);
    const models: FloatModel[] = [];
    this.#models = models;
    // What only the sizes of this sample make constant is measured like the rest.
    const made = this.#graph.nodes.flatMap(({ outputs }) => outputs);
    const floats = made.filter((name) => isFloat(this.#graph.values.get(name)?.elementType));
    const options = { dims: this.#dims, also: new Set([...this.#kept, ...floats]) };
    for (const { model } of observedModels(complete, options)) {
      // Unoptimised: nothing is fused away that is to be measured.
      models.push(await openFloatModel(model, { optimise: false }));
    }
    return models;
  }

  async dispose(): Promise<void> {
    const models = this.#models ?? [];
    this.#models = [];
    for (const model of models) await model.dispose();
  }
}
