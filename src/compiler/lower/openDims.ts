/** Sizes that are only known when running, as values of the program. */
import { CompileError } from "../../core/errors.js";
import type { FixedBuilder, FixedRegion, FixedValue } from "../fixed/fixedGraph.js";
import type { Dim } from "../graph.js";
import { factorsOf, quotientOf } from "../shapes/dims.js";

/** Reads open dimensions off values that have them, and computes those that follow from others. */
export class OpenDims {
  readonly #builder: FixedBuilder;
  /** Where each size can be read, by its text. */
  readonly #sources = new Map<string, { readonly value: FixedValue; readonly axis: number }>();
  readonly #known = new Map<string, FixedValue>();
  readonly #outer: OpenDims | undefined;
  readonly #region: FixedRegion | undefined;

  /** @param outer sizes of what is around the region that is being written */
  constructor(builder: FixedBuilder, outer?: OpenDims) {
    this.#builder = builder;
    this.#outer = outer;
    this.#region = builder.region;
  }

  /** Notes a value from which sizes can be read. */
  see(value: FixedValue): void {
    value.shape.forEach((dim, axis) => {
      if (typeof dim === "string" && dim !== "" && !this.#sources.has(dim))
        this.#sources.set(dim, { value, axis });
    });
  }

  /**
   * The sizes as an i64 tensor of rank 1.
   * @throws CompileError `OpenDimension` where one can neither be read nor computed
   */
  vector(dims: readonly Dim[]): FixedValue {
    if (dims.every((dim) => typeof dim === "number"))
      return this.#builder.constant("i64", [dims.length], dims);
    const parts = dims.map((dim) => this.#size(dim));
    if (parts.length === 1) return parts[0]!;
    const imm = { count: parts.length, axis: 0 };
    return this.#builder.op("concat", imm, parts, "i64", [parts.length]);
  }

  #size(dim: Dim): FixedValue {
    if (typeof dim === "number") return this.#builder.constant("i64", [1], [dim]);
    let found = this.#known.get(dim);
    if (found === undefined) {
      found = this.#read(dim) ?? this.#outer?.sizeOutside(dim) ?? this.#computed(dim);
      this.#known.set(dim, found);
    }
    return found;
  }

  /** A size as a value of this region, if it can be read there or further out. */
  sizeOutside(dim: string): FixedValue | undefined {
    let found = this.#known.get(dim);
    if (found !== undefined) return found;
    found =
      this.#builder.within(this.#region, () => this.#read(dim)) ?? this.#outer?.sizeOutside(dim);
    if (found !== undefined) this.#known.set(dim, found);
    return found;
  }

  #read(dim: string): FixedValue | undefined {
    const source = this.#sources.get(dim);
    if (source === undefined) return undefined;
    const { value, axis } = source;
    const sizes = this.#builder.op("shape", {}, [value], "i64", [value.shape.length]);
    if (value.shape.length === 1) return sizes;
    const part = { starts: [axis], ends: [axis + 1], steps: [1] };
    return this.#builder.op("slice", part, [sizes], "i64", [1]);
  }

  #computed(dim: string): FixedValue {
    const { name, multiplier, offset, divisor } = quotientOf(dim);
    if (name !== dim) {
      const scaled = this.#step("mul", this.#size(name), multiplier, 1);
      return this.#step("div.floor", this.#step("add", scaled, offset, 0), divisor, 1);
    }
    const factors = factorsOf(dim);
    if (factors.length > 1) {
      const sizes = factors.map((factor) => this.#size(factor));
      return sizes.reduce((a, b) => this.#builder.op("mul", {}, [a, b], "i64", [1]));
    }
    throw new CompileError(
      "OpenDimension",
      `dimension "${dim}" must be known here; pin it with --dim ${dim}=N`,
      { name: this.#builder.origin },
    );
  }

  #step(op: "mul" | "add" | "div.floor", x: FixedValue, by: number, neutral: number): FixedValue {
    if (by === neutral) return x;
    return this.#builder.op(op, {}, [x, this.#builder.scalar("i64", BigInt(by))], "i64", [1]);
  }
}
