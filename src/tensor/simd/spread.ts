import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import { forEachBlock, forEachIndex, levelsOf } from "./blocks.js";
import type { Engine } from "./engine.js";
import type { Address } from "./kernels.js";
import type { Storage } from "./storage.js";
import { byteStrides, copyStrided } from "./strided.js";
import type { SimdTensor } from "./tensor.js";

/** Rows that a kernel walks: where each operand begins, and how it goes on. */
export interface Rows {
  readonly rows: number;
  readonly cols: number;
  readonly at: readonly Address[];
  /** Bytes from one row of an operand to the next. */
  readonly rowBytes: readonly number[];
  /** 1, or 0 where an operand has one value a row. */
  readonly steps: readonly (0 | 1)[];
  /** Elements of the result before it; its rows are dense. */
  readonly result: number;
}

export interface RowsOptions {
  /** The kernel takes one row at a time. */
  readonly single?: boolean;
  /** Operands that must have every element of a row. */
  readonly whole?: readonly number[];
}

/** Rows below it cost more to begin than to go along. */
const SHORT_ROW = 16;
/** So do calls of a kernel with fewer elements. */
const SMALL_CALL = 1024;
/** Elements below which spreading, which is two calls more, is not worth it. */
const LEAST_SPREAD = 256;
/** Elements spread out at once: they stay in the second-level cache. */
const CHUNK = 8192;

/**
 * Calls `visit` for rows that together are the result of operands that broadcast to `shape`. Where rows
 * are short or blocks small, operands are first spread out, chunk by chunk: [4,1,4,1,4,1,4,1] with
 * [1,4,1,4,1,4,1,4] is one chunk, not 4,096 calls.
 */
export function forEachRows(
  engine: Engine,
  shape: Shape,
  operands: readonly SimdTensor[],
  visit: (rows: Rows) => void,
  { single = false, whole = [] }: RowsOptions = {},
): void {
  const total = elementCount(shape);
  if (total === 0) return;
  const shapes = operands.map((x) => x.shape);
  const bytes = operands.map((x) => DTYPE_INFO[x.dtype].bytes);
  const starts = operands.map((x) => engine.addressOf(x));
  const { sizes, strides } = levelsOf(shape, shapes);
  const depth = sizes.length;
  const cols = sizes[depth - 1] ?? 1;
  const short =
    depth > 2
      ? cols < SHORT_ROW || cols * sizes[depth - 2]! < SMALL_CALL
      : depth === 2 && cols < SHORT_ROW && total >= LEAST_SPREAD;
  const lacking = whole.some((i) => strides[depth - 1]?.[i] === 0);
  if (!short && !lacking && !(single && depth > 1)) {
    forEachBlock(shape, shapes, ({ offsets, rowSteps, ...block }) =>
      visit({
        ...block,
        at: starts.map((start, i) => start + offsets[i]! * bytes[i]!),
        rowBytes: rowSteps.map((step, i) => step * bytes[i]!),
      }),
    );
    return;
  }

  // The innermost levels that fit a chunk, and as much as does of the one around them.
  let inner = depth;
  let size = 1;
  while (inner > 0 && size * sizes[inner - 1]! <= CHUNK) size *= sizes[--inner]!;
  const around = inner === 0 ? 1 : sizes[inner - 1]!;
  const most = inner === 0 ? 1 : Math.floor(CHUNK / size);
  const dims = sizes.slice(inner);
  const outer = Math.max(inner - 1, 0);
  const spreads = operands.map((_, i) => {
    const own = [
      inner === 0 ? 0 : strides[inner - 1]![i]!,
      ...strides.slice(inner).map((s) => s[i]!),
    ];
    return new Spread(engine, bytes[i]!, [most, ...dims], own, whole.includes(i));
  });
  let result = 0;
  const levels = { sizes: sizes.slice(0, outer), strides: strides.slice(0, outer) };
  forEachIndex(levels, operands.length, (offsets) => {
    for (let first = 0; first < around; first += most) {
      const count = Math.min(most, around - first);
      const at = spreads.map((spread, i) => {
        const step = inner === 0 ? 0 : strides[inner - 1]![i]!;
        return spread.of(starts[i]! + (offsets[i]! + first * step) * bytes[i]!, count);
      });
      visit({
        rows: 1,
        cols: count * size,
        at,
        rowBytes: operands.map(() => 0),
        steps: spreads.map(({ step }) => step),
        result,
      });
      result += count * size;
    }
  });
  for (const spread of spreads) spread.dispose();
}

/** One operand, as it is where its elements lie in order, else in a buffer. */
class Spread {
  readonly step: 0 | 1;
  private readonly engine: Engine;
  private readonly elementBytes: number;
  private readonly dims: readonly number[];
  private readonly strides: readonly number[];
  private readonly dense: readonly number[];
  private readonly buffer: Storage | undefined;
  /** What the buffer holds: from where, how many indices of the first axis. */
  private held: Address | undefined;
  private count = 0;

  constructor(
    engine: Engine,
    elementBytes: number,
    dims: readonly number[],
    strides: readonly number[],
    whole: boolean,
  ) {
    this.engine = engine;
    this.elementBytes = elementBytes;
    this.dims = dims;
    this.strides = strides.map((stride) => stride * elementBytes);
    this.dense = byteStrides(dims, elementBytes);
    const even = dims.every((dim, i) => dim === 1 || this.strides[i] === this.dense[i]);
    this.step = even || whole || this.strides.some((stride) => stride !== 0) ? 1 : 0;
    this.buffer =
      even || this.step === 0 ? undefined : engine.block(elementCount(dims) * elementBytes);
  }

  /** Where its elements from `address` are; the first axis has `count` of them. */
  of(address: Address, count: number): Address {
    if (this.buffer === undefined) return address;
    const { pointer } = this.buffer;
    if (this.held === address && this.count >= count) return pointer;
    const dims = [count, ...this.dims.slice(1)];
    const from = { address, strides: this.strides };
    copyStrided(this.engine, this.elementBytes, dims, from, {
      address: pointer,
      strides: this.dense,
    });
    this.held = address;
    this.count = count;
    return pointer;
  }

  dispose(): void {
    this.buffer?.release();
  }
}
