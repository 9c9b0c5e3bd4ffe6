/**
 * The compiler's view of the program it writes: a graph of AIVM instructions over typed values.
 * No scales here, only integers; `emit.ts` turns it into a function body.
 */
import type { Dtype, IntegerArray } from "../../core/dtype.js";
import { newArray } from "../../core/dtype.js";
import { InternalError } from "../../core/errors.js";
import type { InstructionOf, TensorOpName } from "../../opcodes/index.js";
import type { Dim } from "../graph.js";

/** A parameter of the module. */
export interface FixedConstant {
  readonly dtype: Dtype;
  readonly dims: readonly number[];
  /** Row-major little-endian. */
  readonly bytes: Uint8Array;
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
    | { readonly kind: "node"; readonly node: FixedNode; readonly result: number };
}

/** One instruction. */
export interface FixedNode {
  readonly op: TensorOpName;
  readonly imm: object;
  readonly operands: readonly FixedValue[];
  readonly results: readonly FixedValue[];
  /** Name of the model node it comes from. */
  readonly origin: string;
}

/** Builds a fixed graph. Equal constants are one constant. */
export class FixedBuilder {
  readonly inputs: FixedValue[] = [];
  /** Set by the lowering, for reports. */
  origin = "";
  readonly #constants = new Map<string, FixedValue>();

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
    const key = `${dtype}[${dims.join(",")}]:${hashKey(bytes)}`;
    const known = this.#constants.get(key);
    if (known?.source.kind === "constant" && equalBytes(known.source.constant.bytes, bytes))
      return known;
    const value: FixedValue = {
      dtype,
      shape: dims,
      source: { kind: "constant", constant: { dtype, dims, bytes } },
    };
    this.#constants.set(key, value);
    return value;
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
    results: readonly { readonly dtype: Dtype; readonly shape: readonly Dim[] }[],
  ): readonly FixedValue[] {
    const values: FixedValue[] = [];
    const node: FixedNode = { op, imm, operands, results: values, origin: this.origin };
    results.forEach((result, i) =>
      values.push({ ...result, source: { kind: "node", node, result: i } }),
    );
    return values;
  }
}

/** FNV-1a over the bytes: finds candidates for equality, which is then checked. */
function hashKey(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${String(bytes.length)}:${String(hash >>> 0)}`;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
