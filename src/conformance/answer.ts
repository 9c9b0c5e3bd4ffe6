/** The engine in this process: a request of the protocol put to the VM. */
import { DTYPE_INFO, viewArray } from "../core/dtype.js";
import { AivmError, InputError, InvalidError, LinkError, MalformedError } from "../core/errors.js";
import { toHex } from "../module/hex.js";
import type { Backend } from "../tensor/backend.js";
import type { AggregateRun } from "../vm/aggregate.js";
import type { HostValue } from "../vm/hostValues.js";
import type { Instance } from "../vm/instance.js";
import { instantiate } from "../vm/instance.js";
import type { OutputTensor } from "../vm/outputTensor.js";
import { receiptHash } from "../vm/receipt.js";
import type { RunResult } from "../vm/run.js";
import { fromBase64, toBase64 } from "./base64.js";
import type { Answer, RunRequest } from "./protocol.js";
import type { WireRun, WireTensor } from "./vector.js";

/**
 * What the VM makes of a request, on an engine. Errors of the host and of ours are the answer
 * `error`: nothing is thrown.
 */
export function answerRequest(request: RunRequest, backend: Backend): Answer {
  const { id } = request;
  let instance: Instance | undefined;
  try {
    const parameters = new Map(
      Object.entries(request.parameters).map(([root, data]) => [root, fromBase64(data)]),
    );
    instance = instantiate(fromBase64(request.module), { backend, parameters });
    const { entry, seed, limits } = request;
    const options = { entry, seed, limits: { ...limits, gas: BigInt(limits.gas) } };
    const result =
      request.op === "aggregate"
        ? instance.aggregate((request.runs ?? []).map(readRun), options)
        : instance.runSync({ ...options, inputs: readInputs(request.inputs ?? []) });
    return { id, ...answerOf(result, request.reals) };
  } catch (error) {
    return { id, ...failureOf(error) };
  } finally {
    instance?.dispose();
  }
}

function readInputs(inputs: readonly WireTensor[]): Record<string, HostValue> {
  return Object.fromEntries(
    inputs.map((input): [string, HostValue] => {
      const dims = input.shape;
      if (input.float32 !== undefined)
        return [input.name, { reals: new Float32Array(bufferOf(input.float32)), dims }];
      if (input.float64 !== undefined)
        return [input.name, { reals: new Float64Array(bufferOf(input.float64)), dims }];
      const buffer = bufferOf(input.data ?? "");
      const length = Math.floor(buffer.byteLength / DTYPE_INFO[input.dtype].bytes);
      // The VM takes integers of any host array; what it makes of a wrong one is the vector's matter.
      return [input.name, { integers: viewArray(input.dtype, buffer, 0, length), dims }];
    }),
  );
}

function bufferOf(base64: string): ArrayBuffer {
  return fromBase64(base64).buffer as ArrayBuffer;
}

function readRun({ receipt, outputs }: WireRun): AggregateRun {
  if (outputs === undefined) return { receipt };
  const tensors = outputs.map(({ name, dtype, shape, data }) => {
    return [name, { dtype, shape, bytes: fromBase64(data ?? "") }] as const;
  });
  return { receipt, outputs: Object.fromEntries(tensors) };
}

function answerOf(
  { receipt, outputs, trap }: RunResult,
  reals: RunRequest["reals"],
): Omit<Answer, "id"> {
  const { moduleId, inputHash, outputHash, gasUsed, status } = receipt;
  const common = { moduleId, inputHash, gasUsed, receiptHash: toHex(receiptHash(receipt)) };
  if (status !== "finished") {
    const { trap: code, ...place } = status;
    return { status: "trap", ...common, trap: { code, ...place }, message: trap?.message ?? code };
  }
  return {
    status: "finished",
    ...common,
    ...(outputHash === undefined ? {} : { outputHash }),
    outputs: Object.values(outputs ?? {}).map((output) => wireTensor(output, reals)),
  };
}

function wireTensor(output: OutputTensor, reals: RunRequest["reals"]): WireTensor {
  const { name, dtype, shape, bytes, scale } = output;
  const tensor = { name, dtype, shape, data: toBase64(bytes) };
  if (scale === undefined) return tensor;
  const read = reals.map((type) => {
    const floats = type === "float32" ? output.reals("float32") : output.reals("float64");
    return [type, toBase64(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength))];
  });
  return { ...tensor, ...(Object.fromEntries(read) as object) };
}

const PHASES = [
  [MalformedError, "malformed"],
  [InvalidError, "invalid"],
  [LinkError, "link"],
  [InputError, "input"],
] as const;

function failureOf(error: unknown): Omit<Answer, "id"> {
  const phase = PHASES.find(([family]) => error instanceof family);
  const message = error instanceof Error ? error.message : String(error);
  if (phase === undefined || !(error instanceof AivmError)) return { status: "error", message };
  return { status: phase[1], code: error.code, message };
}
