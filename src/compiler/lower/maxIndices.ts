import type { InstructionOf } from "../../opcodes/index.js";
import type { GraphNode } from "../graph.js";
import { intAttribute } from "../graph.js";
import { multiplyDims, productOfDims } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";
import { stridesOf } from "./gathering.js";
import { IndexMath } from "./indexMath.js";
import type { Lowered } from "./real.js";

/** Bits of a place beneath the value that it goes with. */
const PLACE_BITS = 31;

/**
 * Maxima of windows and where they were: one pool over keys that have the value above and the place
 * below, the first place of equals above the later ones.
 * @param x N, spatial…, C, of at most 32 bits
 */
export function lowerMaxIndices(
  ctx: LoweringContext,
  node: GraphNode,
  x: Lowered,
  window: InstructionOf<"pool.max">["imm"],
): void {
  const math = new IndexMath(ctx, node);
  const [batch = 1, channels = 1, ...spatial] = ctx.shapeOf(node.inputs[0]!);
  const [values, indices] = node.outputs as [string, string];
  const shape = ctx.shapeOf(indices);
  const pooled = x.axes.map((axis) => shape[axis]!);
  const count = productOfDims(spatial);

  const last = math.scalar(0x7fffffff);
  const columnMajor = intAttribute(node, "storage_order") === 1;
  const strides = columnMajor ? stridesOf([...spatial].reverse()).reverse() : stridesOf(spatial);
  // Which of equals is first is a matter of row-major order, whatever the order that is asked for.
  const rank = math.offsets([1, ...spatial, 1], [0, ...stridesOf(spatial), 0]);
  const below = math.cast(math.arithmetic("sub", last, rank), "i64");
  const above = math.op(
    "shl",
    {},
    [math.cast(x.value, "i64"), math.scalar(PLACE_BITS, "i64")],
    "i64",
    x.value.shape,
  );
  const keys = ctx.builder.op(
    "pool.max",
    window,
    [math.arithmetic("add", above, below)],
    "i64",
    pooled,
  );
  if (values !== "") {
    const wide = math.op("shr", {}, [keys, math.scalar(PLACE_BITS, "i64")], "i64", pooled);
    ctx.define(values, { ...x, value: math.cast(wide, x.value.dtype) });
  }
  const place = math.arithmetic("mod.floor", keys, math.scalar(0x80000000, "i64"));
  const first = math.arithmetic("sub", math.scalar(0x7fffffff, "i64"), place);
  const own = columnMajor
    ? math.gather(math.reshape(math.offsets(spatial, strides), [count]), math.cast(first, "i32"))
    : math.cast(first, "i32");
  const image = math.offsets(
    [batch, ...spatial.map(() => 1), channels],
    [multiplyDims(channels, count), ...spatial.map(() => 0), count],
  );
  const flat = math.cast(math.arithmetic("add", own, image), "i64");
  ctx.define(indices, { value: flat, axes: x.axes });
}
