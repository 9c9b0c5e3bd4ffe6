/** Weights are read, rounded and let go one at a time, and give the same bytes as all at once. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.js";
import { importModel } from "../../src/compiler/importModel.js";
import type { ExternalData } from "../../src/compiler/onnx/tensor.js";
import { encodeModule, writeModule } from "../../src/module/encode.js";
import { apartModel } from "../support/apartModel.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Buffers that one collection finds dead are freed beside the program; the next one waits for that. */
function heldBytes(): number {
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

/** A sink that keeps what it is given out of this process's memory: it counts only. */
class Counting {
  bytes = 0;
  readonly #roots = new Set<string>();
  get(): Uint8Array | undefined {
    return undefined;
  }
  set(rootHex: string, data: Uint8Array): void {
    if (!this.#roots.has(rootHex)) this.bytes += data.length;
    this.#roots.add(rootHex);
  }
}

test("compiling holds a few weights at a time, however many there are", () => {
  const { model, calibration, externalData, externalBytes } = apartModel(40, 640);
  const parameters = new Counting();
  const before = heldBytes();
  let most = 0;
  let seen = 0;
  compile(model, {
    calibration,
    externalData,
    parameters,
    onProgress: () => {
      if (seen++ % 8 !== 0) return;
      most = Math.max(most, heldBytes() - before);
    },
  });
  expect(seen).toBeGreaterThan(40);
  expect(externalBytes).toBe(65_536_000);
  expect(parameters.bytes).toBe(externalBytes / 2);
  // As doubles all weights take 131 MB, rounded 33 MB, and one of them 3.3 MB as doubles.
  expect(most).toBeLessThan(20e6);
});

test("parameters that went to a sink make the same module as those that stayed", () => {
  const { model, calibration, externalData } = apartModel(3, 300);
  const whole = compile(model, { calibration, externalData });
  const parameters = new Map<string, Uint8Array>();
  const parts = compile(model, { calibration, externalData, parameters });
  expect(parameters.size).toBe(3);
  expect(parts.module.parameterData.filter((data) => data === undefined)).toHaveLength(3);
  expect(parts.report).toEqual(whole.report);
  const pieces: Uint8Array[] = [];
  writeModule(parts.module, (piece) => void pieces.push(piece.slice()), parameters);
  expect(Buffer.concat(pieces).equals(whole.bytes)).toBe(true);
  expect(whole.bytes.length).toBe(whole.report.moduleBytes);
  expect(encodeModule(parts.module)).toEqual(parts.bytes);
});

test("importing reads none of the large data, and finds out that it is there", () => {
  const { model, externalData, externalBytes } = apartModel(2, 300);
  const asked: (readonly [number, number])[] = [];
  const watched: ExternalData = (location, offset, length) => {
    asked.push([offset, length]);
    return externalData(location, offset, length);
  };
  const graph = importModel(model, { externalData: watched });
  expect(asked).toEqual([
    [externalBytes / 2 - 1, 1],
    [externalBytes - 1, 1],
  ]);
  expect(graph.initializers.get("w1")?.data).toHaveLength(90_000);
  expect(asked[2]).toEqual([externalBytes / 2, externalBytes / 2]);
});
