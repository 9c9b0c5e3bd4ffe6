import { readFile, stat } from "node:fs/promises";
import { extname } from "node:path";
import { HostError, InputError } from "../../core/errors.js";
import type { HostArray } from "../../core/hostArray.js";
import { decodeNpy } from "./npy.js";
import { openNpz } from "./npz.js";
import { decodeTensorProto } from "./tensorProto.js";

/** Node reads at most this much into one buffer. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** The arrays of one file: a single nameless one, or named ones that are read when asked for. */
export type FileArrays =
  | { readonly kind: "single"; readonly array: HostArray }
  | { readonly kind: "named"; readonly arrays: ReadonlyMap<string, () => HostArray> };

export const ARRAY_EXTENSIONS = [".npy", ".npz", ".pb"] as const;

/** True for the names of files that `readArrays` reads, whatever the case of their extension. */
export function isArrayFile(path: string): boolean {
  return (ARRAY_EXTENSIONS as readonly string[]).includes(extname(path).toLowerCase());
}

/**
 * Reads a `.npy`, `.npz` or `.pb` file, told apart by their extension.
 *
 * @throws {InputError} `NoSuchFile`, `UnknownFileType`, or what the format's reader throws
 * @throws {HostError} `FileRead` when the system cannot read it
 */
export async function readArrays(path: string): Promise<FileArrays> {
  if (!isArrayFile(path)) {
    throw new InputError(
      "UnknownFileType",
      `${path} is not a ${ARRAY_EXTENSIONS.join(", ")} file; convert it, for example with numpy.save`,
      { name: path },
    );
  }
  const bytes = await readBytes(path);
  switch (extname(path).toLowerCase()) {
    case ".npz":
      return { kind: "named", arrays: openNpz(bytes, path) };
    case ".pb":
      return { kind: "single", array: decodeTensorProto(bytes, path) };
    default:
      return { kind: "single", array: decodeNpy(bytes, path) };
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new InputError(
        "FileTooLarge",
        `${path} has ${String(size)} bytes; files below 2 GiB are read`,
        {
          name: path,
        },
      );
    }
    // A Buffer is no plain Uint8Array: its `slice` does not copy.
    const { buffer, byteOffset, byteLength } = await readFile(path);
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** The typed error for a failed access to `path`; typed errors pass. */
export function fileError(error: unknown, path: string): Error {
  if (error instanceof InputError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new InputError(
      "NoSuchFile",
      `${path} does not exist; check the path`,
      { name: path },
      error,
    );
  }
  return new HostError("FileRead", `${path} cannot be read: ${message}`, { name: path }, error);
}
