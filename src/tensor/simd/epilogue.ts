import { DTYPE_INFO } from "../../core/dtype.js";
import type { SourceWidth } from "./descriptors.js";
import { planRescale, spreadShifts, writeEpilogue } from "./descriptors.js";
import type { Engine } from "./engine.js";
import type { Address } from "./kernels.js";
import type { Pending, SimdTensor } from "./tensor.js";
import type { Derived } from "./storage.js";
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
  readonly spreadHalf: Address;
  readonly spreadFactor: Address;
  readonly spreadShift: number;
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
  bits: number,
): ChannelParameters {
  const { bias, rescale } = steps;
  const biasBytes = wide ? 8 : 4;
  const perChannel = isPerChannel(steps);
  const factors = rescale === undefined ? 0 : perChannel ? columns : LANES;
  const multipliers = rescale === undefined ? [] : numbersOf(engine, rescale.multiplier, factors);
  const shifts = rescale === undefined ? [] : numbersOf(engine, rescale.shift, factors);
  const plan = planRescale(multipliers, shifts, source);
  const spread =
    !perChannel || plan.uniformShift !== 0 || source === "upTo16"
      ? undefined
      : spreadShifts(multipliers, shifts, source, bits);
  const storage = engine.block(
    (bias === undefined ? 0 : columns * biasBytes) + factors * (spread === undefined ? 5 : 13),
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

  const put = (array: Int32Array | Int8Array | undefined): Address => {
    if (array === undefined || array.length === 0) return 0;
    const at = next;
    engine.heap
      .view(array instanceof Int8Array ? "i8" : "i32", at, array.length)
      .set(array as never);
    next += array.byteLength;
    return at;
  };
  const multiplier = put(spread?.multipliers ?? plan.multipliers);
  const spreadHalf = put(spread?.halves);
  const spreadFactor = put(spread?.factors);
  const shift = put(spread?.shifts ?? Int8Array.from(shifts));
  return {
    bytes: storage.bytes,
    biasBytes,
    bias: biasAt,
    multiplier,
    shift,
    uniformShift: plan.uniformShift,
    spreadHalf,
    spreadFactor,
    spreadShift: spread?.common ?? 0,
    perChannel,
    dispose: () => storage.release(),
  };
}

/**
 * Bias and factors for `columns` channels, made now or before and kept with one of their tensors.
 * @param wide whether biases are i64
 * @param source width of what is rescaled
 * @param most what is rescaled, its bias included, is at most
 */
export function channelParameters(
  engine: Engine,
  steps: Steps,
  wide: boolean,
  columns: number,
  source: SourceWidth,
  most: number,
): ChannelParameters {
  const { bias, rescale } = steps;
  // Constants as such, tensors by the storage that holds them: neither ever changes.
  const name = (x: number | SimdTensor | undefined): string =>
    x === undefined ? "" : typeof x === "number" ? `${x}` : `#${engine.storageOf(x).id}`;
  const bits = source === "i64" ? bitsOf(most) : 0;
  const key = `parameters ${wide} ${source} ${bits} ${columns} ${name(bias)} ${name(rescale?.multiplier)} ${name(rescale?.shift)}`;
  const tensors = [bias, rescale?.multiplier, rescale?.shift].filter((x) => typeof x === "object");
  const own = tensors.find((x) => engine.recorder?.isOwn(x) === true) ?? tensors[0];
  const owner = own === undefined ? engine.root : engine.storageOf(own);
  return engine.packed.get(owner, key, () => build(engine, steps, wide, columns, source, bits));
}

/** The least b, up to 63, for which `most` is at most 2^b. */
function bitsOf(most: number): number {
  let bits = 0;
  for (let power = 1; power < most && bits < 63; power *= 2) bits++;
  return bits;
}

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
  const { spreadHalf, spreadFactor, spreadShift } = parameters;
  const channel = perChannel ? first : 0;
  writeEpilogue(engine.heap.words, at, {
    zeroPoint: rescale?.output.zeroPoint ?? 0n,
    lo: rescale?.output.lo ?? 0n,
    hi: rescale?.output.hi ?? 0n,
    bias: bias === 0 ? 0 : bias + first * biasBytes,
    multiplier: multiplier === 0 ? 0 : multiplier + channel * 4,
    shift: shift === 0 ? 0 : shift + channel,
    uniformShift,
    bits: bitsOf(most),
    spreadHalf: spreadHalf === 0 ? 0 : spreadHalf + channel * 4,
    spreadFactor: spreadFactor === 0 ? 0 : spreadFactor + channel * 4,
    spreadShift,
    channelMask: perChannel ? -1 : 0,
    type: DTYPE_INFO[rescale?.output.dtype ?? accumulator].code,
    table: table === undefined ? 0 : engine.addressOf(table.table),
    segmentsLog2: table?.segmentsLog2 ?? 0,
    guardBits: table?.guardBits ?? 0,
    shortTable: table !== undefined && sumsAreShort(engine, table) ? 1 : 0,
    tableType: DTYPE_INFO[table?.dtype ?? "u8"].code,
  });
}
