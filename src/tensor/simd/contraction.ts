import { DTYPE_INFO } from "../../core/dtype.js";
import { elementCount } from "../../core/shape.js";
import { levelsOf } from "./blocks.js";
import {
  AXIS_BYTES,
  CONTRACTION_BYTES,
  EPILOGUE_BYTES,
  SUMS,
  WINDOW_BYTES,
  writeAxis,
  writeContraction,
  writeWindow,
} from "./descriptors.js";
import type { Engine } from "./engine.js";
import { channelParameters, writeSteps } from "./epilogue.js";
import { clamped, magnitude, union } from "./interval.js";
import type { Address } from "./kernels.js";
import type { PackedWeights } from "./packedWeights.js";
import { packWeights } from "./packedWeights.js";
import type { Base, Pending, SimdTensor } from "./tensor.js";
import { dtypeOf } from "./tensor.js";
import type { Storage } from "./storage.js";
import { flattenVolume } from "./volume.js";
import type { Window2d } from "./window2d.js";
import { window2d } from "./window2d.js";

type Matmul = Extract<Base, { kind: "matmul" }>;
type Conv = Extract<Base, { kind: "conv" }>;

/** An axis of products. */
interface ProductAxis {
  readonly size: number;
  /** From one product to the next: bytes of A, packed matrices, elements of the result, channels. */
  readonly aBytes: number;
  readonly matrices: number;
  readonly dst: number;
  readonly channels: number;
}

/** Rows of A times packed matrices, once for each index of the axes. */
interface Products {
  /** Rows of one product. */
  readonly m: number;
  readonly a: Address;
  readonly aRowBytes: number;
  /** Elements from one row of the result to the next. */
  readonly dstRow: number;
  readonly axes: readonly ProductAxis[];
}

/**
 * Runs a contraction and what follows it.
 * @returns undefined when it cannot be proved that adding the bias does not saturate
 */
export function contract(engine: Engine, pending: Pending): Storage | undefined {
  const base = pending.base as Matmul | Conv;
  // However many matrices, images or groups of nothing.
  if (elementCount(base.shape) === 0) return engine.allocate(dtypeOf(pending), base.shape);
  if (base.kind === "matmul") return matmul(engine, pending, base);
  if (base.shape.length < 5) return conv(engine, pending, base);
  const { base: flat, temporary } = flattenVolume(engine, base);
  try {
    return conv(engine, { ...pending, base: flat }, flat);
  } finally {
    engine.release(temporary);
  }
}

function isWide(base: Matmul | Conv): boolean {
  return base.a.dtype === "i32" || base.b.dtype === "i32";
}

function matmul(engine: Engine, pending: Pending, base: Matmul): Storage | undefined {
  const { a, b, shape } = base;
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape[b.shape.length - 1]!;
  const aBytes = DTYPE_INFO[a.dtype].bytes;
  const bBytes = DTYPE_INFO[b.dtype].bytes;
  const packed = packWeights(engine, b, isWide(base), {
    matrices: elementCount(b.shape.slice(0, -2)),
    stepBytes: k * n * bBytes,
    k,
    n,
    rowBytes: n * bBytes,
  });
  const batches = [a, b].map((x) => x.shape.slice(0, -2));
  const { sizes, strides } = levelsOf(shape.slice(0, -2), batches);
  // Neighbours that meet the same matrix are rows of one product.
  let rows = m;
  if (strides[strides.length - 1]?.[1] === 0) {
    rows *= sizes.pop()!;
    strides.pop();
  }
  const axes = sizes.map((size, i) => ({
    size,
    aBytes: strides[i]![0]! * m * k * aBytes,
    matrices: strides[i]![1]!,
    dst: elementCount(sizes.slice(i + 1)) * rows * n,
    channels: 0,
  }));
  const products = { m: rows, a: engine.addressOf(a), aRowBytes: k * aBytes, dstRow: n, axes };
  return run(engine, pending, base, packed, products);
}

function conv(engine: Engine, pending: Pending, base: Conv): Storage | undefined {
  const { a, b, attributes, shape } = base;
  const channels = a.shape[a.shape.length - 1]!;
  const kernel = b.shape.slice(0, -2);
  // A kernel of its own: every channel is a group, all of them are columns of one matrix.
  const depthwise =
    attributes.groups === channels && shape[shape.length - 1] === channels && !isWide(base);
  const groups = depthwise ? 1 : attributes.groups;
  const window = window2d(a.shape, kernel, attributes, shape, channels / groups);
  const outputs = shape[shape.length - 1]!;
  const aBytes = DTYPE_INFO[a.dtype].bytes;
  const bBytes = DTYPE_INFO[b.dtype].bytes;
  const n = outputs / groups;
  const packed = packWeights(engine, b, isWide(base), {
    matrices: groups,
    stepBytes: n * bBytes,
    k: elementCount(b.shape.slice(0, -1)),
    n,
    rowBytes: outputs * bBytes,
  });
  const images = a.shape[0]!;
  const pixels = elementCount(shape.slice(1, -1));
  // Without padding, strides or taps the images are one matrix of pixels.
  const plain = window.pointwise && !depthwise;
  const byImage = {
    size: plain ? 1 : images,
    aBytes: elementCount(a.shape.slice(1)) * aBytes,
    matrices: 0,
    dst: pixels * outputs,
    channels: 0,
  };
  const byGroup = {
    size: groups,
    aBytes: (channels / groups) * aBytes,
    matrices: 1,
    dst: n,
    channels: n,
  };
  const products = {
    m: plain ? images * pixels : pixels,
    a: engine.addressOf(a),
    aRowBytes: channels * aBytes,
    dstRow: outputs,
    axes: [byImage, byGroup],
  };
  return run(engine, pending, base, packed, products, plain ? undefined : window, depthwise);
}

/** The greatest magnitude of a value within `bits`. */
function greatest({ dtype }: SimdTensor, bits: number): number {
  return Number(DTYPE_INFO[dtype].signed ? 1n << BigInt(bits - 1) : (1n << BigInt(bits)) - 1n);
}

function run(
  engine: Engine,
  pending: Pending,
  base: Matmul | Conv,
  packed: PackedWeights,
  products: Products,
  window?: Window2d,
  depthwise = false,
): Storage | undefined {
  const { a, b, attributes, shape } = base;
  const { accumulator } = attributes;
  const { k, n } = packed.layout;
  const pad = "padValue" in attributes ? Number(attributes.padValue) : 0;
  const most = greatest(a, attributes.aBits);
  const values = clamped(union(a.interval, { lo: pad, hi: pad }), { lo: -most, hi: most });
  const bias = pending.bias === undefined ? 0 : magnitude(pending.bias.interval);
  // Doubles: rounding is far below the factor of two that is kept free.
  const sum = k * magnitude(values) * magnitude(b.interval) + bias;
  if (bias > 0 && sum > 2 ** 62) return undefined;
  const { sums, runs } = packed.plan(values, b, pending.bias);
  const wide = sums !== SUMS.i32;
  if (bias > 0 && accumulator === "i32" && wide) return undefined;

  const panels = sums === SUMS.split && !depthwise ? packed.halves(b) : packed;
  const dtype = dtypeOf(pending);
  const dstBytes = DTYPE_INFO[dtype].bytes;
  const columns = shape[shape.length - 1]!;
  const epilogueAt = engine.arguments;
  const contractionAt = epilogueAt + EPILOGUE_BYTES;
  const windowAt = contractionAt + CONTRACTION_BYTES;
  const axesAt = windowAt + WINDOW_BYTES;
  if (window !== undefined) {
    const pixelBytes = a.shape[a.shape.length - 1]! * DTYPE_INFO[a.dtype].bytes;
    writeWindow(engine.heap.words, windowAt, { ...window.fields, pixelBytes, padValue: pad });
  }
  const { wasm } = engine;
  const scratch = engine.threadScratch(
    depthwise ? wasm.depthwiseScratchBytes(windowAt) : wasm.contractScratchBytes(k, n),
  );
  // All that can fail for want of memory comes before the result.
  const parameters = channelParameters(engine, pending, wide, columns, wide ? "i64" : "i32", sum);
  const out = engine.allocate(dtype, shape);
  writeSteps(engine, epilogueAt, pending, parameters, accumulator, sum);
  const axes = products.axes.filter(({ size }) => size > 1);
  axes.forEach(({ dst, ...axis }, i) => {
    const at = axesAt + i * AXIS_BYTES;
    writeAxis(engine.heap.words, at, { ...axis, dstBytes: dst * dstBytes });
  });
  const contraction = {
    m: products.m,
    n,
    k,
    a: products.a,
    aType: DTYPE_INFO[a.dtype].code,
    aRowBytes: products.aRowBytes,
    b: panels.pointer,
    sums,
    runs,
    epilogue: epilogueAt,
    dst: out.pointer,
    dstRowBytes: products.dstRow * dstBytes,
    window: window === undefined ? 0 : windowAt,
    matrixBytes: panels.matrixBytes,
    axes: axesAt,
    axisCount: axes.length,
  };
  if (!depthwise) {
    writeContraction(engine.heap.words, contractionAt, contraction);
    const count = elementCount(axes.map(({ size }) => size));
    wasm.contract(contractionAt, 0, count * products.m, 0, n, scratch);
    return out;
  }
  const [images] = products.axes;
  for (let image = 0; image < images!.size; image++) {
    writeContraction(engine.heap.words, contractionAt, {
      ...contraction,
      a: products.a + image * images!.aBytes,
      dst: out.pointer + image * images!.dst * dstBytes,
    });
    wasm.depthwise(contractionAt, 0, window!.fields.outHeight, scratch);
  }
  return out;
}
