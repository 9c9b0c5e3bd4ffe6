import type { Attribute, ConstantTensor, Dim, ElementType } from "../graph.js";
import { ATTRIBUTE_TYPE } from "./schema.js";
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from "./schema.js";
import { dataTypeOf, tensorToProto } from "./tensor.js";
import { encodeModel } from "./wire.js";

/** An attribute as the builder takes it: a number with a fraction is a float, without one an int. */
export type AttributeValue =
  number | bigint | string | readonly number[] | ConstantTensor | WritableAttribute | GraphProto;

/** Bodies are given as what `graph()` of another builder returns. */
type WritableAttribute = Exclude<Attribute, { readonly type: "graph" | "expression" }>;

/** A tensor of constants; float data are given as numbers. */
export function tensor(
  elementType: ElementType,
  dims: readonly number[],
  values: ArrayLike<number>,
): ConstantTensor {
  if (elementType === "int64") {
    return { elementType, dims, data: BigInt64Array.from(values, (v) => BigInt(v)) };
  }
  if (elementType.startsWith("float"))
    return { elementType, dims, data: Float64Array.from(values) };
  if (elementType === "int32") return { elementType, dims, data: Int32Array.from(values) };
  if (elementType === "int8") return { elementType, dims, data: Int8Array.from(values) };
  return { elementType, dims, data: Uint8Array.from(values) };
}

/**
 * Writes an ONNX model step by step.
 *
 * ```ts
 * const b = new ModelBuilder(17);
 * b.input("x", "float32", ["batch", 3]);
 * b.constant("w", tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]));
 * b.node("MatMul", ["x", "w"], ["y"]);
 * b.output("y", "float32", ["batch", 2]);
 * const bytes = b.encode();
 * ```
 */
export class ModelBuilder {
  private readonly opset: number;
  private readonly nodes: NodeProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outputs: ValueInfoProto[] = [];
  private readonly initializers: TensorProto[] = [];

  constructor(opset = 17) {
    this.opset = opset;
  }

  /** `null` is a dimension without a value or a name. */
  input(name: string, elementType: ElementType, shape: readonly (Dim | null)[]): this {
    this.inputs.push(valueInfo(name, elementType, shape));
    return this;
  }

  /** Without a shape, the output's rank is not declared. */
  output(name: string, elementType: ElementType, shape?: readonly (Dim | null)[]): this {
    this.outputs.push(valueInfo(name, elementType, shape));
    return this;
  }

  constant(name: string, value: ConstantTensor): this {
    this.initializers.push(tensorToProto(name, value));
    return this;
  }

  node(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: { name?: string; domain?: string } = {},
  ): this {
    this.nodes.push({
      opType,
      input: inputs,
      output: outputs,
      attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
      ...options,
    });
    return this;
  }

  graph(): GraphProto {
    return {
      name: "graph",
      node: this.nodes,
      input: this.inputs,
      output: this.outputs,
      initializer: this.initializers,
    };
  }

  build(): ModelProto {
    const domains = new Set(this.nodes.map((node) => node.domain ?? ""));
    domains.delete("");
    return {
      irVersion: 8n,
      producerName: "aivm",
      opsetImport: [
        { domain: "", version: BigInt(this.opset) },
        ...[...domains].map((domain) => ({ domain, version: 1n })),
      ],
      graph: this.graph(),
    };
  }

  encode(): Uint8Array {
    return encodeModel(this.build());
  }
}

function valueInfo(
  name: string,
  elementType: ElementType,
  shape: readonly (Dim | null)[] | undefined,
): ValueInfoProto {
  const dim = shape?.map((d) =>
    d === null ? {} : typeof d === "number" ? { dimValue: BigInt(d) } : { dimParam: d },
  );
  const elemType = dataTypeOf(elementType);
  return {
    name,
    type: { tensorType: dim === undefined ? { elemType } : { elemType, shape: { dim } } },
  };
}

function typed(value: Exclude<AttributeValue, GraphProto>): WritableAttribute {
  if (typeof value === "bigint") return { type: "int", value };
  if (typeof value === "number") {
    return Number.isInteger(value)
      ? { type: "int", value: BigInt(value) }
      : { type: "float", value };
  }
  if (typeof value === "string") return { type: "string", value };
  if ("type" in value) return value;
  if ("elementType" in value) return { type: "tensor", value };
  return value.every(Number.isInteger)
    ? { type: "ints", value: value.map((v) => BigInt(v)) }
    : { type: "floats", value };
}

function isBody(value: AttributeValue): value is GraphProto {
  return typeof value === "object" && "node" in value;
}

function attributeProto(name: string, given: AttributeValue): AttributeProto {
  if (isBody(given)) return { name, type: ATTRIBUTE_TYPE.graph, g: given };
  const a = typed(given);
  const encoder = new TextEncoder();
  switch (a.type) {
    case "int":
      return { name, type: ATTRIBUTE_TYPE.int, i: a.value };
    case "ints":
      return { name, type: ATTRIBUTE_TYPE.ints, ints: BigInt64Array.from(a.value) };
    case "float":
      return { name, type: ATTRIBUTE_TYPE.float, f: a.value };
    case "floats":
      return { name, type: ATTRIBUTE_TYPE.floats, floats: Float32Array.from(a.value) };
    case "string":
      return { name, type: ATTRIBUTE_TYPE.string, s: encoder.encode(a.value) };
    case "strings":
      return { name, type: ATTRIBUTE_TYPE.strings, strings: a.value.map((s) => encoder.encode(s)) };
    case "tensor":
      return { name, type: ATTRIBUTE_TYPE.tensor, t: tensorToProto("", a.value) };
  }
}
