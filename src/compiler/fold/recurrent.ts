import { nodeError } from "../graph.js";
import type { ConstantTensor } from "../graph.js";
import type { NodeView } from "../shapes/nodeView.js";
import { floatTensor, numbersOf } from "./folder.js";
import type { Folder, Functions } from "./folder.js";

const GATES: Readonly<Record<string, number>> = { RNN: 1, GRU: 3, LSTM: 4 };
const ACTIVATIONS: Readonly<Record<string, readonly string[]>> = {
  RNN: ["Tanh"],
  GRU: ["Sigmoid", "Tanh"],
  LSTM: ["Sigmoid", "Tanh", "Tanh"],
};

type Activation = (x: number) => number;

/** The activations of all directions, in order. */
function activations(view: NodeView, directions: number, { named }: Functions): Activation[] {
  const attribute = view.node.attributes.get("activations");
  const names = attribute?.type === "strings" ? attribute.value : ACTIVATIONS[view.node.opType]!;
  const parameters = ["activation_alpha", "activation_beta"].map((name) => {
    const a = view.node.attributes.get(name);
    return a?.type === "floats" ? [...a.value] : [];
  });
  const perDirection = ACTIVATIONS[view.node.opType]!.length;
  return Array.from({ length: directions * perDirection }, (_, i) => {
    const name = (names[i] ?? names[i % names.length] ?? "").toLowerCase();
    // Parameters are listed for those functions only that take them.
    const next = (which: 0 | 1, fallback: number): number => parameters[which]!.shift() ?? fallback;
    switch (name) {
      case "relu":
        return (x) => Math.max(0, x);
      case "tanh":
        return (x) => named.Tanh(x);
      case "sigmoid":
        return (x) => named.Sigmoid(x);
      case "softsign":
        return (x) => named.Softsign(x);
      case "softplus":
        return (x) => named.Softplus(x);
      case "affine": {
        const [alpha, beta] = [next(0, 1), next(1, 0)];
        return (x) => alpha * x + beta;
      }
      case "leakyrelu": {
        const alpha = next(0, 0.01);
        return (x) => (x < 0 ? alpha * x : x);
      }
      case "thresholdedrelu": {
        const alpha = next(0, 1);
        return (x) => (x > alpha ? x : 0);
      }
      case "scaledtanh": {
        const [alpha, beta] = [next(0, 1), next(1, 1)];
        return (x) => alpha * named.Tanh(beta * x);
      }
      case "hardsigmoid": {
        const [alpha, beta] = [next(0, 0.2), next(1, 0.5)];
        return (x) => Math.min(1, Math.max(0, alpha * x + beta));
      }
      case "elu": {
        const alpha = next(0, 1);
        return (x) => (x < 0 ? alpha * named.Expm1(x) : x);
      }
      default:
        throw nodeError("BadAttribute", view.node, `activation "${name}" is not known`);
    }
  });
}

/** Sizes, and one direction's share of the operands. */
interface Cell {
  readonly hidden: number;
  /** Weights [gates·hidden, inputs] and [gates·hidden, hidden]. */
  readonly w: Float64Array;
  readonly r: Float64Array;
  /** Of the input's products, then of the state's. */
  readonly bias: Float64Array;
  /** Of LSTM: i, o, f. */
  readonly peepholes: Float64Array;
  readonly activations: readonly Activation[];
  readonly clip: (x: number) => number;
  readonly linearBeforeReset: boolean;
  readonly inputForget: boolean;
}

function dot(w: Float64Array, row: number, x: Float64Array, scale?: (k: number) => number): number {
  let sum = 0;
  const start = row * x.length;
  for (let k = 0; k < x.length; k++) sum += w[start + k]! * x[k]! * (scale?.(k) ?? 1);
  return sum;
}

/** One step; gives the new state and, of an LSTM, the new cell. */
function step(
  opType: string,
  cell: Cell,
  x: Float64Array,
  h: Float64Array,
  c: Float64Array,
): { h: Float64Array; c: Float64Array } {
  const { hidden, w, r, bias, peepholes, clip } = cell;
  const rows = bias.length / 2;
  const [f, g, k] = cell.activations as [Activation, Activation, Activation];
  const gate = (n: number, i: number, extra = 0): number => {
    const row = n * hidden + i;
    return clip(dot(w, row, x) + dot(r, row, h) + bias[row]! + bias[rows + row]! + extra);
  };
  const next = new Float64Array(hidden);
  if (opType === "RNN") {
    for (let i = 0; i < hidden; i++) next[i] = f(gate(0, i));
    return { h: next, c };
  }
  if (opType === "LSTM") {
    const cells = new Float64Array(hidden);
    for (let i = 0; i < hidden; i++) {
      const input = f(gate(0, i, peepholes[i]! * c[i]!));
      const forget = cell.inputForget
        ? 1 - input
        : f(gate(2, i, peepholes[2 * hidden + i]! * c[i]!));
      cells[i] = forget * c[i]! + input * g(gate(3, i));
      next[i] = f(gate(1, i, peepholes[hidden + i]! * cells[i]!)) * k(cells[i]!);
    }
    return { h: next, c: cells };
  }
  const reset = Float64Array.from({ length: hidden }, (_, i) => f(gate(1, i)));
  for (let i = 0; i < hidden; i++) {
    const update = f(gate(0, i));
    const row = 2 * hidden + i;
    const fromState = cell.linearBeforeReset
      ? reset[i]! * (dot(r, row, h) + bias[rows + row]!)
      : dot(r, row, h, (j) => reset[j]!) + bias[rows + row]!;
    const candidate = g(clip(dot(w, row, x) + bias[row]! + fromState));
    next[i] = (1 - update) * candidate + update * h[i]!;
  }
  return { h: next, c };
}

/** RNN, GRU and LSTM. */
const recurrent: Folder = (inputs, view, out, { functions }) => {
  const [x, w, r, b, lengths, initialH, initialC, p] = inputs;
  if (x === undefined || w === undefined || r === undefined) return undefined;
  const { opType } = view.node;
  const gates = GATES[opType]!;
  const direction = view.string("direction", "forward");
  const directions = w.dims[0] ?? 1;
  const batchFirst = view.int("layout", 0) === 1;
  const [first = 1, second = 1, size = 1] = x.dims;
  const [steps, batch] = batchFirst ? [second, first] : [first, second];
  const hidden = r.dims[2] ?? 1;
  const rows = gates * hidden;
  const limit = view.float("clip", Infinity);
  const functionsOfAll = activations(view, directions, functions);
  const each = functionsOfAll.length / directions;

  const part = (t: ConstantTensor | undefined, d: number, length: number): Float64Array =>
    t === undefined
      ? new Float64Array(length)
      : numbersOf(t).subarray(d * length, (d + 1) * length);
  const stateAt = (d: number, n: number): number =>
    (batchFirst ? n * directions + d : d * batch + n) * hidden;
  const initial = (t: ConstantTensor | undefined, d: number, n: number): Float64Array =>
    t === undefined
      ? new Float64Array(hidden)
      : numbersOf(t).slice(stateAt(d, n), stateAt(d, n) + hidden);

  const from = numbersOf(x);
  const y = new Float64Array(steps * directions * batch * hidden);
  const lastH = new Float64Array(directions * batch * hidden);
  const lastC = new Float64Array(directions * batch * hidden);
  for (let d = 0; d < directions; d++) {
    const cell: Cell = {
      hidden,
      w: part(w, d, rows * size),
      r: part(r, d, rows * hidden),
      bias: part(b, d, 2 * rows),
      peepholes: part(p, d, 3 * hidden),
      activations: functionsOfAll.slice(d * each, (d + 1) * each),
      clip: (v) => Math.min(Math.max(v, -limit), limit),
      linearBeforeReset: view.int("linear_before_reset", 0) !== 0,
      inputForget: view.int("input_forget", 0) !== 0,
    };
    const backwards = direction === "reverse" || d === 1;
    for (let n = 0; n < batch; n++) {
      let state = { h: initial(initialH, d, n), c: initial(initialC, d, n) };
      const length = lengths === undefined ? steps : Number(numbersOf(lengths)[n]);
      for (let i = 0; i < length; i++) {
        const t = backwards ? length - 1 - i : i;
        const at = (batchFirst ? n * steps + t : t * batch + n) * size;
        state = step(opType, cell, from.subarray(at, at + size), state.h, state.c);
        const row = batchFirst
          ? (n * steps + t) * directions + d
          : (t * directions + d) * batch + n;
        y.set(state.h, row * hidden);
      }
      lastH.set(state.h, stateAt(d, n));
      lastC.set(state.c, stateAt(d, n));
    }
  }
  const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  const all = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
  return [
    floatTensor(out.elementType, all, y),
    floatTensor(out.elementType, last, lastH),
    floatTensor(out.elementType, last, lastC),
  ];
};

export const recurrentEvaluators: Readonly<Record<string, Folder>> = {
  RNN: recurrent,
  GRU: recurrent,
  LSTM: recurrent,
};
