import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, inject } from "vitest";
import type { CompileResult } from "../../../src/compiler/compile.js";
import type { Backend } from "../../../src/tensor/backend.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { createSimdBackend } from "../../../src/tensor/simd/index.js";
import { createTfjsBackend } from "../../../src/tensor/tfjs/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { RealModel, Sample } from "./realModel.js";

/** What must be the same on every engine and every Node. */
interface Digest {
  readonly moduleId: string;
  readonly inputHash: string;
  readonly outputHash: string | undefined;
  readonly gasUsed: string;
}

const BACKENDS: readonly (() => Promise<Backend>)[] = [
  () => Promise.resolve(createReferenceBackend()),
  () => createSimdBackend(),
  () => createTfjsBackend(),
];

/**
 * Runs a sample on the three backends, and expects one module, one output hash and one gas figure:
 * here, and where the same suite has run with the same AIVM_MODEL_CACHE on another Node. Prints them.
 */
export async function expectSameAnswer(
  model: RealModel,
  { bytes, report }: CompileResult,
  sample: Sample,
): Promise<void> {
  const title = `${model.name} ${report.precision}`;
  const digests = [];
  for (const make of BACKENDS) {
    const backend = await make();
    const instance = instantiate(bytes, { backend, ownsBackend: true });
    const start = performance.now();
    const { receipt, trap } = model.run(instance, sample);
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    expect(trap).toBeUndefined();
    const { macs, ownMacs } = backend.statistics();
    // Straight-line code: what it will cost is known before.
    const shapes = Array.from(model.named(sample), ([name, { dims }]) => [name, dims] as const);
    const estimate = instance.estimateGas(Object.fromEntries(shapes));
    expect(estimate).toEqual({ kind: "exact", gas: BigInt(receipt.gasUsed) });
    instance.dispose();
    const digest: Digest = {
      moduleId: receipt.moduleId,
      inputHash: receipt.inputHash,
      outputHash: receipt.outputHash,
      gasUsed: receipt.gasUsed,
    };
    digests.push(digest);
    const share = ownMacs / macs;
    console.log(
      `${title}, ${backend.name}: output ${receipt.outputHash?.slice(0, 16)}… gas ${receipt.gasUsed}, ` +
        `${seconds} s, ${(100 * share).toFixed(1)} % of multiply-accumulates its own`,
    );
    expect(share).toBeGreaterThanOrEqual(0.99);
  }
  const [first] = digests;
  expect(first?.outputHash).toMatch(/^[0-9a-f]{64}$/);
  for (const digest of digests) expect(digest).toEqual(first);

  const folder = inject("modelCache");
  const prefix = `${model.name}.${report.precision}.node-`;
  writeFileSync(join(folder, `${prefix}${process.version}.json`), JSON.stringify(first));
  for (const file of readdirSync(folder).filter((name) => name.startsWith(prefix))) {
    const other = JSON.parse(readFileSync(join(folder, file), "utf8")) as Digest;
    console.log(
      `${title}, Node ${file.slice(prefix.length + 1, -".json".length)}: module ${other.moduleId.slice(0, 16)}… ` +
        `output ${other.outputHash?.slice(0, 16)}… gas ${other.gasUsed}`,
    );
    expect(other, `what ${file} says`).toEqual(first);
  }
}
