import type { Dtype } from "../../core/dtype.js";
import { CompileError } from "../../core/errors.js";
import { powerOfTwo } from "./scale.js";

/** Names of the precision profiles. */
export const PRECISIONS = ["fx16", "fx16w8", "fx8", "fx32"] as const;
/** Names of the precision profiles; README says what each is for. */
export type Precision = (typeof PRECISIONS)[number];

/** What a precision profile means for tensors and weights. */
export interface Profile {
  readonly name: Precision;
  /** Activations in general. */
  readonly activation: Width;
  /** Activations that only contractions read. */
  readonly contractionInput: Width;
  readonly weight: {
    readonly dtype: Dtype;
    /** Magnitude that every output channel may use. */
    readonly least: number;
    /** Magnitude that it uses where the sums stay below 2^31. */
    readonly most: number;
  };
}

export interface Width {
  readonly dtype: "i8" | "i16" | "i32";
  /** Bits of the values, sign included; fewer than the dtype has where sums need room. */
  readonly bits: number;
  /** How many times the calibrated range fits the integers. */
  readonly headroom: number;
}

const I16: Width = { dtype: "i16", bits: 16, headroom: 2 };
const I8: Width = { dtype: "i8", bits: 8, headroom: 1 };
/** Sums of 2^16 products of 24 by 24 bits stay within i64. */
const I32: Width = { dtype: "i32", bits: 24, headroom: 2 };
/** Reals that are quantised when running, and scales: what a float32 holds, in any profile. */
export const SINGLE = I32;

/**
 * Values whose ratios, roots or differences matter more than their sizes: see `wideValues.ts`. Two
 * of them add up within i32, two multiply within i64.
 */
export const WIDE: Width = { dtype: "i32", bits: 31, headroom: 2 };

/** Weights of profiles with 8 bits, and of what a plan gives 8 bits. */
export const EIGHT_BIT_WEIGHTS: Profile["weight"] = { dtype: "i8", least: 127, most: 127 };

const PROFILES: Readonly<Record<Precision, Profile>> = {
  fx16: {
    name: "fx16",
    activation: I16,
    contractionInput: I16,
    weight: { dtype: "i16", least: 2047, most: 32_767 },
  },
  fx16w8: {
    name: "fx16w8",
    activation: I16,
    contractionInput: I16,
    weight: EIGHT_BIT_WEIGHTS,
  },
  fx8: {
    name: "fx8",
    activation: I16,
    contractionInput: I8,
    weight: EIGHT_BIT_WEIGHTS,
  },
  fx32: {
    name: "fx32",
    activation: I32,
    contractionInput: I32,
    weight: { dtype: "i32", least: 0x7fffff, most: 0x7fffff },
  },
};

/** @throws CompileError for a name that is no profile */
export function profileOf(precision: string): Profile {
  if (!Object.hasOwn(PROFILES, precision)) {
    throw new CompileError(
      "UnknownPrecision",
      `there is no precision "${precision}"; choose one of ${PRECISIONS.join(", ")}`,
    );
  }
  return PROFILES[precision as Precision];
}

/** Greatest integer of a width. */
export const limitOf = (width: Width): number => powerOfTwo(width.bits - 1) - 1;
