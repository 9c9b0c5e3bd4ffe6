import type { Engine } from "./engine.js";
import type { Interval } from "./interval.js";
import { interval } from "./interval.js";
import type { SimdTensor } from "./tensor.js";

/** The tightest bounds of a tensor's values, found by looking once. */
export function boundsOf(engine: Engine, x: SimdTensor): Interval {
  if (!x.scanned && x.count > 0) {
    x.interval = scan(engine, x);
    x.scanned = true;
  }
  return x.interval;
}

function scan(engine: Engine, x: SimdTensor): Interval {
  const { data } = engine.hostView(x);
  if (data instanceof BigInt64Array) {
    let lo = data[0]!;
    let hi = lo;
    for (const value of data) {
      if (value < lo) lo = value;
      else if (value > hi) hi = value;
    }
    return interval(lo, hi);
  }
  let lo = data[0]!;
  let hi = lo;
  for (let i = 1; i < data.length; i++) {
    const value = data[i]!;
    if (value < lo) lo = value;
    else if (value > hi) hi = value;
  }
  return { lo, hi };
}

/** Whether every element lies in [lo, hi]; looks only where that is not known. */
export function isWithin(engine: Engine, x: SimdTensor, lo: bigint, hi: bigint): boolean {
  if (x.count === 0) return true;
  if (x.interval.lo >= lo && x.interval.hi <= hi) return true;
  const bounds = boundsOf(engine, x);
  if (bounds.lo >= lo && bounds.hi <= hi) return true;
  const { data } = engine.hostView(x);
  // Bounds beyond 2^53 are not exact: there, look again.
  if (!(data instanceof BigInt64Array)) return false;
  return data.every((value) => value >= lo && value <= hi);
}
