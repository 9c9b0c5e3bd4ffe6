import type { Dtype, IntegerArray } from "../core/dtype.js";
import { InputError } from "../core/errors.js";
import type { Shape } from "../core/shape.js";
import type { Port, RealScale } from "../module/module.js";
import type { FloatType } from "./dyadic.js";
import { dequantize } from "./quantize.js";
import type { RawTensor } from "./rawTensor.js";
import { integersOf } from "./rawTensor.js";

/** An output of a run: exact integers, and what reals they stand for. */
export class OutputTensor implements RawTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  /** Row-major, little-endian. */
  readonly bytes: Uint8Array;
  /** Absent where the values are integers: labels, indices, booleans. */
  readonly scale: RealScale | undefined;

  constructor(port: Port, tensor: RawTensor) {
    this.name = port.name;
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.bytes = tensor.bytes;
    this.scale = port.scale;
  }

  /** The elements as integers of the output's dtype, row-major. */
  get integers(): IntegerArray {
    return integersOf(this);
  }

  /**
   * The elements as reals, each rounded once to the float type.
   * @throws InputError `Value` when the output has no scale
   */
  reals(type: "float64"): Float64Array;
  reals(type?: "float32"): Float32Array;
  reals(type: FloatType = "float32"): Float32Array | Float64Array {
    if (this.scale !== undefined) return dequantize(this.integers, this.scale, type);
    throw new InputError(
      "Value",
      `output "${this.name}" is integers (${this.dtype}) and has no scale; read .integers`,
      { name: this.name },
    );
  }
}
