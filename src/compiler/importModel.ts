import { CompileError } from "../core/errors.js";
import type { HostArray } from "../core/hostArray.js";
import { formatShape } from "../core/shape.js";
import type { ConstantTensor, Graph, TensorData } from "./graph.js";
import { hostTypeOf, isFloat } from "./graph.js";
import { importGraph } from "./onnx/importGraph.js";
import type { ExternalData } from "./onnx/tensor.js";
import { decodeModel } from "./onnx/wire.js";
import { resolve } from "./resolve.js";

/** What is fixed of a model before it is read. */
export interface ImportOptions {
  /** Values for symbolic dimensions, by name; others stay symbolic. */
  readonly dims?: Readonly<Record<string, number>>;
  /**
   * Values for inputs of the model, by name: they become constants, and the module does not take
   * them. For inputs that say shapes, axes or sizes.
   */
  readonly pins?: Readonly<Record<string, HostArray>>;
  /** Reads tensor data that is kept outside the model file. */
  readonly externalData?: ExternalData;
}

/**
 * Reads an ONNX model into a graph in normal form (`normalise.ts`), with element types and shapes
 * inferred as far as they can be and everything constant computed.
 *
 * @throws CompileError whose message names the node, tensor or byte that is wrong
 */
export function importModel(bytes: Uint8Array, options: ImportOptions = {}): Graph {
  const graph = importGraph(decodeModel(bytes), options.dims, options.externalData);
  pin(graph, options.pins ?? {});
  resolve(graph);
  return graph;
}

/** Makes constants of the inputs that are given. */
function pin(graph: Graph, pins: Readonly<Record<string, HostArray>>): void {
  for (const [name, array] of Object.entries(pins)) {
    if (!graph.inputs.includes(name)) {
      const known = graph.inputs.map((input) => `"${input}"`).join(", ");
      throw new CompileError("BadPin", `the model has no input "${name}" to pin; it has ${known}`, {
        name,
      });
    }
    const { elementType, shape } = graph.values.get(name)!;
    const constant = pinned(name, elementType ?? array.elementType, array);
    const fits =
      shape === undefined ||
      (shape.length === array.dims.length &&
        shape.every((dim, axis) => typeof dim === "string" || dim === array.dims[axis]));
    if (!fits) {
      throw new CompileError(
        "BadPin",
        `input "${name}" has shape [${shape.join(",")}], its pin ${formatShape(array.dims)}`,
        { name },
      );
    }
    graph.inputs = graph.inputs.filter((input) => input !== name);
    graph.initializers.set(name, constant);
    graph.values.set(name, { elementType: constant.elementType, shape: constant.dims });
  }
}

function pinned(
  name: string,
  elementType: ConstantTensor["elementType"],
  { elementType: given, dims, data }: HostArray,
): ConstantTensor {
  if (isFloat(elementType) && isFloat(given))
    return { elementType, dims, data: Float64Array.from(data as Float64Array) };
  if (hostTypeOf(elementType) === given) return { elementType, dims, data: data as TensorData };
  throw new CompileError("BadPin", `input "${name}" takes ${elementType}, its pin is ${given}`, {
    name,
  });
}
