/** What a loop collects, a row a round, at a cost that grows as the rows do. */
import type { FixedType, FixedValue } from "../fixed/fixedGraph.js";
import type { Dim } from "../graph.js";
import type { LoweringContext } from "./context.js";

/**
 * Blocks that a stack takes before it goes on top of the next one. A tensor never changes, so that
 * every concatenation copies: over stacks of 32^l rows a row is copied 16 times at each of four
 * levels, instead of half as often as there are rows.
 */
const BLOCKS_LOG2 = 5;
const MOST_LEVELS = 4;

/** One tensor of rows, while it grows: stacks of ever more rows, the shortest first. */
export class RowStacks {
  readonly types: readonly FixedType[];
  readonly #ctx: LoweringContext;
  readonly #whole: FixedType;

  /**
   * @param whole what becomes of all rows
   * @param rounds how many there are, where that is known
   */
  constructor(ctx: LoweringContext, whole: FixedType, name: string, rounds: number | undefined) {
    this.#ctx = ctx;
    this.#whole = whole;
    let levels = 1;
    while (levels < MOST_LEVELS && !(rounds !== undefined && rounds <= 1 << (BLOCKS_LOG2 * levels)))
      levels++;
    const [rows = 0, ...rest] = whole.shape;
    this.types = Array.from({ length: levels }, (_, level) => ({
      dtype: whole.dtype,
      shape: [levels === 1 ? rows : `${name}#rows${String(level)}`, ...rest],
    }));
  }

  /** No rows yet. */
  begin(): FixedValue[] {
    const { dtype } = this.#whole;
    const [, ...rest] = this.#whole.shape;
    const none = this.#ctx.builder.constant(dtype, [0, ...rest.map(() => 1)], []);
    const empty = this.#ctx.expanded(none, [0, ...rest]);
    return this.types.map(() => empty);
  }

  /** With one more row, [1, …], of which there are `count` then, an i64 scalar. */
  push(stacks: readonly FixedValue[], row: FixedValue, count: FixedValue): readonly FixedValue[] {
    const pushed = [this.#above(stacks, 0, row), ...stacks.slice(1)];
    return this.#settled(pushed, count, 0);
  }

  /** All rows, the first that came in front. */
  finish(stacks: readonly FixedValue[]): FixedValue {
    const { dtype, shape } = this.#whole;
    if (stacks.length === 1) return stacks[0]!;
    const parts = [...stacks].reverse();
    const imm = { count: parts.length, axis: 0 };
    return this.#ctx.builder.op("concat", imm, parts, dtype, shape);
  }

  #above(stacks: readonly FixedValue[], level: number, rows: FixedValue): FixedValue {
    const { dtype, shape } = this.types[level]!;
    const imm = { count: 2, axis: 0 };
    return this.#ctx.builder.op("concat", imm, [stacks[level]!, rows], dtype, shape);
  }

  /** A stack that is full moves to the next one, from `level` on. */
  #settled(stacks: readonly FixedValue[], count: FixedValue, level: number): readonly FixedValue[] {
    if (level === stacks.length - 1) return stacks;
    const { builder } = this.#ctx;
    const full = builder.scalar("i64", 1n << BigInt(BLOCKS_LOG2 * (level + 1)));
    const rest = builder.op("mod.floor", {}, [count, full], "i64", []);
    const isFull = builder.op("eq", {}, [rest, builder.scalar("i64", 0n)], "bool", []);
    const moved = builder.branch(isFull, this.types.slice(level), [
      (): readonly FixedValue[] => {
        const after = [...stacks];
        after[level] = this.#emptied(stacks[level]!);
        after[level + 1] = this.#above(stacks, level + 1, stacks[level]!);
        return this.#settled(after, count, level + 1).slice(level);
      },
      (): readonly FixedValue[] => stacks.slice(level),
    ]);
    return [...stacks.slice(0, level), ...moved];
  }

  #emptied(stack: FixedValue): FixedValue {
    const whole = stack.shape.map(() => 0x7fffffff);
    const imm = {
      starts: stack.shape.map(() => 0),
      ends: [0, ...whole.slice(1)],
      steps: stack.shape.map(() => 1),
    };
    const shape: Dim[] = [0, ...stack.shape.slice(1)];
    return this.#ctx.builder.op("slice", imm, [stack], stack.dtype, shape);
  }
}
