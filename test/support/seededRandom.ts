import type { Dtype } from "../../src/core/dtype.js";
import { DTYPE_INFO } from "../../src/core/dtype.js";
import type { Shape } from "../../src/core/shape.js";
import { elementCount } from "../../src/core/shape.js";
import type { ExactValue } from "../../src/opcodes/evaluate.js";

/**
 * Reproducible random numbers: splitmix64, in halves of 32 bits, because a fuzzer draws many and
 * numbers are some twenty times as fast here as bigints.
 */
export class SeededRandom {
  /** State, then what was drawn: lower and upper half. An array, so that halves are not boxed. */
  private readonly halves = new Uint32Array(4);

  constructor(seed: number) {
    const state = BigInt.asUintN(64, BigInt(seed));
    this.halves[0] = Number(state & 0xffffffffn);
    this.halves[1] = Number(state >> 32n);
  }

  /** Advances the state; the bits drawn are in `halves` 2 and 3. */
  private draw(): void {
    const { halves } = this;
    const sum = halves[0]! + 0x7f4a7c15;
    let l = sum | 0;
    let h = (halves[1]! + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) | 0;
    halves[0] = l;
    halves[1] = h;
    l ^= (l >>> 30) | (h << 2);
    h ^= h >>> 30;
    h = (highOfProduct(l, 0x1ce4e5b9) + Math.imul(h, 0x1ce4e5b9) + Math.imul(l, 0xbf58476d)) | 0;
    l = Math.imul(l, 0x1ce4e5b9);
    l ^= (l >>> 27) | (h << 5);
    h ^= h >>> 27;
    h = (highOfProduct(l, 0x133111eb) + Math.imul(h, 0x133111eb) + Math.imul(l, 0x94d049bb)) | 0;
    l = Math.imul(l, 0x133111eb);
    halves[2] = l ^ ((l >>> 31) | (h << 1));
    halves[3] = h ^ (h >>> 31);
  }

  /** 64 random bits. */
  bits(): bigint {
    this.draw();
    return (BigInt(this.halves[3]!) << 32n) | BigInt(this.halves[2]!);
  }

  /** 64 random bits modulo n, which is at most 2^42. */
  private below(n: number): number {
    this.draw();
    const l = this.halves[2]!;
    const h = this.halves[3]!;
    if (n <= 2 ** 21) return modulo((h % (n >>> 0)) * 2 ** 32 + l, n);
    // Eleven bits at a time: every product stays below 2^53.
    let rest = modulo(h, n);
    rest = modulo(rest * 2048 + (l >>> 21), n);
    rest = modulo(rest * 2048 + ((l >>> 10) & 2047), n);
    return modulo(rest * 1024 + (l & 1023), n);
  }

  /** An integer in [lo, hi]. */
  int(lo: number, hi: number): number {
    const n = hi - lo + 1;
    return lo + (n <= 2 ** 42 ? this.below(n) : Number(this.bits() % BigInt(n)));
  }

  /** An integer in [lo, hi]. */
  bigint(lo: bigint, hi: bigint): bigint {
    return lo + (this.bits() % (hi - lo + 1n));
  }

  pick<V>(among: readonly V[]): V {
    return among[this.int(0, among.length - 1)]!;
  }

  /** A value in [lo, hi]: any, a small one, or at an end, so that rare cases are not rare. */
  value(lo: bigint, hi: bigint): bigint {
    const inside = (v: bigint): bigint => (v < lo ? lo : v > hi ? hi : v);
    switch (this.int(0, 5)) {
      case 0:
        return inside(lo + BigInt(this.int(0, 2)));
      case 1:
        return inside(hi - BigInt(this.int(0, 2)));
      case 2:
        return inside(BigInt(this.int(-3, 3)));
      default:
        // Of any number of bits: wide types are not all huge.
        return inside(this.bigint(lo, hi) >> BigInt(this.int(0, 3) * this.int(0, 20)));
    }
  }

  /** Fills an array of a dtype with values in [lo, hi]. */
  fill(array: { length: number }, dtype: Dtype, lo: bigint, hi: bigint): void {
    if (dtype === "i64") {
      const wide = array as BigInt64Array;
      for (let i = 0; i < wide.length; i++) wide[i] = this.value(lo, hi);
      return;
    }
    // One draw an element: there are many, and they need to be varied rather than independent.
    const [least, most] = [Number(lo), Number(hi)];
    const size = most - least + 1;
    const narrow = array as Int32Array;
    for (let i = 0; i < narrow.length; i++) {
      this.draw();
      const l = this.halves[2]!;
      const h = this.halves[3]!;
      let v: number;
      if ((h & 7) === 0) v = least + (l % 3);
      else if ((h & 7) === 1) v = most - (l % 3);
      else if ((h & 7) === 2) v = (l % 7) - 3;
      else v = (least + modulo(l, size)) >> Math.min(31, ((h >>> 3) & 3) * ((h >>> 5) % 21));
      narrow[i] = v < least ? least : v > most ? most : v;
    }
  }

  /** A tensor of values in [lo, hi], by default all that the dtype has. */
  tensor(dtype: Dtype, shape: Shape, lo?: bigint, hi?: bigint): ExactValue {
    const { min, max } = DTYPE_INFO[dtype];
    const values = Array.from({ length: elementCount(shape) }, () =>
      this.value(lo ?? min, hi ?? max),
    );
    return { dtype, shape, values };
  }
}

/** `a % n` of natural numbers below 2^53: `%` on doubles is a call of the C library. */
function modulo(a: number, n: number): number {
  const rest = a - Math.floor(a / n) * n;
  return rest < 0 ? rest + n : rest >= n ? rest - n : rest;
}

/** The upper 32 bits of the product of two numbers of 32 bits. */
function highOfProduct(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = ah * bl + ((al * bl) >>> 16);
  const other = al * bh + (middle & 0xffff);
  return ah * bh + Math.floor(middle / 65536) + Math.floor(other / 65536);
}
