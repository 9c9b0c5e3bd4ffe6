import { attribute, floatsAttribute } from "../graph.js";
import type { Attribute, Dim } from "../graph.js";
import { floorDivideDim, multiplyDims } from "../shapes/dims.js";
import { rationalOf } from "../shapes/ratios.js";
import type { NodeView } from "../shapes/nodeView.js";
import { become, declareOutput } from "./normaliser.js";
import type { Normaliser } from "./normaliser.js";

/** `Upsample` and all versions of `Resize`. */
const resize: Normaliser = (view) => {
  const { node } = view;
  const old = node.opType === "Upsample" || view.opset < 11;
  const scalesInput = old ? 1 : 2;
  const scales = floatsAttribute(node, "scales") ?? nonEmpty(view.numbers(scalesInput));
  const shape = view.shape(0);
  const unread = !old && scales === undefined && view.has(3) && view.ints("axes") === undefined;
  const sizes = old
    ? undefined
    : (nonEmpty(view.contents(3)) ?? declaredSizes(view) ?? (unread ? invented(view) : undefined));
  if (shape === undefined || (scales === undefined && sizes === undefined)) return undefined;
  const axes = (view.ints("axes") ?? shape.map((_, i) => i)).map((a) => view.axis(a, shape.length));

  const result: Dim[] = [...shape];
  const factors = shape.map(() => 1);
  axes.forEach((axis, i) => {
    const dim = shape[axis] ?? 1;
    const name = `${node.outputs[0] ?? ""}_${String(axis)}`;
    if (scales !== undefined) {
      const scale = scales[i] ?? 1;
      factors[axis] = scale;
      // Runtimes multiply in float32, which brings 10·0.7f back to 7.
      if (scale !== 1)
        result[axis] =
          typeof dim === "number"
            ? Math.floor(Math.fround(dim * scale))
            : (scaled(dim, scale) ?? name);
    } else {
      const size = sizes?.[i] ?? dim;
      result[axis] = size;
      if (typeof size === "number" && typeof dim === "number") factors[axis] = size / dim;
      else if (size !== dim) factors[axis] = OF_SIZES;
    }
  });
  const open = factors.includes(OF_SIZES);
  if (open && view.string("keep_aspect_ratio_policy", "stretch") !== "stretch") return undefined;
  if (scales === undefined) keepAspect(view, shape, axes, result, factors);
  const given = open && view.contents(3) === undefined ? view.name(3) : undefined;

  const mode = view.string("mode", "nearest");
  const coordinates = old
    ? "asymmetric"
    : view.string("coordinate_transformation_mode", "half_pixel");
  const crops = coordinates === "tf_crop_and_resize";
  const roi = crops ? view.numbers(1) : undefined;
  if (crops && roi?.length !== 2 * axes.length) return undefined;
  const unchanged = factors.every((f) => f === 1) && !crops;
  if (unchanged) become(node, "Identity");
  else {
    become(node, "Resize", {
      mode: attribute.string(mode === "bilinear" ? "linear" : mode),
      coordinate_transformation_mode: attribute.string(coordinates),
      nearest_mode: attribute.string(
        old ? "floor" : view.string("nearest_mode", "round_prefer_floor"),
      ),
      cubic_coeff_a: attribute.float(view.float("cubic_coeff_a", -0.75)),
      exclude_outside: attribute.int(view.int("exclude_outside", 0)),
      antialias: attribute.int(view.int("antialias", 0)),
      scales: attribute.floats(factors),
      ...(roi === undefined ? {} : region(view, shape.length, axes, roi)),
    });
    if (given !== undefined) node.inputs.push(given);
  }
  declareOutput(view, result);
  return undefined;
};

/** A scale that is the quotient of the sizes, which are open. */
const OF_SIZES = 0;

/** The size of an open axis that a scale stretches, rounded down. */
function scaled(dim: Dim, scale: number): Dim | undefined {
  const ratio = rationalOf(scale);
  return ratio && floorDivideDim(multiplyDims(dim, ratio[0]), ratio[1]);
}

/** Names for sizes of which only the number is known. */
function invented(view: NodeView): readonly Dim[] | undefined {
  const rank = view.rank(0);
  if (rank === undefined || view.shape(3)?.[0] !== rank) return undefined;
  return Array.from({ length: rank }, (_, i) => `${view.node.outputs[0] ?? ""}_${String(i)}`);
}

/** The region that tf_crop_and_resize takes, starts then ends of all axes. */
function region(
  view: NodeView,
  rank: number,
  axes: readonly number[],
  roi: readonly number[],
): Record<string, Attribute> {
  const whole = [...new Array<number>(rank).fill(0), ...new Array<number>(rank).fill(1)];
  axes.forEach((axis, i) => {
    whole[axis] = roi[i] ?? 0;
    whole[axis + rank] = roi[i + axes.length] ?? 1;
  });
  return {
    roi: attribute.floats(whole),
    extrapolation_value: attribute.float(view.float("extrapolation_value", 0)),
  };
}

/** Sizes that are known only when running, but that the model states for its result. */
function declaredSizes(view: NodeView): readonly Dim[] | undefined {
  const rank = view.rank(0);
  const declared = view.output(0).shape;
  if (!view.has(3) || rank === undefined || declared?.length !== rank) return undefined;
  if (view.string("keep_aspect_ratio_policy", "stretch") !== "stretch") return undefined;
  const axes = view.ints("axes") ?? declared.map((_, i) => i);
  const sizes = axes.map((axis) => declared[view.axis(axis, rank)] ?? 1);
  return sizes.every((dim) => typeof dim === "number") ? sizes : undefined;
}

function nonEmpty<T>(values: readonly T[] | undefined): readonly T[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

/** Policies other than "stretch" use one scale for all axes that are resized. */
function keepAspect(
  view: NodeView,
  shape: readonly Dim[],
  axes: readonly number[],
  result: Dim[],
  factors: number[],
): void {
  const policy = view.string("keep_aspect_ratio_policy", "stretch");
  if (policy === "stretch") return;
  const among = axes.map((axis) => factors[axis] ?? 1);
  const scale = policy === "not_larger" ? Math.min(...among) : Math.max(...among);
  for (const axis of axes) {
    const dim = shape[axis];
    if (typeof dim !== "number") continue;
    factors[axis] = scale;
    result[axis] = Math.floor(dim * scale + 0.5);
  }
}

export const RESIZE_NORMALISERS: Readonly<Record<string, Normaliser>> = {
  Resize: resize,
  Upsample: resize,
};
