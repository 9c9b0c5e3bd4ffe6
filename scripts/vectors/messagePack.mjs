// MessagePack as spec/module.md restricts it, and ways to break it. Written from that page, apart
// from the encoder of src/module: vectors must not inherit its mistakes.

/** Bytes that stand in a record as they are: how malformed vectors are made. */
export class Raw {
  /** @param {readonly number[] | Uint8Array} bytes */
  constructor(...bytes) {
    this.bytes = bytes.flatMap((piece) => [...(typeof piece === "number" ? [piece] : piece)]);
  }
}

/** The bytes of an int, str, bin (Uint8Array) or array in its shortest form. */
export function pack(value) {
  const out = [];
  write(value, out);
  return Uint8Array.from(out);
}

function write(value, out) {
  if (value instanceof Raw) append(out, value.bytes);
  else if (typeof value === "number" || typeof value === "bigint") writeInt(BigInt(value), out);
  else if (typeof value === "string") writeString(value, out);
  else if (value instanceof Uint8Array) {
    writeHeader(value.length, [[0xff, 0xc4, 1], [0xffff, 0xc5, 2], [Infinity, 0xc6, 4]], out); // prettier-ignore
    append(out, value);
  } else {
    if (value.length < 16) out.push(0x90 | value.length);
    else writeHeader(value.length, [[0xffff, 0xdc, 2], [Infinity, 0xdd, 4]], out); // prettier-ignore
    for (const element of value) write(element, out);
  }
}

/** `push(...bytes)` without its limit on arguments. */
function append(out, bytes) {
  for (const byte of bytes) out.push(byte);
}

function writeString(text, out) {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length < 32) out.push(0xa0 | bytes.length);
  else writeHeader(bytes.length, [[0xff, 0xd9, 1], [0xffff, 0xda, 2], [Infinity, 0xdb, 4]], out); // prettier-ignore
  append(out, bytes);
}

function writeHeader(length, forms, out) {
  const [, tag, size] = forms.find(([most]) => length <= most);
  out.push(tag, ...bigEndian(BigInt(length), size));
}

function writeInt(value, out) {
  if (value >= 0n && value < 128n) out.push(Number(value));
  else if (value < 0n && value >= -32n) out.push(Number(value + 256n));
  else out.push(...intForm(value));
}

function intForm(value) {
  if (value >= 0n) {
    for (const [tag, size] of [
      [0xcc, 1],
      [0xcd, 2],
      [0xce, 4],
    ])
      // prettier-ignore
      if (value < 1n << BigInt(8 * size)) return [tag, ...bigEndian(value, size)];
  } else {
    for (const [tag, size] of [
      [0xd0, 1],
      [0xd1, 2],
      [0xd2, 4],
    ])
      // prettier-ignore
      if (value >= -(1n << BigInt(8 * size - 1))) return [tag, ...bigEndian(value, size)];
  }
  return [0xd3, ...bigEndian(value, 8)];
}

/** @returns {number[]} two's complement, the highest byte first */
export function bigEndian(value, size) {
  const bits = BigInt.asUintN(8 * size, BigInt(value));
  return Array.from({ length: size }, (_, i) =>
    Number((bits >> BigInt(8 * (size - 1 - i))) & 255n),
  );
}

/** An int in a form that is one longer than it needs. */
export function longInt(value) {
  const v = BigInt(value);
  const shortest = pack(v).length;
  if (v >= 0n) {
    if (shortest === 1) return new Raw(0xcc, ...bigEndian(v, 1));
    if (shortest === 2) return new Raw(0xcd, ...bigEndian(v, 2));
    return shortest === 3 ? new Raw(0xce, ...bigEndian(v, 4)) : new Raw(0xd3, ...bigEndian(v, 8));
  }
  if (shortest === 1) return new Raw(0xd0, ...bigEndian(v, 1));
  if (shortest === 2) return new Raw(0xd1, ...bigEndian(v, 2));
  return shortest === 3 ? new Raw(0xd2, ...bigEndian(v, 4)) : new Raw(0xd3, ...bigEndian(v, 8));
}
