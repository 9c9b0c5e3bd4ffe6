import { DTYPE_INFO } from "../../core/dtype.js";
import { elementCount } from "../../core/shape.js";
import { forEachBlock } from "./blocks.js";
import {
  CONTRACTION_BYTES,
  EPILOGUE_BYTES,
  SUMS,
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

/** One call of the kernel: rows of A times one packed matrix. */
interface Product {
  readonly matrix: number;
  readonly m: number;
  readonly a: Address;
  readonly aRowBytes: number;
  /** Offset of its first result, in elements, and from one row to the next. */
  readonly dst: number;
  readonly dstRow: number;
  /** Channel of its first column. */
  readonly channel: number;
}

/** Calls `visit` for one product after the other: there may be more than a list can hold. */
type EachProduct = (visit: (product: Product) => void) => void;

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
  const source = engine.addressOf(a);
  const batches = [a, b].map((x) => x.shape.slice(0, -2));
  return run(engine, pending, base, packed, (visit) =>
    forEachBlock(shape.slice(0, -2), batches, (block) => {
      const { rows, cols, offsets, result, rowSteps, steps } = block;
      // Neighbours that meet the same matrix are rows of one product.
      const joined = steps[1] === 0 ? cols : 1;
      for (let row = 0; row < rows; row++) {
        for (let col = 0; col < cols; col += joined) {
          const first = offsets[0]! + row * rowSteps[0]! + col * steps[0]!;
          visit({
            matrix: offsets[1]! + row * rowSteps[1]! + col * steps[1]!,
            m: joined * m,
            a: source + first * m * k * aBytes,
            aRowBytes: k * aBytes,
            dst: (result + row * cols + col) * m * n,
            dstRow: n,
            channel: 0,
          });
        }
      }
    }),
  );
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
  const source = engine.addressOf(a);
  const images = a.shape[0]!;
  const pixels = elementCount(shape.slice(1, -1));
  const perGroup = channels / groups;
  const imageBytes = elementCount(a.shape.slice(1)) * aBytes;
  // Without padding, strides or taps the images are one matrix of pixels.
  const plain = window.pointwise && !depthwise;
  const eachProduct: EachProduct = (visit) => {
    for (let image = 0; image < (plain ? 1 : images); image++) {
      for (let group = 0; group < groups; group++) {
        visit({
          matrix: group,
          m: plain ? images * pixels : pixels,
          a: source + image * imageBytes + group * perGroup * aBytes,
          aRowBytes: channels * aBytes,
          dst: image * pixels * outputs + group * n,
          dstRow: outputs,
          channel: group * n,
        });
      }
    }
  };
  return run(engine, pending, base, packed, eachProduct, plain ? undefined : window, depthwise);
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
  eachProduct: EachProduct,
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
  let channel = -1;
  eachProduct((product) => {
    if (channel !== product.channel) {
      channel = product.channel;
      writeSteps(engine, epilogueAt, pending, parameters, accumulator, sum, channel);
    }
    writeContraction(engine.heap.words, contractionAt, {
      m: product.m,
      n,
      k,
      a: product.a,
      aType: DTYPE_INFO[a.dtype].code,
      aRowBytes: product.aRowBytes,
      b: panels.pointer + product.matrix * panels.matrixBytes,
      sums,
      runs: runs + product.matrix * ((n + 7) >> 3) * 4,
      epilogue: epilogueAt,
      dst: out.pointer + product.dst * dstBytes,
      dstRowBytes: product.dstRow * dstBytes,
      window: window === undefined ? 0 : windowAt,
    });
    if (depthwise) wasm.depthwise(contractionAt, 0, window!.fields.outHeight, scratch);
    else wasm.contract(contractionAt, 0, product.m, 0, n, scratch);
  });
  return out;
}
