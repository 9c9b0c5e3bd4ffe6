import jpeg from "jpeg-js";
import { describe, expect, it } from "vitest";
import { parseIdx } from "./idx.js";
import {
  centreCrop,
  decodeJpeg,
  resizeArea,
  resizeBilinear,
  toTensor,
  type Image,
} from "./images.js";

/** A grey image from rows of values. */
function grey(...rows: number[][]): Image {
  const rgb = Float32Array.from(rows.flat().flatMap((value) => [value, value, value]));
  return { width: rows[0]?.length ?? 0, height: rows.length, rgb };
}

describe("images", () => {
  it("decodes JPEG to RGB", () => {
    const red = Buffer.alloc(16 * 16 * 4);
    for (let i = 0; i < red.length; i += 4) red.set([255, 0, 0, 255], i);
    const image = decodeJpeg(jpeg.encode({ width: 16, height: 16, data: red }, 100).data);
    expect([image.width, image.height, image.rgb.length]).toEqual([16, 16, 768]);
    expect(image.rgb[0]).toBeGreaterThan(250);
    expect(image.rgb[1]).toBeLessThan(5);
    expect(image.rgb[2]).toBeLessThan(5);
  });

  it("resizes bilinearly with half-pixel centres", () => {
    // Centres of 4 pixels over 2: −0.25, 0.25, 0.75, 1.25, the outer ones held at the edge.
    expect(resizeBilinear(grey([0, 8]), 4, 1)).toEqual(grey([0, 2, 6, 8]));
    expect(resizeBilinear(grey([0, 8], [16, 24]), 1, 1)).toEqual(grey([12]));
  });

  it("resizes by area", () => {
    expect(resizeArea(grey([0, 4, 8, 12], [4, 8, 12, 16]), 2, 1)).toEqual(grey([4, 12]));
    // Three pixels onto two: the middle one is shared.
    expect(resizeArea(grey([3, 6, 9]), 2, 1)).toEqual(grey([4, 8]));
  });

  it("crops the centre", () => {
    const image = grey([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]);
    expect(centreCrop(image, 2, 1)).toEqual(grey([6, 7]));
  });

  it("lays out tensors", () => {
    const image: Image = { width: 2, height: 1, rgb: Float32Array.of(1, 2, 3, 4, 5, 6) };
    expect([...toTensor(image, { layout: "NHWC" })]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...toTensor(image, { layout: "NCHW" })]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...toTensor(image, { layout: "NCHW", channels: "BGR" })]).toEqual([3, 6, 2, 5, 1, 4]);
    const form = { layout: "NHWC", divisor: 2, mean: [0.5, 0, 1], deviation: [1, 2, 4] } as const;
    expect([...toTensor(image, form)]).toEqual([0, 0.5, 0.125, 1.5, 1.25, 0.5]);
  });
});

describe("parseIdx", () => {
  it("reads dims and bytes", () => {
    const bytes = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 9);
    expect(parseIdx(bytes)).toEqual({ dims: [1, 2], data: Uint8Array.of(7, 9) });
  });

  it("refuses other types and lengths", () => {
    expect(() => parseIdx(Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 0))).toThrow(/not an IDX file/);
    expect(() => parseIdx(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7))).toThrow(/do not fit/);
  });
});
