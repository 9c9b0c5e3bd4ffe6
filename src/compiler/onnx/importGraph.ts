import { CompileError } from "../../core/errors.js";
import { attribute, clampToNumber, nodeError, sortNodes } from "../graph.js";
import { RecentElements } from "../lazyTensor.js";
import type { Attribute, ConstantTensor, Dim, Graph, GraphNode, ValueInfo } from "../graph.js";
import { inlineFunctions } from "./functions.js";
import { ATTRIBUTE_TYPE } from "./schema.js";
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
  ValueInfoProto,
} from "./schema.js";
import { checkSignature } from "./signatures.js";
import { elementTypeOf, tensorFromProto } from "./tensor.js";
import type { ExternalData } from "./tensor.js";

/** The standard domain has two spellings. */
export function canonicalDomain(domain: string | undefined): string {
  return domain === undefined || domain === "ai.onnx" ? "" : domain;
}

interface Context {
  readonly externalData: ExternalData | undefined;
  readonly recent: RecentElements;
  readonly dims: Readonly<Record<string, number>>;
  readonly opsets: ReadonlyMap<string, number>;
  /** Names of `dims` that were found in the model. */
  readonly bound: Set<string>;
}

/**
 * Turns a decoded model into a graph: functions inlined, symbolic dimensions bound, nodes in
 * topological order. Nothing else is changed yet.
 *
 * A dimension of an input that has neither a value nor a name is named after the input and its
 * axis: `images_0`.
 *
 * @param dims values for symbolic dimensions, by name
 * @throws CompileError
 */
export function importGraph(
  model: ModelProto,
  dims: Readonly<Record<string, number>> = {},
  externalData?: ExternalData,
): Graph {
  if (model.graph === undefined) {
    throw new CompileError("MalformedModel", "the file holds no ONNX graph; is it an ONNX model?");
  }
  for (const [name, value] of Object.entries(dims)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new CompileError(
        "BadDim",
        `dimension "${name}" is ${String(value)}; it must be a positive integer`,
        { name },
      );
    }
  }
  const opsets = readOpsets(model.opsetImport ?? []);
  if (!opsets.has("")) opsets.set("", 1);
  const recent = new RecentElements();
  const context: Context = { externalData, recent, dims, opsets, bound: new Set() };
  const proto = inlineFunctions(model.graph, model.functions ?? []);
  const graph = readGraph(proto, context, new Set());
  const unknown = Object.keys(dims).filter((name) => !context.bound.has(name));
  if (unknown.length > 0) {
    const names = [...new Set([...graph.values.values()].flatMap((v) => v.shape ?? []))];
    const known = names.filter((d) => typeof d === "string");
    throw new CompileError(
      "BadDim",
      `no dimension is named ${unknown.map((n) => `"${n}"`).join(", ")}; ` +
        (known.length > 0
          ? `the model has ${known.join(", ")}`
          : "the model has no open dimensions"),
    );
  }
  return graph;
}

function readOpsets(protos: readonly OperatorSetIdProto[]): Map<string, number> {
  return new Map(protos.map((o) => [canonicalDomain(o.domain), Number(o.version ?? 1n)]));
}

function readGraph(proto: GraphProto, context: Context, outer: ReadonlySet<string>): Graph {
  const name = proto.name ?? "";
  if ((proto.sparseInitializer?.length ?? 0) > 0) {
    throw new CompileError(
      "UnsupportedType",
      `graph "${name}": sparse initializers are not supported`,
    );
  }
  const graph: Graph = {
    name,
    inputs: [],
    outputs: [],
    nodes: [],
    initializers: new Map(),
    values: new Map(),
    opsets: context.opsets,
  };
  for (const tensor of proto.initializer ?? []) {
    const label = tensor.name ?? "";
    if (label === "" || graph.initializers.has(label)) {
      const what =
        label === "" ? "an initializer has no name" : `initializer "${label}" appears twice`;
      throw new CompileError("BadGraph", `graph "${name}": ${what}`, { name: label });
    }
    const constant = tensorOf(tensor, context, `initializer "${label}"`);
    graph.initializers.set(label, constant);
  }
  for (const info of proto.valueInfo ?? []) {
    if (info.name !== undefined && isTensor(info))
      graph.values.set(info.name, readInfo(info, context));
  }
  for (const input of proto.input ?? []) {
    const label = input.name ?? "";
    if (graph.initializers.has(label)) continue; // A default value: from IR version 4 on, not an input.
    // What a body is handed may be a list that is resolved with it.
    if (!isTensor(input) && outer.size === 0) {
      throw new CompileError(
        "UnsupportedType",
        `input "${label}" is not a tensor; sequences, maps and optionals are not supported`,
        { name: label },
      );
    }
    graph.inputs.push(label);
    graph.values.set(label, readInfo(input, context, label));
  }
  for (const output of proto.output ?? []) {
    const label = output.name ?? "";
    if (outer.size === 0 && graph.outputs.includes(label)) {
      throw new CompileError(
        "BadGraph",
        `graph "${name}": output "${label}" appears twice; name each value once`,
        { name: label },
      );
    }
    graph.outputs.push(label);
    if (isTensor(output) && !graph.values.has(label))
      graph.values.set(label, readInfo(output, context));
  }
  for (const [label, constant] of graph.initializers) {
    graph.values.set(label, { elementType: constant.elementType, shape: constant.dims });
  }

  const visible = new Set([...outer, ...graph.inputs, ...graph.initializers.keys()]);
  for (const node of proto.node ?? []) for (const output of node.output ?? []) visible.add(output);
  const names = new Set((proto.node ?? []).map((node) => node.name ?? ""));
  const taken = new Set<string>();
  for (const node of proto.node ?? []) {
    graph.nodes.push(readNode(node, context, visible, names, taken));
  }
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      if (output !== "" && !graph.values.has(output)) {
        graph.values.set(output, { elementType: undefined, shape: undefined });
      }
    }
  }
  sortNodes(graph, outer);
  return graph;
}

function tensorOf(proto: TensorProto, context: Context, where: string): ConstantTensor {
  return tensorFromProto(proto, context.externalData, where, context.recent);
}

function isTensor(info: ValueInfoProto): boolean {
  const type = info.type;
  return (
    type?.sequenceType === undefined &&
    type?.mapType === undefined &&
    type?.optionalType === undefined &&
    type?.sparseTensorType === undefined
  );
}

/** @param label of a graph input, after which nameless dimensions are named */
function readInfo(info: ValueInfoProto, context: Context, label?: string): ValueInfo {
  const tensor = info.type?.tensorType;
  if (tensor === undefined) return { elementType: undefined, shape: undefined };
  const elementType =
    (tensor.elemType ?? 0) === 0 && label === undefined
      ? undefined
      : elementTypeOf(tensor.elemType, `value "${info.name ?? ""}"`);
  if (tensor.shape === undefined) return { elementType, shape: undefined };
  let complete = true;
  const shape = (tensor.shape.dim ?? []).map((dim, axis): Dim => {
    if (dim.dimValue !== undefined && dim.dimValue >= 0n) return clampToNumber(dim.dimValue);
    let name = dim.dimParam ?? "";
    if (name === "" && label !== undefined) name = `${label}_${String(axis)}`;
    if (name === "") complete = false;
    const value = Object.hasOwn(context.dims, name) ? context.dims[name] : undefined;
    if (value === undefined) return name;
    context.bound.add(name);
    return value;
  });
  return { elementType, shape: complete ? shape : undefined };
}

function readNode(
  proto: NodeProto,
  context: Context,
  visible: ReadonlySet<string>,
  names: ReadonlySet<string>,
  taken: Set<string>,
): GraphNode {
  const opType = proto.opType ?? "";
  const outputs = [...(proto.output ?? [])];
  let name = proto.name ?? "";
  if (name === "" || taken.has(name)) {
    const base = name === "" ? (outputs.find((o) => o !== "") ?? opType) : name;
    name = base;
    for (let n = 2; taken.has(name) || names.has(name); n++) name = `${base}_${String(n)}`;
  }
  taken.add(name);
  const node: GraphNode = {
    name,
    opType,
    domain: canonicalDomain(proto.domain),
    inputs: [...(proto.input ?? [])],
    outputs,
    attributes: new Map(),
  };
  while (node.inputs.at(-1) === "") node.inputs.pop();
  checkSignature(node, context.opsets.get(node.domain) ?? Infinity);
  for (const proto_ of proto.attribute ?? []) {
    // The type of an optional without a value says nothing that is needed.
    if (proto_.type === TYPE_PROTO) continue;
    node.attributes.set(proto_.name ?? "", readAttribute(proto_, node, context, visible));
  }
  return node;
}

function readAttribute(
  proto: AttributeProto,
  node: GraphNode,
  context: Context,
  visible: ReadonlySet<string>,
): Attribute {
  const label = proto.name ?? "";
  const decoder = new TextDecoder();
  switch (proto.type ?? guessType(proto) ?? 0) {
    case ATTRIBUTE_TYPE.float:
      return attribute.float(proto.f ?? 0);
    case ATTRIBUTE_TYPE.int:
      return attribute.int(proto.i ?? 0n);
    case ATTRIBUTE_TYPE.string:
      return attribute.string(decoder.decode(proto.s));
    case ATTRIBUTE_TYPE.floats:
      return attribute.floats(Array.from(proto.floats ?? []));
    case ATTRIBUTE_TYPE.ints:
      return attribute.ints(Array.from(proto.ints ?? []));
    case ATTRIBUTE_TYPE.strings:
      return { type: "strings", value: (proto.strings ?? []).map((s) => decoder.decode(s)) };
    case ATTRIBUTE_TYPE.tensor: {
      if (proto.t === undefined) break;
      const where = `attribute "${label}" of node "${node.name}"`;
      return attribute.tensor(tensorOf(proto.t, context, where));
    }
    case ATTRIBUTE_TYPE.graph:
      if (proto.g === undefined) break;
      return attribute.graph(readGraph(proto.g, context, visible));
  }
  throw nodeError(
    "BadAttribute",
    node,
    `attribute "${label}" has type number ${String(proto.type)}, which is not supported`,
  );
}

/** The attribute type of descriptions of types. */
const TYPE_PROTO = 13;

/** The type of an attribute that does not state it, as files before IR version 3 may. */
function guessType(proto: AttributeProto): number | undefined {
  if (proto.f !== undefined) return ATTRIBUTE_TYPE.float;
  if (proto.i !== undefined) return ATTRIBUTE_TYPE.int;
  if (proto.s !== undefined) return ATTRIBUTE_TYPE.string;
  if (proto.t !== undefined) return ATTRIBUTE_TYPE.tensor;
  if (proto.g !== undefined) return ATTRIBUTE_TYPE.graph;
  if (proto.floats !== undefined) return ATTRIBUTE_TYPE.floats;
  if (proto.ints !== undefined) return ATTRIBUTE_TYPE.ints;
  if (proto.strings !== undefined) return ATTRIBUTE_TYPE.strings;
  return undefined;
}
