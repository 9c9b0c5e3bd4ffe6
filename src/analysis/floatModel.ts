/** The float model, run by onnxruntime-web: what fixed point is measured against. */
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { float16ToNumber, numberToFloat16 } from "../core/float16.js";
import { HostError, InputError } from "../core/errors.js";
import type { HostArray, HostElementType } from "../core/hostArray.js";

type Runtime = typeof import("onnxruntime-web");

/** Arrays by the name of an input or of a value of the model. */
export type NamedArrays = ReadonlyMap<string, HostArray>;

/** The float model, ready to run in onnxruntime-web. */
export interface FloatModel {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs the model once.
   * @throws InputError `FloatRun` when onnxruntime refuses the inputs
   */
  run(inputs: NamedArrays): Promise<Map<string, HostArray>>;
  /** Frees the session; the model is not run afterwards. */
  dispose(): Promise<void>;
}

/** How onnxruntime may treat the model. */
export interface FloatModelOptions {
  /** Whether onnxruntime may fuse and rewrite the graph; true unless said. */
  readonly optimise?: boolean;
}

/**
 * Opens a model, complete in its bytes, on one thread of onnxruntime-web.
 * @throws HostError `MissingPackage` when onnxruntime-web is not installed
 * @throws InputError `FloatModel` when it cannot read the model
 */
export async function openFloatModel(
  model: Uint8Array,
  { optimise = true }: FloatModelOptions = {},
): Promise<FloatModel> {
  const runtime = await loadRuntime();
  let session: InferenceSession;
  try {
    session = await runtime.InferenceSession.create(model, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: optimise ? "all" : "disabled",
      logSeverityLevel: 4,
    });
  } catch (error) {
    throw new InputError(
      "FloatModel",
      `onnxruntime cannot open the model: ${messageOf(error)}`,
      {},
      error,
    );
  }
  const { inputNames, outputNames } = session;
  return {
    inputNames,
    outputNames,
    async run(inputs) {
      const feeds: Record<string, Tensor> = Object.create(null) as Record<string, Tensor>;
      try {
        for (const [name, array] of inputs) feeds[name] = toTensor(runtime, array);
        const results = await session.run(feeds);
        const outputs = new Map<string, HostArray>();
        for (const name of outputNames) {
          const result = results[name];
          if (result !== undefined && result.type !== "string")
            outputs.set(name, fromTensor(result));
        }
        return outputs;
      } catch (error) {
        throw new InputError(
          "FloatRun",
          `onnxruntime cannot run the model: ${messageOf(error)}`,
          {},
          error,
        );
      }
    },
    dispose: () => session.release(),
  };
}

let loading: Promise<Runtime> | undefined;

function loadRuntime(): Promise<Runtime> {
  loading ??= (async (): Promise<Runtime> => {
    let runtime: Runtime;
    try {
      runtime = await import("onnxruntime-web");
    } catch (error) {
      throw new HostError(
        "MissingPackage",
        "the float model runs in the package onnxruntime-web, which is not installed; " +
          "run `npm install onnxruntime-web`",
        { name: "onnxruntime-web" },
        error,
      );
    }
    runtime.env.wasm.numThreads = 1;
    runtime.env.logLevel = "fatal";
    return runtime;
  })();
  return loading;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function toTensor(runtime: Runtime, { elementType, dims, data }: HostArray): Tensor {
  if (elementType === "float16") {
    return new runtime.Tensor(
      elementType,
      Uint16Array.from(data as Float32Array, numberToFloat16),
      dims,
    );
  }
  // The type that goes with the array is known by its name only.
  return new runtime.Tensor(elementType as "float32", data as Float32Array, dims);
}

const NUMBERS: Readonly<Partial<Record<string, HostElementType>>> = {
  bool: "bool",
  uint8: "uint8",
  int8: "int8",
  uint16: "uint16",
  int16: "int16",
  uint32: "uint32",
  int32: "int32",
  uint64: "uint64",
  int64: "int64",
  float32: "float32",
  float64: "float64",
};

function fromTensor(tensor: Tensor): HostArray {
  const { dims, type } = tensor;
  if (type === "float16") {
    // A Uint16Array of bits, or a Float16Array of numbers where the host has one.
    const data = tensor.data as ArrayLike<number>;
    const read = data instanceof Uint16Array ? float16ToNumber : (x: number): number => x;
    return { elementType: "float16", dims, data: Float32Array.from(data, read) };
  }
  const elementType = NUMBERS[type];
  if (elementType === undefined) {
    throw new InputError("FloatRun", `onnxruntime returned ${type}, which is no type of numbers`);
  }
  return { elementType, dims, data: tensor.data as Float32Array };
}
