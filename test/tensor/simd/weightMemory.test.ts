/** Weights are held in the form that is read, and had again from where they came. */
import { expect, test } from "vitest";
import type { SimdTensor } from "../../../src/tensor/simd/tensor.js";
import { createSimdBackendSync } from "../../../src/tensor/simd/index.js";

const [K, N] = [64, 128];
const weights = Int16Array.from({ length: K * N }, (_, i) => (i % 201) - 100);
const bytes = new Uint8Array(weights.buffer);
const rows = Int16Array.from({ length: K }, (_, i) => i - 30);
const sums = Int32Array.from({ length: N }, (_, n) =>
  rows.reduce((sum, x, k) => sum + x * weights[k * N + n]!, 0),
);

function setUp() {
  const backend = createSimdBackendSync();
  const { kernels } = backend;
  const a = backend.upload("i16", [1, K], new Uint8Array(rows.buffer));
  const product = (b: SimdTensor) => {
    const y = kernels.matmul(a, b, { aBits: 16, bBits: 16, accumulator: "i32" }, [1, N]);
    const result = new Int32Array(backend.download(y).buffer);
    backend.release(y);
    return result;
  };
  return { backend, kernels, product };
}

test("once packed, bytes that can be had again are given back", () => {
  const { backend, product } = setUp();
  const before = backend.statistics().residentBytes;
  let reads = 0;
  const b = backend.upload("i16", [K, N], bytes, () => (reads++, bytes));
  expect(product(b)).toEqual(sums);
  const held = backend.statistics().residentBytes - before;
  // Packed they take as much again, and bounds of the sums a little.
  expect(held).toBeLessThan(1.3 * bytes.length);
  expect(product(b)).toEqual(sums);
  expect(reads).toBe(0);
  backend.release(b);
  expect(backend.statistics().residentBytes).toBe(before);
  backend.dispose();
});

test("they come back for whoever reads them, and stay", () => {
  const { backend, kernels, product } = setUp();
  let reads = 0;
  const b = backend.upload("i16", [K, N], bytes, () => (reads++, bytes));
  expect(product(b)).toEqual(sums);
  for (let i = 0; i < 2; i++) {
    expect(new Int16Array(backend.download(b).buffer)).toEqual(weights);
    const flat = kernels.reshape(b, [N, K]);
    expect(new Int16Array(backend.download(flat).buffer)).toEqual(weights);
    backend.release(flat);
    expect(product(b)).toEqual(sums);
  }
  expect(reads).toBe(1);
  backend.dispose();
});

test("bytes that cannot be had again stay", () => {
  const { backend, product } = setUp();
  const b = backend.upload("i16", [K, N], bytes.slice());
  expect(product(b)).toEqual(sums);
  expect(new Int16Array(backend.download(b).buffer)).toEqual(weights);
  backend.dispose();
});

test("an address that was given out holds", () => {
  const { backend, product } = setUp();
  const b = backend.upload("i16", [K, N], bytes, () => {
    throw new TypeError("they were never let go of");
  });
  expect(new Int16Array(backend.download(b).buffer)).toEqual(weights);
  expect(product(b)).toEqual(sums);
  expect(new Int16Array(backend.download(b).buffer)).toEqual(weights);
  backend.dispose();
});
