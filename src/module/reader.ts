import { MalformedError } from "../core/errors.js";
import type { ByteSource } from "./byteSource.js";

/** What is read of a source at once. */
const WINDOW_BYTES = 65_536;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A cursor over canonical MessagePack that is told what comes next. Every read checks type,
 * shortest form, range and length before it builds anything, and nesting is that of the reads, so
 * no input can make it allocate or recurse more than its caller meant to.
 *
 * Each read takes `what`, the name of what is read, for messages. All throw MalformedError.
 */
export class Reader {
  readonly #source: ByteSource | undefined;
  /** The bytes that are at hand, and the offset of the first of them. */
  #bytes = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);
  #base = 0;
  #offset: number;
  readonly #end: number;

  /** Reads `bytes` from `start` to `end`; offsets in errors count from the start of `bytes`. */
  constructor(bytes: Uint8Array | ByteSource, start = 0, end = bytes.length) {
    this.#source = bytes instanceof Uint8Array ? undefined : bytes;
    if (bytes instanceof Uint8Array) this.#hold(bytes, 0);
    this.#offset = start;
    this.#end = end;
  }

  /** Offset of the next byte. */
  get offset(): number {
    return this.#offset;
  }

  /** An integer in [min, max], of at most 32 bits. */
  int(min: number, max: number, what: string): number {
    const offset = this.#offset;
    const value = this.#integer(what);
    if (typeof value === "bigint" || value < min || value > max) {
      throw new MalformedError(
        "OutOfRange",
        `${what} is ${value}, it must lie in ${min} … ${max}`,
        {
          offset,
        },
      );
    }
    return value;
  }

  /** An integer of at most 64 bits, signed. */
  i64(what: string): bigint {
    return BigInt(this.#integer(what));
  }

  /** A string of `min` to `max` bytes of UTF-8. */
  str(min: number, max: number, what: string): string {
    const offset = this.#offset;
    const tag = this.#u8(what);
    let length: number;
    if (tag >= 0xa0 && tag <= 0xbf) length = tag & 0x1f;
    else if (tag === 0xd9) length = this.#length(1, 32, offset, what);
    else if (tag === 0xda) length = this.#length(2, 0x100, offset, what);
    else if (tag === 0xdb) length = this.#length(4, 0x10000, offset, what);
    else throw unexpected(what, "a string", tag, offset);
    this.#checkLength(length, min, max, "bytes", what, offset);
    const start = this.#take(length, what);
    try {
      return UTF8.decode(this.#bytes.slice(start, start + length));
    } catch (cause) {
      const place = { offset: this.#offset - length };
      throw new MalformedError("Utf8", `${what} is not UTF-8`, place, cause);
    }
  }

  /** A byte string of `min` to `max` bytes: a view of the input. */
  bin(min: number, max: number, what: string): Uint8Array {
    const length = this.#binLength(min, max, what);
    const start = this.#take(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  /** Passes a byte string and gives the offset of its first byte; its end is then `offset`. */
  skipBin(min: number, max: number, what: string): number {
    return this.#pass(this.#binLength(min, max, what), what);
  }

  #binLength(min: number, max: number, what: string): number {
    const offset = this.#offset;
    const tag = this.#u8(what);
    let length: number;
    if (tag === 0xc4) length = this.#length(1, 0, offset, what);
    else if (tag === 0xc5) length = this.#length(2, 0x100, offset, what);
    else if (tag === 0xc6) length = this.#length(4, 0x10000, offset, what);
    else throw unexpected(what, "a byte string", tag, offset);
    this.#checkLength(length, min, max, "bytes", what, offset);
    return length;
  }

  /** The header of an array of `min` to `max` elements; the elements are to be read next. */
  array(min: number, max: number, what: string): number {
    const offset = this.#offset;
    const tag = this.#u8(what);
    let length: number;
    if (tag >= 0x90 && tag <= 0x9f) length = tag & 0x0f;
    else if (tag === 0xdc) length = this.#length(2, 16, offset, what);
    else if (tag === 0xdd) length = this.#length(4, 0x10000, offset, what);
    else throw unexpected(what, "an array", tag, offset);
    this.#checkLength(length, min, max, "elements", what, offset);
    // An element takes at least a byte: a declared length beyond that is a lie, caught before anyone allocates for it.
    if (length > this.#end - this.#offset) throw this.#truncated(what, offset);
    return length;
  }

  /** Reads an array whose elements `element` reads. */
  list<T>(min: number, max: number, what: string, element: (index: number) => T): T[] {
    const length = this.array(min, max, what);
    // Sized at once: growing by `push` leaves room for 17 where there are two.
    const values = new Array<T>(length);
    for (let index = 0; index < length; index++) values[index] = element(index);
    return values;
  }

  /** Whether an array comes next. */
  peekArray(): boolean {
    if (this.#offset >= this.#end) return false;
    const at = this.#at(this.#offset, 1);
    const tag = this.#bytes[at]!;
    return (tag >= 0x90 && tag <= 0x9f) || tag === 0xdc || tag === 0xdd;
  }

  /** Nothing may come after. */
  end(what: string): void {
    if (this.#offset !== this.#end) {
      const left = this.#end - this.#offset;
      throw new MalformedError("TrailingBytes", `${left} bytes come after the end of ${what}`, {
        offset: this.#offset,
      });
    }
  }

  /** Numbers up to 32 bits are numbers, longer ones bigints; each has one form only. */
  #integer(what: string): number | bigint {
    const offset = this.#offset;
    const tag = this.#u8(what);
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xcc:
        return this.#length(1, 0x80, offset, what);
      case 0xcd:
        return this.#length(2, 0x100, offset, what);
      case 0xce:
        return this.#length(4, 0x10000, offset, what);
      case 0xd0:
        return this.#negative(this.#signed(1, what), -0x20, offset, what);
      case 0xd1:
        return this.#negative(this.#signed(2, what), -0x80, offset, what);
      case 0xd2:
        return this.#negative(this.#signed(4, what), -0x8000, offset, what);
      case 0xd3: {
        const at = this.#take(8, what);
        const value = this.#view.getBigInt64(at);
        if (value >= -0x80000000n && value <= 0xffffffffn) throw overlong(what, offset);
        return value;
      }
      case 0xcf:
        throw new MalformedError(
          "NotCanonical",
          `${what} is an unsigned 64-bit integer; integers beyond 32 bits are signed ones here`,
          { offset },
        );
      default:
        throw unexpected(what, "an integer", tag, offset);
    }
  }

  #signed(size: 1 | 2 | 4, what: string): number {
    const at = this.#take(size, what);
    if (size === 1) return this.#view.getInt8(at);
    return size === 2 ? this.#view.getInt16(at) : this.#view.getInt32(at);
  }

  #negative(value: number, shorter: number, offset: number, what: string): number {
    if (value >= shorter) throw overlong(what, offset);
    return value;
  }

  /** An unsigned number of `size` bytes, at least `least`: below, a shorter form exists. */
  #length(size: 1 | 2 | 4, least: number, offset: number, what: string): number {
    const at = this.#take(size, what);
    const value =
      size === 1
        ? this.#view.getUint8(at)
        : size === 2
          ? this.#view.getUint16(at)
          : this.#view.getUint32(at);
    if (value < least) throw overlong(what, offset);
    return value;
  }

  #checkLength(
    length: number,
    min: number,
    max: number,
    unit: string,
    what: string,
    offset: number,
  ): void {
    if (length < min || length > max) {
      const bounds = min === max ? `${min}` : `${min} … ${max}`;
      throw new MalformedError("Length", `${what} has ${length} ${unit}, it must have ${bounds}`, {
        offset,
      });
    }
  }

  #u8(what: string): number {
    const at = this.#take(1, what);
    return this.#bytes[at]!;
  }

  /** Moves past `length` bytes, which must be there, and gives where in `#bytes` they start. */
  #take(length: number, what: string): number {
    return this.#at(this.#pass(length, what), length);
  }

  /** Moves past `length` bytes, which must be there, and gives the offset of the first. */
  #pass(length: number, what: string): number {
    const start = this.#offset;
    if (length > this.#end - start) throw this.#truncated(what, start);
    this.#offset = start + length;
    return start;
  }

  /** Where in `#bytes` the bytes at `offset` are, which lie before the end. */
  #at(offset: number, length: number): number {
    const at = offset - this.#base;
    if (this.#source === undefined || (at >= 0 && at + length <= this.#bytes.length)) return at;
    const most = Math.min(WINDOW_BYTES, this.#end - offset);
    this.#hold(this.#source.read(offset, Math.max(length, most)), offset);
    return 0;
  }

  #hold({ buffer, byteOffset, byteLength }: Uint8Array, base: number): void {
    // A plain view, so that what is handed out is one too (a Buffer's `slice` does not copy).
    this.#bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    this.#view = new DataView(buffer as ArrayBuffer, byteOffset, byteLength);
    this.#base = base;
  }

  #truncated(what: string, offset: number): MalformedError {
    return new MalformedError(
      "Truncated",
      `the bytes end at ${this.#end}, in the middle of ${what}`,
      { offset },
    );
  }
}

function overlong(what: string, offset: number): MalformedError {
  return new MalformedError("NotCanonical", `${what} is not written in its shortest form`, {
    offset,
  });
}

function unexpected(what: string, wanted: string, tag: number, offset: number): MalformedError {
  const found = `0x${tag.toString(16).padStart(2, "0")} (${describe(tag)})`;
  return new MalformedError("UnexpectedType", `${what} must be ${wanted}, found ${found}`, {
    offset,
  });
}

function describe(tag: number): string {
  if (tag <= 0x7f || tag >= 0xe0 || (tag >= 0xcc && tag <= 0xd3)) return "an integer";
  if (tag <= 0x8f || tag === 0xde || tag === 0xdf) return "a map";
  if (tag <= 0x9f || tag === 0xdc || tag === 0xdd) return "an array";
  if (tag <= 0xbf || (tag >= 0xd9 && tag <= 0xdb)) return "a string";
  if (tag === 0xc0) return "nil";
  if (tag === 0xc1) return "an unused tag";
  if (tag <= 0xc3) return "a boolean";
  if (tag <= 0xc6) return "a byte string";
  if (tag === 0xca || tag === 0xcb) return "a float";
  return "an extension";
}
