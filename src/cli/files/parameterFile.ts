import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { ParameterSink } from "../../module/parameterStore.js";
import { writeError } from "./binaryFile.js";
import { readRange } from "./readRange.js";

/** Parameters on disk while a module is compiled, in a file that goes when it is closed. */
export class ParameterFile implements ParameterSink {
  readonly #path: string;
  #file: number | undefined;
  #length = 0;
  readonly #ranges = new Map<string, { readonly offset: number; readonly length: number }>();

  /** @param path is made when the first parameter comes */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws HostError `FileWrite` */
  set(rootHex: string, data: Uint8Array): void {
    if (this.#ranges.has(rootHex)) return;
    try {
      this.#file ??= openSync(this.#path, "w+");
      writeAll(this.#file, data);
    } catch (error) {
      throw writeError(error, this.#path);
    }
    this.#ranges.set(rootHex, { offset: this.#length, length: data.length });
    this.#length += data.length;
  }

  /** @throws HostError `FileRead` */
  get(rootHex: string): Uint8Array | undefined {
    const range = this.#ranges.get(rootHex);
    if (range === undefined || this.#file === undefined) return undefined;
    return readRange(this.#file, range.offset, range.length);
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    rmSync(this.#path, { force: true });
  }
}

/**
 * Writes a file piece by piece.
 * @throws HostError `FileWrite`
 */
export function writePieces(
  path: string,
  produce: (write: (piece: Uint8Array) => void) => void,
): void {
  let file: number;
  try {
    file = openSync(path, "w");
  } catch (error) {
    throw writeError(error, path);
  }
  try {
    produce((piece) => {
      try {
        writeAll(file, piece);
      } catch (error) {
        throw writeError(error, path);
      }
    });
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, data: Uint8Array): void {
  for (let done = 0; done < data.length;) done += writeSync(file, data, done);
}
