import type { Dim } from "../graph.js";
import type { NodeView, ShapeRule } from "./nodeView.js";
import { windowCount } from "./windows.js";

const gridSample: ShapeRule = (view) => {
  const [x, grid] = [view.shape(0), view.shape(1)];
  const elementType = view.elementType(0);
  if (x === undefined || grid === undefined) return [{ elementType, shape: undefined }];
  const depth = grid.at(-1);
  if (
    x.length !== grid.length ||
    x.length < 3 ||
    (depth !== x.length - 2 && typeof depth === "number")
  )
    throw view.shapeError("the grid needs one coordinate for each spatial axis");
  return [{ elementType, shape: [x[0] ?? 1, x[1] ?? 1, ...grid.slice(1, -1)] }];
};

const roiAlign: ShapeRule = (view) => {
  const [x, rois] = [view.shape(0), view.shape(1)];
  const elementType = view.elementType(0);
  if (x === undefined || rois === undefined) return [{ elementType, shape: undefined }];
  if (x.length !== 4 || rois.length !== 2 || rois[1] !== 4)
    throw view.shapeError("needs an image [N, C, H, W] and regions [R, 4]");
  const cells = [view.int("output_height", 1), view.int("output_width", 1)];
  return [{ elementType, shape: [rois[0] ?? 1, x[1] ?? 1, ...cells] }];
};

const deformConv: ShapeRule = (view) => {
  const [x, w] = [view.shape(0), view.shape(1)];
  const elementType = view.elementType(0);
  if (x === undefined || w === undefined) return [{ elementType, shape: undefined }];
  if (x.length !== w.length || x.length < 3)
    throw view.shapeError("data and weights need one rank, 3 or more");
  const sizes = x.slice(2).map((size, i): Dim => {
    const kernel = w[i + 2];
    if (typeof kernel !== "number") return `${view.node.outputs[0] ?? ""}_${String(i + 2)}`;
    return windowCount(size, windowAt(view, i, kernel, x.length - 2));
  });
  return [{ elementType, shape: [x[0] ?? 1, w[0] ?? 1, ...sizes] }];
};

function windowAt(view: NodeView, i: number, kernel: number, axes: number) {
  const pads = view.ints("pads") ?? [];
  return {
    kernel,
    stride: view.ints("strides")?.[i] ?? 1,
    dilation: view.ints("dilations")?.[i] ?? 1,
    padBegin: pads[i] ?? 0,
    padEnd: pads[i + axes] ?? 0,
  };
}

/** Rules of operators that sample at computed positions. */
export const SPATIAL_RULES: Readonly<Record<string, ShapeRule>> = {
  DeformConv: deformConv,
  GridSample: gridSample,
  RoiAlign: roiAlign,
};
