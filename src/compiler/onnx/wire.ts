import protobuf from "protobufjs/minimal.js";
import { CompileError } from "../../core/errors.js";
import { SCHEMA } from "./schema.js";
import type { FieldSpec, MessageName, Messages, ModelProto, ScalarKind } from "./schema.js";

const { Reader, Writer } = protobuf;
type Reader = InstanceType<typeof Reader>;
type Writer = InstanceType<typeof Writer>;

/** Nested messages; a body within a body takes three levels. */
const MAX_DEPTH = 100;
/**
 * Messages and repeated strings in one file. Two hostile bytes make one object of about 100 bytes,
 * so this, not the file's length, bounds what decoding allocates. Real models stay below 10^6.
 */
const MAX_OBJECTS = 4_000_000;

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

const WIRE_TYPE: Readonly<Record<ScalarKind, number>> = {
  int32: WIRE_VARINT,
  int64: WIRE_VARINT,
  uint64: WIRE_VARINT,
  float: WIRE_FIXED32,
  double: WIRE_FIXED64,
  string: WIRE_BYTES,
  bytes: WIRE_BYTES,
};

type NumberArray = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;
type NumericKind = Exclude<ScalarKind, "string" | "bytes">;

const NUMBER_ARRAY = {
  float: Float32Array,
  double: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

interface NamedField extends FieldSpec {
  readonly name: string;
}

function fieldsOf(message: MessageName): NamedField[] {
  return Object.entries<FieldSpec>(SCHEMA[message]).map(([name, spec]) => ({ name, ...spec }));
}

const FIELDS_BY_NUMBER = new Map<MessageName, ReadonlyMap<number, NamedField>>(
  (Object.keys(SCHEMA) as MessageName[]).map((message) => [
    message,
    new Map(fieldsOf(message).map((field) => [field.number, field])),
  ]),
);

function isMessage(kind: FieldSpec["kind"]): kind is MessageName {
  return kind in SCHEMA;
}

function isNumeric(kind: FieldSpec["kind"]): kind is NumericKind {
  return kind in NUMBER_ARRAY;
}

/** A growing typed array, for repeated numbers that arrive one by one or in several packs. */
class NumberList {
  private readonly kind: NumericKind;
  private items: NumberArray;
  private length = 0;

  constructor(kind: NumericKind) {
    this.kind = kind;
    this.items = new NUMBER_ARRAY[kind](0);
  }

  reserve(count: number): void {
    if (this.length + count <= this.items.length) return;
    // Exactly as asked the first time: one pack is the usual case.
    const capacity = this.length === 0 ? count : Math.max(this.length + count, 2 * this.length);
    const grown = new NUMBER_ARRAY[this.kind](capacity);
    (grown as Float64Array).set(this.items as Float64Array);
    this.items = grown;
  }

  push(value: number | bigint): void {
    this.reserve(1);
    (this.items as Float64Array)[this.length++] = value as number;
  }

  finish(): NumberArray {
    return this.length === this.items.length ? this.items : this.items.slice(0, this.length);
  }
}

function readNumber(reader: Reader, kind: NumericKind): number | bigint {
  switch (kind) {
    case "int32":
      return reader.int32();
    case "float":
      return reader.float();
    case "double":
      return reader.double();
    case "int64":
    case "uint64": {
      // `Long`, or a number where the library finds no Long; both hold 64 bits after this.
      const long = protobuf.util.LongBits.from(reader.uint64());
      const bits = (BigInt(long.hi >>> 0) << 32n) | BigInt(long.lo >>> 0);
      return kind === "int64" ? BigInt.asIntN(64, bits) : bits;
    }
  }
}

/** How many numbers a pack of `length` bytes at the reader's position holds. */
function packedCount(reader: Reader, kind: NumericKind, length: number): number {
  if (kind === "float") return length >> 2;
  if (kind === "double") return length >> 3;
  let count = 0;
  for (let i = reader.pos; i < reader.pos + length; i++) if ((reader.buf[i] ?? 0) < 128) count++;
  return count;
}

class Decoder {
  private readonly reader: Reader;
  private objects = 0;

  constructor(bytes: Uint8Array) {
    this.reader = new Reader(bytes);
  }

  message(type: MessageName, depth: number): Record<string, unknown> {
    if (depth > MAX_DEPTH)
      throw this.malformed(`messages are nested deeper than ${String(MAX_DEPTH)}`);
    const { reader } = this;
    const fields = FIELDS_BY_NUMBER.get(type);
    const message: Record<string, unknown> = {};
    let lists: Map<NamedField, NumberList> | undefined;
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      const wire = tag & 7;
      const field = fields?.get(tag >>> 3);
      if (field === undefined) {
        this.skip(wire);
        continue;
      }
      const { kind, name } = field;
      if (isNumeric(kind) && field.repeated) {
        lists ??= new Map();
        let list = lists.get(field);
        if (list === undefined) lists.set(field, (list = new NumberList(kind)));
        this.numbers(kind, wire, list, `${type}.${name}`);
        continue;
      }
      if (wire !== (isMessage(kind) ? WIRE_BYTES : WIRE_TYPE[kind])) {
        throw this.malformed(`${type}.${name} has wire type ${String(wire)}`);
      }
      const value = this.value(kind, depth);
      if (field.repeated) {
        const list = message[name] as unknown[] | undefined;
        if (list === undefined) message[name] = [value];
        else list.push(value);
      } else message[name] = value;
    }
    if (lists !== undefined) for (const [field, list] of lists) message[field.name] = list.finish();
    return message;
  }

  malformed(what: string, cause?: unknown): CompileError {
    return new CompileError(
      "MalformedModel",
      `not a valid ONNX protobuf: ${what}, at byte ${String(this.reader.pos)}`,
      { offset: this.reader.pos },
      cause,
    );
  }

  private value(kind: FieldSpec["kind"], depth: number): unknown {
    const { reader } = this;
    if (isNumeric(kind)) return readNumber(reader, kind);
    if (++this.objects > MAX_OBJECTS) {
      throw this.malformed(`more than ${String(MAX_OBJECTS)} messages and strings`);
    }
    if (kind === "string") return reader.string();
    // A view, not a copy: weights are most of a file.
    if (kind === "bytes") return this.within(() => reader.buf.subarray(reader.pos, reader.len));
    return this.within(() => this.message(kind, depth + 1));
  }

  private numbers(kind: NumericKind, wire: number, list: NumberList, where: string): void {
    if (wire === WIRE_TYPE[kind]) {
      list.push(readNumber(this.reader, kind));
    } else if (wire === WIRE_BYTES) {
      this.within((length) => {
        list.reserve(packedCount(this.reader, kind, length));
        while (this.reader.pos < this.reader.len) list.push(readNumber(this.reader, kind));
      });
    } else throw this.malformed(`${where} has wire type ${String(wire)}`);
  }

  /** Reads a length, runs `read` with the reader confined to that many bytes, and moves past them. */
  private within<T>(read: (length: number) => T): T {
    const { reader } = this;
    const length = reader.uint32();
    const end = reader.pos + length;
    const outerEnd = reader.len;
    if (end > outerEnd) {
      throw this.malformed(`a length of ${String(length)} passes the end of its message`);
    }
    reader.len = end;
    const result = read(length);
    reader.pos = end;
    reader.len = outerEnd;
    return result;
  }

  private skip(wire: number): void {
    const { reader } = this;
    if (wire === WIRE_VARINT) reader.skip();
    else if (wire === WIRE_FIXED64) reader.skip(8);
    else if (wire === WIRE_BYTES) this.within(() => undefined);
    else if (wire === WIRE_FIXED32) reader.skip(4);
    else throw this.malformed(`unknown wire type ${String(wire)}`);
  }
}

/**
 * Decodes one ONNX protobuf message. Byte fields are views into `bytes`.
 *
 * @throws CompileError `MalformedModel` with the byte offset
 */
export function decodeMessage<M extends MessageName>(type: M, bytes: Uint8Array): Messages[M] {
  const decoder = new Decoder(bytes);
  try {
    return decoder.message(type, 0) as Messages[M];
  } catch (error) {
    if (error instanceof CompileError) throw error;
    throw decoder.malformed(error instanceof Error ? error.message : "unreadable", error);
  }
}

/** Decodes the bytes of a `.onnx` file. @throws CompileError `MalformedModel` */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return decodeMessage("ModelProto", bytes);
}

function writeNumber(writer: Writer, kind: NumericKind, value: number | bigint): void {
  switch (kind) {
    case "int32":
      writer.int32(Number(value));
      break;
    case "float":
      writer.float(Number(value));
      break;
    case "double":
      writer.double(Number(value));
      break;
    case "int64":
    case "uint64": {
      const bits = BigInt.asUintN(64, BigInt(value));
      const low = Number(bits & 0xffffffffn) | 0;
      const high = Number(bits >> 32n) | 0;
      writer.uint64({ low, high, unsigned: true });
    }
  }
}

function writeMessage(writer: Writer, type: MessageName, message: Record<string, unknown>): void {
  for (const { name, number, kind, repeated } of fieldsOf(type)) {
    const value = message[name];
    if (value === undefined) continue;
    if (repeated && isNumeric(kind)) {
      const items = value as ArrayLike<number | bigint>;
      if (items.length === 0) continue;
      writer.uint32((number << 3) | WIRE_BYTES).fork();
      for (let i = 0; i < items.length; i++) writeNumber(writer, kind, items[i] ?? 0);
      writer.ldelim();
      continue;
    }
    for (const item of repeated ? (value as unknown[]) : [value]) {
      if (isMessage(kind)) {
        writer.uint32((number << 3) | WIRE_BYTES).fork();
        writeMessage(writer, kind, item as Record<string, unknown>);
        writer.ldelim();
        continue;
      }
      writer.uint32((number << 3) | WIRE_TYPE[kind]);
      if (kind === "string") writer.string(item as string);
      else if (kind === "bytes") writer.bytes(item as Uint8Array);
      else writeNumber(writer, kind, item as number | bigint);
    }
  }
}

/** Encodes a message; `decodeMessage` reads back what it was given. */
export function encodeMessage<M extends MessageName>(type: M, message: Messages[M]): Uint8Array {
  const writer = new Writer();
  writeMessage(writer, type, message as Record<string, unknown>);
  return writer.finish();
}

/** The bytes of a `.onnx` file. */
export function encodeModel(model: ModelProto): Uint8Array {
  return encodeMessage("ModelProto", model);
}
