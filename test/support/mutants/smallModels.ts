import { ModelBuilder, tensor } from "../../../src/compiler/onnx/modelBuilder.js";

/** ONNX files of a few operators each: pictures and words. */
export function smallModels(): Uint8Array[] {
  const ones = (count: number): number[] => new Array<number>(count).fill(1);
  const pictures = new ModelBuilder()
    .input("x", "float32", ["n", 2, 6, 6])
    .constant("w", tensor("float32", [4, 2, 3, 3], ones(72)))
    .constant("shape", tensor("int64", [2], [0, -1]))
    .constant("pads", tensor("int64", [8], [0, 0, 1, 1, 0, 0, 1, 1]))
    .node("Pad", ["x", "pads"], ["padded"])
    .node("Conv", ["padded", "w"], ["c"], { strides: [1, 1], pads: [1, 1, 1, 1] })
    .node("MaxPool", ["c"], ["m"], { kernel_shape: [2, 2], strides: [2, 2] })
    .node("Reshape", ["m", "shape"], ["flat"])
    .node("Softmax", ["flat"], ["s"], { axis: 1 })
    .node("ReduceSum", ["s"], ["y"], { keepdims: 1 })
    .output("y", "float32", undefined);
  const words = new ModelBuilder()
    .input("i", "int64", ["n", 3])
    .input("v", "float32", ["n", 3, 2])
    .constant("table", tensor("float32", [5, 2], ones(10)))
    .constant("k", tensor("int64", [1], [1]))
    .constant("starts", tensor("int64", [1], [-2]))
    .constant("ends", tensor("int64", [1], [9]))
    .node("Gather", ["table", "i"], ["g"])
    .node("Add", ["g", "v"], ["sum"])
    .node("Slice", ["sum", "starts", "ends", "k"], ["part"])
    .node("Transpose", ["part"], ["t"], { perm: [0, 2, 1] })
    .node("MatMul", ["t", "part"], ["mm"])
    .node("TopK", ["mm", "k"], ["values", "places"], { axis: -1 })
    .node("Concat", ["values", "values"], ["y"], { axis: 0 })
    .output("y", "float32", undefined);
  return [pictures.encode(), words.encode()];
}
