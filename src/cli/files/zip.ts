/**
 * A strict reader of zip archives, as `.npz` files are. fflate reads the container too, but it
 * neither checks the CRC nor notices data longer than declared, so damage would pass as numbers.
 */
import { crc32, inflateRawSync } from "node:zlib";
import { InputError } from "../../core/errors.js";

const END_RECORD = 0x06054b50;
const END_RECORD_BYTES = 22;
const CENTRAL_RECORD = 0x02014b50;
const CENTRAL_RECORD_BYTES = 46;
const LOCAL_RECORD = 0x04034b50;
const LOCAL_RECORD_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
/** What all entries of one archive may unpack to: a megabyte can declare a gigabyte. */
const MAX_UNPACKED_BYTES = 2 ** 31 - 1;

export interface ZipEntry {
  readonly name: string;
  /** Length of the unpacked data, as declared and then enforced. */
  readonly sizeBytes: number;
  /** Unpacks the entry. @throws {InputError} `BadZip` when it is damaged */
  read(): Uint8Array;
}

/**
 * Lists the entries of a zip archive by its central directory; nothing is unpacked yet.
 *
 * @param file how messages name the file
 * @throws {InputError} `BadZip` when the archive is damaged, encrypted, split, in zip64 form or
 * unpacks to 2 GiB or more
 */
export function openZip(bytes: Uint8Array, file: string): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bad = (what: string): InputError =>
    new InputError("BadZip", `${file} cannot be read as a zip archive: ${what}`, { name: file });

  const end = findEndRecord(view);
  if (end === undefined) throw bad("it has no end record; it is damaged or something else");
  const count = view.getUint16(end + 10, true);
  const directoryBytes = view.getUint32(end + 12, true);
  const directory = view.getUint32(end + 16, true);
  if (count === 0xffff || directory === 0xffffffff) {
    throw bad("it is in zip64 form; save the arrays in several smaller files");
  }
  if (view.getUint16(end + 8, true) !== count) throw bad("it is one part of a split archive");
  if (directory + directoryBytes > end) throw bad("its directory passes the end");

  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let unpacked = 0;
  let at = directory;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_RECORD_BYTES > end || view.getUint32(at, true) !== CENTRAL_RECORD) {
      throw bad(`entry ${String(i)} of its directory is damaged`);
    }
    const nameBytes = view.getUint16(at + 28, true);
    const next =
      at +
      CENTRAL_RECORD_BYTES +
      nameBytes +
      view.getUint16(at + 30, true) +
      view.getUint16(at + 32, true);
    if (next > end) throw bad(`entry ${String(i)} of its directory passes the end`);
    const nameStart = at + CENTRAL_RECORD_BYTES;
    const name = new TextDecoder().decode(bytes.subarray(nameStart, nameStart + nameBytes));
    if (names.has(name)) throw bad(`it has two entries named "${name}"`);
    names.add(name);
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const crc = view.getUint32(at + 16, true);
    const packedBytes = view.getUint32(at + 20, true);
    const sizeBytes = view.getUint32(at + 24, true);
    const local = view.getUint32(at + 42, true);
    unpacked += sizeBytes;
    if (unpacked > MAX_UNPACKED_BYTES) {
      throw bad("its entries unpack to 2 GiB or more; save the arrays in several smaller files");
    }
    const read = (): Uint8Array => {
      const damaged = (what: string): InputError => bad(`entry "${name}" ${what}`);
      if ((flags & ENCRYPTED) !== 0) throw damaged("is encrypted");
      if (local + LOCAL_RECORD_BYTES > directory || view.getUint32(local, true) !== LOCAL_RECORD) {
        throw damaged("has no header where the directory says");
      }
      const start =
        local +
        LOCAL_RECORD_BYTES +
        view.getUint16(local + 26, true) +
        view.getUint16(local + 28, true);
      if (start + packedBytes > directory) throw damaged("passes the end of the data");
      const packed = bytes.subarray(start, start + packedBytes);
      const data = unpack(packed, method, sizeBytes, damaged);
      if (data.length !== sizeBytes) {
        throw damaged(`unpacks to ${String(data.length)} bytes instead of ${String(sizeBytes)}`);
      }
      if (crc32(data) !== crc) throw damaged("does not match its checksum; copy the file again");
      return data;
    };
    entries.push({ name, sizeBytes, read });
    at = next;
  }
  return entries;
}

function unpack(
  packed: Uint8Array,
  method: number,
  sizeBytes: number,
  damaged: (what: string) => InputError,
): Uint8Array {
  if (method === STORED) return packed;
  if (method !== DEFLATED) {
    throw damaged(`is packed by method ${String(method)}; save it with numpy.savez`);
  }
  try {
    // Grows as data appears, so a false size costs nothing; stops at one byte too many.
    return inflateRawSync(packed, { maxOutputLength: sizeBytes + 1 });
  } catch {
    throw damaged(`does not unpack to the ${String(sizeBytes)} bytes that it declares`);
  }
}

/** Offset of the end record, which a comment of up to 65,535 bytes may follow. */
function findEndRecord(view: DataView): number | undefined {
  const last = view.byteLength - END_RECORD_BYTES;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    const commentBytes = (): number => view.getUint16(at + 20, true);
    if (view.getUint32(at, true) === END_RECORD && at + commentBytes() === last) return at;
  }
  return undefined;
}
