// The simd backend's matrix product beside tfjs's float32 one, through what both offer in public.
import { createRequire } from "node:module";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { createSimdBackendSync } from "aivm/tensor/simd";
import { race } from "./race.mjs";

const S = 512;
const SHAPE = [S, S];
/** What tfjs float32 is to be beaten by. */
const BAR = 2.2;

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

  const names = ["tfjs float32 matMul", "simd, exact i64 sums", "simd, rescaled to i16"];
  const timings = await race([() => tf.matMul(ta, tb).dispose(), exact, rescaled], quick ? 1 : 5);
  backend.dispose();
  ta.dispose();
  tb.dispose();
  const peer = timings[0]?.medianMs ?? NaN;
  return {
    name: "matmul 512³, i16 × 12 bits",
    bar: BAR,
    rows: timings.map((timing, i) => ({
      name: names[i] ?? "",
      ...timing,
      gmacPerSecond: S ** 3 / timing.medianMs / 1e6,
      ratio: peer / timing.medianMs,
    })),
  };
}
