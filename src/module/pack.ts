import { Packr } from "msgpackr/pack";
import { MalformedError } from "../core/errors.js";

/** What the module format is made of: integers, strings, byte strings and arrays of them. */
export type Packable = number | bigint | string | Uint8Array | readonly Packable[];

/** Without records msgpackr writes integers of up to 32 bits, strings, arrays and bytes in their shortest form. */
const packr = new Packr({ useRecords: false });

/**
 * Canonical MessagePack of a value.
 * @throws MalformedError `NotEncodable` for a value that the format has no form for
 */
export function pack(value: Packable): Uint8Array {
  // msgpackr returns a view of a buffer that it goes on writing to.
  return new Uint8Array(packr.pack(canonical(value)));
}

/** Header of a byte string of that length. */
export function packBinHeader(length: number): Uint8Array {
  if (length <= 0xff) return Uint8Array.of(0xc4, length);
  if (length <= 0xffff) return Uint8Array.of(0xc5, length >>> 8, length);
  if (length > 0xffffffff) throw notEncodable(`a byte string of ${length} bytes`);
  return Uint8Array.of(0xc6, length >>> 24, length >>> 16, length >>> 8, length);
}

/** Header of an array of that length. */
export function packArrayHeader(length: number): Uint8Array {
  if (length < 16) return Uint8Array.of(0x90 | length);
  if (length <= 0xffff) return Uint8Array.of(0xdc, length >>> 8, length);
  return Uint8Array.of(0xdd, length >>> 24, length >>> 16, length >>> 8, length);
}

/** Narrows bigints, which msgpackr always writes in 64 bits, and refuses what it would write as a float or worse. */
function canonical(value: Packable): unknown {
  switch (typeof value) {
    case "number":
      if (Number.isInteger(value) && value >= -0x80000000 && value <= 0xffffffff) return value;
      throw notEncodable(`the number ${value}`);
    case "bigint":
      if (value >= -0x80000000n && value <= 0xffffffffn) return Number(value);
      if (BigInt.asIntN(64, value) === value) return value;
      throw notEncodable(`the integer ${value}, which exceeds 64 bits`);
    case "string":
      if (/\p{Surrogate}/u.test(value)) throw notEncodable("a string with half a surrogate pair");
      return value;
    default:
      if (value instanceof Uint8Array) return value;
      if (Array.isArray(value)) return value.map(canonical);
      throw notEncodable(`a value of type ${typeof value}`);
  }
}

function notEncodable(what: string): MalformedError {
  return new MalformedError("NotEncodable", `the module format has no form for ${what}`);
}
