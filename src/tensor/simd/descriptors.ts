/**
 * The structures that kernels read from memory. Order and sizes of fields are those of the classes of
 * the same name in `assembly/`.
 */
import type { Address } from "./kernels.js";

/**
 * Arguments of `contract`: `dst[m, n] = epilogue(Σ_k a[m, k] · b[k, n])`, for one product or for all of
 * a number of axes of them: batches, or images and groups.
 */
export interface Contraction {
  /** Rows of one product. */
  m: number;
  n: number;
  k: number;
  /** First row of A; for a convolution the group's first channel of the image. */
  a: Address;
  /** dtype code of A: u8, i8 or i16; i32 if `sums` is wide. */
  aType: number;
  /** Bytes from one row of A to the next; not read with a window. */
  aRowBytes: number;
  /** B as `pack` left it. */
  b: Address;
  sums: (typeof SUMS)[keyof typeof SUMS];
  /** i32 for each panel, from `planRuns`, for `SUMS.runs`. */
  runs: Address;
  epilogue: Address;
  dst: Address;
  dstRowBytes: number;
  /** A `Window` whose output positions are the rows of A; 0 for a matrix. */
  window: Address;
  /** Bytes from one packed matrix to the next. */
  matrixBytes: number;
  /** An `Axis` for each axis of products, outermost first. */
  axes: Address;
  axisCount: number;
}

/** An axis of products: from one to the next. */
export interface Axis {
  size: number;
  aBytes: number;
  matrices: number;
  dstBytes: number;
  /** Channels of the epilogue. */
  channels: number;
}

const AXIS = [
  "size",
  "aBytes",
  "matrices",
  "dstBytes",
  "channels",
] as const satisfies readonly (keyof Axis)[];
export const AXIS_BYTES = AXIS.length * 4;

/**
 * How sums are held: in i32 (proved); in i32 over runs of pairs, from `planRuns`; in i64, for 32-bit operands;
 * in i32 over both halves of B, from `splitPairs`.
 */
export const SUMS = { i32: 0, runs: 1, wide: 2, split: 3 } as const;

const CONTRACTION = [
  "m",
  "n",
  "k",
  "a",
  "aType",
  "aRowBytes",
  "b",
  "sums",
  "runs",
  "epilogue",
  "dst",
  "dstRowBytes",
  "window",
  "matrixBytes",
  "axes",
  "axisCount",
] as const satisfies readonly (keyof Contraction)[];
export const CONTRACTION_BYTES = CONTRACTION.length * 4;
/** Offsets in bytes. */
export const CONTRACTION_FIELD = offsets(CONTRACTION);

/** A convolution's or a pool's window over one image in NHWC. */
export interface Window {
  height: number;
  width: number;
  /** Channels that take part: for a grouped convolution those of one group. */
  channels: number;
  /** Bytes from a pixel to the next. */
  pixelBytes: number;
  kernelHeight: number;
  kernelWidth: number;
  strideY: number;
  strideX: number;
  dilationY: number;
  dilationX: number;
  padTop: number;
  padLeft: number;
  outHeight: number;
  outWidth: number;
  padValue: number;
}

const WINDOW = [
  "height",
  "width",
  "channels",
  "pixelBytes",
  "kernelHeight",
  "kernelWidth",
  "strideY",
  "strideX",
  "dilationY",
  "dilationX",
  "padTop",
  "padLeft",
  "outHeight",
  "outWidth",
  "padValue",
] as const satisfies readonly (keyof Window)[];
export const WINDOW_BYTES = WINDOW.length * 4;
/** Offsets in bytes. */
export const WINDOW_FIELD = offsets(WINDOW);

/** What becomes of accumulators; see `assembly/epilogue.ts`. */
export interface Epilogue {
  zeroPoint: bigint;
  lo: bigint;
  hi: bigint;
  /** One value of the accumulator's dtype per channel; 0 for none. */
  bias: Address;
  /** i32, one per channel, or eight times the same; 0 for no rescale. */
  multiplier: Address;
  /** i8, like `multiplier`; not read when `uniformShift` is set. */
  shift: Address;
  /** From `planRescale`. */
  uniformShift: number;
  /** What is rescaled, its bias included, is within ±2^bits. */
  bits: number;
  /** i32, like `multiplier`, from `spreadShifts`; 0 for none. */
  spreadHalf: Address;
  spreadFactor: Address;
  spreadShift: number;
  /** −1: parameters per channel; 0: one for all. */
  channelMask: number;
  /** dtype code after the rescale; without one that of the accumulator, i32 or i64. */
  type: number;
  /** Table that is applied last; 0 for none. */
  table: Address;
  /** log2 of the segments of an interpolated table; 0: a direct one. */
  segmentsLog2: number;
  guardBits: number;
  /** From `sumsAreShort`, as 0 or 1. */
  shortTable: number;
  /** dtype code of the table's results. */
  tableType: number;
}

/** The 64-bit fields that epilogues and weighted sums begin with. */
const OUTPUT = ["zeroPoint", "lo", "hi"] as const satisfies readonly (keyof Epilogue)[];
const EPILOGUE = [
  "bias",
  "multiplier",
  "shift",
  "uniformShift",
  "bits",
  "spreadHalf",
  "spreadFactor",
  "spreadShift",
  "channelMask",
  "type",
  "table",
  "segmentsLog2",
  "guardBits",
  "shortTable",
  "tableType",
] as const satisfies readonly (keyof Epilogue)[];
export const EPILOGUE_BYTES = OUTPUT.length * 8 + EPILOGUE.length * 4;
/** Offsets in bytes of the 32-bit fields. */
export const EPILOGUE_FIELD = offsets(EPILOGUE, OUTPUT.length * 8);

function offsets<F extends string>(names: readonly F[], first = 0): Readonly<Record<F, number>> {
  return Object.fromEntries(names.map((name, i) => [name, first + 4 * i])) as Record<F, number>;
}

function writeWords<F extends string>(
  view: DataView,
  at: Address,
  names: readonly F[],
  fields: Readonly<Record<F, number>>,
): void {
  names.forEach((name, i) => view.setInt32(at + 4 * i, fields[name], true));
}

/** Writes a contraction at a multiple of 4. */
export function writeContraction(view: DataView, at: Address, fields: Readonly<Contraction>): void {
  writeWords(view, at, CONTRACTION, fields);
}

/** Writes an axis of products at a multiple of 4. */
export function writeAxis(view: DataView, at: Address, fields: Readonly<Axis>): void {
  writeWords(view, at, AXIS, fields);
}

/** Writes a window at a multiple of 4. */
export function writeWindow(view: DataView, at: Address, fields: Readonly<Window>): void {
  writeWords(view, at, WINDOW, fields);
}

/** Writes an epilogue at a multiple of 8. */
export function writeEpilogue(view: DataView, at: Address, fields: Readonly<Epilogue>): void {
  OUTPUT.forEach((name, i) => view.setBigInt64(at + 8 * i, fields[name], true));
  writeWords(view, at + 8 * OUTPUT.length, EPILOGUE, fields);
}

/** Arguments of `rescaleAdd`. Operands are rows: see `assembly/elementwise.ts`. */
export interface WeightedSum {
  zeroPoint: bigint;
  lo: bigint;
  hi: bigint;
  /** What the weighted sum and its half are at most in magnitude; −1 where that is not below 2^63. */
  most: bigint;
  aMultiplier: number;
  bMultiplier: number;
  shift: number;
  /** dtype codes of operands of at most 32 bits. */
  aType: number;
  a: Address;
  /** Bytes from one row to the next; 0 for the same row again. */
  aRow: number;
  /** 1, or 0 for one value a row. */
  aStep: number;
  bType: number;
  b: Address;
  bRow: number;
  bStep: number;
  /** dtype code of the result. */
  type: number;
  dst: Address;
  /** From one row of the result to the next, in elements. */
  cols: number;
}

const WEIGHTED_SUM = [
  "aMultiplier",
  "bMultiplier",
  "shift",
  "aType",
  "a",
  "aRow",
  "aStep",
  "bType",
  "b",
  "bRow",
  "bStep",
  "type",
  "dst",
  "cols",
] as const satisfies readonly (keyof WeightedSum)[];
const WEIGHTED_SUM_WIDE = [...OUTPUT, "most"] as const satisfies readonly (keyof WeightedSum)[];
export const WEIGHTED_SUM_BYTES = WEIGHTED_SUM_WIDE.length * 8 + WEIGHTED_SUM.length * 4;

/** Writes a weighted sum at a multiple of 8. */
export function writeWeightedSum(view: DataView, at: Address, fields: Readonly<WeightedSum>): void {
  WEIGHTED_SUM_WIDE.forEach((name, i) => view.setBigInt64(at + 8 * i, fields[name], true));
  writeWords(view, at + 8 * WEIGHTED_SUM_WIDE.length, WEIGHTED_SUM, fields);
}

/** Arguments of `multiply`; see `assembly/product.ts`. */
export interface Product {
  to: number;
  aType: number;
  a: Address;
  aRow: number;
  aStep: number;
  bType: number;
  b: Address;
  bRow: number;
  bStep: number;
  dst: Address;
  cols: number;
  unit: number;
  chunk: number;
  epilogue: Address;
}

const PRODUCT = [
  "to",
  "aType",
  "a",
  "aRow",
  "aStep",
  "bType",
  "b",
  "bRow",
  "bStep",
  "dst",
  "cols",
  "unit",
  "chunk",
  "epilogue",
] as const satisfies readonly (keyof Product)[];
/** Offsets in bytes. */
export const PRODUCT_FIELD = offsets(PRODUCT);

/** Writes a product at a multiple of 4. */
export function writeProduct(view: DataView, at: Address, fields: Readonly<Product>): void {
  writeWords(view, at, PRODUCT, fields);
}

export interface RescalePlan {
  multipliers: Int32Array;
  /** The shift of all channels, or 0 if there is none: then the kernel is slower. */
  uniformShift: number;
}

/** The least common shift that vector kernels take, by the width of what is rescaled. */
const LEAST_SHIFT = { upTo16: 17, i32: 1, i64: 1 } as const;
export type SourceWidth = keyof typeof LEAST_SHIFT;
/** The least that needs no shift to the left, nor more bits, first. */
const HIGH_WORDS = 32;
/** The shift that kernels know as a constant. */
const USUAL_SHIFT = 48;

/**
 * Equal factors m/2^s with one shift of at least 32, which is what the vector kernels want: they keep
 * the high words of 64-bit products. Smaller ones, for sources of up to 16 bits from 17, cost more.
 * Possible when no multiplier is negative and the factors' ranges meet; else the multipliers come back
 * as they are.
 */
export function planRescale(
  multipliers: ArrayLike<number>,
  shifts: ArrayLike<number>,
  source: SourceWidth,
): RescalePlan {
  const plan = planFrom(HIGH_WORDS, multipliers, shifts);
  return plan.uniformShift === 0 ? planFrom(LEAST_SHIFT[source], multipliers, shifts) : plan;
}

function planFrom(
  lowest: number,
  multipliers: ArrayLike<number>,
  shifts: ArrayLike<number>,
): RescalePlan {
  let least = lowest;
  let most = 62;
  for (let i = 0; i < multipliers.length; i++) {
    const m = multipliers[i]!;
    const s = shifts[i]!;
    if (m < 0) most = 0;
    if (m <= 0) continue;
    least = Math.max(least, s - (31 - Math.clz32(m & -m)));
    most = Math.min(most, s + Math.clz32(m) - 1);
  }
  if (least > most) return { multipliers: Int32Array.from(multipliers), uniformShift: 0 };
  const uniformShift = least <= USUAL_SHIFT && USUAL_SHIFT <= most ? USUAL_SHIFT : least;
  return {
    multipliers: Int32Array.from(multipliers, (m, i) => {
      const up = uniformShift - shifts[i]!;
      return m === 0 ? 0 : up < 0 ? m >> -up : m << up;
    }),
    uniformShift,
  };
}

export interface SpreadShifts {
  multipliers: Int32Array;
  shifts: Int8Array;
  halves: Int32Array;
  factors: Int32Array;
  /** What the shifts have in common over 32. */
  common: number;
}

/** Shifts left after the common one for which sums that are stopped before it saturate to 16 bits. */
const SAFE_REST = 14;
const LEAST_REST = 2;
const MOST_REST = 30;

/**
 * Factors whose shifts differ, as `rescaleSpread` wants them; undefined where it cannot take them.
 * @param bits what is rescaled, from i32 or else from i64, is within ±2^bits
 */
export function spreadShifts(
  multipliers: ArrayLike<number>,
  shifts: ArrayLike<number>,
  source: "i32" | "i64",
  bits: number,
): SpreadShifts | undefined {
  // Every factor gets the least shift that any needs, or as near to it as its multiplier allows.
  let target = 0;
  for (let i = 0; i < multipliers.length; i++) {
    const m = multipliers[i]!;
    if (m < 0) return undefined;
    if (m > 0) target = Math.max(target, shifts[i]! - (31 - Math.clz32(m & -m)));
  }
  const own = Int8Array.from(shifts, (shift, i) => {
    const m = multipliers[i]!;
    if (m === 0) return target;
    const zeros = 31 - Math.clz32(m & -m);
    return Math.max(Math.min(target, shift + Math.clz32(m) - 1), shift - zeros);
  });
  const least = own.reduce((x, y) => Math.min(x, y), MOST_REST + 32);
  const common = source === "i32" ? 0 : least - 32 - LEAST_REST;
  const moved = Int32Array.from(multipliers, (m, i) => {
    const up = own[i]! - shifts[i]!;
    return m === 0 ? 0 : up < 0 ? m >> -up : m << up;
  });
  const rests = Array.from(own, (shift) => shift - 32 - common);
  const safe = rests.every((rest, i) => {
    if (rest < LEAST_REST || rest > MOST_REST) return false;
    if (source === "i32" || rest <= SAFE_REST) return true;
    return bits + 32 - Math.clz32(moved[i]!) <= 62 + common;
  });
  if (common < 0 || !safe) return undefined;
  return {
    multipliers: moved,
    shifts: own,
    halves: Int32Array.from(rests, (rest) => 1 << (rest - 1)),
    factors: Int32Array.from(rests, (rest) => 1 << (32 - rest)),
    common,
  };
}
