import { newArray, DTYPE_INFO } from "../../../src/core/dtype.js";
import { elementCount } from "../../../src/core/shape.js";
import type { EntryPoint, Module } from "../../../src/module/module.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import type { Limits } from "../../../src/vm/limits.js";
import type { SeededRandom } from "../seededRandom.js";

/** So small that nothing takes long, so large that ordinary code comes through. */
export const LIMITS: Limits = {
  gas: 400_000_000n,
  memoryBytes: 2 ** 20,
  stackDepth: 256,
  callDepth: 12,
  elements: 2 ** 15,
};

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
      random.fill(integers, dtype, min, max);
      return [name, { integers, dims }];
    }),
  );
}
