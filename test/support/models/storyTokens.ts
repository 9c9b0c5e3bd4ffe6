/** The tokenizer of stories260K, and sequences for it. */
import { readFileSync } from "node:fs";
import type { HostArray } from "../../../src/core/hostArray.js";
import { sharedData } from "../sharedData.js";

export const WINDOW = 64;
export const VOCABULARY = 512;
export const START = 1;

/** Pieces of text and their merge scores, in llama2.c's format. */
function readPieces(): { readonly text: string; readonly score: number }[] {
  const bytes = readFileSync(sharedData("models", "tok512.bin")!);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces = [];
  for (let at = 4; at < bytes.length;) {
    const score = view.getFloat32(at, true);
    const length = view.getInt32(at + 4, true);
    pieces.push({ text: bytes.toString("utf8", at + 8, at + 8 + length), score });
    at += 8 + length;
  }
  return pieces;
}

/** Tokens of an ASCII text: single characters, then the best-scored merge until none is left. */
export function tokenize(text: string): number[] {
  const pieces = readPieces();
  const find = (wanted: string): number => pieces.findIndex(({ text: piece }) => piece === wanted);
  const tokens = Array.from(` ${text}`, find);
  for (;;) {
    let best: { readonly at: number; readonly token: number } | undefined;
    for (let at = 0; at + 1 < tokens.length; at++) {
      const token = find(pieces[tokens[at]!]!.text + pieces[tokens[at + 1]!]!.text);
      if (token >= 0 && (best === undefined || pieces[token]!.score > pieces[best.token]!.score))
        best = { at, token };
    }
    if (best === undefined) return [START, ...tokens];
    tokens.splice(best.at, 2, best.token);
  }
}

/** The last 64 tokens; what is missing behind them is zero, which a causal model does not see. */
export function windowOf(tokens: readonly number[]): {
  readonly input: ReadonlyMap<string, HostArray>;
  /** Position of the last token. */
  readonly last: number;
} {
  const shown = tokens.slice(-WINDOW);
  const data = new BigInt64Array(WINDOW);
  shown.forEach((token, i) => (data[i] = BigInt(token)));
  const array: HostArray = { elementType: "int64", dims: [1, WINDOW], data };
  return { input: new Map([["tokens", array]]), last: shown.length - 1 };
}
