/** GridSample and RoiAlign. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { floatAttribute, intAttribute, nodeError, stringAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { plain } from "./movement.js";
import type { Real } from "./real.js";
import { channelsLast, format, scaleRatio } from "./real.js";
import type { Border, Interpolation, Positions } from "./sampling.js";
import { fractionBits, pixelsOf, sampled, sampledTerms, tapsOf } from "./sampling.js";
import { exponentOf, powerOfTwo } from "./scale.js";
import { Wide, sizes } from "./wideArithmetic.js";

const MODES: Readonly<Record<string, Interpolation>> = {
  nearest: "nearest",
  bilinear: "linear",
  linear: "linear",
  bicubic: "cubic",
  cubic: "cubic",
};

/** One scale for the tensor, no zero point, 24 bits at most. */
export function uniformReal(ctx: LoweringContext, name: string, node: GraphNode): Real {
  const x = ctx.withoutZeroPoint(plain(ctx, ctx.real(name, node)) as Real);
  const { lo, hi, scale } = x.format;
  const greatest = Math.max(-lo, hi);
  if (greatest <= 0x800000) return x;
  const coarse = (scale as number) * powerOfTwo(exponentOf(greatest) - 22);
  return ctx.requantise(x, format("i32", coarse, 0, [-0x800000, 0x7fffff]));
}

export function lowerGridSample(ctx: LoweringContext, node: GraphNode): void {
  const mode = MODES[stringAttribute(node, "mode") ?? "linear"];
  const border = stringAttribute(node, "padding_mode") ?? "zeros";
  if (mode === undefined || !["zeros", "border", "reflection"].includes(border))
    throw nodeError("UnsupportedMode", node, "the mode or padding mode is not one that ONNX has");
  const alignCorners = intAttribute(node, "align_corners") === 1;
  const [batch, , ...image] = ctx.fixedDims(node.inputs[0]!, node) as [number, number, ...number[]];
  if (mode === "cubic" && image.length !== 2)
    throw nodeError("UnsupportedMode", node, "cubic sampling is defined for two spatial axes");
  const places = ctx.fixedDims(node.inputs[1]!, node).slice(1, -1);
  const grid = ctx.logical(uniformReal(ctx, node.inputs[1]!, node));
  const pixels = pixelsOf(ctx, uniformReal(ctx, node.inputs[0]!, node));
  const axes = image.map((size, d) => {
    // The grid's last axis is x, y, z; the image's axes are z, y, x.
    const part = component(ctx, grid.value, image.length - 1 - d);
    const p = gridPositions(ctx, part, grid, size, alignCorners, mode, image.length);
    return { ...tapsOf(ctx, p, mode, border as Border), size };
  });
  const wide = new Wide(ctx);
  const base = wide.constant(
    [batch, ...places.map(() => 1)],
    Array.from({ length: batch }, (_, n) => n),
  );
  const { value, unit } = sampled(ctx, pixels, base, axes);
  const order = channelsLast(image.length + 2);
  finish(ctx, node, order, (target) =>
    ctx.rescaled({ value, axes: order }, scaleRatio(unit, target.scale), target),
  );
}

/** Index `i` of the last axis. */
export function component(ctx: LoweringContext, x: FixedValue, i: number): FixedValue {
  const rank = x.shape.length;
  const lead = x.shape.slice(0, -1);
  const whole = lead.map(() => 0x7fffffff);
  const imm = {
    starts: [...lead.map(() => 0), i],
    ends: [...whole, i + 1],
    steps: new Array<number>(rank).fill(1),
  };
  const part = ctx.builder.op("slice", imm, [x], x.dtype, [...lead, 1]);
  return ctx.reshaped(part, lead);
}

/** Positions in −1 … 1 as pixels. */
function gridPositions(
  ctx: LoweringContext,
  part: FixedValue,
  grid: Real,
  size: number,
  alignCorners: boolean,
  mode: Interpolation,
  axes: number,
): Positions {
  const scale = grid.format.scale as number;
  const stretch = (alignCorners ? Math.max(size - 1, 1) : size) / 2;
  // Positions between two pixels are ties only as far as the grid's own steps are fine enough.
  const sharp = -exponentOf(scale * stretch) - 1;
  const fraction = mode === "nearest" ? Math.min(Math.max(sharp, 1), 15) : fractionBits(axes);
  const one = powerOfTwo(fraction);
  const factor = ((alignCorners ? size - 1 : size) / 2) * scale * one;
  const target = { ...format("i64", 1), zeroPoint: ((size - 1) / 2) * one };
  const value = ctx.rescaled({ value: part, axes: [] }, factor, {
    ...target,
    lo: -powerOfTwo(40),
    hi: powerOfTwo(40),
  });
  return { value, fraction, size, alignCorners };
}

/** Fraction bits of shares of a region. */
const SHARE_BITS = 20;

export function lowerRoiAlign(ctx: LoweringContext, node: GraphNode): void {
  const [, , ...image] = ctx.fixedDims(node.inputs[0]!, node) as [number, number, number, number];
  const [regions, , ...cells] = ctx.fixedDims(node.outputs[0]!, node) as [
    number,
    number,
    number,
    number,
  ];
  const ratio = intAttribute(node, "sampling_ratio") ?? 0;
  if (ratio < 1)
    throw nodeError(
      "UnsupportedAttribute",
      node,
      "a sampling_ratio of 0 makes the number of samples depend on the regions; state a number",
    );
  const mode = stringAttribute(node, "mode") ?? "avg";
  const halfPixel = stringAttribute(node, "coordinate_transformation_mode") !== "output_half_pixel";
  const rois = ctx.logical(uniformReal(ctx, node.inputs[1]!, node));
  const pixels = pixelsOf(ctx, uniformReal(ctx, node.inputs[0]!, node));
  const wide = new Wide(ctx);
  const fraction = fractionBits(2);
  const one = 1n << BigInt(fraction);
  const factor =
    (rois.format.scale as number) * (floatAttribute(node, "spatial_scale") ?? 1) * Number(one);
  const corner = (i: number): FixedValue => {
    const held = { ...format("i64", 1), lo: -powerOfTwo(40), hi: powerOfTwo(40) };
    const zeroPoint = halfPixel ? -Number(one) / 2 : 0;
    const part = component(ctx, rois.value, i);
    return ctx.rescaled({ value: part, axes: [] }, factor, { ...held, zeroPoint });
  };
  const axes = image.map((size, d) => {
    // Regions are x1, y1, x2, y2; the image's axes are y, x. Samples: [regions, y, sy, x, sx].
    const [from, to] = [corner(1 - d), corner(3 - d)];
    const length = halfPixel ? wide.sub(to, from) : wide.max(wide.sub(to, from), one);
    const count = cells[d]! * ratio;
    const shares = Array.from({ length: count }, (_, i) =>
      Math.floor(((i + 0.5) / count) * powerOfTwo(SHARE_BITS) + 0.5),
    );
    const dims = d === 0 ? [cells[0]!, ratio, 1, 1] : [1, 1, cells[1]!, ratio];
    const column = (x: FixedValue): FixedValue => ctx.reshaped(x, [regions, 1, 1, 1, 1]);
    const along = wide.mul(column(length), wide.constant(dims, shares));
    const half = 1n << BigInt(SHARE_BITS - 1);
    const value = wide.add(column(from), wide.shr(wide.add(along, half), SHARE_BITS));
    const p = { value, fraction, size, alignCorners: true };
    const { taps, bits } = tapsOf(ctx, p, "linear", "border");
    const edge = BigInt(size) * one;
    const seen = taps.map((tap) => ({
      ...tap,
      weight: wide.where(value, -one, edge, tap.weight!),
    }));
    return { taps: seen, bits, size };
  });
  const batch = ctx.widened(ctx.logical(ctx.get(node.inputs[2]!)).value, "i64");
  const base = ctx.reshaped(batch, [regions, 1, 1, 1, 1]);
  const { terms, unit } = sampledTerms(ctx, pixels, base, axes);
  const { builder } = ctx;
  const [rows, columns] = cells;
  const kept = [regions, rows, 1, columns, 1, sizes(pixels.rows)[1]!];
  const pooled =
    mode === "max"
      ? builder.op(
          "reduce.max",
          { axes: [2, 4] },
          // As ONNX has it: of the four weighted pixels the greatest, not their sum.
          [terms.reduce((a, b) => wide.max(a, b))],
          "i64",
          kept,
        )
      : builder.op(
          "reduce.sum",
          { axes: [2, 4], dtype: "i64" },
          [terms.reduce((a, b) => wide.add(a, b))],
          "i64",
          kept,
        );
  const value = ctx.reshaped(pooled, [regions, rows, columns, kept.at(-1)!]);
  const count = mode === "max" ? 1 : ratio * ratio;
  const order = channelsLast(4);
  finish(ctx, node, order, (target) =>
    ctx.rescaled({ value, axes: order }, scaleRatio(unit / count, target.scale), target),
  );
}
