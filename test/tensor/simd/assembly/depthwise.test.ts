import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../../src/core/dtype.js";
import {
  CONTRACTION_BYTES,
  SUMS,
  WINDOW_BYTES,
  writeContraction,
  writeWindow,
} from "../../../../src/tensor/simd/descriptors.js";
import { Arena, Random, bytesOf, code } from "./arena.js";

const arena = new Arena();
const { kernels } = arena;
const A_MAX = { u8: 255, i8: 128, i16: 32768 };

interface Case {
  aType: keyof typeof A_MAX;
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  /** Top, left, bottom, right. */
  pads: [number, number, number, number];
}

const CASES: Case[] = [
  { aType: "i16", kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [1, 1, 1, 1] },
  { aType: "i16", kernel: [3, 3], stride: [2, 2], dilation: [1, 1], pads: [0, 0, 1, 1] },
  { aType: "i16", kernel: [3, 3], stride: [1, 2], dilation: [1, 1], pads: [2, 3, 0, 1] },
  { aType: "u8", kernel: [3, 3], stride: [2, 1], dilation: [1, 1], pads: [0, 2, 4, 2] },
  { aType: "i8", kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [0, 0, 0, 0] },
  { aType: "i16", kernel: [3, 3], stride: [1, 3], dilation: [1, 1], pads: [1, 1, 1, 1] },
  { aType: "i16", kernel: [3, 3], stride: [1, 1], dilation: [1, 2], pads: [1, 2, 1, 2] },
  { aType: "i8", kernel: [5, 5], stride: [1, 1], dilation: [1, 1], pads: [2, 2, 2, 2] },
  { aType: "u8", kernel: [2, 3], stride: [3, 1], dilation: [2, 2], pads: [3, 0, 1, 5] },
  { aType: "i16", kernel: [1, 4], stride: [1, 2], dilation: [1, 3], pads: [0, 9, 0, 9] },
  { aType: "i16", kernel: [2, 1], stride: [5, 1], dilation: [1, 1], pads: [1, 0, 1, 0] },
];

/** The last of them makes rows longer than what is summed before the epilogue takes it. */
const CHANNELS = [...Array.from({ length: 40 }, (_, i) => i + 1), 517];

describe("depthwise", () => {
  const random = new Random(5);
  it.each(CASES)("$kernel of $aType, stride $stride, dilation $dilation, pads $pads", (c) => {
    for (const channels of CHANNELS) {
      const [height, width] = [random.between(1, 9), random.between(1, 20)];
      const [kh, kw] = c.kernel;
      const length = (axis: 0 | 1, size: number) =>
        Math.floor(
          (size +
            c.pads[axis] +
            c.pads[axis === 0 ? 2 : 3] -
            (c.kernel[axis] - 1) * c.dilation[axis] -
            1) /
            c.stride[axis],
        ) + 1;
      const [outHeight, outWidth] = [length(0, height), length(1, width)];
      if (outHeight < 1 || outWidth < 1) continue;
      arena.reset();
      const padValue = channels % 2 ? 77 : 0;
      const image = random.array(c.aType, height * width * channels);
      const weights =
        channels % 3
          ? random.uniform("i16", kh * kw * channels, -1000, 1000)
          : random.array("i16", kh * kw * channels);
      const taps = kh * kw;
      const packed = arena.alloc(Math.ceil(channels / 8) * Math.ceil(taps / 2) * 32);
      kernels.pack(
        0,
        code("i16"),
        arena.put(weights),
        channels * 2,
        2,
        taps,
        channels,
        packed,
        1,
        0,
      );
      const limit = Math.floor(0x7fffffff / A_MAX[c.aType]);
      const runs = arena.alloc(4 * Math.ceil(channels / 8));
      const proved =
        kernels.planRuns(packed, taps, channels, limit, runs, 0) >= Math.ceil(taps / 2);
      if (channels % 3) expect(proved).toBe(true);
      const window = arena.alloc(WINDOW_BYTES);
      writeWindow(arena.view, window, {
        height,
        width,
        channels,
        pixelBytes: channels * bytesOf(c.aType),
        kernelHeight: kh,
        kernelWidth: kw,
        strideY: c.stride[0],
        strideX: c.stride[1],
        dilationY: c.dilation[0],
        dilationX: c.dilation[1],
        padTop: c.pads[0],
        padLeft: c.pads[1],
        outHeight,
        outWidth,
        padValue,
      });
      const at = arena.alloc(CONTRACTION_BYTES);
      const count = outHeight * outWidth * channels;
      for (const sums of proved ? [SUMS.i32, SUMS.runs] : [SUMS.runs]) {
        const dst = arena.alloc(count * 8);
        writeContraction(arena.view, at, {
          m: 0,
          n: channels,
          k: taps,
          a: arena.putAtEnd(image),
          aType: code(c.aType as Dtype),
          aRowBytes: 0,
          b: packed,
          sums,
          runs: 0,
          epilogue: arena.epilogue({ type: code("i64") }),
          dst,
          dstRowBytes: channels * 8,
          window,
          matrixBytes: 0,
          axes: 0,
          axisCount: 0,
        });
        const scratch = arena.alloc(kernels.depthwiseScratchBytes(window));
        const half = outHeight >> 1;
        kernels.depthwise(at, half, outHeight - half, scratch);
        kernels.depthwise(at, 0, half, scratch);
        arena.check();
        const expected: bigint[] = [];
        for (let i = 0; i < count; i++) {
          const channel = i % channels;
          const ox = Math.floor(i / channels) % outWidth;
          const oy = Math.floor(i / channels / outWidth);
          let sum = 0;
          for (let tap = 0; tap < taps; tap++) {
            const y = oy * c.stride[0] + Math.floor(tap / kw) * c.dilation[0] - c.pads[0];
            const x = ox * c.stride[1] + (tap % kw) * c.dilation[1] - c.pads[1];
            const inside = y >= 0 && y < height && x >= 0 && x < width;
            sum +=
              (inside ? image[(y * width + x) * channels + channel]! : padValue) *
              weights[tap * channels + channel]!;
          }
          expected.push(BigInt(sum));
        }
        expect(arena.take("i64", dst, count)).toEqual(expected);
      }
    }
  });
});
