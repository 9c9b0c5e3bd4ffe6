import type { GraphProto, NodeProto, TensorProto } from "../compiler/onnx/schema.js";
import type { ExternalData } from "../compiler/onnx/tensor.js";
import { externalBytes } from "../compiler/onnx/tensor.js";
import { InputError } from "../core/errors.js";
import { decodeModel, encodeModel } from "../compiler/onnx/wire.js";

/** Where the tensor data are that a model keeps in other files. */
export interface ModelSource {
  readonly externalData?: ExternalData;
}

/** What one protobuf message may hold, and some room for what is rewritten. */
const MAX_BYTES = 2 ** 31 - 2 ** 24;

/**
 * A model with the tensor data that it keeps in other files moved into its own bytes, as
 * onnxruntime-web needs it; the same bytes where there is none.
 * @throws CompileError `ExternalData`, `MalformedModel`
 * @throws InputError `FloatModel` when it is too large for that
 */
export function selfContained(model: Uint8Array, externalData?: ExternalData): Uint8Array {
  const proto = decodeModel(model);
  if (proto.graph === undefined) return model;
  let moved = 0;
  let found = false;
  const tensor = (t: TensorProto): TensorProto => {
    if (t.dataLocation !== 1) return t;
    found = true;
    const rawData = new Uint8Array(externalBytes(t, externalData));
    moved += rawData.length;
    if (model.length + moved > MAX_BYTES) {
      throw new InputError(
        "FloatModel",
        "with its external data the model exceeds 2 GiB, which onnxruntime-web cannot open",
      );
    }
    return { ...t, rawData, dataLocation: 0, externalData: [] };
  };
  const node = (n: NodeProto): NodeProto => ({
    ...n,
    attribute: (n.attribute ?? []).map((a) => ({
      ...a,
      ...(a.t === undefined ? {} : { t: tensor(a.t) }),
      ...(a.g === undefined ? {} : { g: graph(a.g) }),
    })),
  });
  const graph = (g: GraphProto): GraphProto => ({
    ...g,
    initializer: (g.initializer ?? []).map(tensor),
    node: (g.node ?? []).map(node),
  });
  const inlined = graph(proto.graph);
  return !found ? model : encodeModel({ ...proto, graph: inlined });
}
