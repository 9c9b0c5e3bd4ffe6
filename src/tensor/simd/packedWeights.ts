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

/** Plans of one tensor; more are of a program that makes biases up. */
const MAX_PLANS = 64;

/** Panels of all matrices, one after the other. */
export interface Panels {
  readonly pointer: Address;
  /** Bytes from one matrix to the next. */
  readonly matrixBytes: number;
}

/** Panels for `contract`, and what sums over them are known to fit. */
export class PackedWeights implements Derived, Panels {
  readonly layout: WeightLayout;
  readonly wide: boolean;
  readonly bytes: number;
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
        this.pointer + i * this.matrixBytes,
      );
    }
  }

  get pointer(): Address {
    return this.panels.pointer;
  }

  /**
   * How to sum products with an `a` of at most that magnitude, plus a bias: in i32 where that is
   * proved to hold every partial sum and the bias of every matrix, else in i64.
   */
  plan(aMagnitude: number, b: SimdTensor, bias: number): SumsPlan {
    if (this.wide) return WIDE;
    const { k } = this.layout;
    if (k * aMagnitude * magnitude(b.interval) + bias <= INT32_MAX) return PROVED;
    // Rounded up, so that bounds found by looking at activations do not each get a plan.
    let a = 1;
    while (a < aMagnitude) a *= 2;
    const key = `${a} ${bias}`;
    let plan = this.plans.get(key);
    if (plan === undefined) {
      if (this.plans.size >= MAX_PLANS) this.plans.clear();
      plan = this.measure(a, bias);
      this.plans.set(key, plan);
    }
    return plan;
  }

  dispose(): void {
    this.panels.release();
  }

  /** The panels for `SUMS.split`; they last until the cache is trimmed. */
  halves(b: SimdTensor): Panels {
    const { engine, pointer } = this;
    return engine.packed.get(engine.storageOf(b), `halves ${this.key}`, () => {
      const storage = new Storage(engine.heap, 2 * this.bytes);
      for (let at = 0; at < this.bytes; at += this.matrixBytes) {
        engine.wasm.splitPairs(pointer + at, this.matrixBytes, storage.pointer + 2 * at);
      }
      return {
        pointer: storage.pointer,
        matrixBytes: 2 * this.matrixBytes,
        bytes: storage.bytes,
        dispose: () => storage.release(),
      };
    });
  }

  private measure(a: number, bias: number): SumsPlan {
    const { k, n, matrices } = this.layout;
    // Panels of eight columns, whatever matrix they are of.
    const columns = ((n + 7) & ~7) * matrices;
    const run = (limit: number): number =>
      this.engine.wasm.planRun(this.pointer, k, columns, limit);
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
