import { DTYPE_INFO } from "../../core/dtype.js";
import { SUMS } from "./descriptors.js";
import type { Engine } from "./engine.js";
import type { Interval } from "./interval.js";
import { magnitude } from "./interval.js";
import type { Address } from "./kernels.js";
import type { Derived, Storage } from "./storage.js";
import type { SimdTensor } from "./tensor.js";

const INT32_MAX = 0x7fffffff;
const INT32_MIN = -0x80000000;

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
  /** Pairs of k that are summed in i32, for `SUMS.runs`: i32 for each panel of the first matrix, then of the next. */
  readonly runs: Address;
}

const PROVED: SumsPlan = { sums: SUMS.i32, runs: 0 };
const WIDE: SumsPlan = { sums: SUMS.wide, runs: 0 };
const SPLIT: SumsPlan = { sums: SUMS.split, runs: 0 };
/** Pairs of a run below which two products with halves of B are faster. */
const SHORT_RUN = 3;

/** Plans of one tensor; more are of a program that makes biases up. */
const MAX_PLANS = 64;

/** Panels of all matrices, one after the other. */
export interface Panels {
  readonly pointer: Address;
  /** Bytes from one matrix to the next. */
  readonly matrixBytes: number;
}

interface ColumnSums extends Derived {
  readonly pointer: Address;
  readonly bytes: number;
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
  private readonly lengths: Storage[] = [];
  private readonly plans = new Map<string, SumsPlan>();
  /** By the greatest magnitude of the values, negative for values of one sign. */
  private readonly runPlans = new Map<number, SumsPlan>();

  constructor(engine: Engine, b: SimdTensor, wide: boolean, layout: WeightLayout, key: string) {
    const { k, n, matrices, stepBytes, rowBytes } = layout;
    this.engine = engine;
    this.key = key;
    this.layout = layout;
    this.wide = wide;
    this.matrixBytes = ((n + 7) >> 3) * 32 * (wide ? k : (k + 1) >> 1);
    this.bytes = this.matrixBytes * matrices;
    this.panels = engine.block(this.bytes);
    const { code, bytes } = DTYPE_INFO[b.dtype];
    const storage = engine.storageOf(b);
    const source = storage.briefly;
    const form = wide ? 1 : 0;
    engine.wasm.pack(form, code, source, rowBytes, bytes, k, n, this.pointer, matrices, stepBytes);
    // Weights are held once: mostly nobody reads them but here.
    storage.unload();
  }

  get pointer(): Address {
    return this.panels.pointer;
  }

  /**
   * How to sum products with values of `a`, plus a bias: in i32 where that is proved to hold every
   * partial sum and the bias of every matrix, else in i64.
   */
  plan(a: Interval, b: SimdTensor, bias: SimdTensor | undefined): SumsPlan {
    if (this.wide) return WIDE;
    const { k } = this.layout;
    const most = magnitude(a) * k * magnitude(b.interval);
    if (most + (bias === undefined ? 0 : magnitude(bias.interval)) <= INT32_MAX) return PROVED;
    const { recorder } = this.engine;
    if (recorder !== undefined && [b, bias].some((x) => x !== undefined && recorder.isOwn(x))) {
      const columns = this.columnSums(b);
      const short = this.engine.choose([b, bias], () => this.isShort(a, columns, bias));
      if (short) return PROVED;
      const runs = (): SumsPlan => this.runs(a, b);
      return recorder.isOwn(b) ? runs() : recorder.aside(runs);
    }
    return this.engine.choose([], () => this.remembered(a, b, bias));
  }

  private remembered(a: Interval, b: SimdTensor, bias: SimdTensor | undefined): SumsPlan {
    const key = `${a.lo} ${a.hi} ${bias === undefined ? "" : this.engine.storageOf(bias).id}`;
    let plan = this.plans.get(key);
    if (plan === undefined) {
      if (this.plans.size >= MAX_PLANS) this.plans.clear();
      plan = this.isShort(a, this.columnSums(b), bias) ? PROVED : this.runs(a, b);
      this.plans.set(key, plan);
    }
    return plan;
  }

  dispose(): void {
    for (const storage of this.lengths) storage.release();
    this.panels.release();
  }

  /** The panels for `SUMS.split`; they last until the cache is trimmed. */
  halves(b: SimdTensor): Panels {
    const { engine, pointer, matrixBytes } = this;
    return engine.packed.get(engine.storageOf(b), `halves ${this.key}`, () => {
      const storage = engine.block(2 * this.bytes);
      engine.wasm.splitPairs(pointer, matrixBytes, storage.pointer, this.layout.matrices);
      return {
        pointer: storage.pointer,
        matrixBytes: 2 * matrixBytes,
        bytes: storage.bytes,
        dispose: () => storage.release(),
      };
    });
  }

  /**
   * Whether i32 holds the sum of any of the products, with the bias or without. In a column whose
   * positive weights sum to P and negative ones to −N, it is at most hi·P − lo·N, where `hi` meets all
   * of the former and `lo` all of the latter, and at least lo·P − hi·N, once lo ≤ 0 ≤ hi.
   */
  private isShort(a: Interval, columns: ColumnSums, bias: SimdTensor | undefined): boolean {
    const { engine } = this;
    const { n, matrices } = this.layout;
    const [lo, hi] = [Math.min(a.lo, 0), Math.max(a.hi, 0)];
    const sums = new Float64Array(engine.heap.u8.buffer, columns.pointer, columns.bytes / 8);
    const biases = bias === undefined ? [0] : engine.hostView(bias).data;
    for (let matrix = 0; matrix < matrices; matrix++) {
      const first = matrix * ((n + 7) >> 3) * 16;
      for (let column = 0; column < n; column++) {
        const at = first + (column >> 3) * 16 + (column & 7);
        const [positive, negative] = [sums[at]!, sums[at + 8]!];
        const extra = Number(biases[(matrix * n + column) % biases.length]);
        if (hi * positive - lo * negative + Math.max(extra, 0) > INT32_MAX) return false;
        if (lo * positive - hi * negative + Math.min(extra, 0) < INT32_MIN) return false;
      }
    }
    return true;
  }

  /** Sums of each column's positive and negative weights, as `columnSums` has them. */
  private columnSums(b: SimdTensor): ColumnSums {
    const { engine } = this;
    return engine.packed.get(engine.storageOf(b), `columns ${this.key}`, () => {
      const storage = engine.block(this.columns * 16);
      engine.wasm.columnSums(this.pointer, this.layout.k, this.columns, storage.pointer);
      const { pointer, bytes } = storage;
      return { pointer, bytes, dispose: () => storage.release() };
    });
  }

  private runs(values: Interval, b: SimdTensor): SumsPlan {
    // Rounded up, so that bounds found by looking at activations do not each get a plan.
    let a = 1;
    while (a < magnitude(values)) a *= 2;
    const oneSided = values.lo >= 0 || values.hi <= 0;
    const key = oneSided ? -a : a;
    let plan = this.runPlans.get(key);
    if (plan === undefined) {
      const limit = Math.floor(INT32_MAX / a);
      const { engine, columns, layout } = this;
      const storage = engine.block(columns >> 1);
      const { pointer } = storage;
      const side = oneSided ? 1 : 0;
      const short = engine.choose(
        [b],
        () =>
          engine.wasm.planRuns(this.pointer, layout.k, columns, limit, pointer, side) < SHORT_RUN,
      );
      if (short) {
        storage.release();
        plan = SPLIT;
      } else {
        this.lengths.push(storage);
        plan = { sums: SUMS.runs, runs: pointer };
      }
      this.runPlans.set(key, plan);
    }
    return plan;
  }

  /** Columns of all panels, whatever matrix they are of. */
  private get columns(): number {
    const { n, matrices } = this.layout;
    return ((n + 7) & ~7) * matrices;
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
