/** RNN, GRU and LSTM: one loop over the sequence. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { intAttribute, nodeError, stringAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { contractionInput } from "./contraction.js";
import { limitOf } from "./profile.js";
import type { Format, Real } from "./real.js";
import { format, identityAxes, maxScale } from "./real.js";
import { activationsOf } from "./recurrentActivation.js";
import type { Cell, CellFormats, CellMaker } from "./recurrentCells.js";
import { gruCell, lstmCell, rnnCell } from "./recurrentCells.js";
import { productWith, rowsOf, sliced, vectorOf, weightsOf } from "./recurrentWeights.js";
import type { Weights } from "./recurrentWeights.js";
import { exponentOf, powerOfTwo, roundScale } from "./scale.js";

interface Kind {
  readonly gates: number;
  readonly activations: readonly string[];
  /** Whether the hidden state is a sum over time, which is to stay wide. */
  readonly accumulates: boolean;
  /** How many of the functions bound the hidden state, from the last on. */
  readonly bounding: (bounds: readonly number[]) => number;
  readonly cell: CellMaker;
}

const RNN: Kind = {
  gates: 1,
  activations: ["Tanh"],
  accumulates: false,
  bounding: ([f]) => f!,
  cell: rnnCell,
};
const GRU: Kind = {
  gates: 3,
  activations: ["Sigmoid", "Tanh"],
  accumulates: true,
  // A mean of the candidate and the state before, weighted by a gate between 0 and 1.
  bounding: ([f, g]) => (f! <= 1 ? g! : Infinity),
  cell: gruCell,
};
const LSTM: Kind = {
  gates: 4,
  activations: ["Sigmoid", "Tanh", "Tanh"],
  accumulates: false,
  bounding: ([f, , h]) => f! * h!,
  cell: lstmCell,
};

/** Fraction bits of cell states and of what goes into gates, unless a calibrated range needs room. */
const STATE_BITS = 20;
/** Fraction bits of gates: one that is nearly 1 keeps a state over many steps. */
const GATE_BITS = 22;
/** Cell states may grow to this many times what calibration saw. */
const STATE_HEADROOM = 16;

export const recurrentRules: Readonly<
  Record<string, (ctx: LoweringContext, node: GraphNode) => void>
> = {
  RNN: (ctx, node) => lowerRecurrent(ctx, node, RNN),
  GRU: (ctx, node) => lowerRecurrent(ctx, node, GRU),
  LSTM: (ctx, node) => lowerRecurrent(ctx, node, LSTM),
};

/** Operands by name, as ONNX orders them. */
const [X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/**
 * The product of the whole sequence with the input weights comes first. The loop adds the product
 * of the hidden state with the recurrent weights, in 32 bits, and applies the gates' functions by
 * tables whose domain ends where they are flat: nothing inside needs a calibrated range.
 */
function lowerRecurrent(ctx: LoweringContext, node: GraphNode, kind: Kind): void {
  const direction = stringAttribute(node, "direction") ?? "forward";
  const directions = direction === "bidirectional" ? 2 : 1;
  const batchFirst = (intAttribute(node, "layout") ?? 0) === 1;
  const activations = activationsOf(node, kind.activations, directions);
  const x = ctx.ordered(uniform(ctx, node), batchFirst ? [1, 0, 2] : [0, 1, 2]);
  const sequence: Real = { ...x, axes: [0, 1, 2] };
  const results = activations.map((functions, d) => {
    const bound = kind.bounding(functions.map((f) => f.bound));
    const formats = formatsFor(ctx, node, kind, bound);
    const w = weightsOf(ctx, node, W, d)!;
    const r = weightsOf(ctx, node, R, d)!;
    const b = weightsOf(ctx, node, B, d);
    const cell = kind.cell(ctx, node, {
      formats,
      functions,
      recurrent: r,
      recurrentBias: b === undefined ? undefined : upperHalf(ctx, b),
      peepholes: kind === LSTM ? weightsOf(ctx, node, P, d) : undefined,
    });
    const bias = vectorOf(
      ctx,
      [
        b === undefined ? undefined : rowsOf(ctx, b, 0, b.dims[0]! / 2),
        cell.takesRecurrentBias || b === undefined ? undefined : upperHalf(ctx, b),
      ],
      formats.sum,
    );
    let projected = productWith(ctx, w)(sequence, formats.sum);
    if (bias !== undefined) {
      const { shape } = projected;
      projected = ctx.builder.op("add", {}, [projected, bias], "i32", shape);
    }
    const reverse = direction === "reverse" || d === 1;
    const initial = initialStates(ctx, node, formats, projected, d, batchFirst, kind === LSTM);
    return { formats, ...overTime(ctx, node, cell, formats, projected, initial, reverse) };
  });
  const [first] = results as [(typeof results)[number]];
  const { builder } = ctx;
  const [all = "", ...last] = node.outputs;
  if (all !== "") {
    const parts = results.map(({ every }) => {
      const [s, n, h] = every!.shape as [Dim, Dim, Dim];
      return ctx.reshaped(every!, [s, 1, n, h]);
    });
    const [{ shape }] = parts as [FixedValue];
    const value = joined(ctx, parts, 1, [shape[0]!, directions, shape[2]!, shape[3]!]);
    const axes = batchFirst ? [1, 2, 0, 3] : [0, 1, 2, 3];
    ctx.define(all, { value, axes, format: first.formats.hidden });
  }
  last.forEach((name, i) => {
    if (name === "") return;
    const parts = results.map(({ states }) => {
      const [n, h] = states[i]!.shape as [Dim, Dim];
      return ctx.reshaped(states[i]!, [1, n, h]);
    });
    const [{ shape }] = parts as [FixedValue];
    const value = joined(ctx, parts, 0, [directions, shape[1]!, shape[2]!]);
    const axes = batchFirst ? [1, 0, 2] : [0, 1, 2];
    ctx.define(name, { value, axes, format: i === 0 ? first.formats.state : first.formats.cell });
  });
  builder.origin = node.name;
}

/** The sequence in one scale, as wide as contractions take it. */
function uniform(ctx: LoweringContext, node: GraphNode): Real {
  const x = ctx.real(node.inputs[X]!, node);
  const { scale } = x.format;
  const one =
    typeof scale === "number"
      ? x
      : ctx.requantise(x, format(x.format.dtype, maxScale(scale), 0, [x.format.lo, x.format.hi]));
  return contractionInput(ctx, one, undefined, node.inputs[X]);
}

/** The second half of the bias vector is added to the product with the recurrent weights. */
const upperHalf = (ctx: LoweringContext, b: Weights): Weights =>
  rowsOf(ctx, b, b.dims[0]! / 2, b.dims[0]!);

function joined(
  ctx: LoweringContext,
  parts: readonly FixedValue[],
  axis: number,
  shape: readonly Dim[],
): FixedValue {
  const [first] = parts as [FixedValue];
  if (parts.length === 1) return first;
  return ctx.builder.op("concat", { count: parts.length, axis }, parts, first.dtype, shape);
}

/** The greatest magnitude that calibration saw of some of a node's values; 0 where it saw none. */
function seen(ctx: LoweringContext, names: readonly (string | undefined)[]): number {
  return names.reduce((most, name) => {
    const range = name === undefined || name === "" ? undefined : ctx.rangeOf(name);
    return range === undefined ? most : Math.max(most, Math.abs(range.min), Math.abs(range.max));
  }, 0);
}

function formatsFor(ctx: LoweringContext, node: GraphNode, kind: Kind, bound: number): CellFormats {
  const { activation } = ctx.profile;
  const [y, yh, yc] = node.outputs;
  const initial = seen(ctx, [node.inputs[INITIAL_H]]);
  const hidden = Math.max(seen(ctx, [y, yh]), initial);
  if (bound === Infinity && hidden === 0) {
    for (const name of [y, yh]) if ((name ?? "") !== "") ctx.requireRange(name!, node);
  }
  const reach = Math.min(hidden === 0 ? Infinity : hidden * 2, Math.max(bound, initial));
  const limit = limitOf(activation);
  const narrow = format(activation.dtype, roundScale(reach / limit), 0, [-limit - 1, limit]);
  const room = bound === Infinity ? reach * 64 : 0;
  const cell = stateFormat(seen(ctx, [yc, node.inputs[INITIAL_C]]) * STATE_HEADROOM);
  return {
    hidden: narrow,
    state: kind.accumulates ? stateFormat(reach, STATE_BITS + 2) : narrow,
    cell,
    sum: stateFormat(room),
    gate: format("i32", powerOfTwo(-GATE_BITS)),
  };
}

/** 32 bits of which `bits` are behind the point, fewer where a range of ±`reach` needs room. */
function stateFormat(reach: number, bits = STATE_BITS): Format {
  const needed = reach === 0 ? -bits : exponentOf(reach) + 1 - 30;
  return format("i32", powerOfTwo(Math.max(needed, -bits)));
}

/** What the loop begins with: hidden state, then cell state, each [batch, hidden]. */
function initialStates(
  ctx: LoweringContext,
  node: GraphNode,
  formats: CellFormats,
  projected: FixedValue,
  direction: number,
  batchFirst: boolean,
  hasCell: boolean,
): FixedValue[] {
  const hidden = ctx.fixedDims(node.inputs[R]!, node)[2]!;
  const batch = projected.shape[1]!;
  const wanted: [number, Format][] = [[INITIAL_H, formats.state]];
  if (hasCell) wanted.push([INITIAL_C, formats.cell]);
  return wanted.map(([index, target]) => {
    const name = node.inputs[index] ?? "";
    if (name !== "") {
      const given = ctx.requantise(ctx.real(name, node), target);
      const { value } = ctx.ordered(given, batchFirst ? [1, 0, 2] : [0, 1, 2]);
      return ctx.reshaped(sliced(ctx, value, 0, direction, direction + 1), [batch, hidden]);
    }
    if (typeof batch === "number") {
      const zeros = new Int8Array(batch * hidden);
      return ctx.builder.constant(target.dtype, [batch, hidden], zeros);
    }
    // As many zeros as the batch turns out to need.
    const step = firstSteps(ctx, projected, 1, hidden);
    const zeros = ctx.clamped(ctx.reshaped(step, [batch, hidden]), { lo: 0, hi: 0 });
    return ctx.widened(zeros, target.dtype);
  });
}

/** The first `count` steps of the projection, and of it as many columns as there are states. */
function firstSteps(
  ctx: LoweringContext,
  projected: FixedValue,
  count: number,
  hidden: number,
): FixedValue {
  const [, batch] = projected.shape;
  return ctx.builder.op(
    "slice",
    { starts: [0, 0, 0], ends: [count, 0x7fffffff, hidden], steps: [1, 1, 1] },
    [projected],
    projected.dtype,
    [count, batch!, hidden],
  );
}

interface OverTime {
  /** Hidden states of all steps, [sequence, batch, hidden]; undefined where nobody reads them. */
  readonly every: FixedValue | undefined;
  /** States after the last step, each [batch, hidden]. */
  readonly states: readonly FixedValue[];
}

/** Runs a cell over the sequence. */
function overTime(
  ctx: LoweringContext,
  node: GraphNode,
  cell: Cell,
  formats: CellFormats,
  projected: FixedValue,
  initial: readonly FixedValue[],
  reverse: boolean,
): OverTime {
  const { builder } = ctx;
  const [length, batch, width] = projected.shape as [Dim, Dim, Dim];
  const hidden = initial[0]!.shape[1]!;
  const wantsAll = (node.outputs[0] ?? "") !== "";
  const lengths = lengthsOf(ctx, node);

  const step = (
    at: FixedValue | undefined,
    sums: FixedValue,
    states: readonly FixedValue[],
  ): { states: readonly FixedValue[]; all: FixedValue } => {
    let next = cell.step(sums, states);
    let all = ctx.requantise(real(next[0]!, formats.state), formats.hidden).value;
    if (lengths !== undefined) {
      // Beyond its own length a sequence keeps its state and puts out zeros.
      const t = at ?? builder.scalar("i64", 0n);
      const runs = builder.op("lt", {}, [t, lengths], "bool", lengths.shape);
      const choose = (a: FixedValue, b: FixedValue): FixedValue =>
        builder.op("select", {}, [runs, a, b], a.dtype, a.shape);
      next = next.map((state, i) => choose(state, states[i]!));
      all = choose(all, builder.scalar(all.dtype, 0n));
    }
    return { states: next, all };
  };

  if (length === 1) {
    const { states, all } = step(undefined, ctx.reshaped(projected, [batch, width]), initial);
    return { states, every: wantsAll ? ctx.reshaped(all, [1, batch, hidden]) : undefined };
  }

  const zero = builder.scalar("i64", 0n);
  const one = builder.scalar("i64", 1n);
  const steps =
    typeof length === "number" ? builder.scalar("i64", BigInt(length)) : lengthOf(ctx, projected);
  const last = reverse ? builder.op("sub", {}, [steps, one], "i64", []) : zero;
  const begin: FixedValue[] = [zero, ...initial];
  if (wantsAll) {
    const { dtype } = formats.hidden;
    begin.push(
      typeof batch === "number" && typeof hidden === "number"
        ? builder.constant(dtype, [0, batch, hidden], [])
        : builder.op("cast", { dtype }, [firstSteps(ctx, projected, 0, hidden as number)], dtype, [
            0,
            batch,
            hidden,
          ]),
    );
  }
  const types = begin.map(({ dtype, shape }, i) => ({
    dtype,
    shape: wantsAll && i === begin.length - 1 ? [length, batch, hidden] : shape,
  }));
  const carried = builder.loop(begin, types, (found) => {
    const [t, ...rest] = found as [FixedValue, ...FixedValue[]];
    const before = rest.slice(0, initial.length);
    const at = reverse ? builder.op("sub", {}, [last, t], "i64", []) : t;
    const sums = builder.op("gather", { axis: 0 }, [projected, at], projected.dtype, [
      batch,
      width,
    ]);
    const { states, all } = step(at, sums, before);
    const next = builder.op("add", {}, [t, one], "i64", []);
    const after = [next, ...states];
    if (wantsAll) {
      const so = rest[initial.length]!;
      const row = ctx.reshaped(all, [1, batch, hidden]);
      const parts = reverse ? [row, so] : [so, row];
      after.push(builder.op("concat", { count: 2, axis: 0 }, parts, all.dtype, so.shape));
    }
    return { again: builder.op("lt", {}, [next, steps], "bool", []), carried: after };
  });
  return {
    states: carried.slice(1, 1 + initial.length),
    every: wantsAll ? carried[carried.length - 1] : undefined,
  };
}

const real = (value: FixedValue, held: Format): Real => ({
  value,
  axes: identityAxes(value.shape.length),
  format: held,
});

/** How long the sequence is, a scalar. */
function lengthOf(ctx: LoweringContext, projected: FixedValue): FixedValue {
  const { builder } = ctx;
  const dims = builder.op("shape", {}, [projected], "i64", [3]);
  return builder.op("gather", { axis: 0 }, [dims, builder.scalar("i64", 0n)], "i64", []);
}

/** How long the sequences of the batch are, [batch, 1]. */
function lengthsOf(ctx: LoweringContext, node: GraphNode): FixedValue | undefined {
  const name = node.inputs[LENGTHS] ?? "";
  if (name === "") return undefined;
  const given = ctx.get(name);
  if (given.format !== undefined || given.axes.length !== 1) {
    throw nodeError("BadInput", node, "sequence_lens must be a vector of integers");
  }
  const [batch] = given.value.shape;
  return ctx.reshaped(ctx.widened(given.value, "i64"), [batch!, 1]);
}
