/** LpPool: the p-th root of a window's sum of p-th powers. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { GraphNode } from "../graph.js";
import { intAttribute, nodeError } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { finish } from "./finish.js";
import { uniformReal } from "./gridSample.js";
import { channelsLast, format, scaleRatio } from "./real.js";
import { windowOf } from "./reduction.js";
import { powerOfTwo } from "./scale.js";

/** Bits of the sums: one less than i64 has besides its sign, for what is put under a root. */
const SUM_BITS = 62;

/** A value that is not negative: `value · 2^-fraction`, below 2^bits as an integer. */
interface Scaled {
  readonly value: FixedValue;
  readonly bits: number;
  readonly fraction: number;
}

export function lowerLpPool(ctx: LoweringContext, node: GraphNode): void {
  const p = intAttribute(node, "p") ?? 2;
  const real = uniformReal(ctx, node.inputs[0]!, node);
  const axes = channelsLast(real.axes.length);
  const x = ctx.ordered(real, axes);
  const window = windowOf(ctx, node);
  const taps = bitsOf(window.kernel.reduce((a, b) => a * b, 1));
  if (!Number.isInteger(p) || p < 1 || Math.floor((SUM_BITS - taps) / p) < 8)
    throw nodeError("UnsupportedAttribute", node, `p = ${String(p)} leaves too few bits`);
  const { builder } = ctx;
  const shape = ctx.shapeOf(node.outputs[0]!);
  const outputs = axes.map((axis) => shape[axis]!);
  const wide = ctx.widened(x.value, "i64");
  const magnitude = builder.op("abs", {}, [wide], "i64", wide.shape);
  // As many bits of the magnitude as its powers have room for.
  const held = bitsOf(Math.max(-x.format.lo, x.format.hi));
  const bits = Math.min(held, Math.floor((SUM_BITS - taps) / p));
  const base =
    bits === held
      ? magnitude
      : ctx.rescaled({ value: magnitude, axes }, 1 / powerOfTwo(held - bits), {
          ...format("i64", 1),
          lo: 0,
          hi: powerOfTwo(bits),
        });
  const powers = power(ctx, base, p);
  const sums = builder.op("pool.sum", { ...window, dtype: "i64" }, [powers], "i64", outputs);
  const root = rootOf(
    ctx,
    { value: sums, bits: Math.min(bits * p + taps, SUM_BITS), fraction: 0 },
    p,
  );
  const unit = ((x.format.scale as number) * powerOfTwo(held - bits)) / powerOfTwo(root.fraction);
  finish(ctx, node, axes, (target) =>
    ctx.rescaled({ value: root.value, axes }, scaleRatio(unit, target.scale), target),
  );
}

/** Bits of a positive integer. */
const bitsOf = (x: number): number => 32 - Math.clz32(x);

function power(ctx: LoweringContext, x: FixedValue, p: number): FixedValue {
  let result = x;
  for (let i = 1; i < p; i++) result = ctx.builder.op("mul", {}, [result, x], "i64", x.shape);
  return result;
}

/** Square roots as long as p is even, then the odd root that is left. */
function rootOf(ctx: LoweringContext, x: Scaled, p: number): Scaled {
  if (p === 1) return x;
  if (p % 2 === 0) {
    const { value, bits, fraction } = raised(ctx, x, 2);
    const root = ctx.builder.op("sqrt.floor", {}, [value], "i64", value.shape);
    return rootOf(ctx, { value: root, bits: Math.ceil(bits / 2), fraction: fraction / 2 }, p / 2);
  }
  return digits(ctx, raised(ctx, x, p), p);
}

/** Shifts up to where a root of degree `p` keeps the most bits and whole ones of its fraction. */
function raised(ctx: LoweringContext, x: Scaled, p: number): Scaled {
  let by = SUM_BITS - x.bits;
  while (by > 0 && (x.fraction + by) % p !== 0) by--;
  if (by === 0) return x;
  const { builder } = ctx;
  const count = builder.scalar("i64", BigInt(by));
  const value = builder.op("shl", {}, [x.value, count], "i64", x.value.shape);
  return { value, bits: x.bits + by, fraction: x.fraction + by };
}

/** The floor of a root, bit by bit from the top. */
function digits(ctx: LoweringContext, x: Scaled, p: number): Scaled {
  const { builder } = ctx;
  const { shape } = x.value;
  const bits = Math.ceil(x.bits / p);
  let root = builder.op("mul", {}, [x.value, builder.scalar("i64", 0n)], "i64", shape);
  for (let bit = bits - 1; bit >= 0; bit--) {
    const step = builder.scalar("i64", 1n << BigInt(bit));
    const next = builder.op("add", {}, [root, step], "i64", shape);
    const reached = builder.op("le", {}, [power(ctx, next, p), x.value], "bool", shape);
    root = builder.op("select", {}, [reached, next, root], "i64", shape);
  }
  return { value: root, bits, fraction: x.fraction / p };
}
