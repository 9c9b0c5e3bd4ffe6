import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { HostError } from "../../core/errors.js";
import type { HostArray } from "../../core/hostArray.js";
import { writeError } from "./binaryFile.js";
import { encodeNpy } from "./npy.js";

const MAX_NAME_LENGTH = 100;
/** Names that Windows keeps for devices, with any extension. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * File names, without extension, for tensors: letters, digits, `.`, `_` and `-` only, no leading
 * dot, at most 100 characters, and no two that differ in case alone. Names that are fine already
 * stay as they are; `a/b:0` becomes `a_b_0`.
 */
export function outputFileNames(names: readonly string[]): Map<string, string> {
  const result = new Map<string, string>();
  const taken = new Set<string>();
  const wanted = names.map((name) => ({ name, clean: sanitise(name) }));
  // Names that need no change are served first, so that none of them loses its own name.
  wanted.sort((a, b) => Number(a.clean !== a.name) - Number(b.clean !== b.name));
  for (const { name, clean } of wanted) {
    let candidate = clean;
    for (let n = 2; taken.has(candidate.toLowerCase()); n++) candidate = `${clean}-${String(n)}`;
    taken.add(candidate.toLowerCase());
    result.set(name, candidate);
  }
  return result;
}

function sanitise(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, MAX_NAME_LENGTH);
  return safe === "" || safe.startsWith(".") || DEVICE.test(safe) ? `_${safe}` : safe;
}

/**
 * Writes each output to `NAME.npy` in a folder, which is made if need be.
 *
 * @returns the path written, for each output's name
 * @throws {HostError} `FileWrite`
 */
export async function writeOutputs(
  folder: string,
  outputs: ReadonlyMap<string, HostArray>,
): Promise<Map<string, string>> {
  const fileNames = outputFileNames([...outputs.keys()]);
  const paths = new Map<string, string>();
  let path = folder;
  try {
    await makeFolder(folder);
    for (const [name, array] of outputs) {
      path = join(folder, `${fileNames.get(name) ?? name}.npy`);
      await writeFile(path, encodeNpy(array));
      paths.set(name, path);
    }
  } catch (error) {
    throw error instanceof HostError ? error : writeError(error, path);
  }
  return paths;
}

/**
 * Makes a folder and those above it, one at a time: Node's own recursive `mkdir` spins for minutes where
 * making one says that the folder above it is missing, as below /proc.
 */
async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  for (let path = resolve(folder); !(await isThere(path)); path = dirname(path)) missing.push(path);
  for (const path of missing.reverse()) {
    try {
      await mkdir(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Somebody else made it in the meantime.
      if (code === "EEXIST") continue;
      if (code !== "ENOENT") throw error;
      const message = `${folder} cannot be made: nothing can be written at ${dirname(path)}; name another folder`;
      throw new HostError("FileWrite", message, { name: folder }, error);
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
