import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { compile } from "../../../src/compiler/compile.js";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { ModelBuilder } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import { SeededRandom } from "../../support/seededRandom.js";

/** Attention and RotaryEmbedding against their formulas in doubles. */
const BATCH = 2;
const HEADS = 4;
const ROWS = 5;
const COLUMNS = 6;
const SIZE = 8;

type Inputs = Readonly<Record<string, HostArray>>;

const random = new SeededRandom(7);
const reals = (...dims: number[]): HostArray => ({
  elementType: "float32",
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () =>
    Math.fround(random.int(-2000, 2000) / 1000),
  ),
});

/**
 * Signal to noise of the one output over the inputs it is calibrated on.
 * @param open whether the first two dimensions of all inputs are only known when running
 */
async function sqnr(
  op: string,
  inputs: Inputs,
  attributes: Record<string, AttributeValue>,
  expected: readonly number[],
  open = false,
): Promise<number> {
  const b = new ModelBuilder(23);
  for (const [name, { elementType, dims }] of Object.entries(inputs)) {
    const named = dims.map((dim, i) => (i < 2 ? `${name}_${String(i)}` : dim));
    b.input(name, elementType as "float32", open ? named : [...dims]);
  }
  b.node(op, Object.keys(inputs), ["y"], attributes).output("y", "float32");
  const model = b.encode();
  const calibration = await calibrate(model, [new Map(Object.entries(inputs))]);
  const { bytes } = compile(model, { calibration });
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend });
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { elementType, dims, data }]) => [
      name,
      elementType === "float32"
        ? { dims, reals: data as Float32Array }
        : { dims, integers: data as ArrayLike<number> },
    ]),
  );
  const result = instance.runSync({ inputs: values }).outputs!["y"]!.reals("float64");
  instance.dispose();
  backend.dispose();
  expect(result.length).toBe(expected.length);
  let signal = 0;
  let noise = 0;
  expected.forEach((e, i) => {
    signal += e * e;
    noise += (e - result[i]!) ** 2;
  });
  return 10 * Math.log10(signal / noise);
}

/** @param at index of an element of query, key and value: batch, head, place, element */
function attention(
  at: (tensor: "q" | "k" | "v", b: number, h: number, s: number, e: number) => number,
  hidden: (b: number, h: number, row: number, column: number) => boolean,
): (b: number, h: number, row: number, e: number) => number {
  const places = Array.from({ length: COLUMNS }, (_, c) => c);
  return (b, h, row, e) => {
    const powers = places.map((c) => {
      if (hidden(b, h, row, c)) return 0;
      let score = 0;
      for (let i = 0; i < SIZE; i++) score += at("q", b, h, row, i) * at("k", b, h, c, i);
      return Math.exp(score / Math.sqrt(SIZE));
    });
    const total = powers.reduce((a, p) => a + p, 0);
    return places.reduce((sum, c) => sum + (powers[c]! / total) * at("v", b, h, c, e), 0);
  };
}

describe("attention, against its formula", () => {
  it("of four axes, under a mask of booleans", async () => {
    const q = reals(BATCH, HEADS, ROWS, SIZE);
    const k = reals(BATCH, HEADS, COLUMNS, SIZE);
    const v = reals(BATCH, HEADS, COLUMNS, SIZE);
    const kept = Array.from({ length: ROWS * COLUMNS }, (_, i) => (i % 3 === 1 ? 0 : 1));
    const mask: HostArray = {
      elementType: "bool",
      dims: [ROWS, COLUMNS],
      data: Uint8Array.from(kept),
    };
    const data = { q: q.data, k: k.data, v: v.data };
    const f = attention(
      (t, b, h, s, e) =>
        Number(data[t][((b * HEADS + h) * (t === "q" ? ROWS : COLUMNS) + s) * SIZE + e]),
      (_b, _h, row, column) => kept[row * COLUMNS + column] === 0,
    );
    const expected: number[] = [];
    for (let b = 0; b < BATCH; b++)
      for (let h = 0; h < HEADS; h++)
        for (let s = 0; s < ROWS; s++) for (let e = 0; e < SIZE; e++) expected.push(f(b, h, s, e));
    expect(await sqnr("Attention", { q, k, v, mask }, {}, expected)).toBeGreaterThan(65);
  });

  it.each([
    ["known", false],
    ["open", true],
  ] as const)("of three axes, causal, with two queries to a key, of %s sizes", async (_, open) => {
    const q = reals(BATCH, ROWS, HEADS * SIZE);
    const k = reals(BATCH, COLUMNS, (HEADS / 2) * SIZE);
    const v = reals(BATCH, COLUMNS, (HEADS / 2) * SIZE);
    const data = { q: q.data, k: k.data, v: v.data };
    const f = attention(
      (t, b, h, s, e) =>
        t === "q"
          ? Number(data.q[((b * ROWS + s) * HEADS + h) * SIZE + e])
          : Number(data[t][((b * COLUMNS + s) * (HEADS / 2) + Math.floor(h / 2)) * SIZE + e]),
      (_b, _h, row, column) => column > row,
    );
    const expected: number[] = [];
    for (let b = 0; b < BATCH; b++)
      for (let s = 0; s < ROWS; s++)
        for (let h = 0; h < HEADS; h++) for (let e = 0; e < SIZE; e++) expected.push(f(b, h, s, e));
    const attributes = { q_num_heads: HEADS, kv_num_heads: HEADS / 2, is_causal: 1 };
    expect(await sqnr("Attention", { q, k, v }, attributes, expected, open)).toBeGreaterThan(65);
  });
});

describe("RotaryEmbedding, against its formula", () => {
  for (const interleaved of [0, 1]) {
    it(interleaved === 1 ? "of neighbours" : "of halves", async () => {
      const x = reals(BATCH, HEADS, ROWS, SIZE);
      const half = SIZE / 2;
      const cos = reals(10, half);
      const sin = reals(10, half);
      const places = Array.from({ length: BATCH * ROWS }, (_, i) => (i * 3) % 10);
      const positions: HostArray = {
        elementType: "int64",
        dims: [BATCH, ROWS],
        data: BigInt64Array.from(places, BigInt),
      };
      const expected: number[] = [];
      for (let b = 0; b < BATCH; b++)
        for (let h = 0; h < HEADS; h++)
          for (let s = 0; s < ROWS; s++)
            for (let e = 0; e < SIZE; e++) {
              const i = interleaved === 1 ? Math.floor(e / 2) : e % half;
              const second = interleaved === 1 ? e % 2 === 1 : e >= half;
              const at = (j: number): number =>
                Number(x.data[((b * HEADS + h) * ROWS + s) * SIZE + j]);
              const [p, q] = interleaved === 1 ? [at(2 * i), at(2 * i + 1)] : [at(i), at(i + half)];
              const angle = places[b * ROWS + s]! * half + i;
              const [c, t] = [Number(cos.data[angle]), Number(sin.data[angle])];
              expected.push(second ? t * p + c * q : c * p - t * q);
            }
      const inputs = { x, cos, sin, positions };
      expect(await sqnr("RotaryEmbedding", inputs, { interleaved }, expected)).toBeGreaterThan(65);
    });
  }
});
