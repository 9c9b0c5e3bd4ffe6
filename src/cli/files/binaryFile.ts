import { closeSync, fstatSync, openSync, realpathSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { ExternalData } from "../../compiler/onnx/tensor.js";
import { CompileError, HostError, InputError } from "../../core/errors.js";
import { readRange } from "./readRange.js";

/** Node reads at most this much into one buffer. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * The bytes of a file.
 * @throws InputError `NoSuchFile`, `FileTooLarge`; HostError `FileRead`
 */
export async function readBytes(path: string): Promise<Uint8Array> {
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
  if (error instanceof InputError || error instanceof HostError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new InputError(
      "NoSuchFile",
      `${path} does not exist; check the path`,
      { name: path },
      error,
    );
  }
  const reason = code === "EISDIR" ? "it is a folder; name a file" : message;
  return new HostError("FileRead", `${path} cannot be read: ${reason}`, { name: path }, error);
}

/** @throws HostError `FileWrite` */
export async function writeBytes(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * Finds out before long work that its result has no place to go.
 * @throws HostError `FileWrite` when the folder of `path` is missing, or `path` is a folder
 */
export async function checkWritable(path: string): Promise<void> {
  try {
    await stat(dirname(path));
  } catch (error) {
    throw writeError(error, path);
  }
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory()) throw writeError({ code: "EISDIR" }, path);
}

/** The typed error for a failed writing of `path`. */
export function writeError(error: unknown, path: string): HostError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: `there is no folder ${dirname(path)}; make it first`,
    EISDIR: "it is a folder; name a file",
    ENOTDIR: "a part of the path is a file; name a folder",
  };
  return new HostError(
    "FileWrite",
    `${path} cannot be written: ${reasons[code ?? ""] ?? message}`,
    { name: path },
    error,
  );
}

/** Tensor data that a model keeps in files beside it; nothing outside its folder is read, links included. */
export function externalDataBeside(modelPath: string): ExternalData {
  return (location, offset, length) => {
    const path = join(dirname(modelPath), location);
    const fail = (what: string, cause?: unknown): CompileError =>
      new CompileError(
        "ExternalData",
        `${path}, which holds weights of the model, ${what}`,
        { name: path },
        cause,
      );
    let file: number | undefined;
    try {
      const folder = realpathSync(dirname(modelPath));
      const real = realpathSync(path);
      if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
        throw fail("is outside the model's folder; move it there");
      }
      file = openSync(real, "r");
      const end = fstatSync(file).size;
      // Before anything is allocated: a few bytes of model can ask for gigabytes.
      if (offset + length > end) throw fail(`ends at byte ${String(end)}; copy it again`);
      return readRange(file, offset, length);
    } catch (error) {
      if (error instanceof CompileError) throw error;
      throw fail(
        `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        error,
      );
    } finally {
      if (file !== undefined) closeSync(file);
    }
  };
}
