import type { Dtype } from "../../src/core/dtype.js";
import { DTYPE_INFO } from "../../src/core/dtype.js";
import type { Shape } from "../../src/core/shape.js";
import { elementCount } from "../../src/core/shape.js";
import type { ExactValue } from "../../src/opcodes/evaluate.js";

/** Reproducible random numbers: splitmix64. */
export class SeededRandom {
  private state: bigint;

  constructor(seed: number) {
    this.state = BigInt(seed);
  }

  /** 64 random bits. */
  bits(): bigint {
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    let z = this.state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** An integer in [lo, hi]. */
  int(lo: number, hi: number): number {
    return lo + Number(this.bits() % BigInt(hi - lo + 1));
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

  /** A tensor of values in [lo, hi], by default all that the dtype has. */
  tensor(dtype: Dtype, shape: Shape, lo?: bigint, hi?: bigint): ExactValue {
    const { min, max } = DTYPE_INFO[dtype];
    const values = Array.from({ length: elementCount(shape) }, () =>
      this.value(lo ?? min, hi ?? max),
    );
    return { dtype, shape, values };
  }
}
