import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OWN_VECTORS } from "../../src/cli/conformance/loadVectors.js";
import { vmEngine } from "../../src/conformance/engine.js";
import { runVectors } from "../../src/conformance/runVectors.js";
import type { VectorFile } from "../../src/conformance/vector.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";

// A test for each file, so that a mutant is put only to the vectors that pass it.
const names = readdirSync(OWN_VECTORS, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".json"))
  .sort();

describe("the conformance vectors, on reference", () => {
  it.each(names)("%s", async (name) => {
    const file = JSON.parse(readFileSync(join(OWN_VECTORS, name), "utf8")) as VectorFile;
    const engine = vmEngine(createReferenceBackend());
    const { results } = await runVectors([{ name, file }], engine);
    expect(results.find(({ outcome }) => outcome !== "passed")).toBeUndefined();
  });
});
