import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const FOLDER =
  process.env["AIVM_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));

/**
 * Path of a file or folder of the models and inputs that are not part of the project: in the
 * folder that AIVM_DATA names, by default `../shared/data`. `undefined` when it is not there; a
 * test then says so and skips.
 */
export function sharedData(...path: string[]): string | undefined {
  const full = join(FOLDER, ...path);
  return existsSync(full) ? full : undefined;
}
