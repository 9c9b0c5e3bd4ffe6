import { DTYPE_INFO } from "../../core/dtype.js";
import { SUMS } from "./descriptors.js";
import type { Engine } from "./engine.js";
import { magnitude } from "./interval.js";
import type { Address } from "./kernels.js";
import type { Derived } from "./storage.js";
import { Storage } from "./storage.js";
import type { SimdTensor } from "./tensor.js";

const INT32_MAX = 0x7fffffff;

/** Right operands of a contraction that lie `stepBytes` apart: batches of a product, groups of a convolution. */
export interface WeightLayout {
  readonly matrices: number;
  readonly stepBytes: number;
  readonly k: number;
  readonly n: number;
  /** Bytes from one row of k to the next; columns are next to each other. */
  readonly rowBytes: number;
}

export interface SumsPlan {
  readonly sums: (typeof SUMS)[keyof typeof SUMS];
  /** Pairs of k that are summed in i32, for `SUMS.runs`. */
  readonly run: number;
}

const PROVED: SumsPlan = { sums: SUMS.i32, run: 0 };
const WIDE: SumsPlan = { sums: SUMS.wide, run: 0 };
const SPLIT: SumsPlan = { sums: SUMS.split, run: 0 };
/** Pairs of a run below which two products with halves of B are faster. */
const SHORT_RUN = 6;

/** Panels for `contract`, and what sums over them are known to fit. */
export class PackedWeights implements Derived {
  readonly layout: WeightLayout;
  readonly wide: boolean;
  readonly bytes: number;
  /** Bytes of the panels of one matrix. */
  readonly matrixBytes: number;
  private readonly engine: Engine;
  private readonly key: string;
  private readonly panels: Storage;
  private readonly plans = new Map<string, SumsPlan>();

  constructor(engine: Engine, b: SimdTensor, wide: boolean, layout: WeightLayout, key: string) {
    const { k, n, matrices, stepBytes, rowBytes } = layout;
    this.engine = engine;
    this.key = key;
    this.layout = layout;
    this.wide = wide;
    this.matrixBytes = ((n + 7) >> 3) * 32 * (wide ? k : (k + 1) >> 1);
    this.bytes = this.matrixBytes * matrices;
    this.panels = new Storage(engine.heap, this.bytes);
    const { code, bytes } = DTYPE_INFO[b.dtype];
    const source = engine.addressOf(b);
    for (let i = 0; i < matrices; i++) {
      engine.wasm.pack(
        wide ? 1 : 0,
        code,
        source + i * stepBytes,
        rowBytes,
        bytes,
        k,
        n,
        this.address(i),
      );
    }
  }

  address(matrix: number): Address {
    return this.panels.pointer + matrix * this.matrixBytes;
  }

  /**
   * How to sum products with an `a` of at most that magnitude, plus a bias: in i32 where that is
   * proved to hold every partial sum and the bias, else in i64.
   */
  plan(matrix: number, aMagnitude: number, b: SimdTensor, bias: number): SumsPlan {
    if (this.wide) return WIDE;
    const { k } = this.layout;
    if (k * aMagnitude * magnitude(b.interval) + bias <= INT32_MAX) return PROVED;
    // Rounded up, so that bounds found by looking at activations do not each get a plan.
    let a = 1;
    while (a < aMagnitude) a *= 2;
    const key = `${matrix} ${a} ${bias}`;
    let plan = this.plans.get(key);
    if (plan === undefined) {
      plan = this.measure(matrix, a, bias);
      this.plans.set(key, plan);
    }
    return plan;
  }

  dispose(): void {
    this.panels.release();
  }

  /** The panels of one matrix for `SUMS.split`; lasts until the cache is trimmed. */
  halves(matrix: number, b: SimdTensor): Address {
    const { engine, matrixBytes } = this;
    const halves = engine.packed.get(engine.storageOf(b), `halves ${this.key} ${matrix}`, () => {
      const storage = new Storage(engine.heap, 2 * matrixBytes);
      engine.wasm.splitPairs(this.address(matrix), matrixBytes, storage.pointer);
      return { pointer: storage.pointer, bytes: 2 * matrixBytes, dispose: () => storage.release() };
    });
    return halves.pointer;
  }

  private measure(matrix: number, a: number, bias: number): SumsPlan {
    const { k, n } = this.layout;
    const run = (limit: number): number =>
      this.engine.wasm.planRun(this.address(matrix), k, n, limit);
    const pairs = (k + 1) >> 1;
    if (bias <= INT32_MAX && run(Math.floor((INT32_MAX - bias) / a)) >= pairs) return PROVED;
    const longest = run(Math.floor(INT32_MAX / a));
    return longest < SHORT_RUN ? SPLIT : { sums: SUMS.runs, run: longest };
  }
}

/** The panels of `b` in that layout, packed now or before. */
export function packWeights(
  engine: Engine,
  b: SimdTensor,
  wide: boolean,
  layout: WeightLayout,
): PackedWeights {
  const { matrices, stepBytes, k, n, rowBytes } = layout;
  const key = `panels ${b.dtype} ${wide} ${matrices} ${stepBytes} ${k} ${n} ${rowBytes}`;
  return engine.packed.get(
    engine.storageOf(b),
    key,
    () => new PackedWeights(engine, b, wide, layout, key),
  );
}
