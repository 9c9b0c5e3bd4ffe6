import type { GraphProto, NodeProto, TensorProto } from "../compiler/onnx/schema.js";
import type { ExternalData } from "../compiler/onnx/tensor.js";
import { tensorFromProto } from "../compiler/onnx/tensor.js";
import { decodeModel, encodeModel } from "../compiler/onnx/wire.js";

/**
 * A model with the tensor data that it keeps in other files moved into its own bytes, as
 * onnxruntime-web needs it; the same bytes where there is none.
 * @throws CompileError `ExternalData`, `MalformedModel`
 */
export function selfContained(model: Uint8Array, externalData?: ExternalData): Uint8Array {
  const proto = decodeModel(model);
  if (proto.graph === undefined) return model;
  let moved = 0;
  const tensor = (t: TensorProto): TensorProto => {
    if (t.dataLocation !== 1) return t;
    let rawData = new Uint8Array();
    // Reading the tensor checks its path and its length.
    const read =
      externalData &&
      ((...where: Parameters<ExternalData>): Uint8Array =>
        (rawData = new Uint8Array(externalData(...where))));
    tensorFromProto(t, read);
    moved++;
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
  return moved === 0 ? model : encodeModel({ ...proto, graph: inlined });
}
