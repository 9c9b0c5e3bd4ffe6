/** The end of an operator: which format its result gets, and what follows it for free. */
import { DTYPE_INFO } from "../../core/dtype.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { constantCount, constantNumbers, expressionAttribute, floatAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { integerDtype } from "./dtypes.js";
import type { Expression } from "../expression.js";
import { evaluateExpression, functionOf } from "../evaluateExpression.js";
import type { FunctionTable } from "./functionTable.js";
import { functionTable } from "./functionTable.js";
import { periodOf, runsOverTurns } from "./period.js";
import { periodicFunction } from "./periodic.js";
import type { Format, Real, Scale } from "./real.js";
import { format, scaleAt, scaleRatio } from "./real.js";
import { roundedReal, roundingOf } from "./rounding.js";
import { powerOfTwo, roundScale } from "./scale.js";
import { quantisationScales } from "./weights.js";
import { isSteep, wideFunction } from "./wideFunction.js";

/** A value in the format that was asked for, and the interval of its integers where that is known. */
type Emission =
  FixedValue | { readonly value: FixedValue; readonly lo: number; readonly hi: number };

const valueOf = (emission: Emission): FixedValue =>
  "value" in emission ? emission.value : emission;

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
  emit: (target: Format) => Emission,
  channels: "perChannel" | "perTensor" = "perTensor",
): void {
  let name = node.outputs[0]!;
  let interval: readonly [number, number] = [-Infinity, Infinity];
  for (;;) {
    const next = ctx.soleConsumer(name);
    if (next === undefined) break;
    const clamp = clampOf(ctx, next);
    if (clamp !== undefined) {
      const within = (x: number): number => Math.min(Math.max(x, clamp[0]), clamp[1]);
      interval = [within(interval[0]), within(interval[1])];
      ctx.absorbed.add(next);
      name = next.outputs[0]!;
      continue;
    }
    if (next.opType === "QuantizeLinear") {
      const target = quantizedFormat(ctx, next);
      if (target === undefined) break;
      ctx.absorbed.add(next);
      ctx.define(next.outputs[0]!, {
        value: valueOf(emit(withInterval(target, interval))),
        axes,
      });
      return;
    }
    if (next.domain === "aivm" && next.opType === "Unary") {
      ctx.absorbed.add(next);
      lowerFunction(ctx, next, axes, (format) => valueOf(emit(format)), interval, channels);
      return;
    }
    break;
  }
  const target = withInterval(ctx.formats.choose(name, node, interval, channels), interval);
  const emission = emit(target);
  const { lo, hi } = "value" in emission ? emission : target;
  ctx.define(name, { value: valueOf(emission), axes, format: { ...target, lo, hi } });
}

/**
 * A function of one variable: rounds its argument into the table's domain, then looks it up. Where
 * channels differ too much for one scale it is `x · g(x)` instead, with a table of g.
 */
export function lowerFunction(
  ctx: LoweringContext,
  node: GraphNode,
  axes: readonly number[],
  emitArgument: (target: Format) => FixedValue,
  interval: readonly [number, number] = [-Infinity, Infinity],
  channels: "perChannel" | "perTensor" = "perTensor",
): void {
  const expression = expressionAttribute(node, "expression")!;
  const argument = node.inputs[0]!;
  const range = ctx.requireRange(argument, node);
  const { headroom } = ctx.profile.activation;
  const domain = [
    Math.max(Math.min(range.min * headroom, range.min / headroom), interval[0]),
    Math.min(Math.max(range.max * headroom, range.max / headroom), interval[1]),
  ] as const;
  const rounding = roundingOf(expression);
  if (rounding !== undefined) {
    const inner = functionOf(rounding.inner);
    const plain = rounding.inner.kind === "x";
    const reach = greatestOf(plain ? (x) => x : inner, domain);
    const rounded = roundedReal(ctx, rounding.op, reach, axes, (f) =>
      plain
        ? emitArgument(withInterval(f, interval))
        : wideFunction(ctx, inner, definedPart(inner, domain), f, axes, emitArgument),
    );
    ctx.define(node.outputs[0]!, rounded);
    return;
  }
  const byChannel = range.channels.find((c) => c.axis === 1);
  const gated =
    channels === "perChannel" &&
    byChannel !== undefined &&
    interval.every((bound) => !Number.isFinite(bound)) &&
    ctx.profile.activation.dtype === "i16" &&
    ctx.formats.wantsChannels(node.outputs[0]!) &&
    vanishesAtZero(expression);
  const look = (table: FunctionTable, index: FixedValue, dtype: Format["dtype"]): FixedValue => {
    const { builder } = ctx;
    const entries = builder.constant(table.dtype, [table.entries.length], table.entries);
    if (table.kind === "direct") return builder.op("lut", {}, [index, entries], dtype, index.shape);
    const { segmentsLog2, guardBits } = table;
    const imm = { segmentsLog2, guardBits, dtype };
    return builder.op("lut.interpolate", imm, [index, entries], dtype, index.shape);
  };
  const emit = (target: Format): Emission => {
    if (typeof target.scale === "number") {
      const f = functionOf(expression);
      const period = periodOf(expression);
      if (period !== undefined && runsOverTurns(expression, range, headroom)) {
        const reach = Math.max(Math.abs(domain[0]), Math.abs(domain[1]));
        return periodicFunction(ctx, f, period, reach, target, axes, emitArgument);
      }
      const defined = definedPart(f, domain);
      if (isSteep(f, defined, target))
        return wideFunction(ctx, f, defined, target, axes, emitArgument);
      const table = functionTable(f, defined, target.scale, target);
      const value = look(table, emitArgument(table.argument), target.dtype);
      const held = resultsOf(table, target);
      if (held.lo >= target.lo && held.hi <= target.hi) return { value, ...held };
      return ctx.clamped(value, target);
    }
    const wanted = target.scale;
    const gateFormat = format("i16", roundScale(GATE_REACH / 32_767));
    const gate = (x: number): number =>
      functionOf(expression)(x || GATE_EPSILON) / (x || GATE_EPSILON);
    const table = functionTable(gate, domain, gateFormat.scale as number, gateFormat);
    // Beyond the table's domain the gate is flat: where it is 0 there, x need not reach further.
    const lowest = gate(domain[0]) * GATE_ZERO < 1 ? tableStart(table.argument) : domain[0];
    const scales = byChannel!.min.map((min, c) =>
      roundScale(
        (Math.max(Math.min(-min * headroom, -lowest), byChannel!.max[c]! * headroom, 0) ||
          scaleAt(wanted, c) * 32_767) / 32_767,
      ),
    );
    const x = emitArgument(format("i16", { axis: 1, scales }));
    const index = ctx.rescaled(
      { value: x, axes },
      scaleRatio({ axis: 1, scales }, table.argument.scale),
      table.argument,
    );
    const product = ctx.builder.op(
      "mul.wide",
      { accumulator: "i32" },
      [x, look(table, index, "i16")],
      "i32",
      x.shape,
    );
    const scale = multiplyScales({ axis: 1, scales }, gateFormat.scale);
    return ctx.rescaled({ value: product, axes }, scaleRatio(scale, target.scale), target);
  };
  finish(ctx, node, axes, emit, gated ? "perChannel" : "perTensor");
}

/** The greatest magnitude of a function over a domain, by samples. */
function greatestOf(f: (x: number) => number, [lo, hi]: readonly [number, number]): number {
  let greatest = 0;
  for (let i = 0; i <= 1024; i++) {
    const y = Math.abs(f(lo + ((hi - lo) * i) / 1024));
    if (Number.isFinite(y)) greatest = Math.max(greatest, y);
  }
  return greatest;
}

/** A domain without the end on which a function is not defined: tables start where it does. */
function definedPart(
  f: (x: number) => number,
  domain: readonly [number, number],
): readonly [number, number] {
  const defined = (x: number): boolean => !Number.isNaN(f(x));
  let [lo, hi] = domain;
  if (defined(lo) === defined(hi)) return domain;
  const low = defined(lo);
  for (let i = 0; i < 60; i++) {
    const middle = (lo + hi) / 2;
    if (defined(middle) === low) lo = middle;
    else hi = middle;
  }
  return low ? [domain[0], lo] : [hi, domain[1]];
}

/** A function of what a quantised model holds in 8 bits: a table of all its 256 values. */
export function lowerByteFunction(ctx: LoweringContext, node: GraphNode, x: Real): void {
  const expression = expressionAttribute(node, "expression")!;
  const { dtype, zeroPoint } = x.format;
  const step = x.format.scale as number;
  const least = Number(DTYPE_INFO[dtype].min);
  finish(ctx, node, x.axes, (target) => {
    const unit = target.scale as number;
    const entries = Array.from({ length: 256 }, (_, i) => {
      const y = evaluateExpression(expression, (i + least - zeroPoint) * step) / unit;
      // Poles saturate; where the function has no value, any will do.
      const integer = Number.isNaN(y) ? 0 : rounded(y, target);
      return Math.min(Math.max(integer + target.zeroPoint, target.lo), target.hi);
    });
    const table = ctx.builder.constant(target.dtype, [256], entries);
    return ctx.builder.op("lut", {}, [x.value, table], target.dtype, x.value.shape);
  });
}

/** To the nearest integer, halves as the format has it. */
function rounded(y: number, { ties }: Format): number {
  const up = Math.floor(y + 0.5);
  return ties === "even" && up - y === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

/** The interval of what a table gives, within the target's. */
function resultsOf(table: FunctionTable, target: Format): { lo: number; hi: number } {
  const unit = table.kind === "direct" ? 1 : powerOfTwo(table.guardBits);
  let least = Infinity;
  let greatest = -Infinity;
  for (let i = 0; i < table.entries.length; i++) {
    least = Math.min(least, table.entries[i]!);
    greatest = Math.max(greatest, table.entries[i]!);
  }
  const { min, max } = DTYPE_INFO[target.dtype];
  // Interpolated results lie between their neighbours; rounding stays within the floor and ceiling.
  return {
    lo: Math.max(Math.floor(least / unit), Number(min)),
    hi: Math.min(Math.ceil(greatest / unit), Number(max)),
  };
}

/** The greatest gate that its table holds: Swish-like gates stay below 1.1. */
const GATE_REACH = 1.25;
/** Stands for 0 where a gate is a limit. */
const GATE_EPSILON = 1e-6;
/** A gate below 1 in this many is none. */
const GATE_ZERO = 10_000;

/** Whether f(x)/x is a gate: f(0) = 0 and the ratio is within reach. */
function vanishesAtZero(expression: Expression): boolean {
  if (Math.abs(evaluateExpression(expression, 0)) > 0) return false;
  return [-64, -8, -2, -1, -GATE_EPSILON, GATE_EPSILON, 1, 2, 8, 64].every(
    (x) => Math.abs(evaluateExpression(expression, x) / x) <= GATE_REACH,
  );
}

/** The least real of a table's argument. */
function tableStart({ scale, zeroPoint }: Format): number {
  return (-32_768 - zeroPoint) * scaleAt(scale, 0);
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

/** Narrows a format's integers to an interval of reals; where its bounds cross, to the upper one. */
export function withInterval(target: Format, [lo, hi]: readonly [number, number]): Format {
  const bound = (x: number, absent: number): number => {
    if (!Number.isFinite(x)) return absent;
    if (x === 0) return target.zeroPoint;
    return Math.floor(x / scaleAt(target.scale, 0) + 0.5) + target.zeroPoint;
  };
  const least = Math.min(Math.max(bound(Math.min(lo, hi), target.lo), target.lo), target.hi);
  const greatest = Math.max(Math.min(bound(hi, target.hi), target.hi), least);
  return { ...target, lo: least, hi: greatest };
}

/**
 * The format that a QuantizeLinear or DequantizeLinear with constant parameters, one for the
 * tensor, states.
 */
export function quantizedFormat(ctx: LoweringContext, node: GraphNode): Format | undefined {
  const scale = ctx.constant(node.inputs[1]!);
  const zeroPointName = node.inputs[2];
  const zeroPoint =
    zeroPointName === undefined || zeroPointName === "" ? undefined : ctx.constant(zeroPointName);
  if (scale === undefined || constantCount(scale) !== 1) return undefined;
  if (zeroPointName !== undefined && zeroPointName !== "" && zeroPoint === undefined)
    return undefined;
  const type = ctx.elementTypeOf(
    node.opType === "QuantizeLinear" ? node.outputs[0]! : node.inputs[0]!,
  );
  const [step] = quantisationScales(node, scale);
  const held = format(
    integerDtype(type),
    step!,
    zeroPoint === undefined ? 0 : constantNumbers(zeroPoint)[0]!,
    type === "uint16" ? [0, 65_535] : undefined,
  );
  return node.opType === "QuantizeLinear" ? { ...held, ties: "even" } : held;
}

/** `scale` for every channel that the scale has, or the one. */
export function multiplyScales(a: Scale, b: Scale): Scale {
  if (typeof a === "number") {
    return typeof b === "number" ? a * b : { axis: b.axis, scales: b.scales.map((s) => s * a) };
  }
  return { axis: a.axis, scales: a.scales.map((s, c) => s * scaleAt(b, c)) };
}
