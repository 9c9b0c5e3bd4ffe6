/** The functions that RNN, GRU and LSTM apply to their gates. */
import type { Attributes, ElementaryName } from "../elementary.js";
import { functions } from "../elementary.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { floatsAttribute, nodeError, stringsAttribute } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { outputOf } from "./context.js";
import { functionTable } from "./functionTable.js";
import type { Format } from "./real.js";
import { identityAxes } from "./real.js";
import { toMultiplier } from "./scale.js";
import { wideFunction } from "./wideFunction.js";

/** A tensor of i32 whose scale is one number. */
export interface Wide {
  readonly value: FixedValue;
  readonly scale: number;
}

export interface Activation {
  /** Greatest magnitude of its results. */
  readonly bound: number;
  /** The function of each element, rounded into a format whose scale is one number. */
  readonly apply: (ctx: LoweringContext, x: Wide, target: Format) => FixedValue;
}

/** Beyond this, no table is needed: e^−20 is 2^−29. */
const FLAT = 20;

type Arguments = { readonly alpha: number; readonly beta: number };

interface Kind {
  /** Defaults, of those that the function has. */
  readonly alpha?: number;
  readonly beta?: number;
  readonly make: (given: Arguments) => Activation;
}

const KINDS: Readonly<Record<string, Kind>> = {
  sigmoid: { make: () => table("Sigmoid", 1, FLAT) },
  tanh: { make: () => table("Tanh", 1, FLAT / 2) },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    make: ({ alpha, beta }) => ({
      bound: Math.abs(alpha),
      apply: (ctx, x, target) =>
        lookUp(
          ctx,
          (v) => alpha * functions.Tanh(v * beta),
          [-FLAT / 2 / Math.abs(beta), FLAT / 2 / Math.abs(beta)],
          Math.abs(alpha),
          x,
          target,
        ),
    }),
  },
  relu: { make: () => linear(1, 0, 0, Infinity) },
  affine: { alpha: 1, beta: 0, make: ({ alpha, beta }) => linear(alpha, beta) },
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    make: ({ alpha, beta }) => ({ ...linear(alpha, beta, 0, 1), bound: 1 }),
  },
  leakyrelu: {
    alpha: 0.01,
    make: ({ alpha }) => byThreshold(0, linear(1, 0), linear(alpha, 0)),
  },
  thresholdedrelu: {
    alpha: 1,
    make: ({ alpha }) => byThreshold(alpha, linear(1, 0), linear(0, 0)),
  },
  elu: {
    alpha: 1,
    make: ({ alpha }) =>
      byThreshold(0, linear(1, 0), table("Elu", Math.abs(alpha), FLAT, { alpha })),
  },
  softplus: { make: softplus },
  softsign: { make: softsign },
};

/** The functions that have an alpha or a beta take them from the lists in turn. */
export function activationsOf(
  node: GraphNode,
  defaults: readonly string[],
  directions: number,
): readonly (readonly Activation[])[] {
  const given = stringsAttribute(node, "activations");
  const names = given ?? Array.from({ length: directions }, () => defaults).flat();
  if (names.length !== defaults.length * directions) {
    throw nodeError(
      "BadAttribute",
      node,
      `activations must name ${String(defaults.length * directions)} functions, not ${String(names.length)}`,
    );
  }
  const alphas = [...(floatsAttribute(node, "activation_alpha") ?? [])];
  const betas = [...(floatsAttribute(node, "activation_beta") ?? [])];
  const all = names.map((name) => {
    const key = name.toLowerCase();
    const kind = Object.hasOwn(KINDS, key) ? KINDS[key] : undefined;
    if (kind === undefined) {
      throw nodeError("BadAttribute", node, `there is no activation "${name}"`);
    }
    const alpha = kind.alpha === undefined ? 0 : (alphas.shift() ?? kind.alpha);
    const beta = kind.beta === undefined ? 0 : (betas.shift() ?? kind.beta);
    return kind.make({ alpha, beta });
  });
  return Array.from({ length: directions }, (_, d) =>
    all.slice(d * defaults.length, (d + 1) * defaults.length),
  );
}

/** A function that does not move any more beyond ±`reach`. */
function table(
  name: ElementaryName,
  bound: number,
  reach: number,
  attributes?: Attributes,
): Activation {
  return {
    bound,
    apply: (ctx, x, target) =>
      lookUp(ctx, (v) => functions[name](v, attributes), [-reach, reach], bound, x, target),
  };
}

/** A function whose results stay within ±`bound`, by a table over a domain beyond which it is flat. */
function lookUp(
  ctx: LoweringContext,
  f: (x: number) => number,
  domain: readonly [number, number],
  bound: number,
  x: Wide,
  target: Format,
): FixedValue {
  const { builder } = ctx;
  if (target.dtype === "i32") {
    const limit = Math.ceil(bound / (target.scale as number));
    const held = {
      ...target,
      lo: Math.max(target.lo, -limit),
      hi: Math.min(target.hi, limit),
    };
    const axes = identityAxes(x.value.shape.length);
    return wideFunction(ctx, f, domain, held, axes, (argument) => rescaled(ctx, x, argument));
  }
  const made = functionTable(f, domain, target.scale as number, target);
  const index = rescaled(ctx, x, made.argument);
  const entries = builder.constant(made.dtype, [made.entries.length], made.entries);
  if (made.kind === "direct")
    return builder.op("lut", {}, [index, entries], made.dtype, index.shape);
  const { segmentsLog2, guardBits } = made;
  const { dtype } = target;
  return builder.op(
    "lut.interpolate",
    { segmentsLog2, guardBits, dtype },
    [index, entries],
    dtype,
    index.shape,
  );
}

function rescaled(ctx: LoweringContext, x: Wide, target: Format, factor = 1): FixedValue {
  const multiplier = toMultiplier((x.scale * factor) / (target.scale as number));
  return ctx.builder.op(
    "rescale",
    { ...multiplier, ...outputOf(target) },
    [x.value],
    target.dtype,
    x.value.shape,
  );
}

/** alpha · x + beta between two bounds. */
function linear(alpha: number, beta: number, least = -Infinity, greatest = Infinity): Activation {
  return {
    bound: Infinity,
    apply: (ctx, x, target) => {
      const units = (real: number): number =>
        Math.min(Math.max(Math.floor(real / (target.scale as number) + 0.5), target.lo), target.hi);
      return rescaled(
        ctx,
        x,
        { ...target, zeroPoint: units(beta), lo: units(least), hi: units(greatest) },
        alpha,
      );
    },
  };
}

/** One function above a threshold, another up to it. */
function byThreshold(threshold: number, above: Activation, below: Activation): Activation {
  return {
    bound: Infinity,
    apply: (ctx, x, target) => {
      const { builder } = ctx;
      const { dtype, shape } = x.value;
      const limit = builder.scalar(dtype, BigInt(Math.floor(threshold / x.scale + 0.5)));
      const isAbove = builder.op("lt", {}, [limit, x.value], "bool", shape);
      const arms = [above.apply(ctx, x, target), below.apply(ctx, x, target)];
      return builder.op("select", {}, [isAbove, ...arms], target.dtype, shape);
    },
  };
}

/** max(x, 0) + ln(1 + e^−|x|), of which the second is at most ln 2. */
function softplus(): Activation {
  return {
    bound: Infinity,
    apply: (ctx, x, target) => {
      const { builder } = ctx;
      const { dtype, shape } = x.value;
      const size = { ...x, value: builder.op("abs", {}, [x.value], dtype, shape) };
      const rest = lookUp(ctx, (v) => functions.Softplus(-v), [0, FLAT], 1, size, target);
      const whole = linear(1, 0, 0).apply(ctx, x, target);
      return builder.op("add", {}, [whole, rest], target.dtype, shape);
    },
  };
}

/** x / (1 + |x|) as a quotient of integers: its tails are too long for a table. */
function softsign(): Activation {
  return {
    bound: 1,
    apply: (ctx, x, target) => {
      const { builder } = ctx;
      const { shape } = x.value;
      const FRACTION = 24;
      const wide = ctx.widened(x.value, "i64");
      const one = builder.scalar("i64", BigInt(Math.floor(1 / x.scale + 0.5)));
      const size = builder.op("abs", {}, [wide], "i64", shape);
      const divisor = builder.op("add", {}, [size, one], "i64", shape);
      const count = builder.scalar("i64", BigInt(FRACTION));
      const dividend = builder.op("shl", {}, [wide, count], "i64", shape);
      const value = builder.op("div.floor", {}, [dividend, divisor], "i64", shape);
      return rescaled(ctx, { value, scale: 1 / (1 << FRACTION) }, target);
    },
  };
}
