import { floatsAttribute, nodeError } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { aroundAxis, floatTensor, numbersOf, storeInteger, isInteger } from "./folder.js";
import type { Folder } from "./folder.js";
import { countOf, zeros } from "./arrays.js";

type Taps = readonly (readonly [index: number, weight: number])[];

/** Where an element of the result lies on the axis it is made from. */
function coordinate(view: NodeView, i: number, size: number, out: number, scale: number): number {
  const mode = view.string("coordinate_transformation_mode", "half_pixel");
  switch (mode) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const adjustment = out / (scale * size);
      return (size / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners": {
      // The length before it was cut to a whole number.
      const length = Math.abs(scale * size - out) < 1e-3 ? out : scale * size;
      return out > 1 ? (i * (size - 1)) / (length - 1) : 0;
    }
    case "asymmetric":
      return i / scale;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    default:
      throw nodeError("NotEvaluated", view.node, `coordinates "${mode}" are not known`);
  }
}

function nearest(view: NodeView, at: number): number {
  const mode = view.string("nearest_mode", "round_prefer_floor");
  if (mode === "floor") return Math.floor(at);
  if (mode === "ceil") return Math.ceil(at);
  return mode === "round_prefer_ceil" ? Math.floor(at + 0.5) : Math.ceil(at - 0.5);
}

function cubic(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/** The weights of a linear or cubic kernel around `at`, stretched where `antialias` narrows. */
function kernelTaps(view: NodeView, at: number, size: number, scale: number): Taps {
  const isLinear = view.string("mode", "nearest") === "linear";
  const a = view.float("cubic_coeff_a", -0.75);
  const stretch = view.int("antialias", 0) === 1 ? Math.min(1, scale) : 1;
  const excludes = view.int("exclude_outside", 0) === 1;
  const reach = (isLinear ? 1 : 2) / stretch;
  const found: [number, number][] = [];
  let total = 0;
  for (let i = Math.floor(at - reach) + 1; i < at + reach || i <= Math.floor(at); i++) {
    const distance = (at - i) * stretch;
    const weight = isLinear ? Math.max(0, 1 - Math.abs(distance)) : cubic(distance, a);
    if (weight === 0 || (excludes && (i < 0 || i >= size))) continue;
    total += weight;
    found.push([Math.min(Math.max(i, 0), size - 1), weight]);
  }
  return found.map(([i, weight]) => [i, weight / total]);
}

function tapsOf(view: NodeView, size: number, out: number, scale: number): Taps[] {
  return Array.from({ length: out }, (_, i) => {
    const at = coordinate(view, i, size, out, scale);
    if (view.string("mode", "nearest") !== "nearest") return kernelTaps(view, at, size, scale);
    return [[Math.min(Math.max(nearest(view, at), 0), size - 1), 1]];
  });
}

/** Axis by axis; every mode is separable. */
const resize: Folder = ([x], view, out) => {
  const scales = floatsAttribute(view.node, "scales");
  if (x === undefined || scales === undefined) return undefined;
  let data = numbersOf(x);
  let dims = [...x.dims];
  for (let axis = 0; axis < dims.length; axis++) {
    const to = out.dims[axis] ?? 1;
    // Of open sizes the scale is 0: their quotient.
    const scale = scales[axis] === 0 ? to / (dims[axis] ?? 1) : (scales[axis] ?? 1);
    if (scale === 1 && to === dims[axis]) continue;
    const taps = tapsOf(view, dims[axis] ?? 1, to, scale);
    const { outer, size, inner } = aroundAxis(dims, axis);
    dims = dims.map((dim, i) => (i === axis ? to : dim));
    const next = new Float64Array(countOf(dims));
    for (let o = 0; o < outer; o++) {
      taps.forEach((list, i) => {
        for (const [at, weight] of list) {
          const [target, source] = [(o * to + i) * inner, (o * size + at) * inner];
          for (let n = 0; n < inner; n++)
            next[target + n] = next[target + n]! + weight * data[source + n]!;
        }
      });
    }
    data = next;
  }
  if (!isInteger(out.elementType)) return floatTensor(out.elementType, out.dims, data.slice());
  const integers = zeros(out.elementType, data.length);
  if (integers === undefined) return undefined;
  data.forEach((v, i) => {
    storeInteger(out.elementType, integers, i, BigInt(Math.trunc(v)));
  });
  return { ...out, data: integers };
};

export const resizeEvaluators: Readonly<Record<string, Folder>> = { Resize: resize };
