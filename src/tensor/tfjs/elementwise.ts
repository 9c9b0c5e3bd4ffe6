import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Dtype } from "../../core/dtype.js";
import { newArray } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { BinaryOp, CompareOp, Kernels, UnaryOp } from "../backend.js";
import type { HostTensor } from "../reference/hostTensor.js";
import { hostTensor, numberRange } from "../reference/hostTensor.js";
import { broadcastTo } from "../reference/strided.js";
import type { WasmEngine } from "./wasmEngine.js";

type Elementwise = Pick<Kernels<HostTensor>, "binary" | "compare" | "select" | "unary" | "clamp">;

/** Up to 16 bits: exact in float32 before saturation, or so far outside that it saturates. */
const isNarrow = (dtype: Dtype): boolean => dtype === "u8" || dtype === "i8" || dtype === "i16";

const FLOAT_BINARY: Readonly<Partial<Record<BinaryOp, string>>> = {
  add: "Add",
  sub: "Sub",
  mul: "Multiply",
};
/** Those that cannot overflow. */
const INT_BINARY: Readonly<Partial<Record<BinaryOp, string>>> = { min: "Minimum", max: "Maximum" };
const COMPARE: Readonly<Record<CompareOp, string>> = {
  eq: "Equal",
  lt: "Less",
  le: "LessEqual",
};
const FLOAT_UNARY: Readonly<Partial<Record<UnaryOp, string>>> = { neg: "Neg", abs: "Abs" };

/**
 * The elements as float32, of a dtype of up to 16 bits. As a vector: XNNPACK refuses more than six
 * axes, and says so only on the console.
 */
function floats(engine: WasmEngine, x: HostTensor): TensorInfo {
  return engine.upload(new Float32Array(x.data as Int16Array), [x.data.length]);
}

/** The elements as a vector of int32, of a dtype of up to 32 bits. */
function intVector(engine: WasmEngine, x: HostTensor): TensorInfo {
  return engine.upload(new Int32Array(x.data as Int32Array), [x.data.length]);
}

/** The elements as int32, of a dtype of up to 32 bits. */
export function ints(engine: WasmEngine, x: HostTensor): TensorInfo {
  return engine.upload(new Int32Array(x.data as Int32Array), x.shape);
}

/** A host tensor of what tfjs computed, which are values of `dtype` of up to 32 bits. */
export function fetched(engine: WasmEngine, y: TensorInfo, dtype: Dtype, shape: Shape): HostTensor {
  const data = newArray(dtype, elementCount(shape));
  (data as Int32Array).set(engine.read(y));
  return hostTensor(dtype, shape, data);
}

/** Elementwise kernels of tfjs where they are exact; `inherited` does the rest. */
export function elementwiseKernels(engine: WasmEngine, inherited: Elementwise): Elementwise {
  const saturated = (y: TensorInfo, dtype: Dtype, shape: Shape): HostTensor => {
    const [clipValueMin, clipValueMax] = numberRange(dtype);
    const clipped = engine.run("ClipByValue", { x: y }, { clipValueMin, clipValueMax });
    return fetched(engine, clipped, dtype, shape);
  };

  return {
    binary(op, a, b, shape) {
      const float = FLOAT_BINARY[op];
      const int = INT_BINARY[op];
      const usable = (float && isNarrow(a.dtype)) ?? (int && a.dtype !== "i64");
      if (!usable || elementCount(shape) === 0) return inherited.binary(op, a, b, shape);
      const left = broadcastTo(a, shape);
      const right = broadcastTo(b, shape);
      return engine.scope(() =>
        float
          ? saturated(
              engine.run(float, { a: floats(engine, left), b: floats(engine, right) }),
              a.dtype,
              shape,
            )
          : fetched(
              engine,
              engine.run(int!, { a: intVector(engine, left), b: intVector(engine, right) }),
              a.dtype,
              shape,
            ),
      );
    },

    compare(op, a, b, shape) {
      if (a.dtype === "i64" || elementCount(shape) === 0) {
        return inherited.compare(op, a, b, shape);
      }
      return engine.scope(() => {
        const left = intVector(engine, broadcastTo(a, shape));
        const right = intVector(engine, broadcastTo(b, shape));
        return fetched(engine, engine.run(COMPARE[op], { a: left, b: right }), "bool", shape);
      });
    },

    select(condition, a, b, shape) {
      if (a.dtype === "i64" || elementCount(shape) === 0) {
        return inherited.select(condition, a, b, shape);
      }
      return engine.scope(() => {
        // As vectors, too, because tfjs reads a condition of rank 1 as one of rows.
        const vector = (x: HostTensor): TensorInfo => intVector(engine, broadcastTo(x, shape));
        const which = broadcastTo(condition, shape).data as Uint8Array;
        const flat = engine.upload(which, [which.length]);
        const inputs = { condition: flat, t: vector(a), e: vector(b) };
        return fetched(engine, engine.run("Select", inputs), a.dtype, shape);
      });
    },

    unary(op, x) {
      const kernel = FLOAT_UNARY[op];
      if (!kernel || !isNarrow(x.dtype) || x.data.length === 0) return inherited.unary(op, x);
      return engine.scope(() =>
        saturated(engine.run(kernel, { x: floats(engine, x) }), x.dtype, x.shape),
      );
    },

    clamp(x, lo, hi) {
      // XNNPACK refuses an interval of one value, and says so only on the console.
      if (!isNarrow(x.dtype) || x.data.length === 0 || lo === hi) {
        return inherited.clamp(x, lo, hi);
      }
      return engine.scope(() => {
        const limits = { clipValueMin: Number(lo), clipValueMax: Number(hi) };
        const y = engine.run("ClipByValue", { x: floats(engine, x) }, limits);
        return fetched(engine, y, x.dtype, x.shape);
      });
    },
  };
}
