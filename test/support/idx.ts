import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { HostError, InputError } from "../../src/core/errors.js";
import { sharedData } from "./sharedData.js";

/** An array of bytes in the IDX format of the MNIST files. */
export interface Idx {
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** Parses IDX: two zero bytes, type 8 (unsigned bytes), rank, big-endian sizes, data. */
export function parseIdx(bytes: Uint8Array): Idx {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rank = bytes[3] ?? 0;
  const start = 4 + 4 * rank;
  if (bytes.length < start || view.getUint32(0) >>> 8 !== 8) {
    throw new InputError("BadIdx", "not an IDX file of unsigned bytes");
  }
  const dims = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const data = bytes.subarray(start);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count !== data.length) {
    throw new InputError(
      "BadIdx",
      `dims ${dims.join(" × ")} do not fit ${String(data.length)} bytes`,
    );
  }
  return { dims, data };
}

/** Parses a gzip-compressed IDX file. */
export function readIdx(path: string): Idx {
  return parseIdx(new Uint8Array(gunzipSync(readFileSync(path))));
}

export interface Mnist {
  readonly count: number;
  /** Image `i` as 28 × 28 floats, raw 0 … 255, as the model wants them. */
  image(i: number): Float32Array;
  /** Its digit. */
  label(i: number): number;
}

/** The 10,000 test images, or `undefined` when they are not on this machine. */
export function loadMnist(): Mnist | undefined {
  const folder = sharedData("inputs", "mnist");
  if (folder === undefined) return undefined;
  const images = readIdx(`${folder}/t10k-images-idx3-ubyte.gz`);
  const labels = readIdx(`${folder}/t10k-labels-idx1-ubyte.gz`);
  const [count = 0, height = 0, width = 0] = images.dims;
  if (labels.dims[0] !== count) throw new HostError("BadData", "labels do not fit the images");
  const size = height * width;
  return {
    count,
    image: (i) => Float32Array.from(images.data.subarray(i * size, (i + 1) * size)),
    label: (i) => labels.data[i] ?? NaN,
  };
}
