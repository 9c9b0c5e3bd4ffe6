import type { Dim, ElementType } from "./graph.js";
import type { ImportOptions } from "./importModel.js";
import { importModel } from "./importModel.js";

/** An input or output of a model. */
export interface ModelPort {
  readonly name: string;
  readonly elementType: ElementType | undefined;
  /** Numbers, and names of open dimensions; undefined where not even the rank is known. */
  readonly dims: readonly Dim[] | undefined;
}

/** The inputs and outputs of a model, in its own order. */
export interface ModelDescription {
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
}

/**
 * What a model takes and gives, in its own order.
 * @throws CompileError when the model cannot be imported
 */
export function describeModel(model: Uint8Array, options: ImportOptions = {}): ModelDescription {
  const graph = importModel(model, options);
  const port = (name: string): ModelPort => {
    const { elementType, shape } = graph.values.get(name) ?? {};
    return { name, elementType, dims: shape };
  };
  return { inputs: graph.inputs.map(port), outputs: graph.outputs.map(port) };
}
