import { describe, expect, it } from "vitest";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

/**
 * Positions of 16 bits in an image of 7 pixels are off by some 2^-13 of a pixel; neighbours differ
 * by as much as values do.
 */
const BOUND = { fx16: 50, fx32: 80 } as const;

const product = <A, B>(as: readonly A[], bs: readonly B[]): (readonly [A, B])[] =>
  as.flatMap((a) => bs.map((b) => [a, b] as const));

const modes = ["bilinear", "nearest", "bicubic"];
const paddings = ["zeros", "border", "reflection"];

const CASES: readonly OperatorCase[] = [
  ...product(product(modes, paddings), [0, 1]).map(
    ([[mode, padding_mode], align_corners]): OperatorCase => ({
      name: `GridSample ${mode} ${padding_mode} ${String(align_corners)}`,
      inputs: { x: [2, 3, 5, 7], grid: [2, 4, 6, 2] },
      opset: 16,
      build: (b) =>
        b.node("GridSample", ["x", "grid"], ["y"], { mode, padding_mode, align_corners }),
    }),
  ),
  ...product(["avg", "max"], [1, 3]).map(([mode, sampling_ratio]): OperatorCase => ({
    name: `RoiAlign ${mode} ${String(sampling_ratio)}`,
    inputs: { x: [2, 3, 6, 7] },
    opset: 16,
    build: (b) => {
      const regions = [0.5, 0.25, 5.5, 4.75, -2, 1, 3, 7.5, 2, 2, 2.5, 3, 1, 0, 9, 5];
      b.constant("rois", tensor("float32", [4, 4], regions));
      b.constant("of", tensor("int64", [4], [1, 0, 1, 0]));
      b.node("RoiAlign", ["x", "rois", "of"], ["y"], {
        mode,
        sampling_ratio,
        output_height: 3,
        output_width: 2,
        spatial_scale: { type: "float", value: 0.75 },
      });
    },
  })),
];

describe.each(["fx16", "fx32"] as const)("sampling, %s", (precision) => {
  it.each(CASES)("$name", async (test) => {
    expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
  });
});
