/** `aivm`: the virtual machine for those who embed it, on the default engine. */
import type { Module } from "./module/module.js";
import type { Backend } from "./tensor/backend.js";
import type { Instance, InstantiateOptions } from "./vm/instance.js";
import { instantiate as instantiateOn } from "./vm/instance.js";

export * from "./core/errors.js";
export type { Dtype, DtypeArrays, IntegerArray } from "./core/dtype.js";
export type { Shape, TensorSpec } from "./core/shape.js";
export type { LinkedModule } from "./module/link.js";
export type { ParameterSink, ParameterStore } from "./module/parameterStore.js";
export type { Backend, BackendStatistics } from "./tensor/backend.js";
export type { AggregateOptions, AggregateRun } from "./vm/aggregate.js";
export type { GasEstimate } from "./vm/estimateGas.js";
export { estimateGas } from "./vm/estimateGas.js";
export type { HostIntegers, HostReals, HostValue } from "./vm/hostValues.js";
export type { AsyncRunRequest, Instance, InstantiateOptions, RunRequest } from "./vm/instance.js";
export type { Limits } from "./vm/limits.js";
export { DEFAULT_LIMITS } from "./vm/limits.js";
export type { OutputTensor } from "./vm/outputTensor.js";
export type { Receipt, ReceiptStatus } from "./vm/receipt.js";
export { receiptHash } from "./vm/receipt.js";
export type { Run, RunOptions, RunReport, RunResult, RunStatistics } from "./vm/run.js";
export type { OnStep, StepEvent } from "./vm/trace.js";

/**
 * Makes a module ready to run, on the `simd` engine unless another is given. An engine that is made
 * here belongs to the instance and ends with its `dispose`.
 * @param source the bytes of a module, or a decoded one
 * @throws MalformedError, InvalidError, LinkError; HostError when the host cannot run the engine
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { instantiate } from "aivm";
 * import { parseAssembly } from "aivm/module";
 *
 * const module = parseAssembly(await readFile("examples/embed.aivmt", "utf8")); // relu(x · W + b)
 * const instance = await instantiate(module);
 * const { receipt, outputs } = await instance.run({ inputs: { x: { reals: [1, 2, 3], dims: [1, 3] } } });
 * console.log(receipt.status, outputs?.["y"]?.reals().join(" ")); // finished 8.125 0
 * instance.dispose();
 * ```
 */
export async function instantiate(
  source: Uint8Array | Module,
  options: Partial<InstantiateOptions> = {},
): Promise<Instance> {
  if (options.backend !== undefined) {
    return instantiateOn(source, { ...options, backend: options.backend });
  }
  const backend: Backend = await createDefaultBackend();
  try {
    return instantiateOn(source, { ...options, backend, ownsBackend: true });
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

/** Loaded when it is first needed: a host that brings its own engine does not carry this one. */
async function createDefaultBackend(): Promise<Backend> {
  const { createSimdBackend } = await import("./tensor/simd/index.js");
  return createSimdBackend();
}
