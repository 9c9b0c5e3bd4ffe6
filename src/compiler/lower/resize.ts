/** Resize: the instruction where its positions are ratios of integers, else a matrix an axis. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  nodeError,
  stringAttribute,
} from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { plain } from "./movement.js";
import { lowerOpenResize } from "./openResize.js";
import type { Format, Lowered, Real } from "./real.js";
import { channelsLast, format, mapScale, scaleRatio } from "./real.js";
import type { AxisResize } from "./resizeWeights.js";
import { nearestIndices, resizeMatrix } from "./resizeWeights.js";
import { powerOfTwo } from "./scale.js";

/** How an output index maps to an input position, as a ratio of integers. */
interface Mapping {
  readonly numerator: number;
  readonly denominator: number;
  readonly offset: number;
}

export function lowerResize(ctx: LoweringContext, node: GraphNode): void {
  const open = [...ctx.shapeOf(node.inputs[0]!), ...ctx.shapeOf(node.outputs[0]!)];
  if (open.some((dim) => typeof dim === "string")) {
    lowerOpenResize(ctx, node);
    return;
  }
  const input = ctx.fixedDims(node.inputs[0]!, node);
  const output = ctx.fixedDims(node.outputs[0]!, node);
  const mode = stringAttribute(node, "mode") ?? "nearest";
  if (mode !== "nearest" && mode !== "linear" && mode !== "cubic")
    throw nodeError("UnsupportedMode", node, `mode "${mode}" is not one that ONNX has`);
  const x = ctx.get(node.inputs[0]!);
  if (mode !== "nearest" && x.format === undefined)
    throw nodeError("UnsupportedType", node, `${mode} interpolation needs reals`);
  const maps = mappings(node, mode, input, output);
  if (maps !== undefined) {
    const last = ctx.ordered(x, channelsLast(input.length));
    if (mode === "nearest") lowerNearest(ctx, node, last, maps, output);
    else lowerLinear(ctx, node, last as Real, maps, output);
    return;
  }
  const axes = input.flatMap((size, axis): (AxisResize & { axis: number })[] => {
    const along = axisResize(node, axis, size, output[axis]!, input.length);
    return along === undefined ? [] : [{ ...along, axis }];
  });
  if (mode === "nearest") lowerGathered(ctx, node, x, axes);
  else lowerMatrices(ctx, node, ctx.withoutZeroPoint(plain(ctx, x) as Real), axes);
}

// --- the instructions ---------------------------------------------------------------------------

function lowerNearest(
  ctx: LoweringContext,
  node: GraphNode,
  x: Lowered,
  maps: readonly Mapping[],
  output: readonly number[],
): void {
  const value = ctx.builder.op(
    "resize.nearest",
    { sizes: output.slice(2), ...columns(maps) },
    [x.value],
    x.value.dtype,
    x.axes.map((axis) => output[axis]!),
  );
  ctx.define(node.outputs[0]!, { ...x, value });
}

function lowerLinear(
  ctx: LoweringContext,
  node: GraphNode,
  x: Real,
  maps: readonly Mapping[],
  output: readonly number[],
): void {
  const real = ctx.withoutZeroPoint(x);
  const total = maps.reduce((product, m) => product * m.denominator, 1);
  const sums = ctx.builder.op(
    "resize.linear",
    { sizes: output.slice(2), ...columns(maps), dtype: "i64" },
    [real.value],
    "i64",
    x.axes.map((axis) => output[axis]!),
  );
  finish(
    ctx,
    node,
    real.axes,
    (target) =>
      ctx.rescaled(
        { value: sums, axes: real.axes },
        mapScale(scaleRatio(real.format.scale, target.scale), (s) => s / total),
        target,
      ),
    "perChannel",
  );
}

function columns(maps: readonly Mapping[]) {
  return {
    numerators: maps.map((m) => m.numerator),
    denominators: maps.map((m) => m.denominator),
    offsets: maps.map((m) => m.offset),
  };
}

/** The spatial axes' positions as the instructions take them; undefined where they do not. */
function mappings(
  node: GraphNode,
  mode: "nearest" | "linear" | "cubic",
  input: readonly number[],
  output: readonly number[],
): Mapping[] | undefined {
  const rank = input.length;
  if (rank < 3 || rank > 5 || input[0] !== output[0] || input[1] !== output[1]) return undefined;
  const shrinks = output.some((dim, i) => dim < input[i]!);
  if (mode === "cubic" || (shrinks && intAttribute(node, "antialias") === 1)) return undefined;
  const scales = floatsAttribute(node, "scales");
  const maps = input.slice(2).map((dim, i) => {
    const map = mapping(node, dim, output[i + 2]!, scales?.[i + 2]);
    return map === undefined || mode === "linear" ? map : nearest(node, map);
  });
  const fits = (m: Mapping | undefined): m is Mapping =>
    m !== undefined &&
    m.numerator <= 65_535 &&
    m.denominator <= 65_535 &&
    Math.abs(m.offset) < 1 << 30;
  if (!maps.every(fits)) return undefined;
  // The sums of resize.linear are over the product of the denominators.
  const total = maps.reduce((product, m) => product * m.denominator, 1);
  return mode === "linear" && total > powerOfTwo(36) ? undefined : maps;
}

/** Input position of output index i: (p·i + o) / q, exactly; undefined where it is no such ratio. */
function mapping(
  node: GraphNode,
  input: number,
  output: number,
  scale: number | undefined,
): Mapping | undefined {
  // The ratio input/output, as the model gives it where that is the size itself.
  let [p, q] = reduced(input, output);
  const whole = scale === undefined || input * scale === output;
  if (!whole) {
    const ratio = rational(1 / scale);
    if (ratio === undefined) return undefined;
    [p, q] = ratio;
  }
  const transform = stringAttribute(node, "coordinate_transformation_mode") ?? "half_pixel";
  switch (transform) {
    case "asymmetric":
      return { numerator: p, denominator: q, offset: 0 };
    case "half_pixel":
    case "pytorch_half_pixel":
      if (transform === "pytorch_half_pixel" && output === 1)
        return { numerator: 1, denominator: 1, offset: 0 };
      // ((i + ½)·p/q − ½) = (2·p·i + p − q) / 2q
      return { numerator: 2 * p, denominator: 2 * q, offset: p - q };
    case "align_corners":
      if (!whole) return undefined;
      return output === 1
        ? { numerator: 1, denominator: 1, offset: 0 }
        : { ...fraction(input - 1, output - 1), offset: 0 };
    default:
      return undefined;
  }
}

function fraction(a: number, b: number): { numerator: number; denominator: number } {
  if (a === 0) return { numerator: 1, denominator: 65_535 };
  const [numerator, denominator] = reduced(a, b);
  return { numerator, denominator };
}

function reduced(a: number, b: number): [number, number] {
  let x = a;
  let y = b;
  while (y !== 0) [x, y] = [y, x % y];
  return [a / x, b / x];
}

/** The ratio with the smallest denominator within float32 rounding, or none below 65,536. */
function rational(x: number): [number, number] | undefined {
  for (let q = 1; q < 65_536; q++) {
    const p = Math.floor(x * q + 0.5);
    if (p > 0 && Math.abs(p / q - x) <= x * 1e-6) return [p, q];
  }
  return undefined;
}

/** Folds the rounding of `nearest_mode` into the offset: the instruction takes the floor. */
function nearest(node: GraphNode, { numerator, denominator, offset }: Mapping): Mapping {
  switch (nearestMode(node)) {
    case "floor":
      return { numerator, denominator, offset };
    case "ceil":
      return { numerator, denominator, offset: offset + denominator - 1 };
    case "round_prefer_ceil":
      return {
        numerator: 2 * numerator,
        denominator: 2 * denominator,
        offset: 2 * offset + denominator,
      };
    default:
      return {
        numerator: 2 * numerator,
        denominator: 2 * denominator,
        offset: 2 * offset + denominator - 1,
      };
  }
}

function nearestMode(node: GraphNode): string {
  const mode = stringAttribute(node, "nearest_mode") ?? "round_prefer_floor";
  if (["floor", "ceil", "round_prefer_ceil", "round_prefer_floor"].includes(mode)) return mode;
  throw nodeError("UnsupportedMode", node, `nearest mode "${mode}" is not one that ONNX has`);
}

// --- any mode, axis by axis ---------------------------------------------------------------------

/** What happens along an axis, or undefined where nothing does. */
function axisResize(
  node: GraphNode,
  axis: number,
  input: number,
  output: number,
  rank: number,
): AxisResize | undefined {
  const scale = floatsAttribute(node, "scales")![axis]!;
  const transform = stringAttribute(node, "coordinate_transformation_mode") ?? "half_pixel";
  const roi = floatsAttribute(node, "roi");
  const region = [roi?.[axis] ?? 0, roi?.[axis + rank] ?? 1] as const;
  const crops = transform === "tf_crop_and_resize" && (region[0] !== 0 || region[1] !== 1);
  if (scale === 1 && input === output && !crops) return undefined;
  if (input === 0) throw nodeError("UnsupportedShape", node, `axis ${String(axis)} is empty`);
  const mode = stringAttribute(node, "mode") ?? "nearest";
  return {
    input,
    output,
    scale,
    transform,
    region,
    nearest: nearestMode(node),
    mode: mode as AxisResize["mode"],
    cubic: floatAttribute(node, "cubic_coeff_a") ?? -0.75,
    excludeOutside: intAttribute(node, "exclude_outside") === 1,
    antialias: intAttribute(node, "antialias") === 1,
    unknown: (what) => nodeError("UnsupportedMode", node, what),
  };
}

/** Nearest neighbours of any element type: one gather an axis. */
function lowerGathered(
  ctx: LoweringContext,
  node: GraphNode,
  source: Lowered,
  axes: readonly (AxisResize & { axis: number })[],
): void {
  const { builder } = ctx;
  const indices = axes.map(nearestIndices);
  const extrapolates = indices.some((along) => along.some(Number.isNaN));
  const fill = floatAttribute(node, "extrapolation_value") ?? 0;
  const whole = plain(ctx, source);
  const x =
    extrapolates && whole.format !== undefined
      ? ctx.requantise(whole as Real, ctx.formats.choose(node.outputs[0]!, node))
      : whole;
  let { value } = x;
  axes.forEach(({ axis, input, output }, i) => {
    const at = x.axes.indexOf(axis);
    const shape = value.shape.map((dim, d) => (d === at ? output : dim));
    const along = indices[i]!;
    // Outside, any index will do.
    const clamped = along.map((index) => Math.min(Math.max(index, 0) || 0, input - 1));
    const constant = builder.constant("i32", [output], clamped);
    value = builder.op("gather", { axis: at }, [value, constant], value.dtype, shape);
    const outside = along.map(Number.isNaN);
    if (outside.some((out) => out)) value = filled(ctx, value, at, outside, fill, x.format);
  });
  ctx.define(node.outputs[0]!, { ...x, value });
}

/** Fractional bits of the weights: with 24 bits for the integers of weights up to 2. */
const WEIGHT_BITS = 22;
/** What integers between two axes may reach; with weights, sums over 2^14 elements stay exact. */
const BETWEEN = 0x1ffffff;

/** y = R·x along one axis after the other, exact sums, rounded to 26 bits between axes. */
function lowerMatrices(
  ctx: LoweringContext,
  node: GraphNode,
  x: Real,
  axes: readonly (AxisResize & { axis: number })[],
): void {
  let current = x;
  let unit = x.format.scale as number;
  const fill = floatAttribute(node, "extrapolation_value") ?? 0;
  axes.forEach((along, i) => {
    const { weights, outside, reach } = resizeMatrix(along);
    const integers = Array.from(weights, (w) => Math.floor(w * powerOfTwo(WEIGHT_BITS) + 0.5));
    const at = current.axes.indexOf(along.axis);
    const sums = alongAxis(ctx, current, at, along, integers);
    unit /= powerOfTwo(WEIGHT_BITS);
    const held = Math.max(-current.format.lo, current.format.hi) * reach * powerOfTwo(WEIGHT_BITS);
    const rows = outside.some((out) => out) ? outside : undefined;
    if (i === axes.length - 1) {
      finish(ctx, node, current.axes, (target) => {
        const y = ctx.rescaled(
          { value: sums, axes: current.axes },
          scaleRatio(unit, target.scale),
          target,
        );
        return rows === undefined ? y : filled(ctx, y, at, rows, fill, target);
      });
      return;
    }
    const shift = Math.max(held, Math.abs(fill) / unit) / BETWEEN;
    const target = format("i32", unit * Math.max(shift, 1), 0, [-BETWEEN - 1, BETWEEN]);
    const narrow = ctx.rescaled(
      { value: sums, axes: current.axes },
      unit / (target.scale as number),
      target,
    );
    const value = rows === undefined ? narrow : filled(ctx, narrow, at, rows, fill, target);
    current = { ...current, value, format: target };
    unit = target.scale as number;
  });
}

/** Multiplies an axis by a matrix [output, input] of integers. */
function alongAxis(
  ctx: LoweringContext,
  x: Real,
  at: number,
  { input, output }: AxisResize,
  weights: readonly number[],
): FixedValue {
  const { builder } = ctx;
  const shape = x.value.shape as readonly number[];
  const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
  const outer = count(shape.slice(0, at));
  const inner = count(shape.slice(at + 1));
  const dtype = x.value.dtype === "i16" || x.value.dtype === "i32" ? x.value.dtype : "i16";
  const operand = ctx.reshaped(ctx.widened(x.value, dtype), [outer, input, inner]);
  const matrix = builder.constant("i32", [output, input], weights);
  const bits = { aBits: WEIGHT_BITS + 2, bBits: dtype === "i16" ? 16 : 26, accumulator: "i64" };
  const product = builder.op(
    "matmul",
    bits as { aBits: number; bBits: number; accumulator: "i64" },
    [matrix, operand],
    "i64",
    [outer, output, inner],
  );
  return ctx.reshaped(
    product,
    shape.map((dim, i): Dim => (i === at ? output : dim)),
  );
}

/** Puts the extrapolation value where a position lies outside the input. */
function filled(
  ctx: LoweringContext,
  y: FixedValue,
  at: number,
  rows: readonly boolean[],
  fill: number,
  target: Format = format(y.dtype, 1),
): FixedValue {
  const { builder } = ctx;
  const dims = y.shape.map((_, i) => (i === at ? rows.length : 1));
  const outside = builder.constant("bool", dims, rows.map(Number));
  const integer = Math.floor(fill / (target.scale as number) + 0.5) + target.zeroPoint;
  const value = BigInt(Math.min(Math.max(integer, target.lo), target.hi));
  return builder.op("select", {}, [outside, builder.scalar(y.dtype, value), y], y.dtype, y.shape);
}
