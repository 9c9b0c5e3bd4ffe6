import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO, viewArray } from "../../core/dtype.js";
import { Trap } from "../../core/errors.js";
import type { ExactValue } from "../../opcodes/evaluate.js";
import { evaluateExact } from "../../opcodes/evaluate.js";
import type { InstructionOf, TensorOpName } from "../../opcodes/index.js";
import { FROM_OPERAND } from "../../opcodes/movement.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { elementCount, nodeError } from "../graph.js";
import { broadcastShapes, multiplyDims } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";

/** Elements up to which constants are computed here instead of when the program runs. */
const MAX_FOLDED = 1 << 16;
/** Axes up to which the table that wraps negative indices is a parameter. */
const MAX_TABLE = 1 << 12;

type ArithmeticOp =
  "add" | "sub" | "mul" | "div.floor" | "mod.floor" | "min" | "max" | "and" | "or";
type ComparisonOp = "eq" | "lt" | "le";

/**
 * Integer arithmetic of one node, mostly on indices, which are i32 here: what no index of a tensor
 * can be saturates and is out of range all the same. What depends on constants only is computed at
 * once, by the exact meaning of the instructions.
 */
export class IndexMath {
  readonly #ctx: LoweringContext;
  readonly #node: GraphNode;

  constructor(ctx: LoweringContext, node: GraphNode) {
    this.#ctx = ctx;
    this.#node = node;
  }

  constant(values: readonly number[], dims: readonly number[] = [values.length]): FixedValue {
    return this.#ctx.builder.constant("i32", dims, values);
  }

  /** An i64 vector of any integers. */
  wideConstant(values: readonly bigint[]): FixedValue {
    return this.#ctx.builder.constant("i64", [values.length], values);
  }

  scalar(value: number, dtype: Dtype = "i32"): FixedValue {
    return this.#ctx.builder.scalar(dtype, BigInt(value));
  }

  /** A size as an i32 scalar: a constant, or computed where it is open. */
  size(dim: Dim): FixedValue {
    if (typeof dim === "number") return this.scalar(dim);
    return this.cast(this.reshape(this.#ctx.openDims.vector([dim]), []), "i32");
  }

  /** 0, 1, 2, … along one axis of `rank`. */
  counting(length: Dim, rank = 1, axis = 0): FixedValue {
    if (typeof length === "string") {
      const { builder, openDims } = this.#ctx;
      const sizes = openDims.vector([length]);
      const numbers = builder.op("iota", { dims: [FROM_OPERAND] }, [sizes], "i32", [length]);
      return this.reshape(
        numbers,
        Array.from({ length: rank }, (_, i) => (i === axis ? length : 1)),
      );
    }
    const dims = Array.from({ length: rank }, (_, i) => (i === axis ? length : 1));
    if (length > MAX_FOLDED) {
      const { builder } = this.#ctx;
      return this.reshape(builder.op("iota", { dims: [length] }, [], "i32", [length]), dims);
    }
    return this.constant(
      Array.from({ length }, (_, i) => i),
      dims,
    );
  }

  /** 0, 1, 2, … along one axis of `rank`, as many as an integer of the program says. */
  countingTo(count: FixedValue, length: Dim, rank = 1, axis = 0): FixedValue {
    const { builder } = this.#ctx;
    const sizes = this.reshape(this.cast(count, "i64"), [1]);
    const numbers = builder.op("iota", { dims: [FROM_OPERAND] }, [sizes], "i32", [length]);
    return this.reshape(
      numbers,
      Array.from({ length: rank }, (_, i) => (i === axis ? length : 1)),
    );
  }

  /** An instruction with one result, or its result where all operands are constants. */
  op<K extends TensorOpName>(
    op: K,
    imm: InstructionOf<K>["imm"],
    operands: readonly FixedValue[],
    dtype: Dtype,
    shape: readonly Dim[],
  ): FixedValue {
    const { builder } = this.#ctx;
    const constants = operands.map(constantOf);
    const count = elementCount(shape);
    if (
      count === undefined ||
      count > MAX_FOLDED ||
      constants.length === 0 ||
      !constants.every((x) => x !== undefined && x.values.length <= MAX_FOLDED)
    ) {
      return builder.op(op, imm, operands, dtype, shape);
    }
    try {
      const [result] = evaluateExact(op, { ...imm } as never, constants as ExactValue[]);
      return builder.constant(result!.dtype, result!.shape, result!.values);
    } catch (error) {
      if (!(error instanceof Trap)) throw error;
      throw nodeError("BadIndex", this.#node, `on its constants, ${error.message}`);
    }
  }

  arithmetic(op: ArithmeticOp, a: FixedValue, b: FixedValue): FixedValue {
    return this.op(op, {}, [a, b], a.dtype, this.#broadcast(a, b));
  }

  compare(op: ComparisonOp, a: FixedValue, b: FixedValue): FixedValue {
    return this.op(op, {}, [a, b], "bool", this.#broadcast(a, b));
  }

  select(condition: FixedValue, a: FixedValue, b: FixedValue): FixedValue {
    const shape = this.#broadcast(condition, a, b);
    return this.op("select", {}, [condition, a, b], a.dtype, shape);
  }

  cast(x: FixedValue, dtype: Dtype): FixedValue {
    return x.dtype === dtype ? x : this.op("cast", { dtype }, [x], dtype, x.shape);
  }

  reshape(x: FixedValue, shape: readonly Dim[]): FixedValue {
    if (constantOf(x) === undefined) return this.#ctx.reshaped(x, shape);
    return this.op("reshape", { dims: shape as readonly number[] }, [x], x.dtype, shape);
  }

  gather(x: FixedValue, indices: FixedValue, axis = 0): FixedValue {
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return this.op("gather", { axis }, [x, indices], x.dtype, shape);
  }

  /** A value broadcast to a shape. */
  expand(x: FixedValue, shape: readonly Dim[]): FixedValue {
    if (shape.some((dim) => typeof dim === "string")) return this.#ctx.expanded(x, shape);
    return this.op("expand", { dims: shape as readonly number[] }, [x], x.dtype, shape);
  }

  concat(values: readonly FixedValue[], axis: number, length: Dim): FixedValue {
    const shape = values[0]!.shape.map((dim, i) => (i === axis ? length : dim));
    return this.op("concat", { count: values.length, axis }, values, values[0]!.dtype, shape);
  }

  /** Elements `from` (counted from the end when negative) up to `to` of one axis. */
  slice(x: FixedValue, axis: number, from: number, to: number, length: Dim): FixedValue {
    const starts = x.shape.map((_, i) => (i === axis ? from : 0));
    const ends = x.shape.map((_, i) => (i === axis ? to : TO_THE_END));
    const steps = x.shape.map(() => 1);
    const shape = x.shape.map((dim, i) => (i === axis ? length : dim));
    return this.op("slice", { starts, ends, steps }, [x], x.dtype, shape);
  }

  /** One axis back to front. */
  reversed(x: FixedValue, axis: number): FixedValue {
    const starts = x.shape.map((_, i) => (i === axis ? TO_THE_END : 0));
    const ends = x.shape.map((_, i) => (i === axis ? -0x80000000 : TO_THE_END));
    const steps = x.shape.map((_, i) => (i === axis ? -1 : 1));
    return this.op("slice", { starts, ends, steps }, [x], x.dtype, x.shape);
  }

  /** The size of an axis of x: a constant, or an i32 scalar where it is open. */
  sizeOf(x: FixedValue, axis: number): FixedValue {
    const dim = x.shape[axis]!;
    if (typeof dim === "number") return this.scalar(dim);
    const sizes = this.op("shape", {}, [x], "i64", [x.shape.length]);
    return this.cast(this.reshape(this.slice(sizes, 0, axis, axis + 1, 1), []), "i32");
  }

  /** Indices of which negative ones count from the end; whoever takes them checks them. */
  wrapped(indices: FixedValue, size: FixedValue): FixedValue {
    const index = this.cast(indices, "i32");
    const negative = this.compare("lt", index, this.scalar(0));
    return this.select(negative, this.arithmetic("add", index, size), index);
  }

  /** Indices in 0 … size−1, of which negative ones counted from the end; others trap. */
  checked(indices: FixedValue, size: Dim): FixedValue {
    const once = this.counting(size);
    const both = multiplyDims(size, 2);
    const twice =
      typeof size === "string" || size <= MAX_TABLE
        ? this.concat([once, once], 0, both)
        : this.#ctx.builder.op("concat", { count: 2, axis: 0 }, [once, once], "i32", [both]);
    const index = this.cast(indices, "i32");
    return this.gather(twice, this.arithmetic("add", index, this.size(size)));
  }

  /** `Σ coordinate · stride` over the axes of a tensor of `dims`; it broadcasts to `dims`. */
  offsets(dims: readonly Dim[], strides: readonly Dim[]): FixedValue {
    let sum: FixedValue | undefined;
    dims.forEach((dim, axis) => {
      if (dim === 1 || strides[axis] === 0) return;
      const own = this.arithmetic(
        "mul",
        this.counting(dim, dims.length, axis),
        this.size(strides[axis]!),
      );
      sum = sum === undefined ? own : this.arithmetic("add", sum, own);
    });
    return sum ?? this.scalar(0);
  }

  #broadcast(...values: readonly FixedValue[]): readonly Dim[] {
    const shape = broadcastShapes(values.map((x) => x.shape));
    if (shape === undefined || shape === "mismatch")
      throw nodeError("ShapeMismatch", this.#node, "its operands do not broadcast");
    return shape;
  }
}

const TO_THE_END = 0x7fffffff;

/** The elements of a parameter or scalar. */
function constantOf({ source, dtype, shape }: FixedValue): ExactValue | undefined {
  if (source.kind === "scalar") return { dtype, shape: [], values: [source.value] };
  if (source.kind !== "constant") return undefined;
  const { dims } = source.constant;
  if (dims.length !== shape.length) return undefined;
  const bytes = source.constant.bytes();
  const array = viewArray(
    dtype,
    bytes.buffer,
    bytes.byteOffset,
    bytes.length / DTYPE_INFO[dtype].bytes,
  );
  return { dtype, shape: dims, values: Array.from(array as ArrayLike<number | bigint>, BigInt) };
}
