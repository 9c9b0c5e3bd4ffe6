import type { Shape } from "../../core/shape.js";
import { stridesOf } from "../../core/shape.js";

/**
 * Operands under a result of `rows` rows of `cols` dense elements: where each begins, the elements
 * from one of its rows to the next, and whether it has all elements of a row (1) or one (0).
 */
export interface Block {
  readonly rows: number;
  readonly cols: number;
  /** Elements before it, of each operand and of the result. */
  readonly offsets: readonly number[];
  readonly result: number;
  readonly rowSteps: readonly number[];
  readonly steps: readonly (0 | 1)[];
}

/** Axes of a result, without those of 1, and how far each operand goes from one index to the next. */
export interface Levels {
  readonly sizes: number[];
  /** By level, then by operand, in elements. */
  readonly strides: number[][];
}

/** The levels of operands that broadcast to `shape`: neighbours are one where all walk on evenly. */
export function levelsOf(shape: Shape, operands: readonly Shape[]): Levels {
  const layouts = operands.map((own) => {
    const strides = stridesOf(own);
    const lead = shape.length - own.length;
    return shape.map((_, axis) =>
      axis < lead || own[axis - lead] === 1 ? 0 : strides[axis - lead]!,
    );
  });
  const sizes: number[] = [];
  const strides: number[][] = [];
  shape.forEach((dim, axis) => {
    if (dim === 1) return;
    const own = layouts.map((layout) => layout[axis]!);
    const before = strides[strides.length - 1];
    if (before?.every((stride, i) => stride === own[i]! * dim)) {
      sizes[sizes.length - 1]! *= dim;
      strides[strides.length - 1] = own;
    } else {
      sizes.push(dim);
      strides.push(own);
    }
  });
  return { sizes, strides };
}

/** Calls `visit` with the elements before each operand, for every index of the levels, in order. */
export function forEachIndex(
  { sizes, strides }: Levels,
  operands: number,
  visit: (offsets: readonly number[]) => void,
): void {
  const index = sizes.map(() => 0);
  const offsets = new Array<number>(operands).fill(0);
  for (;;) {
    visit(offsets);
    let axis = sizes.length - 1;
    for (; axis >= 0; axis--) {
      const own = strides[axis]!;
      own.forEach((stride, i) => (offsets[i]! += stride));
      if (++index[axis]! < sizes[axis]!) break;
      own.forEach((stride, i) => (offsets[i]! -= stride * sizes[axis]!));
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** Calls `visit` for the blocks, as large as they can be, of operands that broadcast to `shape`. */
export function forEachBlock(
  shape: Shape,
  operands: readonly Shape[],
  visit: (block: Block) => void,
): void {
  if (shape.includes(0)) return;
  const levels = levelsOf(shape, operands);
  const none = operands.map(() => 0);
  const cols = levels.sizes.pop() ?? 1;
  const steps = (levels.strides.pop() ?? none) as (0 | 1)[];
  const rows = levels.sizes.pop() ?? 1;
  const rowSteps = levels.strides.pop() ?? none;
  let result = 0;
  forEachIndex(levels, operands.length, (offsets) => {
    visit({ rows, cols, offsets, result, rowSteps, steps });
    result += rows * cols;
  });
}
