/** Files as the file-type classifier magika takes them. */
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { HostArray } from "../../../src/core/hostArray.js";
import { sharedData } from "../sharedData.js";

const BLOCK = 4096;
const TAKEN = 1024;
const PADDING = 256;
/** Shorter files are not classified by the model. */
const LEAST = 8;

export interface LabelledFile {
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** The files of `../shared/data/inputs/magika` in order; the folder of each is its label. */
export function labelledFiles(): LabelledFile[] {
  const root = sharedData("inputs", "magika")!;
  const found: LabelledFile[] = [];
  const visit = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else found.push({ label: basename(folder), bytes: readFileSync(path) });
    }
  };
  visit(root);
  return found.filter(({ bytes }) => bytes.length >= LEAST);
}

/** Space as Python's bytes.strip sees it. */
const isSpace = (byte: number | undefined): boolean =>
  byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13);

/** The first and last 1,024 bytes, without space around them, as [1, 2048]. */
export function fileFeatures(bytes: Uint8Array): HostArray {
  const first = bytes.subarray(0, BLOCK);
  const last = bytes.subarray(Math.max(bytes.length - BLOCK, 0));
  let start = 0;
  while (start < first.length && isSpace(first[start])) start++;
  let end = last.length;
  while (end > 0 && isSpace(last[end - 1])) end--;
  const data = new Int32Array(2 * TAKEN).fill(PADDING);
  data.set(first.subarray(start, start + TAKEN), 0);
  const tail = last.subarray(Math.max(end - TAKEN, 0), end);
  data.set(tail, 2 * TAKEN - tail.length);
  return { elementType: "int32", dims: [1, 2 * TAKEN], data };
}
