/**
 * The form of an instruction record. Everything about an instruction derives from its record:
 * decoder, assembler, validator, gas, `spec/isa.json`, its page in `spec/`, its vectors.
 */
import type { Dtype } from "../core/dtype.js";
import type { Shape, TensorSpec, TensorType } from "../core/shape.js";
import type { TrapCode } from "../core/errors.js";

/** Parameters and results of a block or a function. */
export interface BlockType {
  readonly params: readonly TensorType[];
  readonly results: readonly TensorType[];
}

/**
 * One immediate. `of` names the operand whose rank bounds it.
 * - `uint`/`int`: a number in [min, max].
 * - `i64`: a 64-bit integer.
 * - `dtype`: one of `among`.
 * - `axis`: 0 ≤ axis < rank(of).
 * - `axes`: strictly ascending axes of `of`.
 * - `perm`: a permutation of the axes of `of`.
 * - `perAxis`: `per` numbers for each axis of `of`, without its `skip` axes (2 skips batch and
 *   channels of an NHWC tensor), each in [min, max].
 * - `dims`: a list of at most MAX_RANK numbers in [min, max].
 * - `count`: how many operands are popped, in [min, max].
 * - `label`, `function`, `local`, `parameter`: an index into its space.
 * - `type`: parameter and result types of a block.
 */
export type ImmediateSpec =
  | {
      readonly kind: "uint" | "int" | "count";
      readonly min: number;
      readonly max: number;
      readonly doc: string;
    }
  | { readonly kind: "i64"; readonly doc: string }
  | { readonly kind: "dtype"; readonly among: readonly Dtype[]; readonly doc: string }
  | { readonly kind: "axis" | "axes" | "perm"; readonly of: string; readonly doc: string }
  | {
      readonly kind: "perAxis";
      readonly of: string;
      readonly skip: number;
      readonly per: number;
      readonly min: number;
      readonly max: number;
      readonly doc: string;
    }
  | { readonly kind: "dims"; readonly min: number; readonly max: number; readonly doc: string }
  | { readonly kind: "label" | "function" | "local" | "parameter" | "type"; readonly doc: string };

/** The JavaScript value of an immediate. */
export type ImmediateValue<S extends ImmediateSpec> = S["kind"] extends "i64"
  ? bigint
  : S["kind"] extends "dtype"
    ? Dtype
    : S["kind"] extends "axes" | "perm" | "perAxis" | "dims"
      ? readonly number[]
      : S["kind"] extends "type"
        ? BlockType
        : number;

export type Immediates = Readonly<Record<string, ImmediateSpec>>;
export type ImmediateValues<I extends Immediates> = {
  readonly [K in keyof I]: ImmediateValue<I[K]>;
};
/** Immediates whose record is not known statically. */
export type AnyImmediates = Readonly<
  Record<string, bigint | number | string | readonly number[] | BlockType>
>;

/** Dtypes an operand may have, or the operand before it whose dtype it must share. */
export type DtypeRule = readonly Dtype[] | { readonly same: string };

/** Ranks an operand may have: any, exactly, within an interval, or that of an earlier operand. */
export type RankRule =
  "any" | number | { readonly min: number; readonly max: number } | { readonly same: string };

export interface OperandRule {
  readonly name: string;
  readonly dtype: DtypeRule;
  readonly rank: RankRule;
  /** Popped as often as the immediate of that name says (`concat`). */
  readonly repeat?: string;
  /** Popped only when the immediate list of that name holds that number (shapes taken from data). */
  readonly when?: { readonly immediate: string; readonly holds: number };
}

export interface ResultRule {
  readonly name: string;
  /** A fixed dtype, that of an operand, or what an immediate says. */
  readonly dtype: Dtype | { readonly of: string } | { readonly immediate: string };
  /** A fixed rank, the length of an immediate list, or a sum of ranks of operands and a constant. */
  readonly rank:
    | number
    | { readonly lengthOf: string }
    | { readonly max: readonly string[] }
    | { readonly maxLengthOf: string; readonly and: string }
    | { readonly sum: readonly string[]; readonly plus: number };
}

/** What immediates must satisfy together; part of validity. */
export type ImmediateConstraint =
  /** `low` ≤ `high`, both immediates. */
  | { readonly rule: "ordered"; readonly low: string; readonly high: string }
  /** The immediate is a value of the dtype of an operand or of a dtype immediate. */
  | {
      readonly rule: "inDtype";
      readonly immediate: string;
      readonly dtype: { readonly of: string } | { readonly immediate: string };
    }
  /** The number of bits is at most that of the operand's dtype. */
  | { readonly rule: "bitsOf"; readonly immediate: string; readonly operand: string }
  /** The immediate is a value of the operand's dtype within that many bits. */
  | {
      readonly rule: "inBits";
      readonly immediate: string;
      readonly bits: string;
      readonly operand: string;
    }
  /** No entry of the list is 0. */
  | { readonly rule: "nonZero"; readonly immediate: string }
  /** No entry of the list is `value`. */
  | { readonly rule: "noneIs"; readonly immediate: string; readonly value: number }
  /** The list has `value` entries. */
  | { readonly rule: "length"; readonly immediate: string; readonly value: number }
  /** At most one entry of the list is `value`. */
  | { readonly rule: "atMostOne"; readonly immediate: string; readonly value: number }
  /** The two operands' dtypes and the dtype immediate are one of the rows. */
  | {
      readonly rule: "triple";
      readonly operands: readonly [string, string];
      readonly immediate: string;
      readonly rows: readonly (readonly [Dtype, Dtype, Dtype])[];
    }
  /**
   * Where the instruction before is the `const` that pushes the second operand, its shape gives K
   * (`rows`: the last dimension but one, `taps`: the product of all but the last), and
   * `K · |a|max · |b|max` must be a value of the accumulator. Elsewhere K is known when it runs.
   */
  | {
      readonly rule: "accumulator";
      readonly operands: readonly [string, string];
      readonly bits: readonly [string, string];
      readonly immediate: string;
      readonly terms: "rows" | "taps";
    }
  /** Entries ≤ -3 name an axis of the operand: `-3 - axis`. */
  | { readonly rule: "copiesAxis"; readonly immediate: string; readonly operand: string };

/** What a unit of gas is charged for; `src/opcodes/gas.ts` gives the formulas. */
export type GasUnit =
  | "operandElement"
  | "resultElement"
  | "operandByte"
  | "resultByte"
  | "operand"
  | "steepElement"
  | "resultRow"
  | "matmulMac"
  | "matmulSum"
  | "matrix"
  | "convMac"
  | "convSum"
  | "convGroup"
  | "depthwiseMac"
  | "depthwiseSum"
  | "image"
  | "poolTap"
  | "volumeTap"
  | "resizeTap"
  | "sortStep";

/** A rate, or rates by the dtype of an operand or of a dtype immediate. */
export type GasRate =
  | bigint
  | {
      readonly by: string;
      readonly rates: Readonly<Partial<Record<Dtype, bigint>>>;
      /** For any dtype that `rates` does not name. */
      readonly otherwise: bigint;
    };

/** `base + Σ rate · units`. One unit of gas is about a picosecond of the reference machine. */
export interface GasFormula {
  readonly base: bigint;
  readonly terms: readonly { readonly rate: GasRate; readonly per: GasUnit }[];
}

/** A tensor as the exact meaning sees it: integers without a width. */
export interface ExactTensor extends TensorSpec {
  /** The element at that index; `index.length` is the rank. */
  readonly at: (index: readonly number[]) => bigint;
}

/** The exact value of a result at an index, before saturation to the result's dtype. */
export type ExactResult = (index: readonly number[]) => bigint;

/** A condition on operand values that traps before any effect. */
export type ValueCheck =
  /** Every element lies within the stated bits: signed [−2^(bits−1), 2^(bits−1)−1], unsigned [0, 2^bits−1]. */
  | { readonly check: "bits"; readonly operand: string; readonly immediate: string }
  /** Every element lies in [lo, hi]. */
  | {
      readonly check: "interval";
      readonly operand: string;
      readonly lo: bigint;
      readonly hi: bigint;
    }
  /** Every element is an index of that axis (an `axis` immediate) of that operand. */
  | {
      readonly check: "index";
      readonly operand: string;
      readonly axis: string;
      readonly of: string;
    };

/** An instruction on tensors: pops operands, pushes results, no other effect. */
export interface TensorOp<I extends Immediates = Immediates> {
  readonly kind: "tensor";
  readonly code: number;
  readonly class: string;
  readonly doc: string;
  readonly immediates: I;
  readonly operands: readonly OperandRule[];
  readonly results: readonly ResultRule[];
  readonly constraints: readonly ImmediateConstraint[];
  /** How the shapes of the results follow, in words, for the spec. */
  readonly shapeRule: string;
  /**
   * Shapes of the results; the operand shapes have the ranks that the validator saw.
   * @param dims values of the shape operand where there is one
   * @throws Trap `ShapeMismatch` or `AccumulatorBound`
   */
  shape(
    imm: ImmediateValues<I>,
    operands: readonly TensorSpec[],
    dims: readonly bigint[],
  ): readonly Shape[];
  /**
   * Shapes of the results where they depend on values: `shape` then gives the largest that they can
   * be, which gas and limits count.
   */
  valueShape?(imm: ImmediateValues<I>, operands: readonly ExactTensor[]): readonly Shape[];
  readonly checks: readonly ValueCheck[];
  readonly gas: GasFormula;
  readonly locality: "elementwise" | "tiled" | "whole";
  readonly traps: readonly TrapCode[];
  /** Exact meaning of each result, index by index; the lift saturates it to the result's dtype. */
  meaning(
    imm: ImmediateValues<I>,
    operands: readonly ExactTensor[],
    shapes: readonly Shape[],
  ): readonly ExactResult[];
}

/** An instruction of the machine: control flow, locals, constants, randomness. The VM gives the meaning. */
export interface MachineOp<I extends Immediates = Immediates> {
  readonly kind: "machine";
  readonly code: number;
  readonly class: string;
  readonly doc: string;
  readonly immediates: I;
  /** Stack effect in words, for the spec: the validator has a case of its own for each. */
  readonly effect: string;
  readonly gas: GasFormula;
  readonly traps: readonly TrapCode[];
}

export type OpRecord = TensorOp | MachineOp;

/** Ties the types of `shape` and `meaning` to the immediates of a record. */
export function tensorOp<const I extends Immediates>(
  record: Omit<TensorOp<I>, "kind">,
): TensorOp<I> {
  return { kind: "tensor", ...record };
}

export function machineOp<const I extends Immediates>(
  record: Omit<MachineOp<I>, "kind">,
): MachineOp<I> {
  return { kind: "machine", ...record };
}
