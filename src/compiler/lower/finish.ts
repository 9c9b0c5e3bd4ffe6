/** The end of an operator: which format its result gets, and what follows it for free. */
import { CompileError } from "../../core/errors.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { constantNumbers, expressionAttribute, floatAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { integerDtype } from "./context.js";
import { functionTable } from "./functionTable.js";
import type { Format, Scale } from "./real.js";
import { format, scaleAt } from "./real.js";
import { roundScale } from "./scale.js";

/**
 * Defines the result of `node` by what its readers make possible: a Relu, Clip or QuantizeLinear
 * that is its only reader goes into the rescale; before a function of one variable it gets the
 * format that the function's table wants.
 *
 * @param emit makes the value in a format
 * @param channels whether `emit` can make a scale for each channel
 */
export function finish(
  ctx: LoweringContext,
  node: GraphNode,
  axes: readonly number[],
  emit: (target: Format) => FixedValue,
  channels: "perChannel" | "perTensor" = "perTensor",
): void {
  let name = node.outputs[0]!;
  let interval: readonly [number, number] = [-Infinity, Infinity];
  for (;;) {
    const next = ctx.soleConsumer(name);
    if (next === undefined) break;
    const clamp = clampOf(ctx, next);
    if (clamp !== undefined) {
      interval = [
        Math.max(interval[0], clamp[0]),
        Math.min(Math.max(interval[1], clamp[0]), clamp[1]),
      ];
      ctx.absorbed.add(next);
      name = next.outputs[0]!;
      continue;
    }
    if (next.opType === "QuantizeLinear") {
      const target = quantizedFormat(ctx, next);
      if (target === undefined) break;
      ctx.absorbed.add(next);
      ctx.define(next.outputs[0]!, { value: emit(withInterval(target, interval)), axes });
      return;
    }
    if (next.domain === "aivm" && next.opType === "Unary") {
      ctx.absorbed.add(next);
      lowerFunction(ctx, next, axes, emit, interval);
      return;
    }
    break;
  }
  const target = withInterval(ctx.chooseFormat(name, node, interval, channels), interval);
  ctx.define(name, { value: emit(target), axes, format: target });
}

/** A function of one variable: rounds its argument into the table's domain, then looks it up. */
export function lowerFunction(
  ctx: LoweringContext,
  node: GraphNode,
  axes: readonly number[],
  emitArgument: (target: Format) => FixedValue,
  interval: readonly [number, number] = [-Infinity, Infinity],
): void {
  const expression = expressionAttribute(node, "expression")!;
  const argument = node.inputs[0]!;
  const range = ctx.rangeOf(argument);
  if (range === undefined) {
    throw new CompileError(
      "NotCalibrated",
      `the calibration has no range for "${argument}"; calibrate this very model again`,
      {
        name: argument,
      },
    );
  }
  finish(ctx, node, axes, (target) => {
    const { headroom } = ctx.profile.activation;
    const domain = [
      Math.max(Math.min(range.min * headroom, range.min / headroom), interval[0]),
      Math.min(Math.max(range.max * headroom, range.max / headroom), interval[1]),
    ] as const;
    const table = functionTable(expression, domain, scaleAt(target.scale, 0), target);
    const input = emitArgument(table.argument);
    const { builder } = ctx;
    const entries = builder.constant(table.dtype, [table.entries.length], table.entries);
    return table.kind === "direct"
      ? builder.op("lut", {}, [input, entries], target.dtype, input.shape)
      : builder.op(
          "lut.interpolate",
          { segmentsLog2: table.segmentsLog2, guardBits: table.guardBits, dtype: target.dtype },
          [input, entries],
          target.dtype,
          input.shape,
        );
  });
}

/** The interval that a Relu or a Clip with constant bounds lets through. */
function clampOf(ctx: LoweringContext, node: GraphNode): readonly [number, number] | undefined {
  if (node.domain !== "") return undefined;
  if (node.opType === "Relu") return [0, Infinity];
  if (node.opType !== "Clip") return undefined;
  const lo = floatAttribute(node, "min");
  const hi = floatAttribute(node, "max");
  return lo === undefined || hi === undefined ? undefined : [lo, hi];
}

/** Narrows a format's integers to an interval of reals. */
export function withInterval(target: Format, [lo, hi]: readonly [number, number]): Format {
  const bound = (x: number, absent: number): number => {
    if (!Number.isFinite(x)) return absent;
    if (x === 0) return target.zeroPoint;
    return Math.floor(x / scaleAt(target.scale, 0) + 0.5) + target.zeroPoint;
  };
  const least = Math.min(Math.max(bound(lo, target.lo), target.lo), target.hi);
  const greatest = Math.max(Math.min(bound(hi, target.hi), target.hi), least);
  return { ...target, lo: least, hi: greatest };
}

/** The format that a QuantizeLinear with constant parameters, one for the tensor, states. */
export function quantizedFormat(ctx: LoweringContext, node: GraphNode): Format | undefined {
  const scale = ctx.constant(node.inputs[1]!);
  const zeroPointName = node.inputs[2];
  const zeroPoint =
    zeroPointName === undefined || zeroPointName === "" ? undefined : ctx.constant(zeroPointName);
  if (scale === undefined || scale.data.length !== 1) return undefined;
  if (zeroPointName !== undefined && zeroPointName !== "" && zeroPoint === undefined)
    return undefined;
  const dtype = integerDtype(zeroPoint?.elementType ?? "uint8");
  return format(
    dtype,
    roundScale(constantNumbers(scale)[0]!),
    zeroPoint === undefined ? 0 : constantNumbers(zeroPoint)[0]!,
  );
}

/** `scale` for every channel that the scale has, or the one. */
export function multiplyScales(a: Scale, b: Scale): Scale {
  if (typeof a === "number") {
    return typeof b === "number" ? a * b : { axis: b.axis, scales: b.scales.map((s) => s * a) };
  }
  return { axis: a.axis, scales: a.scales.map((s, c) => s * scaleAt(b, c)) };
}
