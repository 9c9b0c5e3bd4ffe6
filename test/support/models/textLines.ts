/** Lines of text as pictures, for text recognition. */
import { createRequire } from "node:module";
import { make, registerFont } from "pureimage";
import type { HostArray } from "../../../src/core/hostArray.js";

const FONT_FILE = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const HEIGHT = 48;

let font: { loadSync: () => void } | undefined;

/**
 * Black on white in a picture of `width` × 48, as [1, 3, 48, width] in −1 … 1. The text is as large
 * as fits.
 */
export function textLine(text: string, width: number): HostArray {
  if (font === undefined) {
    font = registerFont(FONT_FILE, "DejaVu");
    font.loadSync();
  }
  const image = make(width, HEIGHT);
  const context = image.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, HEIGHT);
  context.fillStyle = "#101010";
  let size = 34;
  for (; size > 8; size--) {
    context.font = `${String(size)}px DejaVu`;
    if (context.measureText(text).width <= width - 12) break;
  }
  context.fillText(text, 6, 36);
  const plane = HEIGHT * width;
  const data = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) data[c * plane + i] = (image.data[4 * i + c]! / 255 - 0.5) / 0.5;
  }
  return { elementType: "float32", dims: [1, 3, HEIGHT, width], data };
}

/**
 * Text of class probabilities [1, steps, classes]: the likeliest class of each step, repeats and
 * blanks (class 0) dropped.
 * @param keys characters of the classes from 1 on
 */
export function decodeText(
  probabilities: ArrayLike<number>,
  classes: number,
  keys: readonly string[],
): string {
  let text = "";
  let last = 0;
  for (let at = 0; at < probabilities.length; at += classes) {
    let best = 0;
    for (let c = 1; c < classes; c++)
      if (probabilities[at + c]! > probabilities[at + best]!) best = c;
    if (best !== 0 && best !== last) text += keys[best - 1] ?? "";
    last = best;
  }
  return text;
}
