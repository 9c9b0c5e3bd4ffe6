/** One step of RNN, GRU and LSTM. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { floatAttribute, intAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import type { Format, Real } from "./real.js";
import { format, identityAxes } from "./real.js";
import type { Activation, Wide } from "./recurrentActivation.js";
import type { Product, Weights } from "./recurrentWeights.js";
import { productWith, rowsOf, sliced, vectorOf } from "./recurrentWeights.js";
import { exponentOf, powerOfTwo } from "./scale.js";

/** Formats inside a cell; the scales of those of 32 bits are powers of two. */
export interface CellFormats {
  /** Hidden states as the loop's products read them, and as they are put out step by step. */
  readonly hidden: Format;
  /** The hidden state that is carried. */
  readonly state: Format;
  readonly cell: Format;
  /** Sums that go into the gates' functions. */
  readonly sum: Format;
  /** Results of the gates' functions. */
  readonly gate: Format;
}

export interface CellParts {
  readonly formats: CellFormats;
  readonly functions: readonly Activation[];
  /** [gates · hidden, hidden] */
  readonly recurrent: Weights;
  readonly recurrentBias: Weights | undefined;
  readonly peepholes: Weights | undefined;
}

export interface Cell {
  /** Whether the cell adds the recurrent bias itself. */
  readonly takesRecurrentBias: boolean;
  /**
   * @param sums products of the input with its weights, and biases, [batch, gates · hidden]
   * @param states hidden state, then cell state where there is one
   */
  readonly step: (sums: FixedValue, states: readonly FixedValue[]) => readonly FixedValue[];
}

export type CellMaker = (ctx: LoweringContext, node: GraphNode, parts: CellParts) => Cell;

/** H' = f(sums + H·Rᵀ) */
export const rnnCell: CellMaker = (ctx, node, { formats, functions, recurrent }) => {
  const math = new CellMath(ctx, node, formats);
  const [f] = functions as [Activation];
  const weights = productWith(ctx, recurrent);
  return {
    takesRecurrentBias: false,
    step: (sums, [h]) => {
      const sum = math.sum(sums, math.recurrence(h!, weights));
      return [math.apply(f, sum, formats.state)];
    },
  };
};

/** z, r = f(…); n = g(… + (r ⊙ H)·Rₙᵀ) or g(… + r ⊙ (H·Rₙᵀ + bₙ)); H' = n + z ⊙ (H − n) */
export const gruCell: CellMaker = (ctx, node, parts) => {
  const { formats, functions, recurrent, recurrentBias } = parts;
  const math = new CellMath(ctx, node, formats);
  const [f, g] = functions as [Activation, Activation];
  const hidden = recurrent.dims[1]!;
  const linearFirst = (intAttribute(node, "linear_before_reset") ?? 0) !== 0;
  const ofGates = productWith(ctx, rowsOf(ctx, recurrent, 0, 2 * hidden));
  const ofCandidate = productWith(ctx, rowsOf(ctx, recurrent, 2 * hidden, 3 * hidden));
  const biasOf = (from: number, to: number): FixedValue | undefined =>
    linearFirst && recurrentBias !== undefined
      ? vectorOf(ctx, [rowsOf(ctx, recurrentBias, from * hidden, to * hidden)], formats.sum)
      : undefined;
  const gateBias = biasOf(0, 2);
  const candidateBias = biasOf(2, 3);
  return {
    takesRecurrentBias: linearFirst,
    step: (sums, [h]) => {
      const gateSums = math.sum(
        sliced(ctx, sums, 1, 0, 2 * hidden),
        math.recurrence(h!, ofGates),
        gateBias,
      );
      const gates = math.apply(f, gateSums, formats.gate);
      const z = sliced(ctx, gates, 1, 0, hidden);
      const r = sliced(ctx, gates, 1, hidden, 2 * hidden);
      let recurrence: FixedValue;
      if (linearFirst) {
        const whole = math.sum(math.recurrence(h!, ofCandidate), candidateBias);
        recurrence = math.product([r, formats.gate], [whole, formats.sum], formats.sum);
      } else {
        const reset = math.product([r, formats.gate], [h!, formats.state], formats.state);
        recurrence = math.recurrence(reset, ofCandidate);
      }
      const sum = math.sum(sliced(ctx, sums, 1, 2 * hidden, 3 * hidden), recurrence);
      const n = math.apply(g, sum, formats.gate);
      return [
        math.sumOfProducts(
          [
            [z, formats.gate],
            [h!, formats.state],
          ],
          [
            [math.oneMinus(z), formats.gate],
            [n, formats.gate],
          ],
          formats.state,
        ),
      ];
    },
  };
};

/** i, o, f = f(… + p ⊙ C); C' = f ⊙ C + i ⊙ g(…); H' = o ⊙ h(C') */
export const lstmCell: CellMaker = (ctx, node, parts) => {
  const { formats, functions, recurrent, peepholes } = parts;
  const math = new CellMath(ctx, node, formats);
  const [f, g, h] = functions as [Activation, Activation, Activation];
  const hidden = recurrent.dims[1]!;
  const weights = productWith(ctx, recurrent);
  const coupled = (intAttribute(node, "input_forget") ?? 0) !== 0;
  const peephole = (k: number): FixedValue | undefined =>
    peepholes === undefined
      ? undefined
      : (vectorOf(ctx, [rowsOf(ctx, peepholes, k * hidden, (k + 1) * hidden)], PEEPHOLE) ??
        ctx.builder.scalar("i32", 0n));
  const [ofInput, ofOutput, ofForget] = [peephole(0), peephole(1), peephole(2)];
  return {
    takesRecurrentBias: false,
    step: (sums, [before, cell]) => {
      const all = math.sum(sums, math.recurrence(before!, weights));
      const part = (from: number, to: number): FixedValue =>
        sliced(ctx, all, 1, from * hidden, to * hidden);
      const looking = (k: number, p: FixedValue, c: FixedValue): FixedValue => {
        const look = math.product([c, formats.cell], [p, PEEPHOLE], formats.sum);
        return math.apply(f, math.sum(part(k, k + 1), look), formats.gate);
      };
      // Gates that do not look at the cell state are one tensor.
      const together = ofInput === undefined ? math.apply(f, part(0, 3), formats.gate) : undefined;
      const gate = (k: number, p: FixedValue | undefined, c: FixedValue): FixedValue =>
        together === undefined
          ? looking(k, p!, c)
          : sliced(ctx, together, 1, k * hidden, (k + 1) * hidden);
      const i = gate(0, ofInput, cell!);
      const forget = coupled ? math.oneMinus(i) : gate(2, ofForget, cell!);
      const candidate = math.apply(g, part(3, 4), formats.gate);
      const next = math.sumOfProducts(
        [
          [forget, formats.gate],
          [cell!, formats.cell],
        ],
        [
          [i, formats.gate],
          [candidate, formats.gate],
        ],
        formats.cell,
      );
      const o = gate(1, ofOutput, next);
      const shown = h.apply(ctx, { value: next, scale: scaleOf(formats.cell) }, formats.gate);
      return [math.product([o, formats.gate], [shown, formats.gate], formats.state), next];
    },
  };
};

/** Peephole weights: 20 bits behind the point. */
const PEEPHOLE = format("i32", 1 / (1 << 20));

type Factor = readonly [value: FixedValue, held: Format];

const scaleOf = (held: Format): number => held.scale as number;

/** Arithmetic on tensors [batch, width] whose scales are powers of two. */
class CellMath {
  readonly #ctx: LoweringContext;
  readonly #formats: CellFormats;
  readonly #clip: number | undefined;

  constructor(ctx: LoweringContext, node: GraphNode, formats: CellFormats) {
    this.#ctx = ctx;
    this.#formats = formats;
    this.#clip = floatAttribute(node, "clip");
  }

  /** A hidden state times recurrent weights. */
  recurrence(h: FixedValue, product: Product): FixedValue {
    const { hidden, state, sum } = this.#formats;
    const x: Real = { value: h, axes: identityAxes(2), format: state };
    return product(this.#ctx.requantise(x, hidden), sum);
  }

  sum(first: FixedValue, ...rest: readonly (FixedValue | undefined)[]): FixedValue {
    return rest.reduce<FixedValue>(
      (a, b) => (b === undefined ? a : this.#ctx.builder.op("add", {}, [a, b], a.dtype, a.shape)),
      first,
    );
  }

  /** A function of a sum, which is clipped first where the node asks for it. */
  apply(f: Activation, sum: FixedValue, target: Format): FixedValue {
    const scale = scaleOf(this.#formats.sum);
    const x: Wide = { value: this.#clipped(sum, scale), scale };
    return f.apply(this.#ctx, x, target);
  }

  #clipped(sum: FixedValue, scale: number): FixedValue {
    if (this.#clip === undefined) return sum;
    const limit = Math.min(Math.floor(this.#clip / scale + 0.5), 0x7fffffff);
    return this.#ctx.clamped(sum, { lo: -limit, hi: limit });
  }

  oneMinus(gate: FixedValue): FixedValue {
    const { builder } = this.#ctx;
    const one = builder.scalar("i32", BigInt(1 / scaleOf(this.#formats.gate)));
    return builder.op("sub", {}, [one, gate], "i32", gate.shape);
  }

  product(a: Factor, b: Factor, target: Format): FixedValue {
    const { value, exponent } = this.#exact(a, b);
    return this.#rounded(value, exponent, target);
  }

  /** a₀·a₁ + b₀·b₁, rounded once. */
  sumOfProducts(
    [a0, a1]: readonly [Factor, Factor],
    [b0, b1]: readonly [Factor, Factor],
    target: Format,
  ): FixedValue {
    const { builder } = this.#ctx;
    const a = this.#exact(a0, a1);
    const b = this.#exact(b0, b1);
    const exponent = Math.min(a.exponent, b.exponent);
    const [left, right] = [a, b].map((x) => {
      if (x.exponent === exponent) return x.value;
      const count = builder.scalar("i64", BigInt(x.exponent - exponent));
      return builder.op("shl", {}, [x.value, count], "i64", x.value.shape);
    }) as [FixedValue, FixedValue];
    const sum = builder.op("add", {}, [left, right], "i64", left.shape);
    return this.#rounded(sum, exponent, target);
  }

  /** An exact product; `2^exponent` is what a 1 of it stands for. */
  #exact(a: Factor, b: Factor): { readonly value: FixedValue; readonly exponent: number } {
    const ctx = this.#ctx;
    const operands = [ctx.widened(a[0], "i32"), ctx.widened(b[0], "i32")];
    const { shape } = a[0];
    return {
      value: ctx.builder.op("mul.wide", { accumulator: "i64" }, operands, "i64", shape),
      exponent: exponentOf(scaleOf(a[1])) + exponentOf(scaleOf(b[1])),
    };
  }

  #rounded(value: FixedValue, exponent: number, target: Format): FixedValue {
    const factor = powerOfTwo(exponent) / scaleOf(target);
    return this.#ctx.rescaled({ value, axes: identityAxes(2) }, factor, target);
  }
}
