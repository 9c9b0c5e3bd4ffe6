import type { Dtype } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { ArgOp, Kernels, PoolAttributes, ReduceOp } from "../backend.js";
import type { HostTensor } from "../reference/hostTensor.js";
import { doublesOf, fromDoubles, numberRange, saturateDoubles } from "../reference/hostTensor.js";
import { windowOf } from "../reference/window.js";

import { padsAfterOf, padsToExcess, paddedImages, windowSums } from "./contraction.js";
import { fetched, ints } from "./elementwise.js";
import type { WeightCache } from "./weightCache.js";
import type { WasmEngine } from "./wasmEngine.js";

type Reductions = Pick<Kernels<HostTensor>, "reduce" | "arg" | "pool">;

const EXTREME: Readonly<Partial<Record<ReduceOp, string>>> = {
  "reduce.max": "Max",
  "reduce.min": "Min",
};
const ARG: Readonly<Record<ArgOp, string>> = { argmax: "ArgMax", argmin: "ArgMin" };

const HALF_WORD = 65_536;
/** So many halves of words add up within int32. */
const MAX_TERMS = 32_767;

/** Reductions of tfjs where they are exact; `inherited` does the rest. */
export function reductionKernels(
  engine: WasmEngine,
  cache: WeightCache,
  inherited: Reductions,
): Reductions {
  /** Sums of the low and of the high halves of the values, in int32. */
  const sum = (x: HostTensor, axes: readonly number[], dtype: Dtype, shape: Shape): HostTensor => {
    const values = doublesOf(x);
    const high = Int32Array.from(values, (v) => Math.floor(v / HALF_WORD));
    const low = Int32Array.from(values, (v, i) => v - high[i]! * HALF_WORD);
    const total = new Float64Array(elementCount(shape));
    for (const [half, weight] of [
      [low, 1],
      [high, HALF_WORD],
    ] as const) {
      engine.scope(() => {
        const input = engine.upload(half, x.shape);
        const y = engine.run("Sum", { x: input }, { axis: [...axes], keepDims: true });
        engine.read(y).forEach((v, i) => (total[i]! += v * weight));
      });
    }
    return dtype === "i64"
      ? fromDoubles("i64", shape, total)
      : saturateDoubles("i32", shape, total);
  };

  /** Maxima of up to 16 bits in float32, over images padded with the least value. */
  const poolMax = (
    x: HostTensor,
    attributes: PoolAttributes,
    dtype: Dtype,
    shape: Shape,
  ): HostTensor | undefined => {
    const window = windowOf(attributes, attributes.kernel, x.shape, shape);
    const padsAfter = padsAfterOf(attributes);
    if (padsToExcess(window, padsAfter)) return undefined;
    const channels = x.shape[x.shape.length - 1]!;
    const least = numberRange(x.dtype)[0];
    const padded = paddedImages(doublesOf(x), channels, window, padsAfter, 0, least);
    return engine.scope(() => {
      const input = engine.upload(new Float32Array(padded.images), padded.shape);
      const y = engine.run(
        "MaxPool",
        { x: input },
        { filterSize: window.kernel.slice(1), strides: window.strides.slice(1), pad: "valid" },
      );
      return fetched(engine, y, dtype, shape);
    });
  };

  return {
    reduce(op, x, axes, dtype, shape) {
      const extreme = EXTREME[op];
      const terms = x.data.length / elementCount(shape);
      if (x.dtype === "i64" || axes.length === 0 || x.data.length === 0) {
        return inherited.reduce(op, x, axes, dtype, shape);
      }
      if (op === "reduce.sum" && terms <= MAX_TERMS) return sum(x, axes, dtype, shape);
      if (!extreme) return inherited.reduce(op, x, axes, dtype, shape);
      return engine.scope(() => {
        const attrs = { axis: [...axes], reductionIndices: [...axes], keepDims: true };
        return fetched(engine, engine.run(extreme, { x: ints(engine, x) }, attrs), dtype, shape);
      });
    },

    arg(op, x, axis, shape) {
      if (x.dtype === "i64" || x.data.length === 0) return inherited.arg(op, x, axis, shape);
      return engine.scope(() => {
        const y = engine.run(ARG[op], { x: ints(engine, x) }, { axis });
        return fetched(engine, y, "i32", shape);
      });
    },

    pool(op, x, attributes, dtype, shape) {
      const fallback = (): HostTensor => inherited.pool(op, x, attributes, dtype, shape);
      if (x.dtype === "i64" || elementCount(shape) === 0) return fallback();
      if (op === "pool.sum") {
        return windowSums(engine, cache, x, attributes, dtype, shape) ?? fallback();
      }
      // tfjs pools images of floats with dense windows of more than one element.
      const suits =
        x.dtype !== "i32" &&
        x.shape.length <= 4 &&
        elementCount(attributes.kernel) > 1 &&
        attributes.dilations.every((d) => d === 1);
      return (suits ? poolMax(x, attributes, dtype, shape) : undefined) ?? fallback();
    },
  };
}
