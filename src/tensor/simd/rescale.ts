import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import type { RescaleOutput } from "../backend.js";
import { layOf } from "./broadcast.js";
import type { SourceWidth } from "./descriptors.js";
import { EPILOGUE_BYTES, planRescale, writeWeightedSum } from "./descriptors.js";
import type { Engine } from "./engine.js";
import type { ChannelParameters } from "./epilogue.js";
import { channelParameters, writeSteps } from "./epilogue.js";
import type { Interval } from "./interval.js";
import { interval, magnitude } from "./interval.js";
import { forEachRows } from "./spread.js";
import type { PendingRescale, PendingTable, SimdTensor } from "./tensor.js";
import { boundsOf, sumsAreShort } from "./values.js";

const LANES = 8;
/** More than sums of doubles are off, and a bound that stays below 2^63 all the same. */
const ABOVE = 1 + 1 / 2 ** 40;
const SAFE_SUM = 2 ** 63 - 2 ** 32;

/** Columns below which all of them are the slow rest of a row. */
const FEW_COLUMNS = 8;
const NO_PARAMETERS: ChannelParameters = {
  bytes: 0,
  biasBytes: 4,
  bias: 0,
  multiplier: 0,
  shift: 0,
  uniformShift: 0,
  spreadHalf: 0,
  spreadFactor: 0,
  spreadShift: 0,
  perChannel: false,
  dispose: () => {},
};

/** Writes an epilogue that rescales by one factor; its parameters lie behind it. */
function writeScalar(
  engine: Engine,
  multiplier: number,
  shift: number,
  output: RescaleOutput,
  source: SourceWidth,
  most: number,
): void {
  const at = engine.arguments;
  const factors = at + EPILOGUE_BYTES;
  const plan = planRescale([multiplier], [shift], source);
  engine.heap.view("i32", factors, LANES).fill(plan.multipliers[0] as never);
  engine.heap.view("i8", factors + 4 * LANES, LANES).fill(shift as never);
  const parameters: ChannelParameters = {
    ...NO_PARAMETERS,
    multiplier: factors,
    shift: factors + 4 * LANES,
    uniformShift: plan.uniformShift,
  };
  writeSteps(engine, at, { rescale: { multiplier, shift, output } }, parameters, "i32", most);
}

/** Rescales a tensor, now. */
export function rescaleStored(
  engine: Engine,
  x: SimdTensor,
  { multiplier, shift, output }: PendingRescale,
): SimdTensor {
  const source = engine.addressOf(x);
  const { code, bytes } = DTYPE_INFO[x.dtype];
  const width = bytes <= 2 ? "upTo16" : bytes === 4 ? "i32" : "i64";
  const most = magnitude(x.interval);
  if (typeof multiplier === "number" && typeof shift === "number") {
    if (bytes <= 2) {
      // Dot products of pairs: less than the 64-bit products of an epilogue.
      return rescaleAdd(engine, x, x, { a: multiplier, b: 0 }, shift, output, x.shape);
    }
    const result = engine.make(output.dtype, x.shape, interval(output.lo, output.hi));
    writeScalar(engine, multiplier, shift, output, width, most);
    engine.wasm.rescale(engine.arguments, code, source, 1, x.count, engine.addressOf(result));
    return result;
  }
  const [m, s] = [multiplier as SimdTensor, shift as SimdTensor];
  const lays = [layOf(m.shape, x.shape), layOf(s.shape, x.shape)];
  const columns = x.shape[x.shape.length - 1] ?? 1;
  const isParameter = (t: SimdTensor): boolean => t.count === 1 || t.count === columns;
  const byColumn = lays.every((lay) => lay === "scalar" || lay === "last");
  const few = columns < FEW_COLUMNS && m.count * s.count > 1 && x.count >= 64 * columns;
  if (byColumn && isParameter(m) && isParameter(s) && !few) {
    const result = engine.make(output.dtype, x.shape, interval(output.lo, output.hi));
    const steps = { rescale: { multiplier, shift, output } };
    const parameters = channelParameters(engine, steps, false, columns, width, most);
    writeSteps(engine, engine.arguments, steps, parameters, "i32", most);
    const rows = x.count / columns;
    engine.wasm.rescale(engine.arguments, code, source, rows, columns, engine.addressOf(result));
    engine.packed.trim();
    return result;
  }
  return rescaleEach(engine, x, m, s, output, most);
}

/** Rescales each element by a multiplier and a shift of its own. */
function rescaleEach(
  engine: Engine,
  x: SimdTensor,
  m: SimdTensor,
  s: SimdTensor,
  output: RescaleOutput,
  most: number,
): SimdTensor {
  for (const tensor of [x, m, s]) engine.storageOf(tensor);
  const result = engine.make(output.dtype, x.shape, interval(output.lo, output.hi));
  const target = engine.addressOf(result);
  const { code } = DTYPE_INFO[x.dtype];
  const { bytes } = DTYPE_INFO[output.dtype];
  const steps = { rescale: { multiplier: m, shift: s, output } };
  forEachRows(
    engine,
    x.shape,
    [x, m, s],
    ({ cols, at, result: before }) => {
      // To the kernel these are columns of one row.
      const parameters: ChannelParameters = {
        ...NO_PARAMETERS,
        multiplier: at[1]!,
        shift: at[2]!,
        perChannel: true,
      };
      writeSteps(engine, engine.arguments, steps, parameters, "i32", most);
      engine.wasm.rescale(engine.arguments, code, at[0]!, 1, cols, target + before * bytes);
    },
    { single: true, whole: [0, 1, 2] },
  );
  return result;
}

export function rescaleAdd(
  engine: Engine,
  a: SimdTensor,
  b: SimdTensor,
  multipliers: { readonly a: number; readonly b: number },
  shift: number,
  output: RescaleOutput,
  shape: Shape,
): SimdTensor {
  engine.storageOf(a);
  engine.storageOf(b);
  const result = engine.make(output.dtype, shape, interval(output.lo, output.hi));
  const target = engine.addressOf(result);
  const { code, bytes } = DTYPE_INFO[output.dtype];
  const sum =
    magnitude(a.interval) * Math.abs(multipliers.a) +
    magnitude(b.interval) * Math.abs(multipliers.b) +
    Number(1n << BigInt(shift - 1));
  const most = sum < SAFE_SUM ? BigInt(Math.ceil(sum * ABOVE)) : -1n;
  forEachRows(engine, shape, [a, b], ({ rows, cols, at, rowBytes, steps, result: before }) => {
    writeWeightedSum(engine.heap.words, engine.arguments, {
      zeroPoint: output.zeroPoint,
      lo: output.lo,
      hi: output.hi,
      most,
      aMultiplier: multipliers.a,
      bMultiplier: multipliers.b,
      shift,
      aType: DTYPE_INFO[a.dtype].code,
      a: at[0]!,
      aRow: rowBytes[0]!,
      aStep: steps[0]!,
      bType: DTYPE_INFO[b.dtype].code,
      b: at[1]!,
      bRow: rowBytes[1]!,
      bStep: steps[1]!,
      type: code,
      dst: target + before * bytes,
      cols,
    });
    engine.wasm.rescaleAdd(engine.arguments, 0, rows, 0, cols);
  });
  return result;
}

/** Looks a tensor up in a table, now. */
export function lookUp(
  engine: Engine,
  x: SimdTensor,
  table: PendingTable,
  bounds: Interval,
): SimdTensor {
  const source = engine.addressOf(x);
  const { segmentsLog2, guardBits, dtype } = table;
  const entries = engine.addressOf(table.table);
  const result = engine.make(dtype, x.shape, bounds);
  const target = engine.addressOf(result);
  const { code, bytes } = DTYPE_INFO[dtype];
  if (segmentsLog2 === 0) {
    engine.wasm.lutDirect(DTYPE_INFO[x.dtype].code, source, x.count, entries, bytes, target);
  } else {
    const short = sumsAreShort(engine, table) ? 1 : 0;
    engine.wasm.lutInterpolate(
      source,
      x.count,
      entries,
      segmentsLog2,
      guardBits,
      short,
      code,
      target,
    );
  }
  return result;
}

/** Bounds of what a table gives: interpolation stays between entries. */
export function tableBounds(
  engine: Engine,
  { table, segmentsLog2, guardBits, dtype }: PendingTable,
) {
  const { lo, hi } = boundsOf(engine, table);
  if (segmentsLog2 === 0) return { lo, hi };
  const f = 16 - segmentsLog2;
  const round = (entry: number): number =>
    Math.floor((entry * (1 << f) + (1 << (f + guardBits)) / 2) / (1 << (f + guardBits)));
  const { min, max } = DTYPE_INFO[dtype];
  const saturate = (value: number): number =>
    value < min ? Number(min) : value > max ? Number(max) : value;
  return { lo: saturate(round(lo)), hi: saturate(round(hi)) };
}
