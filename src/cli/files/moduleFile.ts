import { closeSync, fstatSync, openSync } from "node:fs";
import { HostError } from "../../core/errors.js";
import type { ByteSource } from "../../module/byteSource.js";
import type { ParameterRanges } from "../../module/decode.js";
import type { Module } from "../../module/module.js";
import { fileError } from "./binaryFile.js";
import { inFile } from "./inFile.js";
import { readRange } from "./readRange.js";

/** A module whose larger parameters stay in the file until they are asked for. */
export interface ModuleFile {
  readonly module: Module;
  readonly parameters: ParameterRanges;
  /** Of the file. */
  readonly lengthBytes: number;
  close(): void;
}

/**
 * Opens a module of any size; it must be closed when no parameter is wanted any more.
 * @throws InputError `NoSuchFile`; HostError `FileRead`; MalformedError
 */
export async function openModule(path: string): Promise<ModuleFile> {
  const { decodeModuleFrom } = await import("../../module/decode.js");
  const { file, source } = openSource(path);
  try {
    const decoded = inFile(path, () => decodeModuleFrom(source));
    return { ...decoded, lengthBytes: source.length, close: () => closeSync(file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function openSource(path: string): { readonly file: number; readonly source: ByteSource } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw fileError(error, path);
  }
  const stats = fstatSync(file);
  if (!stats.isFile()) {
    closeSync(file);
    const reason = stats.isDirectory() ? "it is a folder" : "it is no regular file";
    throw fileError({ message: reason }, path);
  }
  const read = (offset: number, length: number): Uint8Array => {
    try {
      return readRange(file, offset, length);
    } catch (error) {
      throw error instanceof HostError ? error : fileError(error, path);
    }
  };
  return { file, source: { length: stats.size, read } };
}
