/**
 * Functions of one variable of which 16 bits of the argument are not enough: steep ones, poles,
 * results of more than 16 bits.
 */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { LoweringContext } from "./context.js";
import { movingPart } from "./functionTable.js";
import { interpolated } from "./logarithm.js";
import type { Format } from "./real.js";
import { format, magnitudeBits, scaleAt } from "./real.js";
import { powerOfTwo, roundScale } from "./scale.js";

type RealFunction = (x: number) => number;
type Interval = readonly [number, number];

/** Error of a table, relative to its greatest result, that needs no better table. */
const GOOD = powerOfTwo(-16);
/** Above this the function jumps, and the finest table is the best. */
const USELESS = powerOfTwo(-10);
/** Steps of a result that a step of a 16-bit argument may move it by. */
const STEEP = 8;
const STEEP_SAMPLES = 1024;

/** Whether 16 bits of the argument leave errors of many steps of the result. */
export function isSteep(f: RealFunction, domain: Interval, target: Format): boolean {
  if (magnitudeBits(target) > 16) return true;
  const evaluate = bounded(f, target);
  const [lo, hi] = movingPart((x) => evaluate(x) / scaleAt(target.scale, 0), domain, target);
  const step = (hi - lo) / STEEP_SAMPLES;
  const limit = STEEP * scaleAt(target.scale, 0) * (65_536 / STEEP_SAMPLES);
  let before = evaluate(lo);
  for (let i = 1; i <= STEEP_SAMPLES; i++) {
    const now = evaluate(lo + i * step);
    if (Math.abs(now - before) > limit) return true;
    before = now;
  }
  return false;
}

/** A function limited to what a format holds; at a pole as far as that goes, 0 where undefined. */
function bounded(f: RealFunction, target: Format): RealFunction {
  const scale = scaleAt(target.scale, 0);
  const [lo, hi] = [target.lo - target.zeroPoint, target.hi - target.zeroPoint];
  return (x) => {
    const y = f(x);
    return y !== y ? 0 : Math.min(Math.max(y, lo * scale), hi * scale);
  };
}

/**
 * The function by interpolation in a table over 2^13 even steps of a 24-bit argument, over the 256
 * parts of each octave of a 31-bit one, or over 2^16 even steps: the first that is accurate.
 *
 * @param emitArgument makes the argument in a format
 */
export function wideFunction(
  ctx: LoweringContext,
  f: RealFunction,
  domain: Interval,
  target: Format,
  axes: readonly number[],
  emitArgument: (format: Format) => FixedValue,
): FixedValue {
  const evaluate = bounded(f, target);
  const scale = scaleAt(target.scale, 0);
  const moving = movingPart((x) => evaluate(x) / scale, domain, target);
  const even = evenTable(evaluate, moving, EVEN_SEGMENTS_LOG2);
  let best: Table = even;
  if (even.error > GOOD) {
    const octaves = octaveTable(evaluate, domain);
    if (octaves.error < even.error) best = octaves;
  }
  if (best.error > USELESS) best = evenTable(evaluate, moving, 16);
  // Entries as fine as 30 bits hold.
  const guard = Math.min(Math.max(30 - magnitudeBits(target), 0), 12);
  const unit = powerOfTwo(guard) / scale;
  const entries = best.points.map((y) => Math.floor(y * unit + 0.5));
  const x = emitArgument(best.argument);
  const { sum, bits } = best.look(ctx, x, entries);
  return ctx.rescaled({ value: sum, axes }, powerOfTwo(-guard - bits), target);
}

interface Table {
  readonly argument: Format;
  readonly points: readonly number[];
  /** Greatest error of interpolation, relative to the greatest result. */
  readonly error: number;
  readonly look: (ctx: LoweringContext, x: FixedValue, entries: readonly number[]) => Sum;
}

/** Segments of tables over even steps, as many as `lut.interpolate` takes. */
export const EVEN_SEGMENTS_LOG2 = 13;

/** The last of 2^16 steps of an argument: nothing lies beyond it to interpolate to. */
const LAST_STEP = 0xffff00;

function evenTable(f: RealFunction, [lo, hi]: Interval, segmentsLog2: number): Table {
  const far = Math.max(Math.abs(lo), Math.abs(hi));
  const step = roundScale(Math.max((hi - lo) / LAST_STEP, far / 0x3fffffff, powerOfTwo(-1000)));
  const zeroPoint = -0x800000 - Math.floor(lo / step + 0.5);
  const argument = format("i32", step, zeroPoint, [-0x800000, LAST_STEP - 0x800000]);
  const width = powerOfTwo(24 - segmentsLog2);
  const at = (u: number): number => f((u - 0x800000 - zeroPoint) * step);
  const full = segmentsLog2 === 16;
  const count = powerOfTwo(segmentsLog2) + (full ? 0 : 1);
  const points = Array.from({ length: count }, (_, i) => at(i * width));
  const error = full ? 0 : worst(points, (i) => at((i + 0.5) * width), 0);
  return { argument, points, error, look: lookEven };
}

/** Bits of the mantissa that choose an entry, and those that interpolate. */
const PARTS_LOG2 = 8;
const REST_BITS = 15;
/** Entries for one sign: that of 0, room, then the parts of 31 octaves and the end. */
const OCTAVE_ENTRIES = (32 << PARTS_LOG2) + 1;

function octaveTable(f: RealFunction, [lo, hi]: Interval): Table {
  const far = Math.max(Math.abs(lo), Math.abs(hi));
  const step = roundScale(Math.max(far / 0x3fffffff, powerOfTwo(-1000)));
  const argument = format("i32", step, 0, [-0x7fffffff, 0x7fffffff]);
  const within = (x: number): number => f(Math.min(Math.max(x, lo), hi));
  const magnitude = (i: number): number => {
    if (i < 1 << PARTS_LOG2) return 0;
    const exponent = Math.floor(i / (1 << PARTS_LOG2)) - 1;
    return (i - exponent * (1 << PARTS_LOG2)) * powerOfTwo(exponent - PARTS_LOG2) * step;
  };
  const points: number[] = [];
  let error = 0;
  for (const sign of lo < 0 ? [1, -1] : [1]) {
    const half = Array.from({ length: OCTAVE_ENTRIES }, (_, i) => within(sign * magnitude(i)));
    error = Math.max(
      error,
      worst(half, (i) => within(sign * ((magnitude(i) + magnitude(i + 1)) / 2)), 1 << PARTS_LOG2),
    );
    points.push(...half);
  }
  return { argument, points, error, look: lookOctaves };
}

function worst(points: readonly number[], middle: (i: number) => number, from: number): number {
  let error = 0;
  let greatest = 0;
  for (let i = from; i + 1 < points.length; i++) {
    error = Math.max(error, Math.abs((points[i]! + points[i + 1]!) / 2 - middle(i)));
    greatest = Math.max(greatest, Math.abs(points[i]!));
  }
  return greatest === 0 ? 0 : error / greatest;
}

interface Sum {
  /** A sum of two entries, in i64. */
  readonly sum: FixedValue;
  /** What it is to be divided by, as a power of two. */
  readonly bits: number;
}

/** Looks two results up that are one step of 16 bits apart, and interpolates between the two. */
function lookEven(ctx: LoweringContext, x: FixedValue, entries: readonly number[]): Sum {
  const { builder } = ctx;
  const { shape } = x;
  const i32 = (value: number): FixedValue => builder.scalar("i32", BigInt(value));
  const high = builder.op("shr", {}, [x, i32(8)], "i32", shape);
  const index = builder.op("cast", { dtype: "i16" }, [high], "i16", shape);
  const next = builder.op("add", {}, [index, builder.scalar("i16", 1n)], "i16", shape);
  const rest = builder.op("and", {}, [x, i32(255)], "i32", shape);
  return { sum: interpolatedSteps(ctx, index, next, rest, entries), bits: 8 };
}

/**
 * 256 times a function between two steps of 16 bits, from a table that has an entry for each step
 * or for each of 2^13 segments.
 *
 * @param rest 256ths of the way from `index` to `next`
 */
export function interpolatedSteps(
  ctx: LoweringContext,
  index: FixedValue,
  next: FixedValue,
  rest: FixedValue,
  entries: readonly number[],
): FixedValue {
  const { builder } = ctx;
  const table = builder.constant("i32", [entries.length], entries);
  const imm = { segmentsLog2: EVEN_SEGMENTS_LOG2, guardBits: 0, dtype: "i32" } as const;
  const [a, b] = [index, next].map((i) =>
    entries.length === 65_536
      ? builder.op("lut", {}, [i, table], "i32", i.shape)
      : builder.op("lut.interpolate", imm, [i, table], "i32", i.shape),
  );
  return interpolated(ctx, a!, b!, rest, 8);
}

function lookOctaves(ctx: LoweringContext, x: FixedValue, entries: readonly number[]): Sum {
  const { builder } = ctx;
  const { shape } = x;
  const table = builder.constant("i32", [entries.length], entries);
  const i32 = (value: number): FixedValue => builder.scalar("i32", BigInt(value));
  const size = builder.op("abs", {}, [x], "i32", shape);
  const [mantissa, exponent] = builder.ops(
    "normalize",
    {},
    [size],
    [
      { dtype: "i32", shape },
      { dtype: "i32", shape },
    ],
  );
  const shifted = (v: FixedValue, by: number, op: "shl" | "shr"): FixedValue =>
    builder.op(op, {}, [v, i32(by)], "i32", shape);
  let index = builder.op(
    "add",
    {},
    [shifted(mantissa!, 30 - PARTS_LOG2, "shr"), shifted(exponent!, PARTS_LOG2, "shl")],
    "i32",
    shape,
  );
  if (entries.length > OCTAVE_ENTRIES) {
    const negative = builder.op("lt", {}, [x, i32(0)], "bool", shape);
    const wide = builder.op("cast", { dtype: "i32" }, [negative], "i32", shape);
    const offset = builder.op("mul", {}, [wide, i32(OCTAVE_ENTRIES)], "i32", shape);
    index = builder.op("add", {}, [index, offset], "i32", shape);
  }
  const low = shifted(mantissa!, 30 - PARTS_LOG2 - REST_BITS, "shr");
  const rest = builder.op("and", {}, [low, i32((1 << REST_BITS) - 1)], "i32", shape);
  const next = builder.op("add", {}, [index, i32(1)], "i32", shape);
  const [a, b] = [index, next].map((i) =>
    builder.op("gather", { axis: 0 }, [table, i], "i32", shape),
  );
  return { sum: interpolated(ctx, a!, b!, rest, REST_BITS), bits: REST_BITS };
}
