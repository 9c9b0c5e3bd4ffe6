/** Determinants of small matrices. */
import type { FixedValue } from "../fixed/fixedGraph.js";
import type { Graph, GraphNode } from "../graph.js";
import type { LoweringContext } from "./context.js";
import { uniform } from "./elementwise.js";
import { finish } from "./finish.js";
import { IndexMath } from "./indexMath.js";
import { narrowed } from "./realReduction.js";
import { format, identityAxes } from "./real.js";
import type { Rule } from "./rule.js";
import { roundScale } from "./scale.js";

/** There are 2^n minors; and the more of them, the more digits cancel. */
const LARGEST = 5;
/** Bits of an element, so that a row of products adds up within i64. */
const ELEMENT_BITS = 24;

/** A minor of the first rows, of some columns. */
interface Minor {
  readonly value: FixedValue;
  readonly scale: number;
  /** No minor of so many rows is greater. */
  readonly reach: number;
}

/** By expansion along rows: minors of k rows from those of k − 1, each rounded once to 30 bits. */
function lowerDeterminant(ctx: LoweringContext, node: GraphNode): void {
  const { builder } = ctx;
  const math = new IndexMath(ctx, node);
  const source = ctx.logical(uniform(ctx, ctx.withoutZeroPoint(ctx.real(node.inputs[0]!, node))));
  const x = narrowed(ctx, source, ELEMENT_BITS);
  const rank = x.value.shape.length;
  const size = x.value.shape[rank - 1] as number;
  const wide = ctx.widened(x.value, "i32");
  const element = (row: number, column: number): FixedValue =>
    math.slice(math.slice(wide, rank - 2, row, row + 1, 1), rank - 1, column, column + 1, 1);
  const greatest = Math.max(Math.abs(x.format.lo), Math.abs(x.format.hi)) * x.format.scale;
  let minors = new Map<number, Minor>();
  for (let j = 0; j < size; j++)
    minors.set(1 << j, { value: element(0, j), scale: x.format.scale, reach: greatest });
  for (let row = 1; row < size; row++) {
    const next = new Map<number, Minor>();
    for (let columns = 1; columns < 1 << size; columns++) {
      const chosen = identityAxes(size).filter((j) => (columns & (1 << j)) !== 0);
      if (chosen.length !== row + 1) continue;
      const { scale, reach } = minors.get(columns & ~(1 << chosen[0]!))!;
      const total = chosen
        .map((j, i) => {
          const rest = minors.get(columns & ~(1 << j))!.value;
          const operands = [rest, element(row, j)];
          const { shape } = rest;
          const imm = { accumulator: "i64" } as const;
          const product = builder.op("mul.wide", imm, operands, "i64", shape);
          // The sign of a cofactor in the last of row + 1 rows.
          return (row + i) % 2 === 0 ? product : builder.op("neg", {}, [product], "i64", shape);
        })
        .reduce((a, b) => builder.op("add", {}, [a, b], "i64", a.shape));
      if (row === size - 1) {
        // The last sum is rounded to the result at once.
        next.set(columns, { value: total, scale: scale * x.format.scale, reach });
        continue;
      }
      const bound = reach * greatest * (row + 1);
      const step = roundScale(bound / 0x3fffffff);
      const held = format("i32", step, 0, [-0x3fffffff, 0x3fffffff]);
      const axes = identityAxes(rank);
      const value = ctx.rescaled({ value: total, axes }, (scale * x.format.scale) / step, held);
      next.set(columns, { value, scale: step, reach: bound });
    }
    minors = next;
  }
  const { value, scale } = minors.get((1 << size) - 1)!;
  const shape = ctx.shapeOf(node.outputs[0]!);
  finish(ctx, node, identityAxes(shape.length), (target) => {
    const axes = identityAxes(rank);
    const factor = scale / (target.scale as number);
    return ctx.reshaped(ctx.rescaled({ value, axes }, factor, target), shape);
  });
}

/** Why a determinant cannot be compiled. */
export function determinantRefusal(graph: Graph, node: GraphNode): string | undefined {
  const size = graph.values.get(node.inputs[0] ?? "")?.shape?.at(-1);
  if (typeof size === "number" && size >= 1 && size <= LARGEST) return undefined;
  return `of matrices of ${String(size)} rows: they must have 1 to ${String(LARGEST)}`;
}

export const determinantRules: Readonly<Record<string, Rule>> = { Det: lowerDeterminant };
