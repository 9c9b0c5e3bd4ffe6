// The simd backend's matrix product beside the float32 ones of tfjs and onnxruntime-web, through what
// each offers in public.
import { createRequire } from "node:module";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { openFloatModel } from "aivm/analysis";
import { createSimdBackendSync } from "aivm/tensor/simd";
import { ModelBuilder } from "../dist/compiler/onnx/modelBuilder.js";
import { race } from "./race.mjs";

const S = 512;
const SHAPE = [S, S];
/** What the float32 of tfjs and of onnxruntime-web are to be beaten by. */
const BARS = { tfjs: 2.3, onnxruntime: 2.5 };

let state = 1;
/** A reproducible integer in [lo, hi]. */
function random(/** @type {number} */ lo, /** @type {number} */ hi) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return lo + Math.floor(((state >>> 8) / 2 ** 24) * (hi - lo + 1));
}

/**
 * 512³ with full-range i16 by 12-bit (±2,047) operands.
 * @param {{ quick: boolean }} options
 */
export async function benchGemm({ quick }) {
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  const files = path.dirname(
    createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"),
  );
  setWasmPaths(`${files}/`);
  await import("@tensorflow/tfjs-backend-wasm");
  await tf.setBackend("wasm");
  const left = Int16Array.from({ length: S * S }, () => random(-32768, 32767));
  const right = Int16Array.from({ length: S * S }, () => random(-2047, 2047));
  const ta = tf.tensor2d(Float32Array.from(left), [S, S]);
  const tb = tf.tensor2d(Float32Array.from(right), [S, S]);

  const backend = createSimdBackendSync();
  const { kernels } = backend;
  const a = backend.upload("i16", SHAPE, new Uint8Array(left.buffer));
  const b = backend.upload("i16", SHAPE, new Uint8Array(right.buffer));
  const attributes = /** @type {const} */ ({ aBits: 16, bBits: 12, accumulator: "i64" });
  const output = /** @type {const} */ ({ dtype: "i16", zeroPoint: 0n, lo: -32768n, hi: 32767n });
  /** Kernels are lazy: reading one element of the result makes them do all of it. */
  const read = (/** @type {ReturnType<typeof kernels.matmul>} */ y) => {
    const corner = kernels.slice(y, [0, 0], [1, 1], [1, 1]);
    backend.download(corner);
    backend.release(corner);
    backend.release(y);
  };
  const exact = () => read(kernels.matmul(a, b, attributes, SHAPE));
  const rescaled = () => {
    const sums = kernels.matmul(a, b, attributes, SHAPE);
    const y = kernels.rescale(sums, 40_000, 40, output);
    backend.release(sums);
    read(y);
  };

  const bytes = byteProduct(backend);

  const model = new ModelBuilder(17)
    .input("a", "float32", SHAPE)
    .input("b", "float32", SHAPE)
    .node("MatMul", ["a", "b"], ["y"])
    .output("y", "float32", SHAPE);
  const float = await openFloatModel(model.encode());
  const feeds = new Map(
    [left, right].map((data, i) => [
      i === 0 ? "a" : "b",
      /** @type {const} */ ({ elementType: "float32", dims: SHAPE, data: Float32Array.from(data) }),
    ]),
  );

  const names = [
    "tfjs float32 matMul",
    "onnxruntime-web float32 MatMul",
    "i16 × 12 bits, exact i64 sums",
    "i16 × 12 bits, rescaled to i16",
    "8 × 8 bits, rescaled to i16",
  ];
  const timings = await race(
    [
      () => tf.matMul(ta, tb).dispose(),
      () => float.run(feeds),
      exact,
      rescaled,
      () => read(bytes(output)),
    ],
    quick ? 1 : 8,
  );
  backend.dispose();
  await float.dispose();
  ta.dispose();
  tb.dispose();
  const [tfjs, onnxruntime] = timings.map(({ medianMs }) => medianMs);
  return {
    name: "matmul 512³",
    bars: BARS,
    rows: timings.map((timing, i) => ({
      name: names[i] ?? "",
      peer: i < 2,
      ...timing,
      gmacPerSecond: S ** 3 / timing.medianMs / 1e6,
      overTfjs: (tfjs ?? NaN) / timing.medianMs,
      overOnnxruntime: (onnxruntime ?? NaN) / timing.medianMs,
    })),
  };
}

/**
 * What `fx8` multiplies: full-range i8 by full-range i8.
 * @param {ReturnType<typeof createSimdBackendSync>} backend
 */
function byteProduct({ kernels, upload, release }) {
  const tensor = () =>
    upload(
      "i8",
      SHAPE,
      new Uint8Array(Int8Array.from({ length: S * S }, () => random(-128, 127)).buffer),
    );
  const [a, b] = [tensor(), tensor()];
  const attributes = /** @type {const} */ ({ aBits: 8, bBits: 8, accumulator: "i32" });
  return (/** @type {Parameters<typeof kernels.rescale>[3]} */ output) => {
    const sums = kernels.matmul(a, b, attributes, SHAPE);
    const y = kernels.rescale(sums, 40_000, 32, output);
    release(sums);
    return y;
  };
}
