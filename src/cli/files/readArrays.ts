import { extname } from "node:path";
import { InputError } from "../../core/errors.js";
import type { HostArray } from "../../core/hostArray.js";
import { readBytes } from "./binaryFile.js";
import { decodeNpy } from "./npy.js";
import { openNpz } from "./npz.js";

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
    case ".pb": {
      // Brings the protobuf reader of the compiler along, which `aivm run` has no other use for.
      const { decodeTensorProto } = await import("./tensorProto.js");
      return { kind: "single", array: decodeTensorProto(bytes, path) };
    }
    default:
      return { kind: "single", array: decodeNpy(bytes, path) };
  }
}
