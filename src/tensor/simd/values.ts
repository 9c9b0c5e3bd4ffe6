import { DTYPE_INFO } from "../../core/dtype.js";
import type { Engine } from "./engine.js";
import type { Interval } from "./interval.js";
import { clamped, interval, magnitude } from "./interval.js";
import { REDUCE } from "./kernels.js";
import type { PendingTable, SimdTensor } from "./tensor.js";

/** The tightest bounds of a tensor's values, found by looking once. */
export function boundsOf(engine: Engine, x: SimdTensor): Interval {
  // Of a run that is recorded, only what holds for all inputs is of use.
  if (!x.scanned && x.count > 0 && engine.recorder?.isOwn(x) !== true) {
    x.interval = engine.choose([], () => scan(engine, x));
    x.scanned = true;
  }
  return x.interval;
}

function scan(engine: Engine, x: SimdTensor): Interval {
  const source = engine.storageOf(x).briefly;
  const { code } = DTYPE_INFO[x.dtype];
  const extreme = (op: "reduce.min" | "reduce.max"): bigint => {
    engine.wasm.reduce(REDUCE[op], code, code, source, 1, x.count, 1, engine.arguments);
    return BigInt(engine.heap.view(x.dtype, engine.arguments, 1)[0]!);
  };
  return interval(extreme("reduce.min"), extreme("reduce.max"));
}

/** Whether every element lies in [lo, hi]; looks only where that is not known. */
export function isWithin(engine: Engine, x: SimdTensor, lo: bigint, hi: bigint): boolean {
  if (x.count === 0) return true;
  if (x.interval.lo >= lo && x.interval.hi <= hi) return true;
  if (engine.recorder?.isOwn(x) === true) {
    engine.storageOf(x);
    const holds = engine.choose([x], () => look(engine, x, lo, hi, scan(engine, x)));
    if (holds) x.interval = clamped(x.interval, interval(lo, hi));
    return holds;
  }
  return engine.choose([], () => look(engine, x, lo, hi, boundsOf(engine, x)));
}

function look(engine: Engine, x: SimdTensor, lo: bigint, hi: bigint, bounds: Interval): boolean {
  if (bounds.lo >= lo && bounds.hi <= hi) return true;
  const { data } = engine.hostView(x);
  // Bounds beyond 2^53 are not exact: there, look again.
  if (!(data instanceof BigInt64Array)) return false;
  return data.every((value) => value >= lo && value <= hi);
}

/** Whether 32 bits hold what interpolating the table sums up before the shift. */
export function sumsAreShort(
  engine: Engine,
  { table, segmentsLog2, guardBits }: PendingTable,
): boolean {
  if (segmentsLog2 === 0) return false;
  const f = 16 - segmentsLog2;
  return magnitude(boundsOf(engine, table)) * (1 << f) + (1 << (f + guardBits)) / 2 < 2 ** 31;
}
