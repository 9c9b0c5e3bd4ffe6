import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { ConvAttributes, Kernels, WindowAttributes } from "../backend.js";
import { magnitude } from "../reference/contraction.js";
import type { HostTensor } from "../reference/hostTensor.js";
import {
  EXACT,
  POWERS_OF_TWO,
  doublesOf,
  fromBigints,
  fromDoubles,
  saturateDoubles,
} from "../reference/hostTensor.js";
import { broadcastStrides, forEachRow } from "../reference/strided.js";
import type { Window } from "../reference/window.js";
import { windowOf } from "../reference/window.js";
import type { WeightCache } from "./weightCache.js";
import type { LimbPlan } from "./limbs.js";
import { limbsOf, planLimbs } from "./limbs.js";
import type { WasmEngine } from "./wasmEngine.js";

/** Exact sums: in doubles when they are known to fit, else in bigints. */
class Sums {
  private readonly doubles: Float64Array | undefined;
  private readonly bigints: BigInt64Array | undefined;

  /** @param bound of the magnitude of the sums of all limbs */
  constructor(count: number, bound: number) {
    if (bound <= EXACT) this.doubles = new Float64Array(count);
    else this.bigints = new BigInt64Array(count);
  }

  /** Adds rows of `width` values, times 2^shift, to every row of `stride` sums from `offset`. */
  add(part: ArrayLike<number>, shift: number, offset: number, width: number, stride: number): void {
    const { doubles, bigints } = this;
    const weight = POWERS_OF_TWO[shift]!;
    for (let i = 0, row = offset; i < part.length; i += width, row += stride) {
      if (doubles) {
        for (let j = 0; j < width; j++) doubles[row + j]! += part[i + j]! * weight;
      } else {
        for (let j = 0; j < width; j++) bigints![row + j]! += BigInt(part[i + j]!) << BigInt(shift);
      }
    }
  }

  tensor(dtype: Dtype, shape: Shape): HostTensor {
    if (!this.doubles) return fromBigints(dtype, shape, this.bigints!);
    return dtype === "i64"
      ? fromDoubles(dtype, shape, this.doubles)
      : saturateDoubles(dtype, shape, this.doubles);
  }
}

/** Bits of a two's complement number that holds values of `dtype` within `bits`. */
const signedBits = (dtype: Dtype, bits: number): number =>
  DTYPE_INFO[dtype].signed ? bits : bits + 1;

/** Twice the bound for each operand, because balanced limbs overshoot before they cancel. */
const limbBound = (k: number, a: number, b: number): number => 4 * k * a * b;

/**
 * The input of a conv as images for windows without padding: image n·outD + z holds the slice of
 * depth tap `kz` of output depth z, surrounded by `pad`. One and two spatial axes have one such tap.
 */
export function paddedImages(
  x: Float64Array,
  channels: number,
  window: Window,
  padsAfter: readonly number[],
  kz: number,
  pad: number,
): { images: Float64Array; shape: [number, number, number, number] } {
  const { batch, input, output, strides, dilations, padsBefore } = window;
  const [inD, inH, inW] = input as [number, number, number];
  const outD = output[0]!;
  const [top, left] = [padsBefore[1]!, padsBefore[2]!];
  const height = top + inH + padsAfter[1]!;
  const width = left + inW + padsAfter[2]!;
  const shape: [number, number, number, number] = [batch * outD, height, width, channels];
  // A later tap of a single slice sees padding only.
  const first = kz === 0 && padsBefore[0] === 0;
  if (inD === 1 && outD === 1 && first && height === inH && width === inW) {
    return { images: x, shape };
  }
  const images = new Float64Array(elementCount(shape)).fill(pad);
  for (let n = 0; n < batch; n++) {
    for (let outZ = 0; outZ < outD; outZ++) {
      const z = outZ * strides[0]! + kz * dilations[0]! - padsBefore[0]!;
      if (z < 0 || z >= inD) continue;
      for (let y = 0; y < inH; y++) {
        const from = ((n * inD + z) * inH + y) * inW * channels;
        const to = (((n * outD + outZ) * height + top + y) * width + left) * channels;
        images.set(x.subarray(from, from + inW * channels), to);
      }
    }
  }
  return { images, shape };
}

/** How much larger padded images may be than what they are made of and what windows read of them. */
const MAX_WASTE = 4;

/**
 * Whether padded images are far larger than input and work: padding of 65,535 that strides jump
 * over makes gigabytes of which nobody reads a hundred elements.
 */
export function padsToExcess(window: Window, padsAfter: readonly number[]): boolean {
  const { batch, input, output, kernel, padsBefore } = window;
  const padded = [1, 2].map((axis) => padsBefore[axis]! + input[axis]! + padsAfter[axis]!);
  const images = batch * output[0]! * elementCount(padded);
  const read = batch * elementCount(output) * elementCount(kernel);
  return images > MAX_WASTE * (batch * elementCount(input) + read);
}

/** Padding after each of three spatial axes. */
export function padsAfterOf({ pads }: WindowAttributes): number[] {
  const spatial = pads.length / 2;
  return [...new Array<number>(3 - spatial).fill(0), ...pads.slice(spatial)];
}

/** `count` channels from `first` of rows of `channels`. */
function takeChannels(
  x: Float64Array,
  channels: number,
  first: number,
  count: number,
): Float64Array {
  if (count === channels) return x;
  const y = new Float64Array((x.length / channels) * count);
  for (let from = first, to = 0; to < y.length; from += channels, to += count) {
    for (let c = 0; c < count; c++) y[to + c] = x[from + c]!;
  }
  return y;
}

/** What a conv and a sum over windows (a conv by ones) have in common. */
interface ConvWork {
  readonly input: Float64Array;
  readonly channels: number;
  readonly weights: Float64Array;
  /** Tensor whose lifetime the limbs of the weights share, if any. */
  readonly owner: HostTensor | undefined;
  readonly perGroup: number;
  readonly outputs: number;
  readonly groups: number;
  readonly window: Window;
  readonly padsAfter: readonly number[];
  readonly pad: number;
  readonly plan: LimbPlan;
}

/**
 * Adds a conv to `sums`. Each depth tap is a 2-D conv of its own; groups of single channels are one
 * depthwise conv, other groups a conv each.
 */
function addConv(engine: WasmEngine, cache: WeightCache, work: ConvWork, sums: Sums): void {
  const { window, perGroup, outputs, groups, channels, plan } = work;
  const [kernelD, kernelH, kernelW] = window.kernel as [number, number, number];
  const tapSize = kernelH * kernelW * perGroup * outputs;
  const depthwise = perGroup === 1;
  const runs = depthwise ? 1 : groups;
  const runOutputs = outputs / runs;
  const attrs = {
    strides: window.strides.slice(1),
    dilations: window.dilations.slice(1),
    pad: "valid",
    dataFormat: "NHWC",
  };

  for (let kz = 0; kz < kernelD; kz++) {
    const { images, shape } = paddedImages(
      work.input,
      channels,
      window,
      work.padsAfter,
      kz,
      work.pad,
    );
    for (let run = 0; run < runs; run++) {
      engine.scope(() => {
        const runChannels = channels / runs;
        const part = takeChannels(images, channels, run * runChannels, runChannels);
        const inputs = limbsOf(part, plan.aWidth, plan.aCount).map((limb) =>
          engine.upload(limb, [...shape.slice(0, 3), runChannels]),
        );
        const filter = depthwise
          ? [kernelH, kernelW, channels, outputs / channels]
          : [kernelH, kernelW, perGroup, runOutputs];
        const makeWeights = (): TensorInfo[] => {
          const tap = work.weights.subarray(kz * tapSize, (kz + 1) * tapSize);
          const own = takeChannels(tap, outputs, run * runOutputs, runOutputs);
          return limbsOf(own, plan.bWidth, plan.bCount).map((limb) => engine.upload(limb, filter));
        };
        const weights = work.owner
          ? cache.get(work.owner, `${kz},${run},${plan.bWidth},${filter.join()}`, makeWeights)
          : makeWeights();
        inputs.forEach((x, i) =>
          weights.forEach((w, j) =>
            engine.scope(() => {
              const kernel = depthwise ? "DepthwiseConv2dNative" : "Conv2D";
              const y = engine.read(engine.run(kernel, { x, filter: w }, attrs));
              const shift = i * plan.aWidth + j * plan.bWidth;
              sums.add(y as Float32Array, shift, run * runOutputs, runOutputs, outputs);
            }),
          ),
        );
      });
    }
  }
}

type Contraction = Pick<Kernels<HostTensor>, "matmul" | "conv">;

/**
 * Contractions of limbs in float32, put together exactly. What cannot be split goes to `inherited`.
 */
export function contractionKernels(
  engine: WasmEngine,
  cache: WeightCache,
  inherited: Contraction,
): Contraction {
  return {
    matmul(a, b, attributes, shape) {
      const k = a.shape[a.shape.length - 1]!;
      const { aBits, bBits, accumulator } = attributes;
      const plan = planLimbs(k, signedBits(a.dtype, aBits), signedBits(b.dtype, bBits));
      if (!plan || elementCount(shape) * k === 0) {
        return inherited.matmul(a, b, attributes, shape);
      }
      const n = shape[shape.length - 1]!;
      const [aValues, bValues] = [doublesOf(a), doublesOf(b)];
      const bound = limbBound(k, magnitude(a.dtype, aBits), magnitude(b.dtype, bBits));
      const sums = new Sums(elementCount(shape), bound);

      const multiply = (aOffset: number, rows: number, bOffset: number, yOffset: number): void =>
        engine.scope(() => {
          const left = aValues.subarray(aOffset, aOffset + rows * k);
          const xs = limbsOf(left, plan.aWidth, plan.aCount).map((limb) =>
            engine.upload(limb, [rows, k]),
          );
          const makeWeights = (): TensorInfo[] => {
            const right = bValues.subarray(bOffset, bOffset + k * n);
            return limbsOf(right, plan.bWidth, plan.bCount).map((limb) =>
              engine.upload(limb, [k, n]),
            );
          };
          const ws = cache.get(b, `${bOffset},${plan.bWidth},${k},${n}`, makeWeights);
          xs.forEach((x, i) =>
            ws.forEach((w, j) =>
              engine.scope(() => {
                const transposition = { transposeA: false, transposeB: false };
                const y = engine.run("BatchMatMul", { a: x, b: w }, transposition);
                const shift = i * plan.aWidth + j * plan.bWidth;
                sums.add(engine.read(y) as Float32Array, shift, yOffset, n, n);
              }),
            ),
          );
        });

      const allRows = elementCount(shape) / n;
      if (bValues.length === k * n && aValues.length === allRows * k) {
        multiply(0, allRows, 0, 0);
      } else {
        const m = shape[shape.length - 2]!;
        const batch = shape.slice(0, -2);
        const layout = (x: Shape, size: number) => ({
          offset: 0,
          strides: broadcastStrides(x.slice(0, -2), batch).map((stride) => stride * size),
        });
        let yOffset = 0;
        forEachRow(
          batch,
          layout(a.shape, m * k),
          layout(b.shape, k * n),
          (a0, b0, count, aStep, bStep) => {
            for (let i = 0; i < count; i++, yOffset += m * n) {
              multiply(a0 + i * aStep, m, b0 + i * bStep, yOffset);
            }
          },
        );
      }
      return sums.tensor(accumulator, shape);
    },

    conv(a, b, attributes: ConvAttributes, shape) {
      const kernel = b.shape.slice(0, -2);
      const [perGroup, outputs] = b.shape.slice(-2) as [number, number];
      const { aBits, bBits, accumulator, groups } = attributes;
      const k = elementCount(kernel) * perGroup;
      const plan = planLimbs(k, signedBits(a.dtype, aBits), signedBits(b.dtype, bBits));
      const window = windowOf(attributes, kernel, a.shape, shape);
      const padsAfter = padsAfterOf(attributes);
      if (!plan || elementCount(shape) * k === 0 || padsToExcess(window, padsAfter)) {
        return inherited.conv(a, b, attributes, shape);
      }
      const bound = limbBound(k, magnitude(a.dtype, aBits), magnitude(b.dtype, bBits));
      const sums = new Sums(elementCount(shape), bound);
      addConv(
        engine,
        cache,
        {
          input: doublesOf(a),
          channels: a.shape[a.shape.length - 1]!,
          weights: doublesOf(b),
          owner: b,
          perGroup,
          outputs,
          groups,
          window,
          padsAfter,
          pad: Number(attributes.padValue),
          plan,
        },
        sums,
      );
      return sums.tensor(accumulator, shape);
    },
  };
}

/** Sums over windows as a depthwise conv by ones, or undefined where that cannot be split. */
export function windowSums(
  engine: WasmEngine,
  cache: WeightCache,
  x: HostTensor,
  attributes: WindowAttributes & { readonly kernel: readonly number[] },
  dtype: Dtype,
  shape: Shape,
): HostTensor | undefined {
  const { bits } = DTYPE_INFO[x.dtype];
  const channels = x.shape[x.shape.length - 1]!;
  const k = elementCount(attributes.kernel);
  const plan = planLimbs(k, signedBits(x.dtype, bits), 2);
  const window = windowOf(attributes, attributes.kernel, x.shape, shape);
  const padsAfter = padsAfterOf(attributes);
  if (!plan || elementCount(x.shape) * elementCount(shape) === 0) return undefined;
  if (padsToExcess(window, padsAfter)) return undefined;
  const sums = new Sums(elementCount(shape), limbBound(k, magnitude(x.dtype, bits), 1));
  addConv(
    engine,
    cache,
    {
      input: doublesOf(x),
      channels,
      weights: new Float64Array(k * channels).fill(1),
      owner: undefined,
      perGroup: 1,
      outputs: channels,
      groups: channels,
      window,
      padsAfter,
      pad: 0,
      plan,
    },
    sums,
  );
  return sums.tensor(dtype, shape);
}
