import { DTYPES, DTYPE_INFO } from "../../../src/core/dtype.js";
import type { TensorSpec } from "../../../src/core/shape.js";
import { ChainWriter } from "./chainWriter.js";
import { typeOf } from "./programBuilder.js";

/** Writes every other instruction on tensors. */
export class StepWriter extends ChainWriter {
  protected any(x: TensorSpec): TensorSpec | undefined {
    switch (this.random.int(0, 22)) {
      case 0:
      case 1:
        return this.rescaled(x);
      case 2:
        return this.narrowed(x);
      case 3:
        return this.looked(x);
      case 4:
      case 5:
      case 6:
        return this.binary(x);
      case 7:
        return this.compare(x);
      case 8:
        return this.unary(x);
      case 9:
        return this.weighted(x);
      case 10:
        return this.reduced(x);
      case 11:
        return this.pooled(x);
      case 12:
        return this.reshaped(x);
      case 13:
        return this.transposed(x);
      case 14:
        return this.sliced(x);
      case 15:
        return this.joined(x);
      case 16:
        return this.gathered(x);
      case 17:
        return this.padded(x);
      case 18:
        return this.expanded(x);
      case 19:
        return this.scattered(x);
      case 20:
        return this.ordered(x);
      case 21:
        return this.counted(x);
      default:
        return this.resized(x);
    }
  }

  /** Something of that dtype that may broadcast with x: a constant, a scalar, a local, x itself. */
  protected partner(x: TensorSpec): { spec: TensorSpec; push: () => void } {
    const like = this.kept.filter(({ dtype }) => dtype === x.dtype);
    if (like.length > 0 && this.chance(40)) {
      const spec = this.random.pick(like);
      return { spec, push: () => this.get(spec) };
    }
    if (this.chance(20)) {
      return { spec: { dtype: x.dtype, shape: [] }, push: () => this.scalar(x.dtype) };
    }
    const shape = this.broadcastable(x.shape);
    return { spec: { dtype: x.dtype, shape }, push: () => void this.constant(x.dtype, shape) };
  }

  protected binary(x: TensorSpec): TensorSpec | undefined {
    const op = this.random.pick(
      x.dtype === "bool"
        ? (["min", "max", "and", "or", "xor"] as const)
        : ([
            "add", "add", "sub", "mul", "div.floor", "div.trunc", "mod.floor", "mod.trunc",
            "min", "max", "and", "or", "xor", "shl", "shr",
          ] as const), // prettier-ignore
    );
    if (this.chance(10)) {
      // With itself.
      const local = this.code.local(typeOf(x));
      return this.apply(x, op, {}, [x], () => {
        this.code.emit("local.tee", { local });
        this.code.emit(this.chance(50) ? "local.take" : "local.get", { local });
      });
    }
    const { spec, push } = this.partner(x);
    return this.apply(x, op, {}, [spec], push);
  }

  protected compare(x: TensorSpec): TensorSpec | undefined {
    const op = x.dtype === "bool" ? "eq" : this.random.pick(["eq", "lt", "le"] as const);
    const { spec, push } = this.partner(x);
    const condition = this.apply(x, op, {}, [spec], push);
    if (condition === undefined || this.chance(30)) return condition;
    const dtype = this.random.pick(DTYPES);
    const [a, b] = [this.broadcastable(condition.shape), this.broadcastable(condition.shape)];
    const operands = [a, b].map((shape) => ({ dtype, shape }));
    const chosen = this.apply(condition, "select", {}, operands, () => {
      for (const { shape } of operands) this.constant(dtype, shape);
    });
    return chosen ?? condition;
  }

  protected unary(x: TensorSpec): TensorSpec | undefined {
    if (x.dtype === "bool") return this.apply(x, "not", {});
    if ((x.dtype === "i32" || x.dtype === "i64") && this.chance(30)) {
      this.code.emit("normalize");
      if (this.chance(50)) this.code.emit("drop");
      else this.keep({ dtype: "i32", shape: x.shape }, "local.set");
      return { dtype: "i32", shape: x.shape };
    }
    const op = this.random.pick(["not", "neg", "abs", "sqrt.floor"] as const);
    return this.apply(x, op, {});
  }

  protected weighted(x: TensorSpec): TensorSpec | undefined {
    if (x.dtype === "bool" || x.dtype === "i64") return undefined;
    const others = this.kept.filter(({ dtype }) => dtype !== "bool" && dtype !== "i64");
    const imm = {
      aMultiplier: this.factor(),
      bMultiplier: this.factor(),
      shift: this.random.int(1, 62),
      ...this.output(this.narrowDtype()),
    };
    if (others.length > 0 && this.chance(50)) {
      const b = this.random.pick(others);
      return this.apply(x, "rescale.add", imm, [b], () => this.get(b));
    }
    const dtype = this.random.pick(["u8", "i8", "i16", "i32"] as const);
    const shape = this.broadcastable(x.shape);
    return this.apply(x, "rescale.add", imm, [{ dtype, shape }], () => this.constant(dtype, shape));
  }

  protected reduced(x: TensorSpec): TensorSpec | undefined {
    const axes = x.shape.map((_, axis) => axis).filter(() => this.chance(40));
    if (x.shape.length > 0 && x.dtype !== "bool" && this.chance(30)) {
      const axis = this.random.int(0, x.shape.length - 1);
      return this.apply(x, this.chance(50) ? "argmax" : "argmin", { axis });
    }
    if (x.dtype !== "bool" && this.chance(50)) {
      const dtype = this.random.pick(["i32", "i64"] as const);
      return this.apply(x, this.chance(80) ? "reduce.sum" : "reduce.prod", { axes, dtype });
    }
    return this.apply(x, this.chance(50) ? "reduce.max" : "reduce.min", { axes });
  }

  protected pooled(x: TensorSpec): TensorSpec | undefined {
    const spatial = x.shape.length - 2;
    if (spatial < 1 || spatial > 3 || x.dtype === "bool") return undefined;
    const list = (length: number, among: readonly number[]): number[] =>
      Array.from({ length }, () => this.random.pick(among));
    const imm = {
      kernel: list(spatial, [1, 2, 2, 3, 3, 4, 6]),
      strides: list(spatial, [1, 1, 2, 3]),
      dilations: list(spatial, [1, 1, 1, 2]),
      pads: list(spatial * 2, [0, 0, 0, 1, 2, 7]),
    };
    if (this.chance(50)) return this.apply(x, "pool.max", imm);
    return this.apply(x, "pool.sum", { ...imm, dtype: this.random.pick(["i32", "i64"] as const) });
  }

  protected transposed(x: TensorSpec): TensorSpec | undefined {
    const perm = x.shape.map((_, axis) => axis);
    for (let i = perm.length - 1; i > 0; i--) {
      const j = this.random.int(0, i);
      [perm[i], perm[j]] = [perm[j]!, perm[i]!];
    }
    return this.apply(x, "transpose", { perm });
  }

  protected sliced(x: TensorSpec): TensorSpec | undefined {
    const each = (make: (dim: number) => number): number[] => x.shape.map(make);
    return this.apply(x, "slice", {
      starts: each((dim) => (this.chance(50) ? 0 : this.random.int(-dim - 1, dim + 1))),
      ends: each((dim) => (this.chance(50) ? 0x7fffffff : this.random.int(-dim - 1, dim + 1))),
      steps: each(() => this.random.pick([1, 1, 1, 2, 3, -1, -2, 0x7fffffff, -0x80000000])),
    });
  }

  protected joined(x: TensorSpec): TensorSpec | undefined {
    if (x.shape.length === 0) return undefined;
    const axis = this.random.int(0, x.shape.length - 1);
    const count = this.random.int(1, 4);
    const others = Array.from({ length: count - 1 }, () => ({
      dtype: x.dtype,
      shape: x.shape.map((dim, i) => (i === axis ? this.size() : dim)),
    }));
    if (this.results("concat", { count, axis }, [x, ...others]) === undefined) return undefined;
    return this.apply(x, "concat", { count, axis }, others, () => {
      for (const { dtype, shape } of others) this.constant(dtype, shape);
    });
  }

  protected gathered(x: TensorSpec): TensorSpec | undefined {
    if (x.shape.length === 0) return undefined;
    const axis = this.random.int(0, x.shape.length - 1);
    const dim = x.shape[axis]!;
    const dtype = this.random.pick(["i32", "i64"] as const);
    const shape = dim === 0 ? [0] : this.random.pick([[], [this.size()], [2, 2]]);
    if (x.shape.length + shape.length > 9) return undefined;
    const beyond = this.chance(1) ? 1n : 0n; // a trap
    return this.apply(x, "gather", { axis }, [{ dtype, shape }], () =>
      this.constant(dtype, shape, 0n, BigInt(Math.max(dim - 1, 0)) + beyond),
    );
  }

  protected scattered(x: TensorSpec): TensorSpec | undefined {
    if (x.shape.length === 0) return undefined;
    const axis = this.random.int(0, x.shape.length - 1);
    const dim = x.shape[axis]!;
    const ops = ["scatter", "scatter.max", "scatter.min", "scatter.add", "scatter.mul"] as const;
    const op = x.dtype === "bool" ? this.random.pick(ops.slice(0, 3)) : this.random.pick(ops);
    const n = dim === 0 ? 0 : this.size();
    const indices = { dtype: this.random.pick(["i32", "i64"] as const), shape: [n] };
    const updates = { dtype: x.dtype, shape: x.shape.map((d, i) => (i === axis ? n : d)) };
    const beyond = this.chance(1) ? 1n : 0n; // a trap
    return this.apply(x, op, { axis }, [indices, updates], () => {
      this.constant(indices.dtype, indices.shape, 0n, BigInt(Math.max(dim - 1, 0)) + beyond);
      this.constant(updates.dtype, updates.shape);
    });
  }

  protected ordered(x: TensorSpec): TensorSpec | undefined {
    if (x.shape.length === 0) return undefined;
    const axis = this.random.int(0, x.shape.length - 1);
    if (x.dtype === "bool" || this.chance(40)) return this.apply(x, "argsort", { axis });
    return this.apply(x, "cumsum", { axis, dtype: this.random.pick(["i32", "i64"] as const) });
  }

  /** Of its shape, or of where it is not zero; a sum, because how many those are nobody knows. */
  protected counted(x: TensorSpec): TensorSpec | undefined {
    if (this.chance(30)) return this.apply(x, "shape", {});
    const places = this.apply(x, "nonzero", {});
    if (places === undefined) return undefined;
    const dtype = this.random.pick(["i32", "i64"] as const);
    this.code.emit("reduce.sum", { axes: [0], dtype });
    return { dtype, shape: [1] };
  }

  protected padded(x: TensorSpec): TensorSpec | undefined {
    const list = (among: readonly number[]): number[] => x.shape.map(() => this.random.pick(among));
    const { min, max } = DTYPE_INFO[x.dtype];
    return this.apply(x, "pad", {
      before: list([0, 0, 1, 2]),
      after: list([0, 0, 1, 3]),
      interior: list([0, 0, 0, 1, 2]),
      value: this.random.value(min, max),
    });
  }

  protected expanded(x: TensorSpec): TensorSpec | undefined {
    const dims = x.shape.map((dim) => (dim === 1 && this.chance(60) ? this.random.int(2, 5) : dim));
    if (this.chance(30) && dims.length < 8) dims.unshift(this.random.int(1, 3));
    return this.apply(x, "expand", { dims });
  }

  protected resized(x: TensorSpec): TensorSpec | undefined {
    const spatial = x.shape.length - 2;
    if (spatial < 1 || spatial > 3) return undefined;
    const list = (lo: number, hi: number): number[] =>
      Array.from({ length: spatial }, () => this.random.int(lo, hi));
    const imm = {
      sizes: list(1, 7),
      numerators: this.chance(90) ? list(1, 5) : list(60_000, 65_535),
      denominators: this.chance(90) ? list(1, 5) : list(60_000, 65_535),
      offsets: this.chance(90) ? list(-4, 4) : list(-0x3fffffff, 0x3fffffff),
    };
    if (x.dtype === "bool" || x.dtype === "i64" || this.chance(50)) {
      return this.apply(x, "resize.nearest", imm);
    }
    return this.apply(x, "resize.linear", { ...imm, dtype: this.random.pick(["i32", "i64"]) });
  }
}
