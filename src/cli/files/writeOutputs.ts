import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
    await mkdir(folder, { recursive: true });
    for (const [name, array] of outputs) {
      path = join(folder, `${fileNames.get(name) ?? name}.npy`);
      await writeFile(path, encodeNpy(array));
      paths.set(name, path);
    }
  } catch (error) {
    throw writeError(error, path);
  }
  return paths;
}
