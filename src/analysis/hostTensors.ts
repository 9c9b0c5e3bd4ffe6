/** Arrays of the host as tensors of the compiler, and back. */
import type { ConstantTensor, ElementType, TensorData } from "../compiler/graph.js";
import { hostTypeOf, isFloat } from "../compiler/graph.js";
import type { HostArray } from "../core/hostArray.js";

/** @param declared what the graph says: types without an array of their own come in wider ones */
export function tensorOf(
  { elementType, dims, data }: HostArray,
  declared: ElementType | undefined = elementType,
): ConstantTensor {
  if (isFloat(elementType))
    return { elementType: declared, dims, data: Float64Array.from(data as Float32Array) };
  const held = hostTypeOf(declared) === elementType ? declared : elementType;
  return { elementType: held, dims, data: data as TensorData };
}

export function hostArrayOf({ elementType, dims, data }: ConstantTensor): HostArray | undefined {
  const type = hostTypeOf(elementType);
  if (type === "string") return undefined;
  if (type === "float16" || type === "float32")
    return { elementType: type, dims, data: Float32Array.from(data as Float64Array) };
  return { elementType: type, dims, data: data as Uint8Array };
}
