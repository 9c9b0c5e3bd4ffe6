/** Integers of 64 bits, element by element: how coordinates and weights are computed. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";

type Operand = FixedValue | bigint;

/** Broadcast of shapes that are known. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) =>
    shapes.reduce((size, shape) => {
      const dim = shape[shape.length - rank + i] ?? 1;
      return dim === 1 ? size : dim;
    }, 1),
  );
}

/** Writes instructions over i64 tensors of known shapes; numbers stand for themselves. */
export class Wide {
  readonly #ctx: LoweringContext;

  constructor(ctx: LoweringContext) {
    this.#ctx = ctx;
  }

  add(a: Operand, b: Operand): FixedValue {
    return this.#pair("add", a, b);
  }

  sub(a: Operand, b: Operand): FixedValue {
    return this.#pair("sub", a, b);
  }

  mul(a: Operand, b: Operand): FixedValue {
    return this.#pair("mul", a, b);
  }

  shl(a: Operand, bits: number): FixedValue {
    return this.#pair("shl", a, BigInt(bits));
  }

  shr(a: Operand, bits: number): FixedValue {
    return this.#pair("shr", a, BigInt(bits));
  }

  modulo(a: Operand, b: Operand): FixedValue {
    return this.#pair("mod.floor", a, b);
  }

  min(a: Operand, b: Operand): FixedValue {
    return this.#pair("min", a, b);
  }

  max(a: Operand, b: Operand): FixedValue {
    return this.#pair("max", a, b);
  }

  clamp(x: FixedValue, lo: bigint, hi: bigint): FixedValue {
    return this.#ctx.builder.op("clamp", { lo, hi }, [x], x.dtype, x.shape);
  }

  /** x where lo ≤ test ≤ hi, else 0. */
  where(test: FixedValue, lo: bigint, hi: bigint, x: FixedValue): FixedValue {
    const { builder } = this.#ctx;
    const inside = this.clamp(test, lo, hi);
    const equal = builder.op("eq", {}, [inside, test], "bool", test.shape);
    const zero = builder.scalar(x.dtype, 0n);
    const shape = broadcast(sizes(test), sizes(x));
    return builder.op("select", {}, [equal, x, zero], x.dtype, shape);
  }

  constant(dims: readonly number[], values: readonly (number | bigint)[]): FixedValue {
    return this.#ctx.builder.constant("i64", dims, values.map(BigInt));
  }

  #pair(
    op: "add" | "sub" | "mul" | "shl" | "shr" | "mod.floor" | "min" | "max",
    a: Operand,
    b: Operand,
  ): FixedValue {
    const { builder } = this.#ctx;
    const [left, right] = [a, b].map((x) =>
      typeof x === "bigint" ? builder.scalar("i64", x) : x,
    ) as [FixedValue, FixedValue];
    const shape = broadcast(sizes(left), sizes(right));
    return builder.op(op, {}, [left, right], "i64", shape);
  }
}

export const sizes = (x: FixedValue): readonly number[] => x.shape as readonly number[];
