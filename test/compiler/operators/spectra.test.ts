import { describe, expect, it } from "vitest";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

const BOUND = { fx16: 60, fx32: 90 } as const;

const scalar = (value: number) => tensor("int64", [], [value]);

const dft = (
  x: number[],
  attributes: Record<string, AttributeValue>,
  length?: number,
): OperatorCase => ({
  name: `DFT [${String(x)}] ${JSON.stringify(attributes)} ${String(length ?? "")}`,
  inputs: { x },
  opset: 17,
  build: (b) => {
    if (length === undefined) b.node("DFT", ["x"], ["y"], attributes);
    else b.constant("n", scalar(length)).node("DFT", ["x", "n"], ["y"], attributes);
  },
});

const stft = (x: number[], onesided: number, window?: string): OperatorCase => ({
  name: `STFT [${String(x)}] ${String(onesided)} ${window ?? ""}`,
  inputs: { x },
  build: (b) => {
    b.constant("step", scalar(3)).constant("length", scalar(8));
    if (window !== undefined) b.node(window, ["length"], ["w"]);
    const inputs = ["x", "step", window === undefined ? "" : "w", "length"];
    b.node("STFT", inputs, ["y"], { onesided });
  },
});

const CASES: readonly OperatorCase[] = [
  dft([2, 12, 1], {}),
  dft([2, 9, 1], { onesided: 1 }),
  dft([1, 8, 2], {}),
  dft([1, 10, 2], { inverse: 1 }),
  dft([1, 10, 3, 1], { axis: 1 }, 7),
  dft([1, 3, 5, 1], { axis: 2 }, 8),
  stft([1, 32, 1], 1),
  stft([2, 23, 1], 0, "HannWindow"),
  stft([1, 20, 1], 1, "HammingWindow"),
  stft([1, 20, 1], 1, "BlackmanWindow"),
  {
    name: "a spectrogram in mel bands",
    inputs: { x: [1, 9] },
    build: (b) => {
      b.constant("bands", scalar(4)).constant("length", scalar(16)).constant("rate", scalar(8000));
      b.constant("low", tensor("float32", [], [100]));
      b.constant("high", tensor("float32", [], [3500]));
      b.node("MelWeightMatrix", ["bands", "length", "rate", "low", "high"], ["m"]);
      b.node("MatMul", ["x", "m"], ["y"]);
    },
  },
];

describe.each(["fx16", "fx32"] as const)("spectra, %s", (precision) => {
  it.each(CASES)("$name", async (test) => {
    expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
  });
});
