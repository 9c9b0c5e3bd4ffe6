import { afterAll, beforeAll, expect, it } from "vitest";
import type { Backend, ConvAttributes, Tensor } from "../../../src/tensor/backend.js";
import { createSimdBackend } from "../../../src/tensor/simd/index.js";

// What a program can ask for must not decide how much of the host's own memory a kernel takes.

let backend: Backend;
beforeAll(async () => {
  backend = await createSimdBackend();
});
afterAll(() => backend.dispose());

const CONV: ConvAttributes = {
  aBits: 8,
  bBits: 8,
  accumulator: "i32",
  strides: [1],
  dilations: [1],
  pads: [0, 0],
  groups: 1,
  padValue: 0n,
};

function release(...tensors: readonly Tensor[]): void {
  for (const tensor of tensors) {
    tensor.refs = 0;
    backend.release(tensor);
  }
}

it("convolves any number of groups of nothing", () => {
  const a = backend.upload("i8", [1, 1, 0], new Uint8Array());
  const b = backend.upload("i8", [1, 0, 0], new Uint8Array());
  const y = backend.kernels.conv(a, b, { ...CONV, groups: 0x7fffffff }, [1, 1, 0]);
  expect(backend.download(y)).toEqual(new Uint8Array());
  release(a, b, y);
});

it("resizes more rows than a list can hold", () => {
  const side = 12_000; // V8 makes no list of 2^27 entries at once
  const x = backend.upload("u8", [1, 1, 1, 1, 1], Uint8Array.of(7));
  const ones = [1, 1, 1];
  const attributes = {
    sizes: [side, side, 1],
    numerators: ones,
    denominators: ones,
    offsets: [0, 0, 0],
  };
  const shape = [1, side, side, 1, 1];
  const y = backend.kernels.resizeNearest(x, attributes, shape);
  expect(backend.within(y, 7n, 7n)).toBe(true);
  release(x, y);
});

it("keeps little of parameters that never come again", () => {
  const before = backend.statistics().residentBytes;
  const a = backend.upload("i8", [1, 1], Uint8Array.of(2));
  const w = backend.upload("i8", [1, 1], Uint8Array.of(3));
  const bits = { aBits: 8, bBits: 8, accumulator: "i32" } as const;
  for (let i = 0; i < 24_000; i++) {
    const bias = backend.upload("i32", [1], new Uint8Array(Int32Array.of(i).buffer));
    const sums = backend.kernels.matmul(a, w, bits, [1, 1]);
    const y = backend.kernels.binary("add", sums, bias, [1, 1]);
    release(sums, bias);
    if (i % 1_000 === 0) expect(new Int32Array(backend.download(y).buffer)[0]).toBe(6 + i);
    else backend.download(y);
    release(y);
  }
  // 64 bytes each if all were kept.
  expect(backend.statistics().residentBytes - before).toBeLessThan(1_200_000);
  release(a, w);
  expect(backend.statistics().residentBytes).toBe(before);
});
