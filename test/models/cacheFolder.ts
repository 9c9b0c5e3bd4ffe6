import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Folder for calibrations and digests. */
    readonly modelCache: string;
  }
}

/**
 * Gives the suites one folder for calibrations and digests: that of AIVM_MODEL_CACHE, which stays,
 * so that another Node can be compared with this one; else a temporary one.
 */
export function setup(project: TestProject): () => void {
  const given = process.env["AIVM_MODEL_CACHE"];
  const folder = given ?? mkdtempSync(join(tmpdir(), "aivm-models-"));
  mkdirSync(folder, { recursive: true });
  project.provide("modelCache", folder);
  return () => {
    if (given === undefined) rmSync(folder, { recursive: true, force: true });
  };
}
