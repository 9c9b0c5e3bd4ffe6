import type { ChannelRange, TensorRange } from "../compiler/calibration.js";
import { elementCount } from "../core/shape.js";
import { ChannelDirections } from "./channelDirections.js";

/** Bins of the histogram: the top 12 bits of a float32. */
const BINS = 4096;

/** What calibration keeps of one float value of the model, over all samples. Not finite elements do not count. */
export class TensorStatistics {
  #min = Infinity;
  #max = -Infinity;
  #sumOfSquares = 0;
  #count = 0;
  readonly #histogram = new Float64Array(BINS);
  #channels: ChannelStatistics[] | undefined;
  readonly #summed: "first" | "last" | undefined;

  /**
   * @param summed the axis that contractions sum over, of which it is kept how channels go
   * together: axis 1, or the last
   */
  constructor(summed?: "first" | "last") {
    this.#summed = summed;
  }

  /** @param dims row-major shape of `data` */
  add(data: Float32Array | Float64Array, dims: readonly number[]): void {
    const floats = data instanceof Float32Array ? data : Float32Array.from(data);
    const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
    const histogram = this.#histogram;
    for (let i = 0; i < data.length; i++) {
      const x = data[i]!;
      if (x - x !== 0) continue; // NaN or infinite
      if (x < this.#min) this.#min = x;
      if (x > this.#max) this.#max = x;
      this.#sumOfSquares += x * x;
      this.#count++;
      histogram[bits[i]! >>> 20]!++;
    }
    this.#channels ??= this.#axes(dims.length).map(
      (axis) => new ChannelStatistics(axis, dims[axis]!, axis === this.#summedAxis(dims.length)),
    );
    // Channels have a meaning only where all samples have the same ones.
    this.#channels = this.#channels.filter(({ axis, size }) => dims[axis] === size);
    for (const channel of this.#channels) channel.add(data, dims);
  }

  #summedAxis(rank: number): number | undefined {
    if (rank < 2 || this.#summed === undefined) return undefined;
    return this.#summed === "first" ? 1 : rank - 1;
  }

  #axes(rank: number): number[] {
    const summed = this.#summedAxis(rank);
    if (rank < 3) return summed === undefined ? [] : [summed];
    return [1, rank - 1];
  }

  /** Undefined when no finite element was seen. */
  finish(): TensorRange | undefined {
    if (this.#count === 0) return undefined;
    const histogram: [number, number][] = [];
    this.#histogram.forEach((count, bin) => {
      if (count > 0) histogram.push([bin, count]);
    });
    return {
      min: shortest(this.#min),
      max: shortest(this.#max),
      rms: shortest(Math.sqrt(this.#sumOfSquares / this.#count)),
      count: this.#count,
      channels: (this.#channels ?? []).map((channel) => channel.finish()),
      histogram,
    };
  }
}

class ChannelStatistics {
  readonly axis: number;
  readonly size: number;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #sum: Float64Array;
  readonly #count: Float64Array;
  readonly #directions: ChannelDirections | undefined;

  constructor(axis: number, size: number, summed: boolean) {
    this.axis = axis;
    this.size = size;
    this.#sum = new Float64Array(size);
    this.#count = new Float64Array(size);
    this.#directions = summed ? new ChannelDirections(axis, size) : undefined;
    this.#min = new Float64Array(size).fill(Infinity);
    this.#max = new Float64Array(size).fill(-Infinity);
  }

  add(data: Float32Array | Float64Array, dims: readonly number[]): void {
    const { size } = this;
    this.#directions?.add(data, dims);
    const min = this.#min;
    const max = this.#max;
    const sum = this.#sum;
    const count = this.#count;
    const inner = elementCount(dims.slice(this.axis + 1));
    let i = 0;
    while (i < data.length) {
      for (let c = 0; c < size; c++) {
        for (let k = 0; k < inner; k++, i++) {
          const x = data[i]!;
          if (x - x !== 0) continue;
          sum[c]! += x;
          count[c]!++;
          if (x < min[c]!) min[c] = x;
          if (x > max[c]!) max[c] = x;
        }
      }
    }
  }

  finish(): ChannelRange {
    // A channel that had no finite element says nothing: 0 to 0.
    const known = (x: number): number => (x - x === 0 ? shortest(x) : 0);
    const { variance, directions } = this.#directions?.finish() ?? {};
    return {
      axis: this.axis,
      min: Array.from(this.#min, known),
      max: Array.from(this.#max, known),
      mean: Array.from(this.#sum, (sum, c) => known(sum / this.#count[c]!)),
      ...(variance === undefined ? {} : { variance: Array.from(variance, rough) }),
      ...(directions === undefined
        ? {}
        : { directions: directions.map((d) => Array.from(d, rough)) }),
    };
  }
}

/** Three digits say enough of what is measured on a part of the values. */
const rough = (x: number): number => Number(x.toPrecision(3));

/** The shortest decimal that stands for the same float32, as the file is mostly numbers. */
function shortest(x: number): number {
  const single = Math.fround(x);
  for (let digits = 6; digits < 9; digits++) {
    const y = Number(x.toPrecision(digits));
    if (Math.fround(y) === single) return y;
  }
  return Number(x.toPrecision(9));
}
