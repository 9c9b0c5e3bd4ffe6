import { DTYPES, DTYPE_INFO } from "../../../core/dtype.js";
import { roundUp } from "../allocator.js";
import { CONTRACTION_FIELD, EPILOGUE_FIELD, PRODUCT_FIELD, WINDOW_FIELD } from "../descriptors.js";
import type { Address, Kernels } from "../kernels.js";
import type { KernelCall } from "./parts.js";
import type { ThreadPool } from "./threadPool.js";
import { partSize } from "./threadPool.js";

/**
 * Least time of a part. Handing one over takes one to two microseconds while workers look out for
 * it, and some tens where they must be woken.
 */
const PART_NS = 8000;
/** Parts for each thread, so that one that starts late, or is slower, holds up nobody for long. */
const PARTS_PER_THREAD = 4;
/** Rough costs on one core; only how work is cut depends on them. */
const MACS_PER_NS = 30;
const DEPTHWISE_MACS_PER_NS = 12;
const ELEMENT_NS = 0.4;
const PRODUCT_NS = 1.5;
const ELEMENTS_PER_CACHE_LINE = 64;
const TILE_ROWS = 4;
const PANEL_COLS = 8;
/** Rows of a depthwise part: each loads some that the one before has loaded. */
const DEPTHWISE_ROWS = 4;

const bytesOf = (code: number): number => DTYPE_INFO[DTYPES[code]!].bytes;

/** Scratch of one thread: `Engine.threadScratch` has as many of them as there are threads. */
const shareOf = roundUp;

export interface SplitOptions {
  /** Nanoseconds, by a rough estimate, that work must last to be a part; 0 splits whatever can be. */
  readonly partNs?: number;
}

/** How a call is cut. */
interface Cut {
  readonly units: number;
  /** Time of the whole call. */
  readonly ns: number;
  /** Parts are cut at multiples of it: `least` or the result is wrong, `align` or time is lost. */
  readonly least?: number;
  readonly align?: number;
  readonly countArgument: number;
  /** What arguments grow by with each unit. */
  readonly steps: Readonly<Record<number, number>>;
  readonly scratchArgument?: number;
  readonly scratchBytes?: number;
}

/**
 * The kernels, with calls that are worth it cut into parts for the threads of a pool. Every kernel
 * gives whole elements of its result, which follow from its operands alone, so where it is cut
 * changes no bit.
 * @param memory that of the kernels
 * @param own those of this thread
 * @param names of kernels, by the index that the pool has for them
 */
export function splitKernels(
  memory: WebAssembly.Memory,
  own: Kernels,
  names: readonly string[],
  pool: ThreadPool,
  { partNs = PART_NS }: SplitOptions = {},
): Kernels {
  const index = new Map(names.map((name, i) => [name, i]));
  let words = new Int32Array(memory.buffer);
  const field = (at: Address): number => {
    if (at >= words.byteLength) words = new Int32Array(memory.buffer);
    return words[at >> 2]!;
  };

  const run = (name: keyof Kernels, args: (number | bigint)[], cut: Cut): void => {
    const { units, ns, least = 1, align = least, ...rest } = cut;
    const most = pool.threads * PARTS_PER_THREAD;
    const parts = partNs === 0 ? most : Math.min(Math.floor(ns / partNs), most);
    const unitsPerPart = partSize(units, parts, partNs === 0 ? least : align);
    if (units <= unitsPerPart) {
      (own[name] as KernelCall)(...args);
    } else pool.run({ kernel: index.get(name)!, args, units, unitsPerPart, ...rest });
  };

  /** `n` elements from some arrays into others; `steps` has the bytes of an element of each. */
  const along = (
    name: keyof Kernels,
    args: (number | bigint)[],
    countArgument: number,
    steps: Readonly<Record<number, number>>,
  ): void => {
    const units = args[countArgument] as number;
    const ns = units * ELEMENT_NS;
    run(name, args, { units, ns, align: ELEMENTS_PER_CACHE_LINE, countArgument, steps });
  };

  /** Rows of two operands; where there is one row, its elements. */
  const pairs = (
    name: "binary" | "compare" | "mulWide",
    args: number[],
    operands: readonly { readonly at: number; readonly bytes: number }[],
    dst: number,
    dstBytes: number,
  ): void => {
    const [rows, cols] = [args[dst + 1]!, args[dst + 2]!];
    const ns = rows * cols * ELEMENT_NS;
    const byRow = rows > 1;
    const steps: Record<number, number> = { [dst]: (byRow ? cols : 1) * dstBytes };
    for (const { at, bytes } of operands) {
      steps[at] = byRow ? args[at + 1]! : args[at + 2]! * bytes;
    }
    run(name, args, {
      units: byRow ? rows : cols,
      ns,
      align: byRow ? 1 : ELEMENTS_PER_CACHE_LINE,
      countArgument: byRow ? dst + 1 : dst + 2,
      steps,
    });
  };

  /** The outermost of three dimensions. */
  const outermost = (
    name: "reduce" | "arg" | "argsort" | "cumsum",
    args: number[],
    outer: number,
    dst: number,
    bytes: { readonly src: number; readonly dst: number },
    scratch?: { readonly scratchArgument: number; readonly scratchBytes: number },
  ): void => {
    const [units, n, inner] = [args[outer]!, args[outer + 1]!, args[outer + 2]!];
    const results = name === "reduce" || name === "arg" ? inner : n * inner;
    run(name, args, {
      units,
      ns: units * n * inner * (name === "argsort" ? 40 : 1) * ELEMENT_NS,
      countArgument: outer,
      steps: { [outer - 1]: n * inner * bytes.src, [dst]: results * bytes.dst },
      ...scratch,
    });
  };

  return {
    ...own,
    contract(at, firstRow, rows, firstCol, cols, scratch) {
      const k = field(at + CONTRACTION_FIELD.k);
      const ns = (rows * cols * k) / MACS_PER_NS;
      const args = [at, firstRow, rows, firstCol, cols, scratch];
      // Rows share weights, columns share the gathering of rows: few rows leave only columns.
      const byRow = rows >= 2 * TILE_ROWS * pool.threads || cols <= PANEL_COLS;
      run("contract", args, {
        units: byRow ? rows : cols,
        ns,
        least: byRow ? 1 : PANEL_COLS,
        align: byRow ? TILE_ROWS : PANEL_COLS,
        countArgument: byRow ? 2 : 4,
        steps: { [byRow ? 1 : 3]: 1 },
        scratchArgument: 5,
        scratchBytes: shareOf(own.contractScratchBytes(k, field(at + CONTRACTION_FIELD.n))),
      });
    },
    depthwise(at, firstRow, rows, scratch) {
      const window = field(at + CONTRACTION_FIELD.window);
      const macs = field(at + CONTRACTION_FIELD.k) * field(at + CONTRACTION_FIELD.n);
      const ns = (rows * field(window + WINDOW_FIELD.outWidth) * macs) / DEPTHWISE_MACS_PER_NS;
      run("depthwise", [at, firstRow, rows, scratch], {
        units: rows,
        ns,
        align: DEPTHWISE_ROWS,
        countArgument: 2,
        steps: { 1: 1 },
        scratchArgument: 3,
        scratchBytes: shareOf(own.depthwiseScratchBytes(window)),
      });
    },
    rescale(epilogue, type, src, rows, cols, dst) {
      const args = [epilogue, type, src, rows, cols, dst];
      const [from, to] = [bytesOf(type), bytesOf(field(epilogue + EPILOGUE_FIELD.type))];
      if (rows > 1) {
        run("rescale", args, {
          units: rows,
          ns: rows * cols * ELEMENT_NS,
          countArgument: 3,
          steps: { 2: cols * from, 5: cols * to },
        });
      } else if (
        field(epilogue + EPILOGUE_FIELD.channelMask) === 0 &&
        field(epilogue + EPILOGUE_FIELD.bias) === 0
      ) {
        along("rescale", args, 4, { 2: from, 5: to });
      } else own.rescale(epilogue, type, src, rows, cols, dst);
    },
    multiply(at, firstRow, rows, firstCol, cols, scratch) {
      const byRow = rows > 1;
      const unit = Math.max(field(at + PRODUCT_FIELD.unit), 1);
      run("multiply", [at, firstRow, rows, firstCol, cols, scratch], {
        units: byRow ? rows : cols,
        ns: rows * cols * PRODUCT_NS,
        least: byRow ? 1 : unit,
        align: byRow ? 1 : Math.ceil(ELEMENTS_PER_CACHE_LINE / unit) * unit,
        countArgument: byRow ? 2 : 4,
        steps: { [byRow ? 1 : 3]: 1 },
        scratchArgument: 5,
        scratchBytes: shareOf(field(at + PRODUCT_FIELD.chunk) * 12),
      });
    },
    rescaleAdd(at, firstRow, rows, firstCol, cols) {
      const byRow = rows > 1;
      run("rescaleAdd", [at, firstRow, rows, firstCol, cols], {
        units: byRow ? rows : cols,
        ns: rows * cols * ELEMENT_NS,
        align: byRow ? 1 : ELEMENTS_PER_CACHE_LINE,
        countArgument: byRow ? 2 : 4,
        steps: { [byRow ? 1 : 3]: 1 },
      });
    },
    lutDirect(type, src, n, table, entryBytes, dst) {
      const args = [type, src, n, table, entryBytes, dst];
      along("lutDirect", args, 2, { 1: bytesOf(type), 5: entryBytes });
    },
    lutInterpolate(src, n, table, segmentsLog2, guardBits, short, type, dst) {
      const args = [src, n, table, segmentsLog2, guardBits, short, type, dst];
      along("lutInterpolate", args, 1, { 0: 2, 7: bytesOf(type) });
    },
    binary(...args) {
      const bytes = bytesOf(args[1]);
      pairs(
        "binary",
        args,
        [
          { at: 2, bytes },
          { at: 5, bytes },
        ],
        8,
        bytes,
      );
    },
    compare(...args) {
      const bytes = bytesOf(args[1]);
      pairs(
        "compare",
        args,
        [
          { at: 2, bytes },
          { at: 5, bytes },
        ],
        8,
        1,
      );
    },
    mulWide(...args) {
      pairs(
        "mulWide",
        args,
        [
          { at: 2, bytes: bytesOf(args[1]) },
          { at: 6, bytes: bytesOf(args[5]) },
        ],
        9,
        bytesOf(args[0]),
      );
    },
    unary(...args) {
      const bytes = bytesOf(args[1]);
      along("unary", args, 3, { 2: bytes, 4: bytes });
    },
    clamp(...args) {
      const bytes = bytesOf(args[0]);
      along("clamp", args, 2, { 1: bytes, 5: bytes });
    },
    cast(...args) {
      along("cast", args, 3, { 2: bytesOf(args[0]), 4: bytesOf(args[1]) });
    },
    select(...args) {
      const [bytes, , , aStep, , bStep] = args;
      along("select", args, 6, { 1: 1, 2: aStep * bytes, 4: bStep * bytes, 7: bytes });
    },
    fill(...args) {
      along("fill", args, 2, { 1: args[0] });
    },
    reduce(...args) {
      const [op, type, to] = args;
      const dst = bytesOf(op <= 1 ? to : type);
      outermost("reduce", args, 4, 7, { src: bytesOf(type), dst });
    },
    arg(...args) {
      outermost("arg", args, 3, 6, { src: bytesOf(args[1]), dst: 4 });
    },
    argsort(...args) {
      outermost(
        "argsort",
        args,
        2,
        6,
        { src: bytesOf(args[0]), dst: 4 },
        {
          scratchArgument: 5,
          scratchBytes: shareOf(args[3] * 16),
        },
      );
    },
    cumsum(...args) {
      outermost(
        "cumsum",
        args,
        3,
        7,
        { src: bytesOf(args[0]), dst: bytesOf(args[1]) },
        {
          scratchArgument: 6,
          scratchBytes: shareOf(args[5] * 8),
        },
      );
    },
    pool(...args) {
      const at = (name: keyof typeof WINDOW_FIELD): number => field(args[3] + WINDOW_FIELD[name]);
      const taps = at("kernelHeight") * at("kernelWidth") * at("channels");
      run("pool", args, {
        units: args[7],
        ns: args[7] * at("outWidth") * taps * ELEMENT_NS,
        countArgument: 7,
        steps: { 6: 1 },
      });
    },
    copy(...args) {
      const [, rank, dims] = args;
      let elements = args[6];
      for (let level = 1; level < rank; level++) elements *= field(dims + 12 * level);
      const ns = elements * ELEMENT_NS;
      run("copy", args, { units: args[6], ns, countArgument: 6, steps: { 5: 1 } });
    },
    gather(...args) {
      const [, outer, axis, sliceBytes, , wide, n] = args;
      const ns = outer * n * (2 + sliceBytes / 16);
      if (outer > 1) {
        const steps = { 0: axis * sliceBytes, 7: n * sliceBytes };
        run("gather", args, { units: outer, ns, countArgument: 1, steps });
      } else {
        const steps = { 4: wide ? 8 : 4, 7: sliceBytes };
        run("gather", args, { units: n, ns, countArgument: 6, steps });
      }
    },
  };
}
