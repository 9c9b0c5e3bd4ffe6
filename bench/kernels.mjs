// @ts-nocheck: calls into untyped memory by number.
// Speed of the SIMD kernels, beside tfjs's float32 product in the same process.
// Run with Node after `npm run build`: node bench/kernels.mjs
import { createRequire } from "node:module";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as d from "../dist/tensor/simd/descriptors.js";
import { instantiateKernels } from "../dist/tensor/simd/kernels.js";

const [I8, I16, I32, I64] = [2, 3, 4, 5];
const memory = new WebAssembly.Memory({ initial: 1600, maximum: 65_536 });
const kernels = instantiateKernels(memory);
const view = new DataView(memory.buffer);
let next = 1024;

function alloc(bytes) {
  const at = next;
  next = (at + bytes + 63) & ~63;
  return at;
}

let state = 1;
/** A reproducible integer in [lo, hi]. */
function random(lo, hi) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return lo + Math.floor(((state >>> 8) / 2 ** 24) * (hi - lo + 1));
}

function put(Type, length, lo, hi) {
  const at = alloc(length * Type.BYTES_PER_ELEMENT);
  const array = new Type(memory.buffer, at, length);
  for (let i = 0; i < length; i++) array[i] = random(lo, hi);
  return at;
}

/** Runs all candidates in turn, so that the machine's drift hits them alike; least and median ms. */
function race(candidates, seconds = 2) {
  const times = candidates.map(() => []);
  for (const [, run] of candidates) run();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end || times[0].length < 3) {
    candidates.forEach(([, run], i) => {
      const start = performance.now();
      run();
      times[i].push(performance.now() - start);
    });
  }
  return times.map((t) => {
    t.sort((x, y) => x - y);
    return { least: t[0], median: t[t.length >> 1] };
  });
}

function report(title, candidates, unit, seconds) {
  console.log(`\n${title}`);
  race(candidates, seconds).forEach(({ least, median }, i) => {
    const [name, , work, note = ""] = candidates[i];
    const format =
      unit === "GMAC/s"
        ? (ms) => (work / ms / 1e6).toFixed(1)
        : (ms) => ((ms * 1e6) / work).toFixed(3);
    console.log(
      `  ${name.padEnd(44)} best ${format(least).padStart(7)}  median ${format(median).padStart(7)} ${unit} ${note}`,
    );
  });
}

function epilogue(fields) {
  const at = alloc(d.EPILOGUE_BYTES);
  d.writeEpilogue(view, at, {
    zeroPoint: 0n,
    lo: -32768n,
    hi: 32767n,
    bias: 0,
    multiplier: 0,
    shift: 0,
    uniformShift: 0,
    bits: 63,
    spreadHalf: 0,
    spreadFactor: 0,
    spreadShift: 0,
    channelMask: -1,
    type: I32,
    table: 0,
    segmentsLog2: 0,
    guardBits: 0,
    shortTable: 0,
    tableType: I16,
    ...fields,
  });
  return at;
}

function rescaled(n, bias = 0) {
  return epilogue({ multiplier: put(Int32Array, n, 1, 65535), uniformShift: 40, type: I16, bias });
}

/** A product or convolution with weights of `bits` bits against full-range A. */
function contraction({ m, n, k, bits, aType = I16, window = 0, a, finish }) {
  const Type = aType === I8 ? Int8Array : aType === I32 ? Int32Array : Int16Array;
  const aMax = aType === I8 ? 128 : 32768;
  const wide = aType === I32;
  const bytes = Math.ceil(n / 8) * (wide ? k : (k + 1) >> 1) * 32;
  const packed = alloc(bytes);
  const top = 2 ** (bits - 1) - 1;
  const b = put(Int16Array, k * n, -top, top);
  kernels.pack(wide ? 1 : 0, I16, b, n * 2, 2, k, n, packed, 1, 0);
  const runs = alloc(n >> 1);
  const limit = Math.floor(0x7fffffff / aMax);
  const run = wide ? 0 : kernels.planRuns(packed, k, n, limit, runs, 0);
  const proved = run >= k >> 1;
  const split = !wide && run < 6;
  const planes = alloc(2 * bytes);
  if (split) kernels.splitPairs(packed, bytes, planes, 1);
  const at = alloc(d.CONTRACTION_BYTES);
  d.writeContraction(view, at, {
    m,
    n,
    k,
    a: a ?? put(Type, m * k, aType === I8 ? -128 : -32768, aType === I8 ? 127 : 32767),
    aType,
    aRowBytes: k * Type.BYTES_PER_ELEMENT,
    b: split ? planes : packed,
    sums: wide ? 2 : split ? 3 : proved ? 0 : 1,
    runs,
    epilogue: finish(proved),
    dst: alloc(m * n * 8),
    dstRowBytes: n * 8,
    window,
    matrixBytes: 0,
    axes: 0,
    axisCount: 0,
  });
  const note = wide
    ? ""
    : proved
      ? "(i32)"
      : split
        ? "(i64 of two halves)"
        : `(i64 over runs of ${2 * run} and more)`;
  const scratch = alloc(kernels.contractScratchBytes(k, n));
  return { run: () => kernels.contract(at, 0, m, 0, n, scratch), work: m * n * k, note };
}

function entry(name, { run, work, note }) {
  return [name, run, work, note];
}

tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
setWasmPaths(
  `${path.dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"))}/`,
);
await import("@tensorflow/tfjs-backend-wasm");
await tf.setBackend("wasm");
const S = 512;
const [ta, tb] = [tf.randomUniform([S, S]), tf.randomUniform([S, S])];
const raw = (i32) => epilogue({ type: i32 ? I32 : I64 });
report(
  "512³ product",
  [
    ["tfjs float32 matMul", () => tf.matMul(ta, tb).dispose(), S ** 3],
    entry("i16 · 8-bit", contraction({ m: S, n: S, k: S, bits: 8, finish: raw })),
    entry("i16 · 12-bit, exact sums", contraction({ m: S, n: S, k: S, bits: 12, finish: raw })),
    entry(
      "i16 · 12-bit, rescaled to i16",
      contraction({ m: S, n: S, k: S, bits: 12, finish: () => rescaled(S) }),
    ),
    entry("i16 · 16-bit", contraction({ m: S, n: S, k: S, bits: 16, finish: raw })),
    entry(
      "i8 · 8-bit, rescaled to i16",
      contraction({ m: S, n: S, k: S, bits: 8, aType: I8, finish: () => rescaled(S) }),
    ),
    entry("i32 · i16 to i64", contraction({ m: S, n: S, k: S, bits: 16, aType: I32, finish: raw })),
  ],
  "GMAC/s",
  6,
);

function convolution(name, h, c, n, kernel, stride) {
  const out = Math.ceil(h / stride);
  const window = alloc(d.WINDOW_BYTES);
  const pad = kernel >> 1;
  d.writeWindow(view, window, {
    height: h,
    width: h,
    channels: c,
    pixelBytes: c * 2,
    kernelHeight: kernel,
    kernelWidth: kernel,
    strideY: stride,
    strideX: stride,
    dilationY: 1,
    dilationX: 1,
    padTop: pad,
    padLeft: pad,
    outHeight: out,
    outWidth: out,
    padValue: 0,
  });
  const fields = { m: out * out, n, k: kernel * kernel * c, bits: 8, finish: () => rescaled(n) };
  const a = put(Int16Array, h * h * c, -32768, 32767);
  const direct = kernel === 1 && stride === 1;
  return entry(name, contraction({ ...fields, a, window: direct ? 0 : window }));
}

/** A depthwise k×k convolution of an h×h image of i16 by 12-bit weights. */
function depthwise(name, h, c, kernel, stride) {
  const out = Math.ceil(h / stride);
  const taps = kernel * kernel;
  const pad = kernel >> 1;
  const window = alloc(d.WINDOW_BYTES);
  d.writeWindow(view, window, {
    height: h,
    width: h,
    channels: c,
    pixelBytes: c * 2,
    kernelHeight: kernel,
    kernelWidth: kernel,
    strideY: stride,
    strideX: stride,
    dilationY: 1,
    dilationX: 1,
    padTop: pad,
    padLeft: pad,
    outHeight: out,
    outWidth: out,
    padValue: 0,
  });
  const packed = alloc(Math.ceil(c / 8) * ((taps + 1) >> 1) * 32);
  kernels.pack(0, I16, put(Int16Array, taps * c, -2047, 2047), c * 2, 2, taps, c, packed, 1, 0);
  const at = alloc(d.CONTRACTION_BYTES);
  d.writeContraction(view, at, {
    m: 0,
    n: c,
    k: taps,
    a: put(Int16Array, h * h * c, -32768, 32767),
    aType: I16,
    aRowBytes: 0,
    b: packed,
    sums: 0,
    runs: 0,
    epilogue: rescaled(c),
    dst: alloc(out * out * c * 2),
    dstRowBytes: c * 2,
    window,
    matrixBytes: 0,
    axes: 0,
    axisCount: 0,
  });
  const scratch = alloc(kernels.depthwiseScratchBytes(window));
  return [name, () => kernels.depthwise(at, 0, out, scratch), out * out * c * taps];
}

const mark = next;
report(
  "Convolution of i16 by 8-bit weights, rescaled to i16",
  [
    convolution("3×3/2, 224² × 3 → 32", 224, 3, 32, 3, 2),
    convolution("1×1, 104² × 16 → 32", 104, 16, 32, 1, 1),
    convolution("3×3, 52² × 32 → 32", 52, 32, 32, 3, 1),
    convolution("3×3, 28² × 128 → 128", 28, 128, 128, 3, 1),
    convolution("3×3, 7² × 512 → 512", 7, 512, 512, 3, 1),
    convolution("1×1, 52² × 96 → 64", 52, 96, 64, 1, 1),
    convolution("1×1, 1 × 1024 → 1000", 1, 1024, 1000, 1, 1),
  ],
  "GMAC/s",
  6,
);
next = mark;
report(
  "Depthwise convolution of i16 by i16, rescaled to i16",
  [
    depthwise("3×3, 112² × 32", 112, 32, 3, 1),
    depthwise("3×3, 52² × 96", 52, 96, 3, 1),
    depthwise("3×3/2, 56² × 144", 56, 144, 3, 2),
    depthwise("5×5, 26² × 96", 26, 96, 5, 1),
  ],
  "GMAC/s",
  4,
);
next = mark;

const N = 16 * 1024;
const sources = {
  i32: put(Int32Array, N, -(2 ** 31), 2 ** 31 - 1),
  i64: alloc(N * 8),
  i16: put(Int16Array, N, -32768, 32767),
};
for (let i = 0; i < N; i++)
  view.setBigInt64(sources.i64 + 8 * i, BigInt(random(-(2 ** 40), 2 ** 40)), true);
const out = alloc(N * 8);
const perChannel = rescaled(64);
const general = epilogue({
  multiplier: put(Int32Array, 64, 1, 65535),
  shift: put(Int8Array, 64, 32, 50),
  type: I16,
});
/** Full multipliers with shifts around 46: no common one, but a common part. */
function spread(source, bits) {
  const multipliers = Array.from({ length: 64 }, () => random(2 ** 30, 2 ** 31 - 1) | 1);
  const shifts = multipliers.map(() => random(44, 48));
  const { halves, factors, common, ...own } = d.spreadShifts(multipliers, shifts, source, bits);
  const store = (array) => {
    const at = alloc(array.byteLength);
    new Uint8Array(memory.buffer, at, array.byteLength).set(new Uint8Array(array.buffer));
    return at;
  };
  return epilogue({
    multiplier: store(own.multipliers),
    shift: store(own.shifts),
    spreadHalf: store(halves),
    spreadFactor: store(factors),
    spreadShift: common,
    bits,
    type: I16,
  });
}
const [spreadI32, spreadI64] = [spread("i32", 31), spread("i64", 40)];
const smallSums = epilogue({
  multiplier: put(Int32Array, 64, 1, 65535),
  uniformShift: 42,
  bits: 40,
  type: I16,
});
const divisor = alloc(8);
view.setBigInt64(divisor, 1000003n, true);
const count = alloc(8);
view.setBigInt64(count, 20n, true);
/** A weighted sum of two operands of `source`: factors of about a half, in 30 bits. */
function weighted(source, at) {
  const args = alloc(d.WEIGHTED_SUM_BYTES);
  d.writeWeightedSum(view, args, {
    zeroPoint: 0n,
    lo: source === I16 ? -32768n : -(2n ** 30n),
    hi: source === I16 ? 32767n : 2n ** 30n - 1n,
    most: source === I16 ? 2n ** 46n : 2n ** 61n,
    aMultiplier: 438448091,
    bMultiplier: 635293775,
    shift: 30,
    aType: source,
    a: at,
    aRow: 0,
    aStep: 1,
    bType: source,
    b: at,
    bRow: 0,
    bStep: 1,
    type: source,
    dst: out,
    cols: N,
  });
  return () => kernels.rescaleAdd(args, 0, 1, 0, N);
}
const poolWindow = alloc(d.WINDOW_BYTES);
d.writeWindow(view, poolWindow, {
  height: 32,
  width: 32,
  channels: 16,
  pixelBytes: 32,
  kernelHeight: 3,
  kernelWidth: 3,
  strideY: 1,
  strideX: 1,
  dilationY: 1,
  dilationX: 1,
  padTop: 0,
  padLeft: 0,
  outHeight: 30,
  outWidth: 30,
  padValue: 0,
});
const transposed = alloc(24);
new Int32Array(memory.buffer, transposed, 6).set([128, 2, 256, 128, 256, 2]);
const table = put(Int32Array, 65536, -(2 ** 18), 2 ** 18);
report(
  "Per element, 16,384 elements",
  [
    [
      "rescale i32 → i16, per channel",
      () => kernels.rescale(perChannel, I32, sources.i32, N / 64, 64, out),
      N,
    ],
    [
      "rescale i64 → i16, per channel",
      () => kernels.rescale(perChannel, I64, sources.i64, N / 64, 64, out),
      N,
    ],
    [
      "rescale i64 → i16, per channel, known to be small",
      () => kernels.rescale(smallSums, I64, sources.i64, N / 64, 64, out),
      N,
    ],
    [
      "rescale i32 → i16, shifts that differ",
      () => kernels.rescale(spreadI32, I32, sources.i32, N / 64, 64, out),
      N,
    ],
    [
      "rescale i64 → i16, shifts that differ",
      () => kernels.rescale(spreadI64, I64, sources.i64, N / 64, 64, out),
      N,
    ],
    [
      "rescale i32 → i16, one by one",
      () => kernels.rescale(general, I32, sources.i32, N / 64, 64, out),
      N,
    ],
    ["add i16", () => kernels.binary(0, I16, sources.i16, 0, 1, sources.i32, 0, 1, out, 1, N), N],
    ["mul i32", () => kernels.binary(2, I32, sources.i32, 0, 1, sources.i32, 0, 1, out, 1, N), N],
    ["weighted sum of i16", weighted(I16, sources.i16), N],
    ["weighted sum of i32", weighted(I32, sources.i32), N],
    [
      "mul.wide i16 · i16 → i32",
      () => kernels.mulWide(I32, I16, sources.i16, 0, 1, I16, sources.i16, 0, 1, out, 1, N),
      N,
    ],
    [
      "mul.wide i32 · i32 → i64",
      () => kernels.mulWide(I64, I32, sources.i32, 0, 1, I32, sources.i32, 0, 1, out, 1, N),
      N,
    ],
    [
      "div.floor i64 by one divisor",
      () => kernels.binary(8, I64, sources.i64, 0, 1, divisor, 0, 0, out, 1, N),
      N,
    ],
    [
      "shl i64 by one count",
      () => kernels.binary(12, I64, sources.i64, 0, 1, count, 0, 0, out, 1, N),
      N,
    ],
    [
      "sum of rows of 64 i64",
      () => kernels.reduce(0, I64, I64, sources.i64, N / 64, 64, 1, out),
      N,
    ],
    [
      "max pool 3×3 of i16, per tap",
      () => kernels.pool(0, I16, 0, poolWindow, sources.i16, out, 0, 30),
      9 * 30 * 30 * 16,
    ],
    [
      "sum of rows of 64 i16",
      () => kernels.reduce(0, I16, I32, sources.i16, N / 64, 64, 1, out),
      N,
    ],
    ["transpose i16 128²", () => kernels.copy(2, 2, transposed, sources.i16, out, 0, 128), N],
    ["lut direct, i16 → i16", () => kernels.lutDirect(I16, sources.i16, N, table, 2, out), N],
    [
      "lut interpolated, i16 → i16",
      () => kernels.lutInterpolate(sources.i16, N, table, 10, 4, 0, I16, out),
      N,
    ],
    [
      "lut interpolated, i16 → i16, 32-bit sums",
      () => kernels.lutInterpolate(sources.i16, N, table, 10, 9, 1, I16, out),
      N,
    ],
  ],
  "ns",
  6,
);
