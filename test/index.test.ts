import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MalformedError, instantiate } from "../src/index.js";
import { parseAssembly } from "../src/module/assemble.js";
import { createReferenceBackend } from "../src/tensor/reference/index.js";

const text = readFileSync(new URL("../examples/embed.aivmt", import.meta.url), "utf8");
const x = { reals: Float32Array.of(1, 2, 3, -1, 0.5, 0), dims: [2, 3] };

describe("instantiate", () => {
  test("runs on simd unless another engine is given, with one and the same receipt", async () => {
    const module = parseAssembly(text);
    const instance = await instantiate(module);
    expect(instance.backend.name).toBe("simd");
    const reference = await instantiate(module, { backend: createReferenceBackend() });
    expect(reference.backend.name).toBe("reference");
    const { receipt, outputs } = await instance.run({ inputs: { x } });
    expect(outputs!["y"]!.reals()).toEqual(Float32Array.of(8.125, 0, 0, 0.625));
    expect((await reference.run({ inputs: { x } })).receipt).toEqual(receipt);
    instance.dispose();
    reference.dispose();
  });

  test("refuses bytes that are no module", async () => {
    await expect(instantiate(Uint8Array.of(1, 2, 3))).rejects.toBeInstanceOf(MalformedError);
  });

  test("leaves an engine that it was given to the giver", async () => {
    let disposed = 0;
    const own = createReferenceBackend();
    const backend = { ...own, dispose: () => (disposed++, own.dispose()) };
    const instance = await instantiate(parseAssembly(text), { backend });
    await instance.run({ inputs: { x } });
    instance.dispose();
    expect(disposed).toBe(0);
    expect(own.statistics().residentBytes).toBe(0);
  });
});
