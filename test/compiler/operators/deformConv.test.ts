import { describe, expect, it } from "vitest";
import { calibrate } from "../../../src/analysis/calibrate.js";
import { compile } from "../../../src/compiler/compile.js";
import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";
import type { HostArray } from "../../../src/core/hostArray.js";
import { createReferenceBackend } from "../../../src/tensor/reference/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import { floatTensor, madeUp, runModel } from "../../support/compiler/runtime.js";

/** Rows and columns by which all taps are moved. */
type Shift = readonly [rows: number, columns: number];

const IMAGE = [1, 4, 6, 7];
const KERNEL = [4, 2, 3, 3];
const [ROWS, COLUMNS, TAPS] = [6, 7, 9];
const weights = tensor("float32", KERNEL, [...madeUp(72, 3)]);
const bias = tensor("float32", [4], [0.5, -1, 0.25, 0]);

/** A deformed convolution whose offsets are all `shift`, and whose mask is 0.5 throughout. */
async function deformed(shift: Shift, precision: "fx16" | "fx32"): Promise<number[]> {
  const b = new ModelBuilder(19)
    .input("x", "float32", IMAGE)
    .input("offset", "float32", [1, 2 * 2 * TAPS, ROWS, COLUMNS])
    .constant("w", weights)
    .constant("b", bias)
    .constant("mask", tensor("float32", [1, 2 * TAPS, ROWS, COLUMNS], halves()))
    .output("y", "float32")
    .node("DeformConv", ["x", "w", "offset", "b", "mask"], ["y"], {
      pads: [1, 1, 1, 1],
      group: 2,
      offset_group: 2,
    });
  const area = ROWS * COLUMNS;
  const data = Float32Array.from(
    { length: 4 * TAPS * area },
    (_, i) => shift[Math.floor(i / area) % 2]!,
  );
  const x = madeUp(168, 1);
  const offset = { elementType: "float32", dims: [1, 4 * TAPS, ROWS, COLUMNS], data } as const;
  const image = { elementType: "float32", dims: IMAGE, data: x } as const;
  const model = b.encode();
  const sample = new Map<string, HostArray>([
    ["x", image],
    ["offset", offset],
  ]);
  const calibration = await calibrate(model, [sample]);
  const { bytes } = compile(model, { calibration, precision });
  const backend = createReferenceBackend();
  const instance = instantiate(bytes, { backend, ownsBackend: true });
  const { outputs } = instance.runSync({
    inputs: {
      x: { dims: IMAGE, reals: x },
      offset: { dims: [...offset.dims], reals: data },
    },
  });
  const y = Array.from(outputs!["y"]!.reals("float64"));
  instance.dispose();
  return y;
}

const halves = (): number[] => new Array<number>(2 * TAPS * ROWS * COLUMNS).fill(0.5);

/** The plain convolution whose window is moved by whole pixels, with half the weights. */
async function moved([rows, columns]: Shift): Promise<number[]> {
  const model = new ModelBuilder(17)
    .input("x", "float32", IMAGE)
    .constant("w", { ...weights, data: (weights.data as Float64Array).map((v) => v / 2) })
    .constant("b", bias)
    .output("y", "float32")
    .node("Conv", ["x", "w", "b"], ["y"], {
      group: 2,
      pads: [1 - rows, 1 - columns, 1 + rows, 1 + columns],
    });
  const { y } = await runModel(model.encode(), { x: floatTensor(IMAGE, 1) });
  return Array.from(y!.data as Float32Array);
}

describe.each(["fx16", "fx32"] as const)("DeformConv, %s", (precision) => {
  const most = precision === "fx16" ? 2e-3 : 1e-5;
  const differ = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((greatest, v, i) => Math.max(greatest, Math.abs(v - b[i]!)), 0);

  it.each([
    [0, 0],
    [1, 0],
    [0, -1],
    [1, 1],
  ] as const)("moved by whole pixels, %i and %i, is a Conv", async (...shift) => {
    expect(differ(await deformed(shift, precision), await moved(shift))).toBeLessThan(most);
  });

  it("moved by half a pixel lies between two of them", async () => {
    const [near, far] = [await moved([0, 0]), await moved([1, 0])];
    const middle = near.map((v, i) => (v + far[i]!) / 2);
    expect(differ(await deformed([0.5, 0], precision), middle)).toBeLessThan(most);
  });
});
