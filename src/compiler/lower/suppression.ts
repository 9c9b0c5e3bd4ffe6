/** NonMaxSuppression: the best box of each class, without those that overlap it, round by round. */
import { DTYPE_INFO } from "../../core/dtype.js";
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Dim, GraphNode } from "../graph.js";
import { constantNumbers, intAttribute } from "../graph.js";
import { multiplyDims } from "../shapes/dims.js";
import type { LoweringContext } from "./context.js";
import { defineIntegers, inOrder } from "./gathering.js";
import { IndexMath } from "./indexMath.js";
import type { Real } from "./real.js";
import { toMultiplier } from "./scale.js";

/** Of a box that has been taken or suppressed: no score is as low. */
const GONE = Number(DTYPE_INFO.i32.min);
/** Of a round that took none. */
const NONE = -1;

/** Corners of boxes and twice or four times their areas, each [batches, 1, boxes] in i64. */
interface Boxes {
  /** x0, y0, x1, y1: the lesser corner first. */
  readonly corners: readonly [FixedValue, FixedValue, FixedValue, FixedValue];
  readonly area: FixedValue;
}

/** Input `i`, a constant number; what ONNX says where it is absent. */
function parameter(ctx: LoweringContext, node: GraphNode, i: number, absent: number): number {
  const name = node.inputs[i] ?? "";
  return name === "" ? absent : (constantNumbers(ctx.requireConstant(node, i))[0] ?? absent);
}

export function lowerSuppression(ctx: LoweringContext, node: GraphNode): void {
  const math = new IndexMath(ctx, node);
  const { builder } = ctx;
  const [boxesName, scoresName] = node.inputs as [string, string];
  const [batches, boxes] = ctx.fixedDims(boxesName, node) as [number, number];
  const [, classes] = ctx.fixedDims(scoresName, node) as [number, number];
  const name = node.outputs[0]!;
  const groups = batches * classes;
  const most = Math.min(Math.max(parameter(ctx, node, 2, 0), 0), boxes);
  if (most === 0 || groups === 0) {
    defineIntegers(ctx, name, builder.constant("i64", [0, 3], []));
    return;
  }
  const gone = math.scalar(GONE);
  const scores = candidates(ctx, math, node, gone);
  const given = boxesOf(ctx, math, node, batches, boxes);
  // What no class scores highly is out of the rounds, whose cost is that of all boxes.
  const kept =
    (node.inputs[4] ?? "") === "" ? undefined : keptBoxes(ctx, math, scores, gone, `${name}_kept`);
  const among = (x: FixedValue): FixedValue => (kept === undefined ? x : math.gather(x, kept, 2));
  const live0 = among(scores);
  const [x0, y0, x1, y1] = given.corners;
  const all: Boxes = {
    corners: [among(x0), among(y0), among(x1), among(y1)],
    area: among(given.area),
  };
  const open = live0.shape[2]!;
  const threshold = parameter(ctx, node, 3, 0);
  const counting =
    kept === undefined
      ? math.counting(boxes, 3, 2)
      : math.reshape(
          builder.op("iota", { dims: [-2] }, [math.op("shape", {}, [kept], "i64", [1])], "i32", [
            open,
          ]),
          [1, 1, open],
        );
  /** Where each batch's boxes begin in a flat list of all. */
  const first = math.arithmetic("mul", math.counting(batches, 3, 0), math.sizeOf(live0, 2));
  const types = [
    { dtype: "i32", shape: [batches, classes, open] },
    { dtype: "i32", shape: [most, groups] },
    { dtype: "i32", shape: [] },
  ] as const;
  const nothing = math.op("expand", { dims: [most, groups] }, [math.scalar(NONE)], "i32", [
    most,
    groups,
  ]);
  const [, rounds] = builder.loop(
    [live0, nothing, math.scalar(0)],
    types,
    ([live, taken, round]) => {
      const one = [batches, classes, 1];
      const best = math.op("argmax", { axis: 2 }, [live!], "i32", one);
      const score = math.op("reduce.max", { axes: [2] }, [live!], "i32", one);
      const found = math.select(math.compare("lt", gone, score), best, math.scalar(NONE));
      const at = math.arithmetic("add", first, best);
      const own = (x: FixedValue): FixedValue =>
        math.gather(math.reshape(x, [multiplyDims(batches, open)]), at);
      const covered = overlaps(math, all, own, threshold, [batches, classes, open]);
      const out = math.arithmetic("or", covered, math.compare("eq", counting, best));
      const left = math.select(out, gone, live!);
      const row = math.reshape(found, [1, groups]);
      const next = math.arithmetic("add", round!, math.scalar(1));
      const operands = [taken!, math.reshape(round!, [1]), row];
      const most1 = math.op("reduce.max", { axes: [0, 1, 2] }, [left], "i32", [1, 1, 1]);
      return {
        again: math.arithmetic(
          "and",
          math.compare("lt", next, math.scalar(most)),
          math.compare("lt", gone, math.reshape(most1, [])),
        ),
        carried: [left, math.op("scatter", { axis: 0 }, operands, "i32", [most, groups]), next],
      };
    },
  );
  const byGroup = math.reshape(
    math.op("transpose", { perm: [1, 0] }, [rounds!], "i32", [groups, most]),
    [groups * most],
  );
  const [count] = ctx.shapeOf(name);
  const marks = math.compare("le", math.scalar(0), byGroup);
  const chosen = math.op("nonzero", {}, [marks], "i32", [count!]);
  const group = math.arithmetic("div.floor", chosen, math.scalar(most));
  const box = math.gather(byGroup, chosen);
  const columns = [
    math.arithmetic("div.floor", group, math.scalar(classes)),
    math.arithmetic("mod.floor", group, math.scalar(classes)),
    kept === undefined ? box : math.gather(kept, box),
  ].map((column) => math.reshape(column, [count!, 1]));
  defineIntegers(ctx, name, math.cast(math.concat(columns, 1, 3), "i64"));
}

/** Boxes that some class may still choose; the first one always, so that there is one. */
function keptBoxes(
  ctx: LoweringContext,
  math: IndexMath,
  scores: FixedValue,
  gone: FixedValue,
  count: string,
): FixedValue {
  const boxes = scores.shape[2] as number;
  const best = math.op("reduce.max", { axes: [0, 1] }, [scores], "i32", [1, 1, boxes]);
  const wanted = math.reshape(math.compare("lt", gone, best), [boxes]);
  const marks = math.arithmetic(
    "or",
    wanted,
    math.compare("eq", math.counting(boxes), math.scalar(0)),
  );
  return ctx.builder.op("nonzero", {}, [marks], "i32", [count]);
}

/** Scores in i32; those that do not exceed the threshold are gone. */
function candidates(
  ctx: LoweringContext,
  math: IndexMath,
  node: GraphNode,
  gone: FixedValue,
): FixedValue {
  const scores = ctx.withoutZeroPoint(inOrder(ctx, node.inputs[1]!) as Real);
  const value = math.cast(scores.value, "i32");
  if ((node.inputs[4] ?? "") === "") return value;
  const least = parameter(ctx, node, 4, 0) / (scores.format.scale as number);
  const bound = Math.min(Math.max(Math.floor(least), GONE), Number(DTYPE_INFO.i32.max));
  return math.select(math.compare("lt", math.scalar(bound), value), value, gone);
}

function boxesOf(
  ctx: LoweringContext,
  math: IndexMath,
  node: GraphNode,
  batches: number,
  boxes: number,
): Boxes {
  const real = ctx.withoutZeroPoint(inOrder(ctx, node.inputs[0]!) as Real);
  const wide = math.cast(real.value, "i64");
  const [a, b, c, d] = [0, 1, 2, 3].map((i) =>
    math.reshape(math.slice(wide, 2, i, i + 1, 1), [batches, 1, boxes]),
  ) as [FixedValue, FixedValue, FixedValue, FixedValue];
  const pair = (low: FixedValue, high: FixedValue): [FixedValue, FixedValue] => [
    math.arithmetic("min", low, high),
    math.arithmetic("max", low, high),
  ];
  /** Twice a centre minus and plus a size. */
  const around = (centre: FixedValue, size: FixedValue): [FixedValue, FixedValue] => {
    const twice = math.arithmetic("add", centre, centre);
    return [math.arithmetic("sub", twice, size), math.arithmetic("add", twice, size)];
  };
  const centred = (intAttribute(node, "center_point_box") ?? 0) === 1;
  const [x0, x1] = centred ? around(a, c) : pair(a, c);
  const [y0, y1] = centred ? around(b, d) : pair(b, d);
  const area = math.arithmetic(
    "mul",
    math.arithmetic("sub", x1, x0),
    math.arithmetic("sub", y1, y0),
  );
  return { corners: [x0, y0, x1, y1], area };
}

/** Whether the intersection of each box with its group's exceeds that share of their union. */
function overlaps(
  math: IndexMath,
  { corners, area }: Boxes,
  own: (x: FixedValue) => FixedValue,
  threshold: number,
  shape: readonly Dim[],
): FixedValue {
  const [x0, y0, x1, y1] = corners;
  const side = (low: FixedValue, high: FixedValue): FixedValue =>
    math.arithmetic(
      "max",
      math.arithmetic(
        "sub",
        math.arithmetic("min", high, own(high)),
        math.arithmetic("max", low, own(low)),
      ),
      math.scalar(0, "i64"),
    );
  // Coordinates of 24 bits, doubled: areas stay below 2^54.
  const common = math.arithmetic("mul", side(x0, x1), side(y0, y1));
  const union = math.arithmetic("sub", math.arithmetic("add", area, own(area)), common);
  // Not below 0: a box whose size is negative overlaps nothing, whatever its area.
  const output = { dtype: "i64", zeroPoint: 0n, lo: 0n, hi: DTYPE_INFO.i64.max } as const;
  const share = math.op(
    "rescale",
    { ...toMultiplier(threshold), ...output },
    [union],
    "i64",
    shape,
  );
  return math.compare("lt", share, common);
}
