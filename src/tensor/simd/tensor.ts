import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { ContractionAttributes, ConvAttributes, RescaleOutput, Tensor } from "../backend.js";
import type { Interval } from "./interval.js";
import { Storage } from "./storage.js";

/** Either its elements are in `storage`, or `pending` says how to compute them. */
export class SimdTensor implements Tensor {
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly count: number;
  refs = 1;
  storage: Storage | undefined;
  pending: Pending | undefined;
  /** Bounds of the values; `scanned` once somebody has looked. */
  interval: Interval;
  scanned = false;

  constructor(dtype: Dtype, shape: Shape, interval: Interval, content: Storage | Pending) {
    this.dtype = dtype;
    this.shape = shape;
    this.count = elementCount(shape);
    this.interval = interval;
    if (content instanceof Storage) {
      this.storage = content;
      this.pending = undefined;
    } else {
      this.storage = undefined;
      this.pending = content;
    }
  }

  get bytes(): number {
    return this.count * DTYPE_INFO[this.dtype].bytes;
  }
}

/** What accumulators come from. Operands are stored, and held by whoever holds the work. */
export type Base =
  | {
      readonly kind: "matmul";
      readonly a: SimdTensor;
      readonly b: SimdTensor;
      readonly attributes: ContractionAttributes;
      readonly shape: Shape;
    }
  | {
      readonly kind: "conv";
      readonly a: SimdTensor;
      readonly b: SimdTensor;
      readonly attributes: ConvAttributes;
      readonly shape: Shape;
    }
  | {
      readonly kind: "mulWide";
      readonly a: SimdTensor;
      readonly b: SimdTensor;
      readonly attributes: { readonly accumulator: "i32" | "i64" };
      readonly shape: Shape;
    };

export interface PendingRescale {
  /** One for all, or one per channel. */
  readonly multiplier: number | SimdTensor;
  readonly shift: number | SimdTensor;
  /** With the clamps and saturations that followed folded in. */
  readonly output: RescaleOutput;
}

export interface PendingTable {
  readonly table: SimdTensor;
  /** 0 for a direct table. */
  readonly segmentsLog2: number;
  readonly guardBits: number;
  readonly dtype: Dtype;
}

/**
 * Work put off until somebody reads its result: `table(rescale(base + bias))`. It never changes:
 * what extends it is a new one, so a tensor whose work was taken over can still be computed.
 */
export interface Pending {
  readonly base: Base;
  /** Of the accumulator's dtype: one value, or one per channel. */
  readonly bias?: SimdTensor;
  readonly rescale?: PendingRescale;
  readonly table?: PendingTable;
}

/** dtype of the result. */
export function dtypeOf({ base, rescale, table }: Pending): Dtype {
  return table?.dtype ?? rescale?.output.dtype ?? base.attributes.accumulator;
}

/** Length of the last axis of the accumulators, along which parameters may differ. */
export function channelsOf(pending: Pending): number {
  return pending.base.shape[pending.base.shape.length - 1] ?? 1;
}

/** Every tensor whose storage the work needs. */
export function operandsOf({ base, bias, rescale, table }: Pending): SimdTensor[] {
  const operands = [base.a, base.b];
  if (bias) operands.push(bias);
  if (rescale && typeof rescale.multiplier !== "number") operands.push(rescale.multiplier);
  if (rescale && typeof rescale.shift !== "number") operands.push(rescale.shift);
  if (table) operands.push(table.table);
  return operands;
}
