/**
 * The part of the ONNX protobuf schema (release 1.17) that the compiler reads, as types and as a
 * field table. Source of names and numbers: onnx.proto of the ONNX project. Every field is
 * optional, as on the wire; fields that are not listed are skipped.
 */

export interface ModelProto {
  irVersion?: bigint;
  producerName?: string;
  producerVersion?: string;
  graph?: GraphProto;
  opsetImport?: readonly OperatorSetIdProto[];
  functions?: readonly FunctionProto[];
}

export interface OperatorSetIdProto {
  domain?: string;
  version?: bigint;
}

export interface GraphProto {
  name?: string;
  node?: readonly NodeProto[];
  initializer?: readonly TensorProto[];
  sparseInitializer?: readonly SparseTensorProto[];
  input?: readonly ValueInfoProto[];
  output?: readonly ValueInfoProto[];
  valueInfo?: readonly ValueInfoProto[];
}

export interface NodeProto {
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  input?: readonly string[];
  output?: readonly string[];
  attribute?: readonly AttributeProto[];
}

export interface AttributeProto {
  name?: string;
  refAttrName?: string;
  /** A value of `ATTRIBUTE_TYPE`; old files leave it out. */
  type?: number;
  f?: number;
  i?: bigint;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  sparseTensor?: SparseTensorProto;
  floats?: Float32Array;
  ints?: BigInt64Array;
  strings?: readonly Uint8Array[];
  tensors?: readonly TensorProto[];
  graphs?: readonly GraphProto[];
}

export interface TensorProto {
  name?: string;
  dims?: BigInt64Array;
  /** A value of `DATA_TYPE`. */
  dataType?: number;
  segment?: SegmentProto;
  rawData?: Uint8Array;
  floatData?: Float32Array;
  doubleData?: Float64Array;
  int32Data?: Int32Array;
  int64Data?: BigInt64Array;
  uint64Data?: BigUint64Array;
  stringData?: readonly Uint8Array[];
  externalData?: readonly StringStringEntryProto[];
  /** 1: the data is in `externalData`. */
  dataLocation?: number;
}

export interface SegmentProto {
  begin?: bigint;
  end?: bigint;
}

export interface SparseTensorProto {
  values?: TensorProto;
  indices?: TensorProto;
  dims?: BigInt64Array;
}

export interface StringStringEntryProto {
  key?: string;
  value?: string;
}

export interface ValueInfoProto {
  name?: string;
  type?: TypeProto;
}

export interface TypeProto {
  tensorType?: TensorTypeProto;
  sequenceType?: TypeWrapperProto;
  optionalType?: TypeWrapperProto;
  mapType?: TypeWrapperProto;
  sparseTensorType?: TensorTypeProto;
}

export interface TensorTypeProto {
  elemType?: number;
  shape?: TensorShapeProto;
}

/** Sequence, map and optional types: only their presence matters, as they are refused. */
export type TypeWrapperProto = Record<never, never>;

export interface TensorShapeProto {
  dim?: readonly DimensionProto[];
}

export interface DimensionProto {
  dimValue?: bigint;
  dimParam?: string;
}

export interface FunctionProto {
  name?: string;
  domain?: string;
  overload?: string;
  input?: readonly string[];
  output?: readonly string[];
  attribute?: readonly string[];
  attributeProto?: readonly AttributeProto[];
  node?: readonly NodeProto[];
  opsetImport?: readonly OperatorSetIdProto[];
}

export interface Messages {
  ModelProto: ModelProto;
  OperatorSetIdProto: OperatorSetIdProto;
  GraphProto: GraphProto;
  NodeProto: NodeProto;
  AttributeProto: AttributeProto;
  TensorProto: TensorProto;
  SegmentProto: SegmentProto;
  SparseTensorProto: SparseTensorProto;
  StringStringEntryProto: StringStringEntryProto;
  ValueInfoProto: ValueInfoProto;
  TypeProto: TypeProto;
  TensorTypeProto: TensorTypeProto;
  TypeWrapperProto: TypeWrapperProto;
  TensorShapeProto: TensorShapeProto;
  DimensionProto: DimensionProto;
  FunctionProto: FunctionProto;
}

export type MessageName = keyof Messages;
export type ScalarKind = "int32" | "int64" | "uint64" | "float" | "double" | "string" | "bytes";

export interface FieldSpec {
  readonly number: number;
  readonly kind: ScalarKind | MessageName;
  readonly repeated?: true;
}

function one(number: number, kind: FieldSpec["kind"]): FieldSpec {
  return { number, kind };
}

function many(number: number, kind: FieldSpec["kind"]): FieldSpec {
  return { number, kind, repeated: true };
}

export const SCHEMA: {
  readonly [M in MessageName]: { readonly [F in keyof Messages[M]]-?: FieldSpec };
} = {
  ModelProto: {
    irVersion: one(1, "int64"),
    producerName: one(2, "string"),
    producerVersion: one(3, "string"),
    graph: one(7, "GraphProto"),
    opsetImport: many(8, "OperatorSetIdProto"),
    functions: many(25, "FunctionProto"),
  },
  OperatorSetIdProto: { domain: one(1, "string"), version: one(2, "int64") },
  GraphProto: {
    node: many(1, "NodeProto"),
    name: one(2, "string"),
    initializer: many(5, "TensorProto"),
    sparseInitializer: many(15, "SparseTensorProto"),
    input: many(11, "ValueInfoProto"),
    output: many(12, "ValueInfoProto"),
    valueInfo: many(13, "ValueInfoProto"),
  },
  NodeProto: {
    input: many(1, "string"),
    output: many(2, "string"),
    name: one(3, "string"),
    opType: one(4, "string"),
    attribute: many(5, "AttributeProto"),
    domain: one(7, "string"),
    overload: one(8, "string"),
  },
  AttributeProto: {
    name: one(1, "string"),
    f: one(2, "float"),
    i: one(3, "int64"),
    s: one(4, "bytes"),
    t: one(5, "TensorProto"),
    g: one(6, "GraphProto"),
    floats: many(7, "float"),
    ints: many(8, "int64"),
    strings: many(9, "bytes"),
    tensors: many(10, "TensorProto"),
    graphs: many(11, "GraphProto"),
    type: one(20, "int32"),
    refAttrName: one(21, "string"),
    sparseTensor: one(22, "SparseTensorProto"),
  },
  TensorProto: {
    dims: many(1, "int64"),
    dataType: one(2, "int32"),
    segment: one(3, "SegmentProto"),
    floatData: many(4, "float"),
    int32Data: many(5, "int32"),
    stringData: many(6, "bytes"),
    int64Data: many(7, "int64"),
    name: one(8, "string"),
    rawData: one(9, "bytes"),
    doubleData: many(10, "double"),
    uint64Data: many(11, "uint64"),
    externalData: many(13, "StringStringEntryProto"),
    dataLocation: one(14, "int32"),
  },
  SegmentProto: { begin: one(1, "int64"), end: one(2, "int64") },
  SparseTensorProto: {
    values: one(1, "TensorProto"),
    indices: one(2, "TensorProto"),
    dims: many(3, "int64"),
  },
  StringStringEntryProto: { key: one(1, "string"), value: one(2, "string") },
  ValueInfoProto: { name: one(1, "string"), type: one(2, "TypeProto") },
  TypeProto: {
    tensorType: one(1, "TensorTypeProto"),
    sequenceType: one(4, "TypeWrapperProto"),
    mapType: one(5, "TypeWrapperProto"),
    sparseTensorType: one(8, "TensorTypeProto"),
    optionalType: one(9, "TypeWrapperProto"),
  },
  TensorTypeProto: { elemType: one(1, "int32"), shape: one(2, "TensorShapeProto") },
  TypeWrapperProto: {},
  TensorShapeProto: { dim: many(1, "DimensionProto") },
  DimensionProto: { dimValue: one(1, "int64"), dimParam: one(2, "string") },
  FunctionProto: {
    name: one(1, "string"),
    input: many(4, "string"),
    output: many(5, "string"),
    attribute: many(6, "string"),
    node: many(7, "NodeProto"),
    opsetImport: many(9, "OperatorSetIdProto"),
    domain: one(10, "string"),
    attributeProto: many(11, "AttributeProto"),
    overload: one(13, "string"),
  },
};

/** `TensorProto.DataType` by number. Types that are missing here are refused. */
export const DATA_TYPE = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
} as const;

/** Names of the data types that are refused, for messages. */
export const REFUSED_DATA_TYPE: Readonly<Record<number, string>> = {
  0: "undefined",
  14: "complex64",
  15: "complex128",
  23: "float4e2m1",
};

/** `AttributeProto.AttributeType`. */
export const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;
