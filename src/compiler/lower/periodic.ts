/**
 * Functions that repeat, of arguments that run over many turns: positions and time steps. The
 * argument is counted in parts of a turn, whole turns fall away by masking, and a table of one turn
 * is as fine for large arguments as for small ones.
 */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";
import type { Format } from "./real.js";
import { format, magnitudeBits } from "./real.js";
import { exponentOf, powerOfTwo, roundScale } from "./scale.js";
import { EVEN_SEGMENTS_LOG2, interpolatedSteps } from "./wideFunction.js";

/** Bits of a turn that choose an entry of a table, and those that interpolate between steps. */
const STEP_BITS = 16;
const REST_BITS = 8;

/**
 * The function by interpolation in a table of one turn, in steps of 2^-16 of it, or, where the
 * result has more than 16 bits or is steep, by interpolation between two of these.
 *
 * @param reach greatest magnitude of the argument
 * @param emitArgument makes the argument in a format
 */
export function periodicFunction(
  ctx: LoweringContext,
  f: (x: number) => number,
  period: number,
  reach: number,
  target: Format,
  axes: readonly number[],
  emitArgument: (format: Format) => FixedValue,
): FixedValue {
  const { builder } = ctx;
  const unit = target.scale as number;
  const part = period / powerOfTwo(STEP_BITS);
  const at = (u: number): number => {
    const y = f(u * part);
    const [lo, hi] = [target.lo - target.zeroPoint, target.hi - target.zeroPoint];
    return y !== y ? 0 : Math.min(Math.max(y / unit, lo), hi);
  };
  const width = powerOfTwo(STEP_BITS - EVEN_SEGMENTS_LOG2);
  const smooth = Array.from({ length: powerOfTwo(EVEN_SEGMENTS_LOG2) + 1 }, (_, i) =>
    at(i * width),
  );
  // Poles and jumps are beyond interpolation: every step has an entry then.
  const jumps = smooth.some(
    (y, i) => Math.abs(y - (smooth[i - 1] ?? y)) > (target.hi - target.lo) / 8,
  );
  const points = jumps ? Array.from({ length: powerOfTwo(STEP_BITS) }, (_, u) => at(u)) : smooth;
  const fine = jumps || magnitudeBits(target) > 16;

  const bits = STEP_BITS + (fine ? REST_BITS : 0);
  // As many parts of a turn as all turns together leave room for in 32 bits.
  const held = Math.min(bits, 30 - Math.max(exponentOf(reach / period), 0));
  const step = roundScale(period / powerOfTwo(held));
  const counted = emitArgument(format("i32", step, 0, [-0x7fffff00, 0x7fffff00]));
  const { shape } = counted;
  const by = (op: "add" | "and" | "shl" | "shr" | "sub", x: FixedValue, n: number): FixedValue =>
    builder.op(op, {}, [x, builder.scalar("i32", BigInt(n))], "i32", shape);
  const turn = by("and", counted, powerOfTwo(held) - 1);
  const place = held === bits ? turn : by("shl", turn, bits - held);
  /** Tables are indexed from −32768. */
  const index = (x: FixedValue): FixedValue => {
    const signed = by("sub", x, powerOfTwo(STEP_BITS - 1));
    return builder.op("cast", { dtype: "i16" }, [signed], "i16", shape);
  };

  const guard = Math.min(Math.max(30 - magnitudeBits(target), 0), 12);
  const entries = points.map((y) => Math.floor(y * powerOfTwo(guard) + 0.5));
  if (!fine) {
    const offset = target.zeroPoint * powerOfTwo(guard);
    const table = builder.constant(
      "i32",
      [entries.length],
      entries.map((y) => y + offset),
    );
    const imm = { segmentsLog2: EVEN_SEGMENTS_LOG2, guardBits: guard, dtype: target.dtype };
    return builder.op("lut.interpolate", imm, [index(place), table], target.dtype, shape);
  }
  const high = by("shr", place, REST_BITS);
  const next = by("and", by("add", high, 1), powerOfTwo(STEP_BITS) - 1);
  const rest = by("and", place, powerOfTwo(REST_BITS) - 1);
  const sum = interpolatedSteps(ctx, index(high), index(next), rest, entries);
  return ctx.rescaled({ value: sum, axes }, powerOfTwo(-guard - REST_BITS), target);
}
