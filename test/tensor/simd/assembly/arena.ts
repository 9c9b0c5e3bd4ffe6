import { expect } from "vitest";
import type { Dtype, DtypeArrays, IntegerArray } from "../../../../src/core/dtype.js";
import { DTYPE_INFO, newArray, viewArray } from "../../../../src/core/dtype.js";
import type { Epilogue, SourceWidth } from "../../../../src/tensor/simd/descriptors.js";
import {
  EPILOGUE_BYTES,
  planRescale,
  spreadShifts,
  writeEpilogue,
} from "../../../../src/tensor/simd/descriptors.js";
import type { Address, Kernels } from "../../../../src/tensor/simd/kernels.js";
import { instantiateKernels } from "../../../../src/tensor/simd/kernels.js";

const GUARD = 0xa5;
const GUARD_BYTES = 32;

/** A bump allocator whose blocks are followed by guard bytes that `check` finds intact. */
export class Arena {
  readonly memory = new WebAssembly.Memory({ initial: 64, maximum: 65_536 });
  readonly kernels: Kernels = instantiateKernels(this.memory);
  readonly view = new DataView(this.memory.buffer);
  private next = 1024;
  private readonly guards: Address[] = [];

  reset(): void {
    this.next = 1024;
    this.guards.length = 0;
  }

  /** `bytes` of garbage, at an address that is `skew` past a multiple of 16. */
  alloc(bytes: number, skew = 0): Address {
    const at = this.next + skew;
    this.next = (at + bytes + GUARD_BYTES + 15) & ~15;
    expect(this.next).toBeLessThan(this.memory.buffer.byteLength);
    new Uint8Array(this.memory.buffer, at, bytes).fill(0x5a);
    new Uint8Array(this.memory.buffer, at + bytes, GUARD_BYTES).fill(GUARD);
    this.guards.push(at + bytes);
    return at;
  }

  put(values: IntegerArray): Address {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const at = this.alloc(bytes.length);
    new Uint8Array(this.memory.buffer).set(bytes, at);
    return at;
  }

  /** Puts a tensor where the memory ends, so that a read past its end traps. */
  putAtEnd(values: IntegerArray): Address {
    const at = this.memory.buffer.byteLength - values.byteLength;
    new Uint8Array(this.memory.buffer).set(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      at,
    );
    return at;
  }

  take(dtype: Dtype, at: Address, length: number): bigint[] {
    const bytes = this.memory.buffer.slice(at, at + length * DTYPE_INFO[dtype].bytes);
    return Array.from(viewArray(dtype, bytes, 0, length), BigInt);
  }

  /** Writes an epilogue; what is not given means: nothing happens, i32 accumulators. */
  epilogue(fields: Partial<Epilogue> = {}): Address {
    const at = this.alloc(EPILOGUE_BYTES);
    writeEpilogue(this.view, at, {
      zeroPoint: 0n,
      lo: 0n,
      hi: 0n,
      bias: 0,
      multiplier: 0,
      shift: 0,
      uniformShift: 0,
      bits: 63,
      spreadHalf: 0,
      spreadFactor: 0,
      spreadShift: 0,
      channelMask: -1,
      type: DTYPE_INFO.i32.code,
      table: 0,
      segmentsLog2: 0,
      guardBits: 0,
      shortTable: 0,
      tableType: 0,
      ...fields,
    });
    return at;
  }

  /**
   * Multipliers and shifts as an engine plans them for a source within ±2^bits; `plan: false` keeps the
   * general form.
   */
  rescaleBy(
    multipliers: number[],
    shifts: number[],
    source: SourceWidth = "i32",
    bits = 63,
    plan = true,
  ) {
    const planned = plan
      ? planRescale(multipliers, shifts, source)
      : { multipliers: Int32Array.from(multipliers), uniformShift: 0 };
    const spread =
      plan && planned.uniformShift === 0 && source !== "upTo16"
        ? spreadShifts(multipliers, shifts, source, bits)
        : undefined;
    return {
      multiplier: this.put(spread?.multipliers ?? planned.multipliers),
      shift: this.put(spread?.shifts ?? Int8Array.from(shifts)),
      uniformShift: planned.uniformShift,
      bits,
      spreadHalf: spread === undefined ? 0 : this.put(spread.halves),
      spreadFactor: spread === undefined ? 0 : this.put(spread.factors),
      spreadShift: spread?.common ?? 0,
    };
  }

  /** Fails if a kernel wrote past the end of a block. */
  check(): void {
    const bytes = new Uint8Array(this.memory.buffer);
    for (const at of this.guards) {
      if (!bytes.subarray(at, at + GUARD_BYTES).every((byte) => byte === GUARD)) {
        expect.fail(`bytes after ${at} were overwritten`);
      }
    }
  }
}

/** Reproducible pseudo-random numbers. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  u32(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  below(n: number): number {
    return this.u32() % n;
  }

  between(lo: number, hi: number): number {
    return lo + this.below(hi - lo + 1);
  }

  /** An integer of `bits` bits, often an extreme one or a small one. */
  big(bits: number, signed: boolean): bigint {
    const kind = this.below(8);
    const top = signed ? bits - 1 : bits;
    if (kind === 0) return (1n << BigInt(top)) - 1n;
    if (kind === 1) return signed ? -(1n << BigInt(top)) : 0n;
    const any = ((BigInt(this.u32()) << 32n) | BigInt(this.u32())) >> BigInt(this.below(64));
    const value = kind < 5 ? any : ~any;
    return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  }

  array<D extends Dtype>(dtype: D, length: number): DtypeArrays[D] {
    const { bits, signed, bytes } = DTYPE_INFO[dtype];
    const out = newArray(dtype, length);
    for (let i = 0; i < length; i++) {
      const value = this.big(bits, signed);
      if (bytes === 8) (out as BigInt64Array)[i] = value;
      else (out as Int32Array)[i] = Number(value);
    }
    return out;
  }

  /** Uniform values in [lo, hi]. */
  uniform<D extends Exclude<Dtype, "i64">>(
    dtype: D,
    length: number,
    lo: number,
    hi: number,
  ): DtypeArrays[D] {
    const out = newArray(dtype, length);
    for (let i = 0; i < length; i++) (out as Int32Array)[i] = this.between(lo, hi);
    return out;
  }
}

export function code(dtype: Dtype): number {
  return DTYPE_INFO[dtype].code;
}

export function bytesOf(dtype: Dtype): number {
  return DTYPE_INFO[dtype].bytes;
}
