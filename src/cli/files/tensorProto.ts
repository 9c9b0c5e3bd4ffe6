import { hostTypeOf } from "../../compiler/graph.js";
import { decodeTensor } from "../../compiler/onnx/tensor.js";
import { CompileError, InputError } from "../../core/errors.js";
import type { HostArray } from "../../core/hostArray.js";

/**
 * Reads a `.pb` file that holds one ONNX `TensorProto`. bfloat16 widens to float32.
 *
 * @param file how messages name the file
 * @throws {InputError} `BadTensorProto` when it is damaged, keeps its data in another file, or
 * holds strings
 */
export function decodeTensorProto(bytes: Uint8Array, file: string): HostArray {
  const bad = (what: string, cause?: unknown): InputError =>
    new InputError(
      "BadTensorProto",
      `${file} cannot be read as an ONNX tensor: ${what}`,
      { name: file },
      cause,
    );
  let decoded;
  try {
    decoded = decodeTensor(bytes).tensor;
  } catch (error) {
    if (error instanceof CompileError) throw bad(error.message, error);
    throw error;
  }
  const { elementType, dims, data } = decoded;
  const type = hostTypeOf(elementType);
  if (type === "string") throw bad("it holds strings; AIVM computes with numbers only");
  if (type === "float16" || type === "float32")
    return { elementType: type, dims, data: Float32Array.from(data as Float64Array) };
  return { elementType: type, dims, data: data as Exclude<typeof data, readonly string[]> };
}
