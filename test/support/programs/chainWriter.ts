import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import type { Shape, TensorSpec } from "../../../src/core/shape.js";
import { elementCount } from "../../../src/core/shape.js";
import {
  CONTRACTION_ROWS,
  accumulatorHolds,
  bitsInterval,
} from "../../../src/opcodes/contraction.js";
import type { AnyImmediates } from "../../../src/opcodes/record.js";
import { typeOf } from "./programBuilder.js";
import { Writer } from "./writer.js";

const NARROW = ["u8", "i8", "i16"] as const;

/** Writes contractions and what follows them: bias, rescale, clamp, table. */
export class ChainWriter extends Writer {
  protected contraction(x: TensorSpec): TensorSpec | undefined {
    const rank = x.shape.length;
    if (rank >= 3 && rank <= 5 && this.chance(55)) return this.conv(x);
    if (rank >= 2 && this.chance(70)) return this.matmul(x);
    return this.wide(x);
  }

  protected pair(x: TensorSpec): { b: Dtype; accumulator: Dtype } | undefined {
    const rows = CONTRACTION_ROWS.filter(([a]) => a === x.dtype);
    if (rows.length === 0) return undefined;
    const [, b, accumulator] = this.random.pick(rows);
    return { b, accumulator };
  }

  /** Bits of both operands that `k` products leave room for; x is clamped if need be. */
  protected bits(
    x: TensorSpec,
    pair: { b: Dtype; accumulator: Dtype },
    k: number,
  ): { aBits: number; bBits: number } | undefined {
    let aBits = DTYPE_INFO[x.dtype].bits;
    let bBits = DTYPE_INFO[pair.b].bits;
    const holds = (): boolean =>
      accumulatorHolds(
        BigInt(k),
        { dtype: x.dtype, bits: aBits },
        { dtype: pair.b, bits: bBits },
        pair.accumulator,
      );
    while (!holds() && aBits + bBits > 2) {
      if (aBits > 1 && (bBits === 1 || this.chance(50))) aBits--;
      else bBits--;
    }
    if (!holds()) return undefined;
    if (aBits < DTYPE_INFO[x.dtype].bits) {
      const [lo, hi] = bitsInterval(x.dtype, aBits);
      this.code.emit("clamp", { lo, hi });
    }
    return { aBits, bBits };
  }

  protected matmul(x: TensorSpec): TensorSpec | undefined {
    const pair = this.pair(x);
    if (pair === undefined) return undefined;
    const k = x.shape[x.shape.length - 1]!;
    const batch = this.chance(70)
      ? []
      : x.shape.slice(0, -2).map((dim) => (this.chance(30) ? 1 : dim));
    const shape = [...batch, k, this.size()];
    const b = { dtype: pair.b, shape };
    const fits = this.results("matmul", { aBits: 1, bBits: 1, accumulator: "i64" }, [x, b]);
    if (fits === undefined) return undefined;
    const bits = this.bits(x, pair, k);
    if (bits === undefined) return undefined;
    const imm = { ...bits, accumulator: pair.accumulator };
    return this.apply(x, "matmul", imm, [b], () => this.weights(b, bits.bBits));
  }

  /** Weights: mostly parameters, now and then something computed. */
  protected weights({ dtype, shape }: TensorSpec, bits: number): void {
    const [lo, hi] = bitsInterval(dtype, bits);
    this.constant(dtype, shape, lo, hi);
    if (this.chance(10)) this.code.emit("clamp", { lo, hi });
  }

  protected conv(x: TensorSpec): TensorSpec | undefined {
    const pair = this.pair(x);
    if (pair === undefined) return undefined;
    const spatial = x.shape.length - 2;
    const channels = x.shape[x.shape.length - 1]!;
    const divisors = Array.from({ length: channels }, (_, i) => i + 1).filter(
      (i) => channels % i === 0,
    );
    const groups = channels === 0 ? 1 : this.random.pick([1, channels, ...divisors]);
    const perGroup = channels / groups;
    const outputs =
      this.chance(40) && groups === channels
        ? channels
        : groups * this.random.pick([1, 1, 2, 3, 8, 9]);
    const axes = <V>(make: () => V): V[] => Array.from({ length: spatial }, make);
    const kernel = axes(() => this.random.pick([1, 1, 2, 3, 3, 4, 5]));
    const window = {
      strides: axes(() => this.random.pick([1, 1, 1, 2, 3])),
      dilations: axes(() => this.random.pick([1, 1, 1, 2, 3])),
      pads: [
        ...axes(() => this.random.pick([0, 0, 1, 2, 5])),
        ...axes(() => this.random.pick([0, 0, 1, 2, 5])),
      ],
    };
    if (this.chance(20)) kernel.fill(1);
    if (this.chance(30)) window.pads.fill(0);
    const b = { dtype: pair.b, shape: [...kernel, perGroup, outputs] };
    const k = elementCount(b.shape.slice(0, -1));
    const trial = { ...window, groups, aBits: 1, bBits: 1, accumulator: "i64", padValue: 0n };
    const fits = this.results("conv", trial, [x, b]);
    if (fits === undefined || elementCount(fits[0]!.shape) * k > 60_000) return undefined;
    const bits = this.bits(x, pair, k);
    if (bits === undefined) return undefined;
    const [lo, hi] = bitsInterval(x.dtype, bits.aBits);
    const padValue = this.chance(50) ? 0n : this.random.value(lo, hi);
    const imm = { ...window, groups, ...bits, accumulator: pair.accumulator, padValue };
    return this.apply(x, "conv", imm, [b], () => this.weights(b, bits.bBits));
  }

  protected wide(x: TensorSpec): TensorSpec | undefined {
    const pair = this.pair(x);
    if (pair === undefined) return undefined;
    const b = { dtype: pair.b, shape: this.broadcastable(x.shape) };
    return this.apply(x, "mul.wide", { accumulator: pair.accumulator }, [b], () =>
      this.constant(b.dtype, b.shape),
    );
  }

  /** A shape that broadcasts with `shape`, mostly to it. */
  protected broadcastable(shape: Shape): number[] {
    const last = shape[shape.length - 1] ?? 1;
    switch (this.random.int(0, 7)) {
      case 0:
        return [];
      case 1:
      case 2:
        return [last];
      case 3:
        return [...shape];
      case 4:
        return shape.length < 7
          ? [1, 1, ...shape.map((_, i) => (i === shape.length - 1 ? last : 1))]
          : [last];
      case 5:
        return shape.map((dim, i) => (i === shape.length - 1 ? 1 : dim));
      case 6:
        return shape.map((dim) => (dim === 1 && this.chance(20) ? this.random.pick([2, 3]) : dim));
      default:
        return shape.map((dim) => (this.chance(50) ? 1 : dim));
    }
  }

  /** Bias, rescale, clamp and table, with what makes fusing them difficult between. */
  protected follow(sums: TensorSpec): TensorSpec {
    let x = sums;
    const disturb = (): void => {
      if (this.chance(6)) this.keep(x, "local.tee");
      if (this.chance(8)) x = this.reshaped(x) ?? x;
    };
    disturb();
    if (this.chance(60)) x = this.biased(x) ?? x;
    disturb();
    if (this.chance(85)) x = this.rescaled(x) ?? x;
    disturb();
    if (this.chance(40)) x = this.narrowed(x) ?? x;
    if (this.chance(15)) x = this.narrowed(x) ?? x;
    disturb();
    if (this.chance(40)) x = this.looked(x) ?? x;
    disturb();
    return x;
  }

  protected biased(x: TensorSpec): TensorSpec | undefined {
    const { min, max } = DTYPE_INFO[x.dtype];
    const shape = this.broadcastable(x.shape);
    // Sums that saturate must do so where the program says.
    const room = this.random.pick([max, max >> 1n, max >> 8n, max >> 16n]);
    const [lo, hi] = [min > -room ? min : -room, room];
    const b = { dtype: x.dtype, shape };
    if (this.chance(25)) {
      // The sum of two: either may be the one that is put off.
      const results = this.results("add", {}, [b, x]);
      if (results === undefined) return undefined;
      const local = this.code.local(typeOf(x));
      this.code.emit("local.set", { local });
      this.constant(x.dtype, shape, lo, hi);
      this.code.emit(this.chance(80) ? "local.take" : "local.get", { local });
      this.code.emit("add");
      return results[0]!;
    }
    return this.apply(x, "add", {}, [b], () => this.constant(x.dtype, shape, lo, hi));
  }

  /** dtype, zero point and interval of a rescale. */
  protected output(dtype: Dtype): AnyImmediates {
    const { min, max } = DTYPE_INFO[dtype];
    const zeroPoint = this.chance(50) ? 0n : this.random.value(min, max);
    if (this.chance(50)) return { dtype, zeroPoint, lo: min, hi: max };
    const [a, b] = [this.random.value(min, max), this.random.value(min, max)];
    return { dtype, zeroPoint, lo: a < b ? a : b, hi: a < b ? b : a };
  }

  protected narrowDtype(): Dtype {
    return this.random.pick(["i8", "u8", "i16", "i16", "i16", "i32", "i64"]);
  }

  protected factor(): number {
    if (this.chance(10)) return this.random.pick([0, 1, -1, 0x7fffffff, -0x80000000, 0x40000000]);
    const m = this.random.int(0, 0x7fffffff) >> this.random.int(0, 30);
    return this.chance(85) ? m : -m;
  }

  protected rescaled(x: TensorSpec): TensorSpec | undefined {
    if (x.dtype === "bool") return undefined;
    const output = this.output(this.narrowDtype());
    if (this.chance(45)) {
      const shift = this.chance(60) ? this.random.int(28, 46) : this.random.int(1, 62);
      return this.apply(x, "rescale", { multiplier: this.factor(), shift, ...output });
    }
    const shapes = [this.channelShape(x.shape), this.channelShape(x.shape)];
    const multiplier = { dtype: "i32", shape: shapes[0]! } as const;
    const shift = { dtype: "i8", shape: shapes[1]! } as const;
    const results = this.results("rescale.by", output, [x, multiplier, shift]);
    if (results === undefined) return undefined;
    this.constant("i32", multiplier.shape, this.chance(60) ? 0n : undefined);
    const least = BigInt(this.random.pick([1, 20, 31]));
    this.constant("i8", shift.shape, least, BigInt(this.random.pick([Number(least), 45, 62])));
    this.code.emit("rescale.by", output);
    return results[0]!;
  }

  protected channelShape(shape: Shape): number[] {
    const last = shape[shape.length - 1];
    if (last === undefined) return [];
    switch (this.random.int(0, 9)) {
      case 0:
        return [];
      case 1:
        return shape.map(() => 1);
      case 2:
        return shape.map((dim, i) => (i === shape.length - 1 ? 1 : dim));
      case 3:
        return shape.map((dim) => (this.chance(50) ? 1 : dim));
      case 4:
        return [...shape];
      default:
        return [last];
    }
  }

  protected narrowed(x: TensorSpec): TensorSpec | undefined {
    if (x.dtype === "bool") return undefined;
    if (this.chance(40)) {
      const dtype = this.chance(90) ? this.random.pick(INTEGER_DTYPES) : "bool";
      return this.apply(x, "cast", { dtype });
    }
    const { min, max } = DTYPE_INFO[x.dtype];
    const [a, b] = [this.random.value(min, max), this.random.value(min, max)];
    return this.apply(x, "clamp", { lo: a < b ? a : b, hi: a < b ? b : a });
  }

  protected looked(x: TensorSpec): TensorSpec | undefined {
    if (!(NARROW as readonly Dtype[]).includes(x.dtype)) return undefined;
    if (x.dtype === "i16" && this.chance(80)) {
      const segmentsLog2 = this.random.pick([6, 6, 6, 7, 8]);
      const dtype = this.random.pick(INTEGER_DTYPES);
      const imm = { segmentsLog2, guardBits: this.random.int(0, 14), dtype };
      const table = { dtype: "i32", shape: [(1 << segmentsLog2) + 1] } as const;
      return this.apply(x, "lut.interpolate", imm, [table], () =>
        this.constant("i32", table.shape),
      );
    }
    if (x.dtype === "i16" && this.chance(80)) return undefined; // such a table is large
    const entries = x.dtype === "i16" ? 65_536 : 256;
    const table = { dtype: this.random.pick(DTYPES), shape: [entries] };
    return this.apply(x, "lut", {}, [table], () => this.constant(table.dtype, table.shape));
  }

  protected reshaped(x: TensorSpec): TensorSpec | undefined {
    const last = x.shape[x.shape.length - 1] ?? 1;
    const dims = this.random.pick([
      [-1],
      [1, -1],
      [-1, 1],
      [-1, last],
      [1, ...x.shape],
      [...x.shape, 1],
      x.shape.filter((dim) => dim !== 1),
      [1, -1, last],
      [1, -1, 1, last],
      [1, 1, ...x.shape, 1, 1],
      [-1, 2],
      [2, -1],
    ]);
    return dims.length > 8 ? undefined : this.apply(x, "reshape", { dims });
  }
}
