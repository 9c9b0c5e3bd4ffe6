import { findBackend } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/tensor/backend.js";
import { createTfjsBackend } from "../../src/tensor/tfjs/index.js";
import { SeededRandom } from "../support/seededRandom.js";
import { describeBackend } from "./suite.js";
import { checkChain, upload } from "./suite/harness.js";

describeBackend("tfjs", () => createTfjsBackend());

describe("the memory of tfjs", () => {
  it("holds nothing that is released, and weights until then", async () => {
    const backend: Backend = await createTfjsBackend();
    const wasm = findBackend("wasm");
    const before = wasm.numDataIds();
    const random = new SeededRandom(81);
    const window = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], padValue: 0n };
    const imm = { aBits: 16, bBits: 16, accumulator: "i64", ...window, groups: 2 };
    const image = random.tensor("i16", [1, 5, 5, 6]);
    const kernel = random.tensor("i16", [3, 3, 3, 8]);
    const steps = [{ op: "conv", imm, from: ["x", "w"], to: "y" } as const];
    checkChain(backend, { x: image, w: kernel }, steps, [["y"]]);
    expect(wasm.numDataIds()).toBe(before);

    const [x, w] = [upload(backend, image), upload(backend, kernel)];
    const unused = backend.statistics().residentBytes;
    backend.kernels.conv(x, w, { ...imm, accumulator: "i64" }, [1, 5, 5, 8]);
    expect(wasm.numDataIds()).toBeGreaterThan(before);
    expect(backend.statistics().residentBytes).toBeGreaterThan(unused);
    backend.dispose();
    expect(wasm.numDataIds()).toBe(before);
  });
});
