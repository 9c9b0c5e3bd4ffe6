import { beforeAll, describe, expect, it } from "vitest";
import { loadVectors, OWN_VECTORS } from "../../src/cli/conformance/loadVectors.js";
import { vmEngine } from "../../src/conformance/engine.js";
import type { NamedVectors } from "../../src/conformance/runVectors.js";
import { runVectors } from "../../src/conformance/runVectors.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import { createTfjsBackend } from "../../src/tensor/tfjs/index.js";

const BACKENDS = {
  simd: createSimdBackend,
  tfjs: createTfjsBackend,
  reference: createReferenceBackend,
} as const;

describe("the conformance vectors", () => {
  let files: readonly NamedVectors[];
  const digests = new Map<string, string>();
  beforeAll(async () => {
    files = await loadVectors(OWN_VECTORS);
  });

  it("are at least 4,000, with names of their own, in less than 20 MB", () => {
    const vectors = files.flatMap(({ file }) => file.vectors);
    const names = vectors.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(4000);
    const bytes = files.reduce((sum, { file }) => sum + JSON.stringify(file).length, 0);
    expect(bytes).toBeLessThan(20e6);
  });

  it.each(Object.keys(BACKENDS) as (keyof typeof BACKENDS)[])(
    "pass on %s",
    async (name) => {
      const engine = vmEngine(await BACKENDS[name]());
      const { results, digest } = await runVectors(files, engine);
      engine.close();
      const failed = results
        .filter(({ outcome }) => outcome !== "passed")
        .map(({ vector, problem }) => `${vector.name}: ${problem ?? ""}`);
      expect(failed.slice(0, 20)).toEqual([]);
      digests.set(name, digest);
    },
    120_000,
  );

  it("have one digest on all of them", () => {
    expect(digests.size).toBe(3);
    expect(new Set(digests.values()).size).toBe(1);
  });
});
