import { DTYPE_INFO } from "../../core/dtype.js";
import { elementCount } from "../../core/shape.js";
import type { ConvAttributes } from "../backend.js";
import type { Engine } from "./engine.js";
import { interval, union } from "./interval.js";
import { fill } from "./movement.js";
import type { Base, SimdTensor } from "./tensor.js";
import type { Derived } from "./storage.js";
import { byteStrides, copyStrided } from "./strided.js";

type Conv = Extract<Base, { kind: "conv" }>;

/** A convolution of images that gives the same bytes, and what to release after it. */
export interface Flattened {
  readonly base: Conv;
  readonly temporary: SimdTensor;
}

/**
 * A convolution of volumes [N, D, H, W, C] as one of images: the taps along the first spatial axis
 * become channels of the images [N·D', H, W, groups · taps · C/groups].
 */
export function flattenVolume(engine: Engine, base: Conv): Flattened {
  const { a, b, attributes, shape } = base;
  const [images, depth, height, width, channels] = a.shape as [
    number,
    number,
    number,
    number,
    number,
  ];
  const [taps, kernelHeight, kernelWidth, perGroup, outputs] = b.shape as [
    number,
    number,
    number,
    number,
    number,
  ];
  const { groups, padValue } = attributes;
  const outDepth = shape[1]!;
  const bytes = DTYPE_INFO[a.dtype].bytes;
  const pixels = height * width;

  engine.storageOf(a);
  const bounds = union(a.interval, interval(padValue, padValue));
  const stacked = [images * outDepth, height, width, taps * channels];
  const temporary = engine.make(a.dtype, stacked, bounds);
  fill(engine, temporary, padValue);
  const dims = [pixels, groups, perGroup];
  const from = byteStrides(dims, bytes);
  const row = taps * perGroup * bytes;
  const to = [groups * row, row, bytes];
  const sliceBytes = pixels * channels * bytes;
  for (let image = 0; image < images; image++) {
    for (let z = 0; z < outDepth; z++) {
      const target = engine.addressOf(temporary) + (image * outDepth + z) * taps * sliceBytes;
      for (let tap = 0; tap < taps; tap++) {
        const y = z * attributes.strides[0]! + tap * attributes.dilations[0]! - attributes.pads[0]!;
        if (y < 0 || y >= depth) continue;
        copyStrided(
          engine,
          bytes,
          dims,
          { address: engine.addressOf(a) + (image * depth + y) * sliceBytes, strides: from },
          { address: target + tap * perGroup * bytes, strides: to },
        );
      }
    }
  }
  const kernel = [kernelHeight, kernelWidth, taps * perGroup, outputs];
  return {
    temporary,
    base: {
      kind: "conv",
      a: temporary,
      b: tapsInside(engine, b, kernel),
      attributes: flatAttributes(attributes),
      shape: [images * outDepth, ...shape.slice(2)],
    },
  };
}

function flatAttributes(attributes: ConvAttributes): ConvAttributes {
  const { strides, dilations, pads } = attributes;
  return {
    ...attributes,
    strides: strides.slice(1),
    dilations: dilations.slice(1),
    pads: [pads[1]!, pads[2]!, pads[4]!, pads[5]!],
  };
}

/** The kernel [taps, height, width, C, O] with its first axis beside the channels, made once. */
function tapsInside(engine: Engine, b: SimdTensor, shape: readonly number[]): SimdTensor {
  const make = (): Derived & { readonly bytes: number; readonly tensor: SimdTensor } => {
    const { bytes } = DTYPE_INFO[b.dtype];
    const tensor = engine.make(b.dtype, shape, b.interval);
    const [taps, , , perGroup, outputs] = b.shape as [number, number, number, number, number];
    const dims = [taps, shape[0]! * shape[1]!, perGroup * outputs];
    const from = { address: engine.addressOf(b), strides: byteStrides(dims, bytes) };
    const row = perGroup * outputs * bytes;
    copyStrided(engine, bytes, dims, from, {
      address: engine.addressOf(tensor),
      strides: [row, taps * row, bytes],
    });
    return { bytes: elementCount(shape) * bytes, tensor, dispose: () => engine.release(tensor) };
  };
  return engine.packed.get(engine.storageOf(b), "taps inside", make).tensor;
}
