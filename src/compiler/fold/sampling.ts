/** Operators that sample an image between its pixels, in floats. */
import { intAttribute } from "../graph.js";
import { floatTensor, numbersOf } from "./folder.js";
import type { Folder } from "./folder.js";

/** The four pixels around a place and their weights; none outside by more than `reach` pixels. */
function around(
  y: number,
  x: number,
  [height, width]: readonly [number, number],
): [index: number, weight: number][] {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const found: [number, number][] = [];
  for (const [row, down] of [
    [top, 1 - (y - top)],
    [top + 1, y - top],
  ] as const) {
    for (const [column, across] of [
      [left, 1 - (x - left)],
      [left + 1, x - left],
    ] as const) {
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      found.push([inside ? row * width + column : -1, down * across]);
    }
  }
  return found;
}

const roiAlign: Folder = ([image, rois, batches], view, out) => {
  if (image === undefined || rois === undefined || batches === undefined) return undefined;
  const [pixels, regions, of] = [image, rois, batches].map(numbersOf) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const [, channels = 1, height = 1, width = 1] = image.dims;
  const [count = 0, , rows = 1, columns = 1] = out.dims;
  const halfPixel =
    view.string("coordinate_transformation_mode", "half_pixel") !== "output_half_pixel";
  const scale = view.float("spatial_scale", 1);
  const ratio = intAttribute(view.node, "sampling_ratio") ?? 0;
  const greatest = view.string("mode", "avg") === "max";
  const data = new Float64Array(count * channels * rows * columns);
  for (let r = 0; r < count; r++) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = Array.from(
      regions.slice(4 * r, 4 * r + 4),
      (v) => v * scale - (halfPixel ? 0.5 : 0),
    );
    const least = halfPixel ? -Infinity : 1;
    const [tall, wide] = [Math.max(y2 - y1, least), Math.max(x2 - x1, least)];
    const down = ratio > 0 ? ratio : Math.ceil(tall / rows);
    const across = ratio > 0 ? ratio : Math.ceil(wide / columns);
    for (let c = 0; c < channels; c++) {
      const base = ((of[r] ?? 0) * channels + c) * height * width;
      for (let cell = 0; cell < rows * columns; cell++) {
        const [row, column] = [Math.floor(cell / columns), cell % columns];
        let total = 0;
        let most = -Infinity;
        for (let s = 0; s < down * across; s++) {
          const y = y1 + (tall * (row + (Math.floor(s / across) + 0.5) / down)) / rows;
          const x = x1 + (wide * (column + ((s % across) + 0.5) / across)) / columns;
          const seen = y >= -1 && y <= height && x >= -1 && x <= width;
          const [py, px] = [
            Math.min(Math.max(y, 0), height - 1),
            Math.min(Math.max(x, 0), width - 1),
          ];
          for (const [at, weight] of around(py, px, [height, width])) {
            const value = seen && at >= 0 ? weight * (pixels[base + at] ?? 0) : 0;
            total += value;
            most = Math.max(most, value);
          }
        }
        const at = (r * channels + c) * rows * columns + cell;
        data[at] = greatest ? most : total / Math.max(down * across, 1);
      }
    }
  }
  return floatTensor(out.elementType, out.dims, data);
};

const deformConv: Folder = ([image, kernel, offset, bias, mask], view, out) => {
  if (image === undefined || kernel === undefined || offset === undefined) return undefined;
  if (image.dims.length !== 4) return undefined;
  const [pixels, weights, moves] = [image, kernel, offset].map(numbersOf) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const shares = mask === undefined ? undefined : numbersOf(mask);
  const added = bias === undefined ? undefined : numbersOf(bias);
  const [, channels = 1, height = 1, width = 1] = image.dims;
  const [, perGroup = 1, kernelRows = 1, kernelColumns = 1] = kernel.dims;
  const [batch = 1, outputs = 1, rows = 1, columns = 1] = out.dims;
  const [stepY = 1, stepX = 1] = view.ints("strides") ?? [];
  const [farY = 1, farX = 1] = view.ints("dilations") ?? [];
  const [padY = 0, padX = 0] = view.ints("pads") ?? [];
  const taps = kernelRows * kernelColumns;
  const offsetGroups = view.int("offset_group", 1);
  const outputsPerGroup = outputs / view.int("group", 1);
  const area = rows * columns;
  const data = new Float64Array(batch * outputs * area);
  for (let n = 0; n < batch; n++) {
    for (let place = 0; place < area; place++) {
      const [row, column] = [Math.floor(place / columns), place % columns];
      const samples = new Float64Array(channels * taps);
      for (let c = 0; c < channels; c++) {
        const group = n * offsetGroups + Math.floor((c * offsetGroups) / channels);
        for (let t = 0; t < taps; t++) {
          const move = (group * taps + t) * 2 * area + place;
          const tapY = Math.floor(t / kernelColumns) * farY;
          const y = row * stepY - padY + tapY + (moves[move] ?? 0);
          const x = column * stepX - padX + (t % kernelColumns) * farX + (moves[move + area] ?? 0);
          let sum = 0;
          for (const [at, weight] of around(y, x, [height, width]))
            if (at >= 0) sum += weight * (pixels[(n * channels + c) * height * width + at] ?? 0);
          samples[c * taps + t] = sum * (shares?.[(group * taps + t) * area + place] ?? 1);
        }
      }
      for (let o = 0; o < outputs; o++) {
        const first = Math.floor(o / outputsPerGroup) * perGroup * taps;
        let sum = added?.[o] ?? 0;
        for (let k = 0; k < perGroup * taps; k++)
          sum += (weights[o * perGroup * taps + k] ?? 0) * (samples[first + k] ?? 0);
        data[(n * outputs + o) * area + place] = sum;
      }
    }
  }
  return floatTensor(out.elementType, out.dims, data);
};

export const samplingEvaluators: Readonly<Record<string, Folder>> = {
  DeformConv: deformConv,
  RoiAlign: roiAlign,
};
