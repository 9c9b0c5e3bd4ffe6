/** Integers of 64 bits, element by element: how coordinates and weights are computed. */
import { InternalError } from "../../core/errors.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim } from "../graph.js";
import { broadcastShapes } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";

type Operand = FixedValue | bigint;

/** Broadcast of shapes that fit. */
export function broadcast(...shapes: readonly (readonly Dim[])[]): readonly Dim[] {
  const shape = broadcastShapes(shapes);
  if (shape === undefined || shape === "mismatch")
    throw new InternalError("shapes that do not broadcast");
  return shape;
}

/** Writes instructions over i64 tensors; numbers stand for themselves. */
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

  /** ⌊a / b⌋ */
  quotient(a: Operand, b: Operand): FixedValue {
    return this.#pair("div.floor", a, b);
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
    const shape = broadcast(test.shape, x.shape);
    return builder.op("select", {}, [equal, x, zero], x.dtype, shape);
  }

  constant(dims: readonly number[], values: readonly (number | bigint)[]): FixedValue {
    return this.#ctx.builder.constant("i64", dims, values.map(BigInt));
  }

  #pair(
    op: "add" | "sub" | "mul" | "shl" | "shr" | "div.floor" | "mod.floor" | "min" | "max",
    a: Operand,
    b: Operand,
  ): FixedValue {
    const { builder } = this.#ctx;
    const [left, right] = [a, b].map((x) =>
      typeof x === "bigint" ? builder.scalar("i64", x) : x,
    ) as [FixedValue, FixedValue];
    const shape = broadcast(left.shape, right.shape);
    return builder.op(op, {}, [left, right], "i64", shape);
  }
}

export const sizes = (x: FixedValue): readonly number[] => x.shape as readonly number[];
