import { newArray, DTYPE_INFO } from "../../../src/core/dtype.js";
import { AivmError, HostError, InternalError } from "../../../src/core/errors.js";
import { elementCount } from "../../../src/core/shape.js";
import type { EntryPoint, Module } from "../../../src/module/module.js";
import type { Backend } from "../../../src/tensor/backend.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import type { Instance } from "../../../src/vm/instance.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { Limits } from "../../../src/vm/limits.js";
import type { RunResult } from "../../../src/vm/run.js";
import type { SeededRandom } from "../seededRandom.js";

/** So small that nothing takes long, so large that ordinary code comes through. */
export const LIMITS: Limits = {
  gas: 400_000_000n,
  memoryBytes: 2 ** 20,
  stackDepth: 256,
  callDepth: 12,
  elements: 2 ** 15,
};

/** How far a module came, and how it ended: the same on every engine. */
export interface Outcome {
  readonly stage: "decode" | "instantiate" | "start" | "run";
  /** Error and code, or all of the receipt and statistics that engines must agree on. */
  readonly end: string;
}

/** An error that no module may cause. */
export function isForbidden(error: unknown): boolean {
  // Under these limits no host lacks memory: a HostError hides something.
  return (
    !(error instanceof AivmError) || error instanceof InternalError || error instanceof HostError
  );
}

/** Inputs of an entry's first shapes that fit, random; huge ones are left small and do not fit. */
export function randomInputs(
  entry: EntryPoint,
  { configuration }: Module,
  random: SeededRandom,
): Record<string, HostValue> {
  const sizes = configuration.dimensions.map(({ maximum }) => Math.min(maximum, random.int(0, 4)));
  return Object.fromEntries(
    entry.inputs.map(({ name, dtype, shape }) => {
      let dims = shape.map((dimension) => {
        if (typeof dimension === "number") return dimension;
        const { dimension: index, multiplier, offset, divisor } = dimension;
        return Math.max(0, Math.floor((sizes[index]! * multiplier + offset) / divisor));
      });
      if (elementCount(dims) > 50_000 || dims.some((dim) => dim > 50_000)) dims = dims.map(() => 1);
      const integers = newArray(dtype, elementCount(dims));
      const { min, max } = DTYPE_INFO[dtype];
      for (let i = 0; i < integers.length; i++) {
        const value = random.value(min, max);
        integers[i] = dtype === "i64" ? value : Number(value);
      }
      return [name, { integers, dims }];
    }),
  );
}

/**
 * Instantiates and runs.
 * @throws whatever is not an outcome that a module may have
 */
export function outcomeOf(
  bytes: Uint8Array,
  backend: Backend,
  inputs: Record<string, HostValue>,
  look: (instance: Instance, result: RunResult) => void,
): Outcome {
  let stage: Outcome["stage"] = "instantiate";
  let instance: Instance | undefined;
  try {
    instance = instantiate(bytes, { backend });
    stage = "start";
    const run = instance.start({ inputs, limits: LIMITS });
    stage = "run";
    const result = run.finish();
    look(instance, result);
    const { status, inputHash, outputHash = "none", gasUsed, moduleId } = result.receipt;
    const { instructions, peakMemoryBytes } = result.statistics;
    const end = JSON.stringify([
      moduleId,
      status,
      inputHash,
      outputHash,
      gasUsed,
      instructions,
      peakMemoryBytes,
    ]);
    return { stage, end };
  } catch (error) {
    if (isForbidden(error)) throw error;
    const { name, code } = error as AivmError;
    return { stage, end: `${name} ${code}` };
  } finally {
    instance?.dispose();
  }
}
