import { readSync } from "node:fs";
import { HostError } from "../../core/errors.js";

/** Node reads at most this much at once. */
const MOST_BYTES = 2 ** 30;

/**
 * Bytes of an open file.
 * @throws HostError `FileRead` when it ends before, `OutOfMemory`; what the system throws
 */
export function readRange(file: number, offset: number, length: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(length);
  } catch (cause) {
    const what = `this host cannot hold ${String(length)} bytes at once`;
    throw new HostError("OutOfMemory", what, {}, cause);
  }
  for (let done = 0; done < length;) {
    const count = readSync(file, bytes, done, Math.min(length - done, MOST_BYTES), offset + done);
    if (count === 0) throw new HostError("FileRead", "the file was cut short while it was read");
    done += count;
  }
  return bytes;
}
