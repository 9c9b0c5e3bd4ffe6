import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NamedVectors } from "../../conformance/runVectors.js";
import type { VectorFile } from "../../conformance/vector.js";
import { VECTOR_FORMAT } from "../../conformance/vector.js";
import { InputError } from "../../core/errors.js";
import { fileError, readBytes } from "../files/binaryFile.js";

/** The vectors that come with the package. */
export const OWN_VECTORS = fileURLToPath(new URL("../../../spec/vectors", import.meta.url));

/**
 * The vector files of a folder and of those in it, in the order of their names.
 * @throws InputError when there are none or one is no file of vectors; HostError
 */
export async function loadVectors(folder: string): Promise<readonly NamedVectors[]> {
  let names: string[];
  try {
    names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".json"));
  } catch (error) {
    throw fileError(error, folder);
  }
  if (names.length === 0) {
    throw new InputError("NoVectors", `${folder} holds no .json files of vectors`, {
      name: folder,
    });
  }
  const files: NamedVectors[] = [];
  for (const name of names.map((name) => name.replaceAll("\\", "/")).sort()) {
    files.push({ name, file: parse(await readBytes(join(folder, name)), join(folder, name)) });
  }
  return files;
}

function parse(bytes: Uint8Array, path: string): VectorFile {
  let value: Partial<VectorFile> | null;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<VectorFile> | null;
  } catch (error) {
    throw new InputError("BadVectors", `${path} is not JSON`, { name: path }, error);
  }
  if (
    value?.format === VECTOR_FORMAT &&
    Array.isArray(value.modules) &&
    Array.isArray(value.vectors)
  ) {
    return value as VectorFile;
  }
  throw new InputError(
    "BadVectors",
    `${path} is no file of vectors of format ${VECTOR_FORMAT}; see spec/vectors/README.md`,
    { name: path },
  );
}
