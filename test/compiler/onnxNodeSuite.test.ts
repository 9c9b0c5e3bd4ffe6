import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import { describe, expect, test } from "vitest";
import { CompileError } from "../../src/core/errors.js";
import type { ConstantTensor } from "../../src/compiler/graph.js";
import { importModel } from "../../src/compiler/importModel.js";
import { decodeTensor, tensorToProto } from "../../src/compiler/onnx/tensor.js";
import { decodeModel, encodeModel } from "../../src/compiler/onnx/wire.js";
import { optimise } from "../../src/compiler/optimise.js";
import { exportGraph } from "../support/compiler/exportGraph.js";
import { relativeError, runModel } from "../support/compiler/runtime.js";
import { sharedData } from "../support/sharedData.js";

const folder = sharedData("onnx-backend-v1.17.0", "node");
const title =
  folder === undefined ? "ONNX node tests: skipped, there is no ../shared/data" : "ONNX node tests";

/** Operators under test, as the suite spells them at the start of a case's name. */
const FAMILIES =
  "add and argmax argmin averagepool batchnorm_ cast_ clip concat constant_ constant_pad constantofshape conv_ convtranspose " +
  "basic_conv basic_convtranspose depthtospace dequantizelinear div dropout edge_pad elu equal erf expand eyelike flatten " +
  "gather_ gather_elements gathernd gelu gemm globalaveragepool globalmaxpool greater hardsigmoid hardswish hardmax identity " +
  "instancenorm layer_normalization leakyrelu less logsoftmax lstm matmul max_ maxpool min_ mul neg onehot or pow prelu " +
  "quantizelinear range reciprocal reduce_ reflect_pad relu reshape resize_ selu shape_ sigmoid size slice softmax softplus " +
  "softsign spacetodepth split_ sqrt squeeze sub_ sum_ tanh tile top_k transpose tril triu unsqueeze upsample where xor";

const prefixes = FAMILIES.split(" ").map((family) => `test_${family}`);

/** Left out, and why. */
const LEFT_OUT: readonly [RegExp, string][] = [
  [
    /FLOAT16|FLOAT8|BFLOAT16|float16|e4m3fn|e5m2|INT4|int4|STRING|string|_strings/,
    "element types that are refused",
  ],
  [/training|_bool_reshape_/, "training mode"],
  [/_expanded/, "the same operator as a function of others"],
  [/resize_tf_crop_and_resize/, "a refused mode"],
  [/dequantizelinear_blocked|quantizelinear_blocked/, "blocked quantisation is refused"],
  [/identity_(opt|sequence)|split_to_sequence/, "optionals and sequences are refused"],
];

/** Cases that onnxruntime-web itself cannot run, or gets wrong; their types and shapes are tested. */
const NOT_IN_RUNTIME =
  /lstm_batchwise|(max|min)_u?int16|pow_types_float32_uint|ceil_output_size_reduce_by_one|averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True|resize_downsample_scales_(linear|cubic)_align_corners/;

function cases(): string[] {
  if (folder === undefined) return [];
  return readdirSync(folder)
    .filter((name) => prefixes.some((p) => name === p || name.startsWith(p)))
    .filter((name) => !LEFT_OUT.some(([pattern]) => pattern.test(name)));
}

function toOrt({ elementType, dims, data }: ConstantTensor): ort.Tensor {
  const typed = elementType === "float32" ? Float32Array.from(data as Float64Array) : data;
  return new ort.Tensor(elementType as "float32", typed as Float32Array, dims);
}

function tensors(name: string, kind: "input" | "output"): ConstantTensor[] {
  const found: ConstantTensor[] = [];
  for (let i = 0; ; i++) {
    const file = join(folder ?? "", name, "test_data_set_0", `${kind}_${String(i)}.pb`);
    if (!existsSync(file)) return found;
    found.push(decodeTensor(readFileSync(file)).tensor);
  }
}

/** The model with the values of all inputs but the first built in. */
function withConstants(bytes: Uint8Array, inputs: readonly ConstantTensor[]): Uint8Array {
  const model = decodeModel(bytes);
  const [first, ...rest] = model.graph?.input ?? [];
  const initializer = rest.flatMap((info, i) => {
    const value = inputs[i + 1];
    return value === undefined ? [] : [tensorToProto(info.name ?? "", value)];
  });
  const input = first === undefined ? [] : [first];
  return encodeModel({ ...model, graph: { ...model.graph, input, initializer } });
}

async function check(
  name: string,
  bytes: Uint8Array,
  inputs: readonly ConstantTensor[],
  outputs: readonly ConstantTensor[],
): Promise<void> {
  const graph = importModel(bytes);
  const optimised = optimise(graph);
  for (const each of [graph, optimised]) {
    graph.outputs.forEach((output, i) => {
      const info = each.values.get(output);
      expect(info?.elementType).toBe(outputs[i]?.elementType);
      const known = info?.shape?.map((dim, axis) =>
        typeof dim === "number" ? dim : outputs[i]?.dims[axis],
      );
      expect(known).toEqual(outputs[i]?.dims);
    });
  }

  if (NOT_IN_RUNTIME.test(name)) return;
  let exported: Uint8Array;
  try {
    exported = exportGraph(optimised);
  } catch (error) {
    // Shapes that depend on the values of inputs cannot be written down.
    if (error instanceof TypeError && error.message.endsWith("has no fixed shape")) return;
    throw error;
  }
  const feeds = Object.fromEntries(
    graph.inputs.map((input, i) => [input, toOrt(inputs[i] as ConstantTensor)]),
  );
  const results = await runModel(exported, feeds);
  graph.outputs.forEach((output, i) => {
    const expected = toOrt(outputs[i] as ConstantTensor);
    expect(relativeError(results[output] as ort.Tensor, expected)).toBeLessThan(1e-3);
  });
}

describe.skipIf(folder === undefined)(title, () => {
  test("there are cases", () => expect(cases().length).toBeGreaterThan(400));

  test.each(cases())("%s", async (name) => {
    const bytes = readFileSync(join(folder ?? "", name, "model.onnx"));
    const inputs = tensors(name, "input");
    const outputs = tensors(name, "output");
    // As it is, with every operand known only when running; then with all but the first constant.
    await check(name, bytes, inputs, outputs);
    if (inputs.length > 1) await check(name, withConstants(bytes, inputs), inputs, outputs);
  });

  test("what is left out is refused, or at least does not crash", () => {
    if (folder === undefined) return;
    for (const name of readdirSync(folder)) {
      try {
        optimise(importModel(readFileSync(join(folder, name, "model.onnx"))));
      } catch (error) {
        if (!(error instanceof CompileError)) throw error;
      }
    }
  });
});
