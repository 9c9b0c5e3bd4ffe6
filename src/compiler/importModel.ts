import type { Graph } from "./graph.js";
import { importGraph } from "./onnx/importGraph.js";
import type { ExternalData } from "./onnx/tensor.js";
import { decodeModel } from "./onnx/wire.js";
import { resolve } from "./resolve.js";

export interface ImportOptions {
  /** Values for symbolic dimensions, by name; others stay symbolic. */
  readonly dims?: Readonly<Record<string, number>>;
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
  resolve(graph);
  return graph;
}
