import { attribute } from "../graph.js";
import type { Dim } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { windowExtent } from "../shapes/windows.js";
import { setInt, setInts } from "./normaliser.js";
import type { Normaliser } from "./normaliser.js";

/**
 * Writes `kernel_shape`, `strides`, `dilations` out, one number a spatial axis.
 * @returns the number of spatial axes, or undefined when nothing tells
 */
function writeWindow(view: NodeView, weightsInput: number | undefined): number | undefined {
  const { node } = view;
  let kernel = view.ints("kernel_shape");
  if (kernel === undefined && weightsInput !== undefined) {
    const spatial = view.shape(weightsInput)?.slice(2);
    if (spatial === undefined || spatial.some((dim) => typeof dim === "string")) return undefined;
    kernel = spatial as number[];
  }
  if (kernel === undefined) throw view.error("BadAttribute", `attribute "kernel_shape" is missing`);
  setInts(node, "kernel_shape", kernel);
  for (const name of ["strides", "dilations"]) {
    const values = view.ints(name) ?? kernel.map(() => 1);
    setInts(node, name, values);
    if (values.length !== kernel.length || values.some((v) => v < 1)) {
      throw view.error(
        "BadAttribute",
        `${name} [${values.join(", ")}] must be ${String(kernel.length)} positive numbers`,
      );
    }
  }
  if (kernel.some((k) => k < 1)) {
    throw view.error("BadAttribute", `kernel_shape [${kernel.join(", ")}] must be positive`);
  }
  return kernel.length;
}

/** Splits a total padding; SAME_UPPER puts the odd one at the end, SAME_LOWER in front. */
function splitPadding(total: number, mode: string): [begin: number, end: number] {
  const half = Math.floor(total / 2);
  return mode === "SAME_UPPER" ? [half, total - half] : [total - half, half];
}

/** Turns `auto_pad` into `pads`. With sizes unknown and a stride above 1, leaves it. */
function resolveAutoPad(view: NodeView, axes: number): void {
  const { node } = view;
  const mode = view.string("auto_pad", "NOTSET");
  let pads = view.ints("pads") ?? new Array<number>(2 * axes).fill(0);
  if (mode === "SAME_UPPER" || mode === "SAME_LOWER") {
    const sizes: Dim[] = view.shape(0)?.slice(2) ?? [];
    pads = new Array<number>(2 * axes).fill(0);
    for (let i = 0; i < axes; i++) {
      const stride = view.ints("strides")?.[i] ?? 1;
      const extent = windowExtent({
        kernel: view.ints("kernel_shape")?.[i] ?? 1,
        dilation: view.ints("dilations")?.[i] ?? 1,
      });
      const size = sizes[i];
      // With stride 1 the padding does not depend on the size.
      if (typeof size !== "number" && stride !== 1) return;
      const known = typeof size === "number" ? size : 1;
      const total = Math.max(0, (Math.ceil(known / stride) - 1) * stride + extent - known);
      [pads[i], pads[i + axes]] = splitPadding(total, mode);
    }
  } else if (mode === "VALID") {
    pads = new Array<number>(2 * axes).fill(0);
  } else if (mode !== "NOTSET") {
    throw view.error("BadAttribute", `auto_pad "${mode}" is not one that ONNX defines`);
  }
  if (pads.length !== 2 * axes) {
    throw view.error(
      "BadAttribute",
      `pads [${pads.join(", ")}] must be ${String(2 * axes)} numbers`,
    );
  }
  node.attributes.delete("auto_pad");
  setInts(node, "pads", pads);
}

function convolution(weightsInput: number): Normaliser {
  return (view) => {
    const axes = writeWindow(view, weightsInput);
    setInt(view.node, "group", view.int("group", 1));
    if (view.int("group", 1) < 1) throw view.error("BadAttribute", "group must be positive");
    if (axes !== undefined) resolveAutoPad(view, axes);
    return undefined;
  };
}

const pooling: Normaliser = (view) => {
  const axes = writeWindow(view, undefined);
  if (axes !== undefined) resolveAutoPad(view, axes);
  return undefined;
};

/** `output_shape` and `auto_pad` become `pads` (and `output_padding`). */
const convTranspose: Normaliser = (view) => {
  const { node } = view;
  const axes = writeWindow(view, 1);
  setInt(node, "group", view.int("group", 1));
  if (axes === undefined) return undefined;
  const mode = view.string("auto_pad", "NOTSET");
  const wanted = view.ints("output_shape")?.slice(-axes);
  const extra = view.ints("output_padding") ?? new Array<number>(axes).fill(0);
  const pads = view.ints("pads") ?? new Array<number>(2 * axes).fill(0);
  if (wanted !== undefined || mode === "SAME_UPPER" || mode === "SAME_LOWER") {
    const sizes = view.shape(0)?.slice(2) ?? [];
    for (let i = 0; i < axes; i++) {
      const size = sizes[i];
      if (typeof size !== "number") return undefined;
      const stride = view.ints("strides")?.[i] ?? 1;
      const extent = windowExtent({
        kernel: view.ints("kernel_shape")?.[i] ?? 1,
        dilation: view.ints("dilations")?.[i] ?? 1,
      });
      const full = stride * (size - 1) + (extra[i] ?? 0) + extent;
      const total = full - (wanted?.[i] ?? size * stride);
      // More than the kernel reaches: what is missing is appended.
      if (total < 0) extra[i] = (extra[i] ?? 0) - total;
      [pads[i], pads[i + axes]] = splitPadding(Math.max(0, total), mode);
    }
  } else if (mode === "VALID") pads.fill(0);
  node.attributes.delete("auto_pad");
  node.attributes.delete("output_shape");
  setInts(node, "output_padding", extra);
  setInts(node, "pads", pads);
  return undefined;
};

const batchNormalization: Normaliser = (view) => {
  const { node } = view;
  if (view.int("spatial", 1) === 0) {
    throw view.error("UnsupportedOperator", "spatial=0 (statistics per element) is not supported");
  }
  if (view.int("training_mode", 0) === 1 || node.outputs.slice(1).some((o) => o !== "")) {
    throw view.error("UnsupportedOperator", "training mode is not supported; export for inference");
  }
  const epsilon = view.float("epsilon", 1e-5);
  node.attributes = new Map([["epsilon", attribute.float(epsilon)]]);
  node.outputs.length = 1;
  return undefined;
};

export const WINDOW_NORMALISERS: Readonly<Record<string, Normaliser>> = {
  Conv: convolution(1),
  ConvInteger: convolution(1),
  QLinearConv: convolution(3),
  ConvTranspose: convTranspose,
  MaxPool: pooling,
  AveragePool: pooling,
  LpPool: pooling,
  BatchNormalization: batchNormalization,
};
