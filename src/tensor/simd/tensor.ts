import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { Tensor } from "../backend.js";
import type { Interval } from "./interval.js";
import type { Pending } from "./pending.js";
import type { Storage } from "./storage.js";

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
    if ("pointer" in content) {
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
