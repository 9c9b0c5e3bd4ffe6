// Tensors of exact integers, `{ dtype, shape, values: bigint[] }`, and reproducible random ones.
import { createHash } from "node:crypto";

const INFO = {
  bool: { bytes: 1, min: 0n, max: 1n },
  u8: { bytes: 1, min: 0n, max: 255n },
  i8: { bytes: 1, min: -128n, max: 127n },
  i16: { bytes: 2, min: -32_768n, max: 32_767n },
  i32: { bytes: 4, min: -(1n << 31n), max: (1n << 31n) - 1n },
  i64: { bytes: 8, min: -(1n << 63n), max: (1n << 63n) - 1n },
};
export const ALL = ["bool", "u8", "i8", "i16", "i32", "i64"];
export const INTEGERS = ALL.slice(1);

export const info = (dtype) => INFO[dtype];
export const count = (shape) => shape.reduce((product, size) => product * size, 1);
/** As gas and limits count: dimensions of 0 as 1; exact. */
export const chargedCount = (shape) =>
  shape.reduce((product, size) => product * BigInt(Math.max(size, 1)), 1n);
export const chargedBytes = ({ dtype, shape }) => chargedCount(shape) * BigInt(INFO[dtype].bytes);

/** A tensor of numbers or bigints; without a shape a vector. */
export function tensor(dtype, values, shape = [values.length]) {
  if (count(shape) !== values.length) throw new RangeError(`${values.length} values of [${shape}]`);
  return { dtype, shape, values: values.map(BigInt) };
}
export const scalar = (dtype, value) => tensor(dtype, [value], []);

export function bytesOf({ dtype, values }) {
  const size = INFO[dtype].bytes;
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (size === 1) view.setUint8(i, Number(value & 255n));
    else if (size === 2) view.setInt16(2 * i, Number(value), true);
    else if (size === 4) view.setInt32(4 * i, Number(value), true);
    else view.setBigInt64(8 * i, value, true);
  });
  return bytes;
}

export function valuesOf(dtype, bytes) {
  const size = BigInt(INFO[dtype].bytes);
  const values = [];
  for (let at = 0; at < bytes.length; at += Number(size)) {
    let value = 0n;
    for (let i = Number(size) - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]);
    values.push(INFO[dtype].min < 0n ? BigInt.asIntN(Number(8n * size), value) : value);
  }
  return values;
}

/** Reproducible random numbers: SHA-256 of the seed's text and a counter. */
export class Random {
  #seed;
  #next = 0;
  #pool = [];

  constructor(seed) {
    this.#seed = seed;
  }

  /** 64 random bits. */
  bits() {
    if (this.#pool.length === 0) {
      const digest = createHash("sha256").update(`${this.#seed}:${this.#next++}`).digest();
      this.#pool = [0, 8, 16, 24].map((at) => digest.readBigUInt64LE(at));
    }
    return this.#pool.pop();
  }

  int(lo, hi) {
    return lo + Number(this.bits() % BigInt(hi - lo + 1));
  }

  between(lo, hi) {
    return lo + (this.bits() % (hi - lo + 1n));
  }

  pick(among) {
    return among[this.int(0, among.length - 1)];
  }

  /** Of any width and sign, and often near an end. */
  value(lo, hi) {
    const inside = (v) => (v < lo ? lo : v > hi ? hi : v);
    switch (this.int(0, 5)) {
      case 0:
        return inside(lo + BigInt(this.int(0, 2)));
      case 1:
        return inside(hi - BigInt(this.int(0, 2)));
      case 2:
        return inside(BigInt(this.int(-3, 3)));
      case 3:
        return inside(this.between(lo, hi) >> BigInt(this.int(0, (hi - lo).toString(2).length)));
      default:
        return this.between(lo, hi);
    }
  }

  tensor(dtype, shape, lo = INFO[dtype].min, hi = INFO[dtype].max) {
    return { dtype, shape, values: Array.from({ length: count(shape) }, () => this.value(lo, hi)) };
  }
}

/** The ends of a dtype, what is around 0, and what is around the powers of two within. */
export function edges(dtype) {
  const { min, max } = INFO[dtype];
  const wanted = [min, min + 1n, -3n, -2n, -1n, 0n, 1n, 2n, 3n, max / 2n, max / 2n + 1n, max - 1n, max]; // prettier-ignore
  return [...new Set(wanted)].filter((v) => v >= min && v <= max).sort((a, b) => (a < b ? -1 : 1));
}
