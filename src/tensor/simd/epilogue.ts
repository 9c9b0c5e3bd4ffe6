import { DTYPE_INFO } from "../../core/dtype.js";
import type { SourceWidth } from "./descriptors.js";
import { planRescale, writeEpilogue } from "./descriptors.js";
import type { Engine } from "./engine.js";
import type { Address } from "./kernels.js";
import type { Pending, SimdTensor } from "./tensor.js";
import type { Derived } from "./storage.js";
import { Storage } from "./storage.js";
import { sumsAreShort } from "./values.js";

type Steps = Pick<Pending, "bias" | "rescale" | "table">;

/** Bias and factors as `Epilogue` wants them. */
export interface ChannelParameters extends Derived {
  readonly bytes: number;
  /** Width of a bias. */
  readonly biasBytes: 4 | 8;
  readonly bias: Address;
  readonly multiplier: Address;
  readonly shift: Address;
  readonly uniformShift: number;
  readonly perChannel: boolean;
}

/** Lanes that a kernel loads at once from parameters that are the same for all channels. */
const LANES = 8;

export function isPerChannel({ rescale }: Steps): boolean {
  const many = (x: number | SimdTensor): boolean => typeof x !== "number" && x.count > 1;
  return rescale !== undefined && (many(rescale.multiplier) || many(rescale.shift));
}

/** One value, or `count`, of a parameter that is a number or a tensor. */
function numbersOf(engine: Engine, x: number | SimdTensor, count: number): number[] {
  if (typeof x === "number") return new Array<number>(count).fill(x);
  const { data } = engine.hostView(x);
  return Array.from({ length: count }, (_, i) => Number(data[x.count === 1 ? 0 : i]));
}

function build(
  engine: Engine,
  steps: Steps,
  wide: boolean,
  columns: number,
  source: SourceWidth,
): ChannelParameters {
  const { bias, rescale } = steps;
  const biasBytes = wide ? 8 : 4;
  const perChannel = isPerChannel(steps);
  const factors = rescale === undefined ? 0 : perChannel ? columns : LANES;
  const storage = new Storage(
    engine.heap,
    (bias === undefined ? 0 : columns * biasBytes) + factors * 5,
  );
  let next = storage.pointer;

  const biasAt = bias === undefined ? 0 : next;
  if (bias !== undefined) {
    const from = engine.hostView(bias).data;
    const to = engine.heap.view(wide ? "i64" : "i32", next, columns);
    for (let i = 0; i < columns; i++) {
      const value = from[bias.count === 1 ? 0 : i]!;
      if (to instanceof BigInt64Array) to[i] = BigInt(value);
      else to[i] = Number(value);
    }
    next += columns * biasBytes;
  }

  let uniformShift = 0;
  if (rescale !== undefined) {
    const shifts = numbersOf(engine, rescale.shift, factors);
    const plan = planRescale(numbersOf(engine, rescale.multiplier, factors), shifts, source);
    uniformShift = plan.uniformShift;
    engine.heap.view("i32", next, factors).set(plan.multipliers as never);
    engine.heap.view("i8", next + factors * 4, factors).set(shifts as never);
  }
  return {
    bytes: storage.bytes,
    biasBytes,
    bias: biasAt,
    multiplier: rescale === undefined ? 0 : next,
    shift: rescale === undefined ? 0 : next + factors * 4,
    uniformShift,
    perChannel,
    dispose: () => storage.release(),
  };
}

/**
 * Bias and factors for `columns` channels, made now or before and kept with `owner`.
 * @param wide whether accumulators, hence biases, are i64
 * @param source width of what is rescaled
 */
export function channelParameters(
  engine: Engine,
  owner: Storage,
  steps: Steps,
  wide: boolean,
  columns: number,
  source: SourceWidth = "wider",
): ChannelParameters {
  const { bias, rescale } = steps;
  // Constants as such, tensors by the storage that holds them: neither ever changes.
  const name = (x: number | SimdTensor | undefined): string =>
    x === undefined ? "" : typeof x === "number" ? `${x}` : `#${engine.storageOf(x).id}`;
  const key = `parameters ${wide} ${source} ${columns} ${name(bias)} ${name(rescale?.multiplier)} ${name(rescale?.shift)}`;
  return engine.packed.get(owner, key, () => build(engine, steps, wide, columns, source));
}

/** Of sums within it there is a faster way to rescale: `small` of an epilogue. */
const SMALL = 2 ** 47;

/** Writes the epilogue of `steps` for channels from `first`; sums with their bias are at most `most`. */
export function writeSteps(
  engine: Engine,
  at: Address,
  { rescale, table }: Steps,
  parameters: ChannelParameters,
  accumulator: "i32" | "i64",
  most: number,
  first = 0,
): void {
  const { bias, biasBytes, multiplier, shift, uniformShift, perChannel } = parameters;
  const channel = perChannel ? first : 0;
  writeEpilogue(engine.heap.words, at, {
    zeroPoint: rescale?.output.zeroPoint ?? 0n,
    lo: rescale?.output.lo ?? 0n,
    hi: rescale?.output.hi ?? 0n,
    bias: bias === 0 ? 0 : bias + first * biasBytes,
    multiplier: multiplier === 0 ? 0 : multiplier + channel * 4,
    shift: shift === 0 ? 0 : shift + channel,
    uniformShift,
    small: most <= SMALL ? 1 : 0,
    channelMask: perChannel ? -1 : 0,
    type: DTYPE_INFO[rescale?.output.dtype ?? accumulator].code,
    table: table === undefined ? 0 : engine.addressOf(table.table),
    segmentsLog2: table?.segmentsLog2 ?? 0,
    guardBits: table?.guardBits ?? 0,
    shortTable: table !== undefined && sumsAreShort(engine, table) ? 1 : 0,
    tableType: DTYPE_INFO[table?.dtype ?? "u8"].code,
  });
}
