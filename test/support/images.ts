/** Images for accuracy measurements: decoding, resizing and the layouts that models want. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import jpeg from "jpeg-js";
import { sharedData } from "./sharedData.js";

/** Red, green, blue by turns, row by row, each 0 … 255. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly rgb: Float32Array;
}

export function decodeJpeg(bytes: Uint8Array): Image {
  const { width, height, data } = jpeg.decode(bytes, { useTArray: true, formatAsRGBA: false });
  return { width, height, rgb: Float32Array.from(data) };
}

/** Weights of source pixels for one target pixel along one axis. */
type Taps = readonly { readonly from: number; readonly weight: number }[];

/** The two pixels around each target centre (half-pixel centres, edges repeated). */
function bilinearTaps(from: number, to: number): Taps[] {
  return Array.from({ length: to }, (_, i) => {
    const centre = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const low = Math.floor(centre);
    const rest = centre - low;
    const taps = [{ from: low, weight: 1 - rest }];
    if (rest > 0) taps.push({ from: low + 1, weight: rest });
    return taps;
  });
}

/** All pixels that each target pixel covers, by how much of them it covers. */
function areaTaps(from: number, to: number): Taps[] {
  const step = from / to;
  return Array.from({ length: to }, (_, i) => {
    const start = i * step;
    const end = start + step;
    const taps = [];
    for (let pixel = Math.floor(start); pixel < Math.min(end, from); pixel++) {
      const weight = (Math.min(end, pixel + 1) - Math.max(start, pixel)) / step;
      if (weight > 0) taps.push({ from: pixel, weight });
    }
    return taps;
  });
}

function resample(image: Image, columns: readonly Taps[], rows: readonly Taps[]): Image {
  const { width: sourceWidth, rgb: source } = image;
  const width = columns.length;
  const rgb = new Float32Array(width * rows.length * 3);
  for (const [y, rowTaps] of rows.entries()) {
    for (const [x, columnTaps] of columns.entries()) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (const row of rowTaps) {
          for (const column of columnTaps) {
            const at = (row.from * sourceWidth + column.from) * 3 + channel;
            sum += row.weight * column.weight * (source[at] ?? 0);
          }
        }
        rgb[(y * width + x) * 3 + channel] = sum;
      }
    }
  }
  return { width, height: rows.length, rgb };
}

/** Bilinear, without smoothing first: for enlarging. */
export function resizeBilinear(image: Image, width: number, height: number): Image {
  return resample(image, bilinearTaps(image.width, width), bilinearTaps(image.height, height));
}

/** Each target pixel is the mean of what it covers: for shrinking. */
export function resizeArea(image: Image, width: number, height: number): Image {
  return resample(image, areaTaps(image.width, width), areaTaps(image.height, height));
}

export function centreCrop(image: Image, width: number, height: number): Image {
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  const rgb = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    rgb.set(image.rgb.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, rgb };
}

export interface TensorForm {
  readonly layout: "NCHW" | "NHWC";
  /** Order of the channels; red first by default. */
  readonly channels?: "RGB" | "BGR";
  /** Each element is `(value / divisor − mean) / deviation`, the last two by red, green, blue. */
  readonly divisor?: number;
  readonly mean?: readonly [number, number, number];
  readonly deviation?: readonly [number, number, number];
}

/** The elements of a batch of one image. */
export function toTensor(image: Image, form: TensorForm): Float32Array {
  const { layout, channels = "RGB", divisor = 1, mean = [0, 0, 0], deviation = [1, 1, 1] } = form;
  const pixels = image.width * image.height;
  const result = new Float32Array(pixels * 3);
  for (let place = 0; place < 3; place++) {
    const channel = channels === "RGB" ? place : 2 - place;
    const offset = mean[channel] ?? 0;
    const spread = deviation[channel] ?? 1;
    for (let pixel = 0; pixel < pixels; pixel++) {
      const value = ((image.rgb[pixel * 3 + channel] ?? 0) / divisor - offset) / spread;
      result[layout === "NCHW" ? place * pixels + pixel : pixel * 3 + place] = value;
    }
  }
  return result;
}

/** How each model of the measurements wants a 256 × 256 image. */
export const PREPROCESS = {
  /** [1, 3, 244, 244]: ÷255, the usual torch mean and deviation. */
  mobilenet_v2_qdq: (image: Image): Float32Array =>
    toTensor(centreCrop(image, 244, 244), {
      layout: "NCHW",
      divisor: 255,
      mean: [0.485, 0.456, 0.406],
      deviation: [0.229, 0.224, 0.225],
    }),
  /** [1, 3, 416, 416]: blue first, raw 0 … 255, as YOLOX was trained. */
  yolox_nano: (image: Image): Float32Array =>
    toTensor(resizeBilinear(image, 416, 416), { layout: "NCHW", channels: "BGR" }),
  /** [1, 128, 128, 3]: ÷127.5 − 1. */
  blazeface_front: (image: Image): Float32Array =>
    toTensor(resizeArea(image, 128, 128), { layout: "NHWC", divisor: 127.5, mean: [1, 1, 1] }),
} as const;

export interface LabelledImage {
  readonly file: string;
  readonly classIndex: number;
  readonly name: string;
  /** Decodes the file. */
  read(): Image;
}

/** The 50 labelled images in the order of `labels.tsv`, or `undefined` when they are not here. */
export function loadImageNet50(): LabelledImage[] | undefined {
  const folder = sharedData("inputs", "imagenet-50");
  if (folder === undefined) return undefined;
  const [, ...lines] = readFileSync(join(folder, "labels.tsv"), "utf8").trim().split(/\r?\n/);
  return lines.map((line) => {
    const [file = "", classIndex = "", , name = ""] = line.split("\t");
    return {
      file,
      classIndex: Number(classIndex),
      name,
      read: () => decodeJpeg(readFileSync(join(folder, file))),
    };
  });
}
