/** Speech of `../shared/data`, and what the models of speech need around them. */
import { readFileSync } from "node:fs";
import { HostError } from "../../../src/core/errors.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { sharedData } from "../sharedData.js";

/** A mono recording of 16-bit samples at 16 kHz, from −1 to 1. */
export function recording(name: string): Float32Array {
  const path = sharedData("inputs", "audio", name);
  if (path === undefined) throw new HostError("NoData", `there is no ${name}`);
  const file = readFileSync(path);
  const header = 44;
  const samples = Math.floor((file.length - header) / 2);
  return Float32Array.from(
    { length: samples },
    (_, i) => file.readInt16LE(header + 2 * i) / 32_768,
  );
}

export function modelBytes(name: string): Uint8Array {
  const path = sharedData("models", `${name}.onnx`);
  if (path === undefined) throw new HostError("NoData", `there is no ${name}.onnx`);
  return readFileSync(path);
}

export const floats = (dims: readonly number[], data: ArrayLike<number>): HostArray => ({
  elementType: "float32",
  dims,
  data: Float32Array.from(data),
});

/** The discrete Fourier transform of real frames, 0 to half the rate, and its inverse. */
export class RealTransform {
  readonly size: number;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;

  constructor(size: number) {
    this.size = size;
    const angle = (i: number): number => (2 * Math.PI * i) / size;
    this.#cos = Float64Array.from({ length: size }, (_, i) => Math.cos(angle(i)));
    this.#sin = Float64Array.from({ length: size }, (_, i) => Math.sin(angle(i)));
  }

  forward(x: Float64Array): { re: Float64Array; im: Float64Array } {
    const bins = this.size / 2 + 1;
    const [re, im] = [new Float64Array(bins), new Float64Array(bins)];
    for (let k = 0; k < bins; k++) {
      for (let n = 0; n < this.size; n++) {
        const at = (k * n) % this.size;
        re[k]! += x[n]! * this.#cos[at]!;
        im[k]! -= x[n]! * this.#sin[at]!;
      }
    }
    return { re, im };
  }

  inverse(re: Float64Array, im: Float64Array): Float64Array {
    const half = this.size / 2;
    return Float64Array.from({ length: this.size }, (_, n) => {
      let sum = re[0]! + (n % 2 === 0 ? 1 : -1) * re[half]!;
      for (let k = 1; k < half; k++) {
        const at = (k * n) % this.size;
        sum += 2 * (re[k]! * this.#cos[at]! - im[k]! * this.#sin[at]!);
      }
      return sum / this.size;
    });
  }
}
