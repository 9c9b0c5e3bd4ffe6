/**
 * The compiler's view of the program it writes: a graph of AIVM instructions over typed values.
 * No scales here, only integers; `emit.ts` turns it into a function body.
 */
import type { Dtype, IntegerArray } from "../../core/dtype.js";
import { newArray } from "../../core/dtype.js";
import { HostError, InternalError } from "../../core/errors.js";
import { toHex } from "../../module/hex.js";
import { CHUNK_BYTES, chunkRoot } from "../../module/merkle.js";
import type { ParameterSink } from "../../module/parameterStore.js";
import type { InstructionOf, TensorOpName } from "../../opcodes/index.js";
import type { Dim } from "../graph.js";

/** A parameter of the module. */
export interface FixedConstant {
  readonly dtype: Dtype;
  readonly dims: readonly number[];
  /** Root over the chunks of its bytes, as the module states it. */
  readonly root: Uint8Array;
  readonly lengthBytes: number;
  /** Whether the bytes were handed to the sink of parameters. */
  readonly apart: boolean;
  /** Row-major little-endian; fetched from the sink again where they are apart. */
  readonly bytes: () => Uint8Array;
}

/** A tensor of the program: a parameter, an input or the result of an instruction. */
export interface FixedValue {
  readonly dtype: Dtype;
  /** Physical dimensions; names are open dimensions of the model. */
  readonly shape: readonly Dim[];
  readonly source:
    | { readonly kind: "constant"; readonly constant: FixedConstant }
    | { readonly kind: "scalar"; readonly value: bigint }
    | { readonly kind: "input"; readonly index: number }
    | { readonly kind: "parameter"; readonly region: FixedRegion }
    | { readonly kind: "node"; readonly node: FixedNode; readonly result: number };
}

/**
 * The body of an `if` or `loop`. It may read values of the regions around it; what is made in it
 * is read in it only.
 */
export interface FixedRegion {
  /** What the loop carries, as a round finds it; none in the arms of an `if`. */
  readonly parameters: readonly FixedValue[];
  readonly results: readonly FixedValue[];
  /** Present where the region does nothing but stop the run: what the trap's detail is. */
  readonly trap?: number;
}

export type FixedOp = TensorOpName | "if" | "loop";

/** One instruction. */
export interface FixedNode {
  readonly op: FixedOp;
  readonly imm: object;
  readonly operands: readonly FixedValue[];
  readonly results: readonly FixedValue[];
  /**
   * Of `if`: what to do if the operand is true, and what otherwise. Of `loop`: the round, whose
   * first result says whether there is another; the others are carried into it.
   */
  readonly bodies: readonly FixedRegion[];
  /** Where it was written; undefined for the function itself. */
  readonly region: FixedRegion | undefined;
  /** Name of the model node it comes from. */
  readonly origin: string;
}

/** What a value of a region is without its making. */
export type FixedType = Pick<FixedValue, "dtype" | "shape">;

/** What writes one side of a branch. */
export type Arm = number | (() => readonly FixedValue[]);

/** Builds a fixed graph. Equal constants are one constant. */
export class FixedBuilder {
  readonly inputs: FixedValue[] = [];
  /** Set by the lowering, for reports. */
  origin = "";
  readonly #constants = new Map<string, FixedValue>();
  readonly #sink: ParameterSink | undefined;
  #region: FixedRegion | undefined;

  /** @param sink takes constants of more than one chunk, which are not kept here then */
  constructor(sink?: ParameterSink) {
    this.#sink = sink;
  }

  input(dtype: Dtype, shape: readonly Dim[]): FixedValue {
    const value: FixedValue = {
      dtype,
      shape,
      source: { kind: "input", index: this.inputs.length },
    };
    this.inputs.push(value);
    return value;
  }

  scalar(dtype: Dtype, value: bigint): FixedValue {
    return { dtype, shape: [], source: { kind: "scalar", value } };
  }

  /** A parameter holding `values`, which must lie in the dtype. */
  constant(dtype: Dtype, dims: readonly number[], values: ArrayLike<number | bigint>): FixedValue {
    const array = newArray(dtype, values.length);
    if (array instanceof BigInt64Array) {
      for (let i = 0; i < values.length; i++) array[i] = BigInt(values[i]!);
    } else {
      for (let i = 0; i < values.length; i++) array[i] = Number(values[i]!);
    }
    this.#checkKept(array, values);
    // Typed arrays are little-endian on every host that WebAssembly engines run on.
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const root = chunkRoot(bytes);
    const rootHex = toHex(root);
    const key = `${dtype}[${dims.join(",")}]:${rootHex}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const apart = this.#sink !== undefined && bytes.length > CHUNK_BYTES;
    if (apart) this.#sink.set(rootHex, bytes);
    const constant: FixedConstant = {
      dtype,
      dims,
      root,
      lengthBytes: bytes.length,
      apart,
      bytes: apart ? this.#fetching(rootHex) : held(bytes),
    };
    const value: FixedValue = { dtype, shape: dims, source: { kind: "constant", constant } };
    this.#constants.set(key, value);
    return value;
  }

  /** Elsewhere than where the bytes are: closures keep what others of their scope need. */
  #fetching(rootHex: string): () => Uint8Array {
    return () => {
      const bytes = this.#sink?.get(rootHex);
      if (bytes !== undefined) return bytes;
      throw new HostError("ParameterLost", `the store has lost parameter ${rootHex}`);
    };
  }

  /** A typed array wraps what it cannot hold; here that is a bug. */
  #checkKept(array: IntegerArray, values: ArrayLike<number | bigint>): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const kept = typeof value === "number" ? Number(array[i]) : BigInt(array[i]!);
      if (kept !== value) {
        throw new InternalError(`constant ${String(values[i])} does not fit`, {
          name: this.origin,
        });
      }
    }
  }

  /** An instruction with one result. */
  op<K extends TensorOpName>(
    op: K,
    imm: InstructionOf<K>["imm"],
    operands: readonly FixedValue[],
    dtype: Dtype,
    shape: readonly Dim[],
  ): FixedValue {
    return this.ops(op, imm, operands, [{ dtype, shape }])[0]!;
  }

  /** An instruction with any number of results. */
  ops<K extends TensorOpName>(
    op: K,
    imm: InstructionOf<K>["imm"],
    operands: readonly FixedValue[],
    results: readonly FixedType[],
  ): readonly FixedValue[] {
    return this.#node(op, imm, operands, results, []);
  }

  /** The region that is being written. */
  get region(): FixedRegion | undefined {
    return this.#region;
  }

  /** Writes into another region: what an inner one needs of an outer one is made out there. */
  within<T>(region: FixedRegion | undefined, write: () => T): T {
    const { origin } = this;
    const before = this.#region;
    this.#region = region;
    try {
      return write();
    } finally {
      this.#region = before;
      this.origin = origin;
    }
  }

  /**
   * One of two arms, by a boolean scalar.
   * @param arms write what the arms give: values of `results`' dtypes and ranks; a number stops the
   * run with a trap of that detail
   */
  branch(
    condition: FixedValue,
    results: readonly FixedType[],
    arms: readonly [Arm, Arm],
  ): readonly FixedValue[] {
    const bodies = arms.map((arm): FixedRegion =>
      typeof arm === "number" ? { parameters: [], results: [], trap: arm } : this.#body([], arm),
    );
    return this.#node("if", {}, [condition], results, bodies);
  }

  /**
   * Rounds until one says that it was the last; there is at least one.
   * @param initial what the first round finds
   * @param types dtypes and shapes of what is carried; an open shape may change from round to round
   * @param round writes a round: `again`, a boolean scalar, and what the next one finds
   * @returns what the last round left
   */
  loop(
    initial: readonly FixedValue[],
    types: readonly FixedType[],
    round: (carried: readonly FixedValue[]) => {
      readonly again: FixedValue;
      readonly carried: readonly FixedValue[];
    },
  ): readonly FixedValue[] {
    const body = this.#body(types, (parameters) => {
      const { again, carried } = round(parameters);
      return [again, ...carried];
    });
    return this.#node("loop", {}, initial, types, [body]);
  }

  #body(
    types: readonly FixedType[],
    write: (parameters: readonly FixedValue[]) => readonly FixedValue[],
  ): FixedRegion {
    const parameters: FixedValue[] = [];
    const results: FixedValue[] = [];
    const region: FixedRegion = { parameters, results };
    for (const { dtype, shape } of types)
      parameters.push({ dtype, shape, source: { kind: "parameter", region } });
    results.push(...this.within(region, () => write(parameters)));
    return region;
  }

  #node(
    op: FixedOp,
    imm: object,
    operands: readonly FixedValue[],
    results: readonly FixedType[],
    bodies: readonly FixedRegion[],
  ): readonly FixedValue[] {
    const values: FixedValue[] = [];
    const { origin } = this;
    const region = this.#region;
    const node: FixedNode = { op, imm, operands, results: values, bodies, region, origin };
    results.forEach(({ dtype, shape }, i) =>
      values.push({ dtype, shape, source: { kind: "node", node, result: i } }),
    );
    return values;
  }
}

function held(bytes: Uint8Array): () => Uint8Array {
  return () => bytes;
}
