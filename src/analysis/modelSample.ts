/** Samples as a model takes them. */
import type { ModelPort } from "../compiler/describe.js";
import { hostTypeOf } from "../compiler/graph.js";
import { InputError } from "../core/errors.js";
import type { HostArray, HostElementType } from "../core/hostArray.js";
import { formatShape } from "../core/shape.js";
import type { NamedArrays } from "./floatModel.js";

/** What arrays of each type can become without loss; reals go where reals are. */
const NEW_ARRAY = {
  bool: (x: ArrayLike<number>) => Uint8Array.from(x, (v) => (v === 0 ? 0 : 1)),
  uint8: (x: ArrayLike<number>) => Uint8Array.from(x),
  int8: (x: ArrayLike<number>) => Int8Array.from(x),
  uint16: (x: ArrayLike<number>) => Uint16Array.from(x),
  int16: (x: ArrayLike<number>) => Int16Array.from(x),
  uint32: (x: ArrayLike<number>) => Uint32Array.from(x),
  int32: (x: ArrayLike<number>) => Int32Array.from(x),
  uint64: (x: ArrayLike<number>) => BigUint64Array.from(x, BigInt),
  int64: (x: ArrayLike<number>) => BigInt64Array.from(x, BigInt),
  float16: (x: ArrayLike<number>) => Float32Array.from(x, Number),
  float32: (x: ArrayLike<number>) => Float32Array.from(x, Number),
  float64: (x: ArrayLike<number>) => Float64Array.from(x, Number),
};

/** Whether arrays of the type hold real numbers. */
export function isReal(elementType: HostElementType): boolean {
  return elementType.startsWith("float");
}

/** A sample with the inputs that are pinned, whose values go before the sample's own. */
export function withPins(
  sample: NamedArrays,
  pins: Readonly<Record<string, HostArray>> = {},
): NamedArrays {
  return new Map([...sample, ...Object.entries(pins)]);
}

/**
 * A sample in the types of the model's inputs: any numbers for reals, integers for integers.
 * @param dims open dimensions by name; what the sample binds is added, the greatest size seen stays
 * @throws InputError `BadSample` naming the input that is missing, unknown or does not fit
 */
export function fitSample(
  inputs: readonly ModelPort[],
  sample: NamedArrays,
  dims: Record<string, number>,
): Map<string, HostArray> {
  for (const name of sample.keys()) {
    if (inputs.some((input) => input.name === name)) continue;
    throw new InputError("BadSample", `the model has no input "${name}"; it has ${names(inputs)}`, {
      name,
    });
  }
  return new Map(
    inputs.map((input) => {
      const array = sample.get(input.name);
      if (array === undefined) {
        throw new InputError(
          "BadSample",
          `the sample lacks input "${input.name}"; the model takes ${names(inputs)}`,
          { name: input.name },
        );
      }
      checkDims(input, array, dims);
      return [input.name, convert(input, array)];
    }),
  );
}

function names(inputs: readonly ModelPort[]): string {
  return inputs.map(({ name }) => `"${name}"`).join(", ");
}

function checkDims(
  { name, dims }: ModelPort,
  array: HostArray,
  seen: Record<string, number>,
): void {
  if (dims === undefined) return;
  const fits =
    dims.length === array.dims.length &&
    dims.every((dim, axis) => typeof dim === "string" || dim === array.dims[axis]);
  if (!fits) {
    throw new InputError(
      "BadSample",
      `input "${name}" has shape ${formatShape(array.dims)}, the model takes [${dims.join(",")}]`,
      { name },
    );
  }
  dims.forEach((dim, axis) => {
    const size = array.dims[axis]!;
    if (typeof dim === "string" && dim !== "") seen[dim] = Math.max(seen[dim] ?? 0, size);
  });
}

function convert({ name, elementType }: ModelPort, array: HostArray): HostArray {
  const wanted = elementType === undefined ? undefined : hostTypeOf(elementType);
  if (wanted === undefined || wanted === array.elementType) return array;
  const bad = (): InputError =>
    new InputError(
      "BadSample",
      `input "${name}" takes ${wanted}, the sample has ${array.elementType} that it cannot hold`,
      { name },
    );
  if (wanted === "string" || (isReal(array.elementType) && !isReal(wanted))) throw bad();
  const data = NEW_ARRAY[wanted](array.data as ArrayLike<number>);
  if (!isReal(wanted)) {
    for (let i = 0; i < data.length; i++) {
      if (BigInt(data[i]!) !== BigInt(array.data[i]!)) throw bad();
    }
  }
  return { elementType: wanted, dims: array.dims, data };
}
