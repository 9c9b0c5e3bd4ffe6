/** Grids of positions, and what older operator sets say otherwise. */
import { attribute } from "../graph.js";
import { Expansion } from "./expansion.js";
import type { Normaliser } from "./normaliser.js";

/** Positions −1 … 1 along an axis: of its ends, or of the middles of its pixels. */
function positions(size: number, alignCorners: boolean): number[] {
  return Array.from({ length: size }, (_, i) => {
    if (!alignCorners) return (2 * i + 1) / size - 1;
    return size === 1 ? -1 : (2 * i) / (size - 1) - 1;
  });
}

/** The grid of an affine map: constant positions times the matrix. */
const affineGrid: Normaliser = (view) => {
  const theta = view.shape(0);
  const declared = view.output(0).shape;
  const spatial = view.numbers(1)?.slice(2) ?? declared?.slice(1, -1);
  if (theta === undefined || !spatial?.every((size) => typeof size === "number")) return undefined;
  const sizes = spatial as number[];
  const [batch = 1, rows, columns] = theta;
  const axes = sizes.length;
  if (theta.length !== 3 || rows !== axes || columns !== axes + 1)
    throw view.shapeError("needs matrices [N, 2, 3] for an image or [N, 3, 4] for a volume");
  const alignCorners = view.int("align_corners", 0) === 1;
  const along = sizes.map((size) => positions(size, alignCorners));
  let points: number[][] = [[]];
  for (const coordinates of along)
    points = points.flatMap((point) => coordinates.map((c) => [...point, c]));
  // x comes first, and is the last axis; a 1 takes the translation.
  const data = Float64Array.from(points.flatMap((point) => [...point.reverse(), 1]));
  const elementType = view.elementType(0) ?? "float32";
  const e = new Expansion(view);
  const base = e.constant("positions", { elementType, dims: [points.length, axes + 1], data });
  const turned = e.transpose(view.name(0), [0, 2, 1], theta);
  const grid = e.op("MatMul", [base, turned], {}, [batch, points.length, axes]);
  e.reshape(grid, [batch, ...sizes, axes]);
  return e.finish();
};

/** Before operator set 16 regions were taken as they are. */
const roiAlign: Normaliser = (view) => {
  const { attributes } = view.node;
  const name = "coordinate_transformation_mode";
  if (!attributes.has(name))
    attributes.set(name, attribute.string(view.opset < 16 ? "output_half_pixel" : "half_pixel"));
  return undefined;
};

export const SAMPLING_EXPANSIONS: Readonly<Record<string, Normaliser>> = {
  AffineGrid: affineGrid,
  RoiAlign: roiAlign,
};
