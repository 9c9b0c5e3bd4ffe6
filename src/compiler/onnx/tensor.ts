import { CompileError } from "../../core/errors.js";
import { clampToNumber, isFloat8 } from "../graph.js";
import { LAZY_BYTES, lazyTensor } from "../lazyTensor.js";
import type { RecentElements } from "../lazyTensor.js";
import type { ConstantTensor, ElementType, Float8, TensorData } from "../graph.js";
import { DATA_TYPE, REFUSED_DATA_TYPE } from "./schema.js";
import type { TensorProto } from "./schema.js";
import { decodeMessage } from "./wire.js";

/**
 * Supplies tensor data kept outside the model file: `length` bytes from byte `offset` of the file
 * at `location`, a path relative to the model. Paths that could leave the model's folder never
 * get here.
 */
export type ExternalData = (location: string, offset: number, length: number) => Uint8Array;

const BYTES: Readonly<Record<Exclude<ElementType, "string">, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  bool: 1,
  float8e4m3fn: 1,
  float8e4m3fnuz: 1,
  float8e5m2: 1,
  float8e5m2fnuz: 1,
  int4: 0.5,
  uint4: 0.5,
};

/** Bytes of raw data; elements of 4 bits come in pairs, the lower half first. */
function rawBytes(elementType: Exclude<ElementType, "string">, count: number): number {
  return Math.ceil(count * BYTES[elementType]);
}

/** The element type of a `TensorProto.DataType` number. @throws CompileError `UnsupportedType` */
export function elementTypeOf(dataType: number | undefined, where: string): ElementType {
  const type = (DATA_TYPE as Readonly<Record<number, ElementType>>)[dataType ?? 0];
  if (type !== undefined) return type;
  const name = REFUSED_DATA_TYPE[dataType ?? 0] ?? `number ${String(dataType)}`;
  throw new CompileError(
    "UnsupportedType",
    `${where}: element type ${name} is not supported; convert the model to float32`,
    { name: where },
  );
}

/** The `TensorProto.DataType` number of an element type. */
export function dataTypeOf(elementType: ElementType): number {
  for (const [number, type] of Object.entries(DATA_TYPE)) {
    if (type === elementType) return Number(number);
  }
  throw new CompileError("UnsupportedType", `no data type number for ${elementType}`);
}

/**
 * Reads a `TensorProto`. Floating types become exact float64.
 *
 * @throws CompileError `BadTensor` when dims and data disagree, `ExternalData` when the data is in
 * another file and cannot be had, `UnsupportedType`
 * @param recent given, large data are read and decoded when they are asked for
 */
export function tensorFromProto(
  proto: TensorProto,
  externalData?: ExternalData,
  where = `tensor "${proto.name ?? ""}"`,
  recent?: RecentElements,
): ConstantTensor {
  const bad = (what: string): CompileError =>
    new CompileError("BadTensor", `${where}: ${what}`, { name: where });

  if (proto.segment !== undefined) throw bad("segmented tensors are not supported");
  const elementType = elementTypeOf(proto.dataType, where);
  const dims = Array.from(proto.dims ?? [], clampToNumber);
  let count = 1;
  for (const dim of dims) {
    count *= dim;
    if (dim < 0 || !Number.isSafeInteger(count))
      throw bad(`dims [${dims.join(", ")}] are impossible`);
  }
  const checkCount = (found: number): void => {
    if (found === count) return;
    const need = `dims [${dims.join(", ")}] need ${String(count)} elements`;
    throw bad(`${need}, the data holds ${String(found)}`);
  };

  if (elementType === "string") {
    const strings = proto.stringData ?? [];
    checkCount(strings.length);
    const decoder = new TextDecoder();
    return { elementType, dims, data: strings.map((s) => decoder.decode(s)) };
  }

  const lengthBytes = rawBytes(elementType, count);
  const checked = (raw: Uint8Array, length = lengthBytes): Uint8Array => {
    if (raw.length === length) return raw;
    const need = `dims [${dims.join(", ")}] of ${elementType} need ${String(length)} bytes`;
    throw bad(`${need}, the data has ${String(raw.length)}`);
  };
  const large = recent !== undefined && lengthBytes >= LAZY_BYTES;
  const { rawData } = proto;
  let read: (() => Uint8Array) | undefined;
  if (proto.dataLocation === 1) {
    const range = externalRange(proto, externalData, lengthBytes, where);
    // A file that is missing or too short is found at once.
    if (large) checked(range(lengthBytes - 1, 1), 1);
    read = () => checked(range(0, lengthBytes));
  } else if (rawData !== undefined) {
    checked(rawData);
    read = () => rawData;
  }
  if (read !== undefined) {
    const make = (): TensorData => fromRaw(read(), elementType, count);
    return large
      ? lazyTensor(recent, elementType, dims, make)
      : { elementType, dims, data: make() };
  }

  const field = typedField(proto, elementType);
  const isHalfByte = elementType === "int4" || elementType === "uint4";
  if (!isHalfByte || field.length !== Math.ceil(count / 2)) checkCount(field.length);
  return { elementType, dims, data: fromField(field, elementType, count) };
}

/** Reads a file that holds one `TensorProto` (`.pb`, as in the ONNX test suites). */
export function decodeTensor(bytes: Uint8Array): { name: string; tensor: ConstantTensor } {
  const proto = decodeMessage("TensorProto", bytes);
  return { name: proto.name ?? "", tensor: tensorFromProto(proto) };
}

/** Writes a constant as a `TensorProto` with raw data; floats are rounded to their type. */
export function tensorToProto(name: string, tensor: ConstantTensor): TensorProto {
  const { elementType, dims, data } = tensor;
  const proto: TensorProto = {
    name,
    dataType: dataTypeOf(elementType),
    dims: BigInt64Array.from(dims, (d) => BigInt(d)),
  };
  if (elementType === "string") {
    const encoder = new TextEncoder();
    proto.stringData = (data as readonly string[]).map((s) => encoder.encode(s));
    return proto;
  }
  const { [elementType]: size } = BYTES;
  if (
    size < 1 ||
    elementType === "float16" ||
    elementType === "bfloat16" ||
    isFloat8(elementType)
  ) {
    throw new CompileError("UnsupportedType", `writing ${elementType} tensors is not supported`);
  }
  const raw = new Uint8Array(data.length * size);
  const view = new DataView(raw.buffer);
  for (let i = 0; i < data.length; i++) writeElement(view, i * size, elementType, data[i] ?? 0);
  proto.rawData = raw;
  return proto;
}

/** The raw data of a tensor that keeps them outside the model. @throws as `tensorFromProto` does */
export function externalBytes(proto: TensorProto, externalData?: ExternalData): Uint8Array {
  const where = `tensor "${proto.name ?? ""}"`;
  const elementType = elementTypeOf(proto.dataType, where);
  const dims = Array.from(proto.dims ?? [], clampToNumber);
  const count = dims.reduce((product, dim) => product * dim, 1);
  const length = elementType === "string" ? 0 : rawBytes(elementType, count);
  return externalRange(proto, externalData, length, where)(0, length);
}

/** Reads a part of the data that a tensor keeps in another file. */
function externalRange(
  proto: TensorProto,
  load: ExternalData | undefined,
  lengthBytes: number,
  where: string,
): (offset: number, length: number) => Uint8Array {
  const fail = (what: string): CompileError =>
    new CompileError("ExternalData", `${where}: ${what}`, { name: where });

  const entries = new Map((proto.externalData ?? []).map((e) => [e.key ?? "", e.value ?? ""]));
  const location = entries.get("location") ?? "";
  const parts = location.split(/[\\/]/);
  if (
    location === "" ||
    /^([\\/]|[A-Za-z]:)/.test(location) ||
    location.includes("\0") ||
    parts.includes("..")
  ) {
    throw fail(
      `external data at "${location}": only relative paths inside the model's folder are read`,
    );
  }
  const number = (key: string, fallback: number): number => {
    const text = entries.get(key);
    if (text === undefined) return fallback;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (Number.isNaN(value)) throw fail(`external data ${key} "${text}" is not a number of bytes`);
    return value;
  };
  const offset = number("offset", 0);
  const length = number("length", lengthBytes);
  if (length !== lengthBytes) {
    throw fail(`external data has ${String(length)} bytes, its dims need ${String(lengthBytes)}`);
  }
  if (load === undefined) {
    throw fail(`its data is in the file "${location}", and no way to read external data was given`);
  }
  return (from, size) => load(location, offset + from, size);
}

type NumericField = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

/** The typed field in which the schema puts a data type when `raw_data` is not used. */
function typedField(proto: TensorProto, elementType: Exclude<ElementType, "string">): NumericField {
  switch (elementType) {
    case "float32":
      return proto.floatData ?? new Float32Array();
    case "float64":
      return proto.doubleData ?? new Float64Array();
    case "int64":
      return proto.int64Data ?? new BigInt64Array();
    case "uint64":
    case "uint32":
      return proto.uint64Data ?? new BigUint64Array();
    default:
      return proto.int32Data ?? new Int32Array();
  }
}

function fromField(
  field: NumericField,
  elementType: Exclude<ElementType, "string">,
  count: number,
): TensorData {
  const numbers = field as ArrayLike<number>;
  switch (elementType) {
    case "float32":
    case "float64":
      return Float64Array.from(numbers);
    case "float16":
      return Float64Array.from(numbers, float16ToNumber);
    case "bfloat16":
      return Float64Array.from(numbers, bfloat16ToNumber);
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
      return Float64Array.from(numbers, (v) => float8ToNumber(v, elementType));
    case "int4":
    case "uint4":
      return unpacked(numbers, elementType, count);
    case "bool":
      return Uint8Array.from(numbers, (v) => (v === 0 ? 0 : 1));
    case "uint8":
      return Uint8Array.from(numbers);
    case "int8":
      return Int8Array.from(numbers);
    case "uint16":
      return Uint16Array.from(numbers);
    case "int16":
      return Int16Array.from(numbers);
    case "int32":
      return Int32Array.from(numbers);
    case "uint32":
      return Uint32Array.from(field as BigUint64Array, (v) => Number(BigInt.asUintN(32, v)));
    case "uint64":
    case "int64":
      return field as BigInt64Array | BigUint64Array;
  }
}

function fromRaw(
  raw: Uint8Array,
  elementType: Exclude<ElementType, "string">,
  count: number,
): TensorData {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const fill = <T extends Exclude<TensorData, readonly string[]>>(
    data: T,
    read: (i: number) => T[number],
  ): T => {
    for (let i = 0; i < count; i++) data[i] = read(i);
    return data;
  };
  switch (elementType) {
    // Typed arrays are little-endian on every host that WebAssembly engines run on, and some ten
    // times as fast.
    case "float32":
      return new Float64Array(new Float32Array(new Uint8Array(raw).buffer));
    case "float64":
      return new Float64Array(new Uint8Array(raw).buffer);
    case "float16":
      return fill(new Float64Array(count), (i) => float16ToNumber(view.getUint16(2 * i, true)));
    case "bfloat16":
      return fill(new Float64Array(count), (i) => bfloat16ToNumber(view.getUint16(2 * i, true)));
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
      return fill(new Float64Array(count), (i) => float8ToNumber(raw[i] ?? 0, elementType));
    case "int4":
    case "uint4":
      return unpacked(raw, elementType, count);
    case "bool":
      return fill(new Uint8Array(count), (i) => (raw[i] === 0 ? 0 : 1));
    // Constructors copy; `slice` of a Node Buffer would be a view of a shared pool.
    case "uint8":
      return new Uint8Array(raw);
    case "int8":
      return new Int8Array(raw);
    case "uint16":
      return fill(new Uint16Array(count), (i) => view.getUint16(2 * i, true));
    case "int16":
      return fill(new Int16Array(count), (i) => view.getInt16(2 * i, true));
    case "uint32":
      return fill(new Uint32Array(count), (i) => view.getUint32(4 * i, true));
    case "int32":
      return fill(new Int32Array(count), (i) => view.getInt32(4 * i, true));
    case "uint64":
      return fill(new BigUint64Array(count), (i) => view.getBigUint64(8 * i, true));
    case "int64":
      return fill(new BigInt64Array(count), (i) => view.getBigInt64(8 * i, true));
  }
}

function writeElement(
  view: DataView,
  at: number,
  elementType: ElementType,
  value: number | bigint | string,
): void {
  if (elementType === "int64") view.setBigInt64(at, BigInt(value), true);
  else if (elementType === "uint64") view.setBigUint64(at, BigInt(value), true);
  else if (elementType === "float32") view.setFloat32(at, Number(value), true);
  else if (elementType === "float64") view.setFloat64(at, Number(value), true);
  else if (elementType === "int32" || elementType === "uint32")
    view.setInt32(at, Number(value), true);
  else if (elementType === "int16" || elementType === "uint16")
    view.setInt16(at, Number(value), true);
  else view.setInt8(at, Number(value));
}

/** Elements of 4 bits, two a byte, the lower half first. */
function unpacked(
  bytes: ArrayLike<number>,
  elementType: "int4" | "uint4",
  count: number,
): Int8Array | Uint8Array {
  const signed = elementType === "int4";
  const data = signed ? new Int8Array(count) : new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const half = ((bytes[i >> 1] ?? 0) >> (4 * (i & 1))) & 15;
    data[i] = signed && half > 7 ? half - 16 : half;
  }
  return data;
}

/** The 8-bit floats of ONNX, exactly: bits of exponent and fraction, bias, what stands at the top. */
function float8ToNumber(bits: number, type: Float8): number {
  const fractionBits = type.includes("m3") ? 3 : 2;
  const unsignedZero = type.endsWith("uz");
  const bias = (fractionBits === 3 ? 7 : 15) + (unsignedZero ? 1 : 0);
  const exponent = (bits & 0x7f) >> fractionBits;
  const fraction = bits & ((1 << fractionBits) - 1);
  if (unsignedZero) {
    if ((bits & 0xff) === 0x80) return NaN;
  } else if (type === "float8e4m3fn") {
    if ((bits & 0x7f) === 0x7f) return NaN;
  } else if (exponent === 31) {
    return fraction === 0 ? ((bits & 0x80) === 0 ? Infinity : -Infinity) : NaN;
  }
  const unit = float32FromBits((Math.max(exponent, 1) - bias - fractionBits + 127) << 23);
  const magnitude = (exponent === 0 ? fraction : fraction + (1 << fractionBits)) * unit;
  return (bits & 0x80) === 0 ? magnitude : -magnitude;
}

/** IEEE 754 binary16, exactly, by way of the bits of the binary32 of the same value. */
function float16ToNumber(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return ((sign < 0 ? -1 : 1) * fraction) / (1 << 24);
  return float32FromBits(
    sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13),
  );
}

/** The upper half of a binary32. */
function bfloat16ToNumber(bits: number): number {
  return float32FromBits(bits << 16);
}

const SCRATCH = new DataView(new ArrayBuffer(4));

function float32FromBits(bits: number): number {
  SCRATCH.setInt32(0, bits);
  return SCRATCH.getFloat32(0);
}
