/** Arrays of the host as tensors of the compiler, and back. */
import type { ConstantTensor, ElementType, TensorData } from "../compiler/graph.js";
import { isFloat } from "../compiler/graph.js";
import type { HostArray } from "../core/hostArray.js";

/** @param elementType what the graph says; bfloat16 comes in other arrays */
export function tensorOf(
  { elementType, dims, data }: HostArray,
  declared: ElementType | undefined = elementType,
): ConstantTensor {
  return isFloat(elementType)
    ? { elementType: declared, dims, data: Float64Array.from(data as Float32Array) }
    : { elementType, dims, data: data as TensorData };
}

export function hostArrayOf({ elementType, dims, data }: ConstantTensor): HostArray | undefined {
  if (elementType === "string") return undefined;
  if (elementType === "float64") return { elementType, dims, data: data as Float64Array };
  if (elementType === "bfloat16" || elementType === "float32" || elementType === "float16") {
    const type = elementType === "bfloat16" ? "float32" : elementType;
    return { elementType: type, dims, data: Float32Array.from(data as Float64Array) };
  }
  return { elementType, dims, data: data as Uint8Array };
}
