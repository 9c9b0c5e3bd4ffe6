import type { Graph } from "../compiler/graph.js";
import { elementCount, isFloat } from "../compiler/graph.js";
import { importModel } from "../compiler/importModel.js";
import { inlineFunctions } from "../compiler/onnx/functions.js";
import type { GraphProto } from "../compiler/onnx/schema.js";
import { decodeModel, encodeModel } from "../compiler/onnx/wire.js";

/** A model whose outputs are values inside another. */
export interface ObservedModel {
  readonly model: Uint8Array;
  /** Its outputs: values of the source model, by their names there. */
  readonly names: readonly string[];
}

export interface ObserveOptions {
  /** Sizes of open dimensions, by name, from which the memory of values is estimated. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Values that are wanted though they hold no floats, or are constant for these sizes. */
  readonly also?: ReadonlySet<string>;
  /** How many bytes of values one model may put out, roughly; 512 MiB unless said. */
  readonly maxBytes?: number;
}

/** What a value is taken to need whose shape cannot be inferred. */
const UNKNOWN_BYTES = 2 ** 20;

/**
 * Rewrites a model so that every float value of its main graph becomes an output; in several
 * models where all at once would take too much memory. Constants, and values inside the bodies of
 * control flow, are left out; functions of the model are inlined, as the compiler does it.
 *
 * @param model complete in its bytes
 * @throws CompileError when the model cannot be imported
 */
export function observedModels(model: Uint8Array, options: ObserveOptions = {}): ObservedModel[] {
  const { dims = {}, also = new Set<string>(), maxBytes = 2 ** 29 } = options;
  const proto = decodeModel(model);
  const graph = inlineFunctions(proto.graph ?? {}, proto.functions ?? []);
  const groups: string[][] = [];
  let bytes = Infinity;
  for (const [name, size] of observable(graph, importModel(model, { dims }), also)) {
    if (bytes + size > maxBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups[groups.length - 1]?.push(name);
    bytes += size;
  }
  return groups.map((names) => ({
    names,
    model: encodeModel({
      ...proto,
      functions: [],
      // onnxruntime infers the types; those of a declaration that does not fit would be an error.
      graph: { ...graph, output: names.map((name) => ({ name })) },
    }),
  }));
}

/** The values that nodes make and that may hold floats or are wanted, with the bytes they take. */
function* observable(
  proto: GraphProto,
  graph: Graph,
  also: ReadonlySet<string>,
): Generator<[string, number]> {
  for (const name of madeValues(proto)) {
    if (graph.initializers.has(name) && !also.has(name)) continue;
    const { elementType, shape } = graph.values.get(name) ?? {};
    if (elementType !== undefined && !isFloat(elementType) && !also.has(name)) continue;
    const elements = elementCount(shape);
    yield [name, elements === undefined ? UNKNOWN_BYTES : 4 * elements];
  }
}

function* madeValues(proto: GraphProto): Generator<string> {
  for (const node of proto.node ?? [])
    for (const name of node.output ?? []) if (name !== "") yield name;
}

/** Names of the values that nodes of the model's main graph make, functions inlined. */
export function observableNames(model: Uint8Array): Set<string> {
  const proto = decodeModel(model);
  return new Set(madeValues(inlineFunctions(proto.graph ?? {}, proto.functions ?? [])));
}
