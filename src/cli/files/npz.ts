import type { HostArray } from "../../core/hostArray.js";
import { decodeNpy } from "./npy.js";
import { openZip } from "./zip.js";

/**
 * Opens a `.npz` file: the arrays by name, each read when its function is called.
 *
 * @param file how messages name the file
 * @throws {InputError} `BadZip`, `BadNpy`, `UnsupportedNpy`
 */
export function openNpz(bytes: Uint8Array, file: string): Map<string, () => HostArray> {
  const arrays = new Map<string, () => HostArray>();
  for (const entry of openZip(bytes, file)) {
    if (!entry.name.endsWith(".npy")) continue;
    const name = entry.name.slice(0, -".npy".length);
    arrays.set(name, () => decodeNpy(entry.read(), `${file} (array "${name}")`));
  }
  return arrays;
}
