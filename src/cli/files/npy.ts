/**
 * NumPy's `.npy` format, versions 1 to 3. Written here because the maintained npm packages read
 * no big-endian data, do not compare the shape with the length of the data, and return Fortran
 * order as it lies.
 */
import { InputError } from "../../core/errors.js";
import type { HostArray, HostData, HostElementType } from "../../core/hostArray.js";
import { float16ToNumber, numberToFloat16 } from "../../core/float16.js";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"
/** NumPy itself refuses headers above 10,000 bytes. */
const MAX_HEADER_BYTES = 65536;
const MAX_RANK = 64;

/** NumPy's letter and size of each element type. */
const TYPE_CODES: Readonly<Record<HostElementType, string>> = {
  bool: "b1",
  uint8: "u1",
  int8: "i1",
  uint16: "u2",
  int16: "i2",
  uint32: "u4",
  int32: "i4",
  uint64: "u8",
  int64: "i8",
  float16: "f2",
  float32: "f4",
  float64: "f8",
};
const ELEMENT_TYPES = new Map(
  (Object.keys(TYPE_CODES) as HostElementType[]).map((type) => [TYPE_CODES[type], type]),
);

const HOST_IS_LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

interface Header {
  elementType: HostElementType;
  sizeBytes: number;
  little: boolean;
  fortranOrder: boolean;
  dims: number[];
  dataOffset: number;
}

/**
 * Reads a `.npy` file into row-major order.
 *
 * @param file how messages name the file
 * @throws {InputError} `BadNpy` when the bytes are not a `.npy` file or their length does not fit
 * its shape, `UnsupportedNpy` for element types that are not plain numbers
 */
export function decodeNpy(bytes: Uint8Array, file: string): HostArray {
  const header = readHeader(bytes, file);
  const { elementType, sizeBytes, little, fortranOrder, dims, dataOffset } = header;
  const count = dims.includes(0) ? 0 : dims.reduce((product, dim) => product * dim, 1);
  const found = bytes.length - dataOffset;
  // Checked before anything is allocated: the array is never larger than the file.
  if (count * sizeBytes !== found) {
    throw bad(
      file,
      `its shape (${dims.join(", ")}) of ${elementType} needs ${String(count * sizeBytes)} bytes ` +
        `of data, the file has ${String(found)}; save it again`,
    );
  }
  // A copy: `slice` of a Node Buffer is a view.
  const own = new Uint8Array(bytes.subarray(dataOffset));
  if (sizeBytes > 1 && little !== HOST_IS_LITTLE) reverseElements(own, sizeBytes);
  let data = viewAs(elementType, own.buffer);
  if (fortranOrder && dims.length > 1) data = fromFortranOrder(data, dims);
  return { elementType, dims, data };
}

function bad(file: string, what: string): InputError {
  return new InputError("BadNpy", `${file} cannot be read as .npy: ${what}`, { name: file });
}

function readHeader(bytes: Uint8Array, file: string): Header {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw bad(file, "it does not begin with the .npy signature; save the array with numpy.save");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) {
    throw bad(file, `format version ${String(version)} is unknown; versions 1 to 3 are read`);
  }
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) throw bad(file, "it ends inside the header");
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES || start + length > bytes.length) {
    throw bad(file, `its header of ${String(length)} bytes is too long or passes the end`);
  }
  const text = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  return { ...parseDictionary(text, file), dataOffset: start + length };
}

/** Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order. */
function parseDictionary(text: string, file: string): Omit<Header, "dataOffset"> {
  const items = new Map<string, string>();
  const item = /\s*(?:'(\w+)'|"(\w+)")\s*:\s*('[^'\\]*'|"[^"\\]*"|\w+|\([^()]*\))\s*(,?)/y;
  const open = /\s*\{/y;
  const malformed = (): InputError =>
    bad(file, `its header ${JSON.stringify(text.slice(0, 80))} is not the dictionary it should be`);
  if (!open.test(text)) throw malformed();
  item.lastIndex = open.lastIndex;
  let end = open.lastIndex;
  for (let match = item.exec(text); match !== null;) {
    const key = match[1] ?? match[2] ?? "";
    if (items.has(key)) throw malformed();
    items.set(key, match[3] ?? "");
    end = item.lastIndex;
    match = match[4] === "," ? item.exec(text) : null;
  }
  const close = /\s*(\}\s*$)?/y;
  close.lastIndex = end;
  const closed = close.exec(text)?.[1] !== undefined;
  const rest = text.slice(end).trimStart();
  if (!closed && rest.startsWith("'descr'")) throw unsupported(file, "a structured type");
  const descr = items.get("descr");
  const order = items.get("fortran_order");
  const shape = items.get("shape");
  if (!closed || items.size !== 3 || descr === undefined || shape === undefined) throw malformed();
  if (order !== "True" && order !== "False") throw malformed();
  const dims = parseShape(shape);
  if (dims === undefined) throw bad(file, `its shape ${shape.slice(0, 80)} is impossible`);
  return { ...parseType(descr, file), fortranOrder: order === "True", dims };
}

/** The sizes in a Python tuple; `undefined` when it is none. */
function parseShape(tuple: string): number[] | undefined {
  if (!tuple.startsWith("(")) return undefined;
  const parts = tuple
    .slice(1, -1)
    .split(",")
    .map((part) => part.trim());
  const last = parts.pop();
  // `(3,)` ends in a comma; `(3)` is a number in parentheses, not a tuple.
  if (last !== "" && last !== undefined) {
    if (parts.length === 0) return undefined;
    parts.push(last);
  }
  if (parts.length > MAX_RANK || !parts.every((part) => /^\d{1,15}L?$/.test(part)))
    return undefined;
  return parts.map((part) => parseInt(part, 10));
}

function unsupported(file: string, type: string): InputError {
  return new InputError(
    "UnsupportedNpy",
    `${file} holds ${type}; bool, (u)int8 to (u)int64, float16, float32 and float64 are read. ` +
      `Convert the array, for example with array.astype(numpy.float32)`,
    { name: file },
  );
}

function parseType(
  descr: string,
  file: string,
): Pick<Header, "elementType" | "sizeBytes" | "little"> {
  const code = descr.slice(1, -1);
  const order = code.charAt(0);
  const elementType = ELEMENT_TYPES.get(code.slice(1));
  const sizeBytes = Number(code.slice(2));
  if (
    elementType === undefined ||
    !(order === "<" || order === ">" || (order === "|" && sizeBytes === 1))
  ) {
    throw unsupported(file, `elements of type ${JSON.stringify(code.slice(0, 40))}`);
  }
  return { elementType, sizeBytes, little: order !== ">" };
}

function reverseElements(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** The elements of `buffer`, which holds them in the host's byte order. */
function viewAs(elementType: HostElementType, buffer: ArrayBuffer): HostData {
  switch (elementType) {
    case "bool":
      return new Uint8Array(buffer).map((byte) => (byte === 0 ? 0 : 1));
    case "uint8":
      return new Uint8Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "uint32":
      return new Uint32Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "uint64":
      return new BigUint64Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "float16":
      return Float32Array.from(new Uint16Array(buffer), float16ToNumber);
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
  }
}

/** Row-major copy of a column-major array. */
function fromFortranOrder(data: HostData, dims: readonly number[]): HostData {
  const result = data.slice();
  const strides: number[] = [];
  dims.reduce((stride, dim) => (strides.push(stride), stride * dim), 1);
  const index = new Array<number>(dims.length).fill(0);
  let source = 0;
  for (let target = 0; target < data.length; target++) {
    result[target] = data[source] as never;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      source += stride;
      if (next < (dims[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      source -= next * stride;
      index[axis] = 0;
    }
  }
  return result;
}

/** Writes a `.npy` file, version 1, little-endian, row-major. */
export function encodeNpy(array: HostArray): Uint8Array {
  const { elementType, dims } = array;
  const code = TYPE_CODES[elementType];
  const sizeBytes = Number(code.slice(1));
  const descr = `${sizeBytes === 1 ? "|" : "<"}${code}`;
  const shape = dims.length === 1 ? `${String(dims[0])},` : dims.join(", ");
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  // NumPy aligns the data to 64 bytes and ends the header with a newline.
  const dataOffset = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const header = `${dictionary.padEnd(dataOffset - 11)}\n`;

  const data = elementType === "float16" ? halves(array.data) : array.data;
  const bytes = new Uint8Array(dataOffset + data.byteLength);
  bytes.set([...MAGIC, 1, 0, header.length & 0xff, header.length >> 8]);
  bytes.set(new TextEncoder().encode(header), 10);
  const body = bytes.subarray(dataOffset);
  body.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (!HOST_IS_LITTLE && sizeBytes > 1) reverseElements(body, sizeBytes);
  return bytes;
}

function halves(data: HostData): Uint16Array {
  return Uint16Array.from(data as Float32Array, numberToFloat16);
}
