import { describe, expect, it } from "vitest";
import type { AttributeValue } from "../../../src/compiler/onnx/modelBuilder.js";
import { tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { OperatorCase } from "../../support/compiler/operatorCase.js";
import { sqnrDb } from "../../support/compiler/operatorCase.js";

const BOUND = { fx16: 70, fx32: 100 } as const;

const resize = (
  x: number[],
  to: { sizes?: number[]; scales?: number[]; roi?: number[] },
  attributes: Record<string, AttributeValue>,
): OperatorCase => ({
  name: `[${String(x)}] ${JSON.stringify(to)} ${JSON.stringify(attributes)}`,
  inputs: { x },
  opset: 19,
  build: (b) => {
    const { sizes, scales, roi } = to;
    if (roi !== undefined) b.constant("roi", tensor("float32", [roi.length], roi));
    if (scales !== undefined) b.constant("scales", tensor("float32", [scales.length], scales));
    if (sizes !== undefined) b.constant("sizes", tensor("int64", [sizes.length], sizes));
    const inputs = ["x", roi && "roi", scales && "scales", sizes && "sizes"];
    while (inputs.at(-1) === undefined) inputs.pop();
    b.node(
      "Resize",
      inputs.map((name) => name ?? ""),
      ["y"],
      attributes,
    );
  },
});

const transforms = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"];
const roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

const CASES: readonly OperatorCase[] = [
  ...transforms.flatMap((coordinate_transformation_mode) => [
    ...roundings.map((nearest_mode) =>
      resize(
        [2, 5],
        { sizes: [3, 8] },
        { mode: "nearest", nearest_mode, coordinate_transformation_mode },
      ),
    ),
    resize(
      [1, 2, 5, 4],
      { sizes: [1, 2, 9, 3] },
      { mode: "linear", coordinate_transformation_mode },
    ),
    resize([3, 5], { sizes: [7, 4] }, { mode: "linear", coordinate_transformation_mode }),
    resize(
      [1, 2, 5, 6],
      { sizes: [1, 2, 8, 4] },
      { mode: "cubic", coordinate_transformation_mode },
    ),
  ]),
  resize(
    [1, 1, 5, 6],
    { scales: [1, 1, 1.7, 0.6] },
    { mode: "cubic", exclude_outside: 1, cubic_coeff_a: -0.5 },
  ),
  resize([1, 1, 4, 4], { scales: [1, 1, 1.3, 2.2] }, { mode: "linear" }),
  resize([1, 1, 8, 6], { scales: [1, 1, 0.5, 0.5] }, { mode: "linear", antialias: 1 }),
  resize([1, 2, 6, 5], { sizes: [7, 4] }, { mode: "linear", axes: [2, 3] }),
  resize(
    [1, 1, 4, 6],
    { sizes: [1, 1, 5, 4], roi: [0, 0, 0.4, 0.2, 1, 1, 1.2, 0.9] },
    {
      mode: "linear",
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: 1.5,
    },
  ),
  resize(
    [1, 1, 4, 6],
    { sizes: [1, 1, 5, 4], roi: [0, 0, 0.4, 0.2, 1, 1, 1.2, 0.9] },
    {
      mode: "nearest",
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: 100.5,
    },
  ),
];

describe.each(["fx16", "fx32"] as const)("Resize, %s", (precision) => {
  it.each(CASES)("$name", async (test) => {
    expect(await sqnrDb(test, precision)).toBeGreaterThan(BOUND[precision]);
  });
});
