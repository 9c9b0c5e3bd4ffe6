/** What hosts hand in by name, checked against an entry's ports and made into integers. */
import type { Dtype } from "../core/dtype.js";
import { DTYPE_INFO, newArray } from "../core/dtype.js";
import { InputError } from "../core/errors.js";
import { elementCount, formatShape } from "../core/shape.js";
import type { EntryPoint, NamedDimension, Port } from "../module/module.js";
import { DimensionBindings, formatDimensions } from "./dimensions.js";
import { quantize } from "./quantize.js";
import type { RawTensor } from "./rawTensor.js";
import { rawTensor } from "./rawTensor.js";

/** Reals for a port with a scale, row-major. */
export interface HostReals {
  readonly reals: Float32Array | Float64Array | readonly number[];
  readonly dims: readonly number[];
}

/** Integers for any port, row-major: of the port's dtype, or any others within its range. */
export interface HostIntegers {
  readonly integers: ArrayLike<number> | ArrayLike<bigint> | ArrayLike<boolean>;
  readonly dims: readonly number[];
}

/** An input as a host hands it in: reals, which the port's scale makes integers, or the integers themselves. */
export type HostValue = HostReals | HostIntegers;

export interface HostInputs {
  /** In the order of the ports. */
  readonly tensors: readonly RawTensor[];
  /** Inputs that had reals beyond their dtype, and how many; these became its least or greatest value. */
  readonly saturated: Readonly<Record<string, number>>;
  /** Named dimensions as the inputs bind them. */
  readonly dimensions: DimensionBindings;
}

/**
 * The inputs of an entry as integers. Named dimensions are bound and compared.
 * @throws InputError when a name is missing or unknown, a shape does not fit the port, a value is
 * NaN or beyond the port's dtype, or reals are given for a port of integers
 */
export function readInputs(
  entry: EntryPoint,
  named: readonly NamedDimension[],
  values: Readonly<Record<string, HostValue>>,
): HostInputs {
  checkNames(entry, values);
  const given = entry.inputs.map((port) => values[port.name]!);
  entry.inputs.forEach((port, i) => checkDims(port, given[i]!, named));
  const dimensions = bindInputs(
    entry,
    named,
    given.map(({ dims }) => dims),
  );
  const saturated: [string, number][] = [];
  const tensors = entry.inputs.map((port, i) => {
    const value = given[i]!;
    const dims = [...value.dims];
    if (!("reals" in value)) return readIntegers(port, value.integers, dims);
    const quantized = quantizeFor(port, value);
    if (quantized.saturated > 0) saturated.push([port.name, quantized.saturated]);
    return rawTensor(port.dtype, dims, quantized.integers);
  });
  return { tensors, saturated: Object.fromEntries(saturated), dimensions };
}

/**
 * Binds the named dimensions of an entry to the shapes of its inputs, whose ranks are right.
 * @throws InputError `Shape`
 */
export function bindInputs(
  entry: EntryPoint,
  named: readonly NamedDimension[],
  shapes: readonly (readonly number[])[],
): DimensionBindings {
  const dimensions = new DimensionBindings(named);
  const misfit = dimensions.bind(
    entry.inputs.map((port) => port.shape),
    shapes,
  );
  if (misfit === undefined) return dimensions;
  const port = entry.inputs[misfit.port]!;
  throw new InputError(
    "Shape",
    `input "${port.name}" has shape ${formatShape(shapes[misfit.port]!)}, the entry takes ${formatDimensions(port.shape, named)}: ${misfit.reason}`,
    { name: port.name },
  );
}

/** @throws InputError `MissingInput` or `UnknownInput` */
export function checkNames(entry: EntryPoint, values: Readonly<Record<string, unknown>>): void {
  const names = entry.inputs.map((port) => port.name);
  const takes = `entry "${entry.name}" takes ${names.length === 0 ? "no inputs" : names.map((name) => `"${name}"`).join(", ")}`;
  for (const name of names) {
    if (!Object.hasOwn(values, name)) {
      throw new InputError("MissingInput", `input "${name}" is missing; ${takes}`, { name });
    }
  }
  for (const name of Object.keys(values)) {
    if (!names.includes(name)) {
      throw new InputError("UnknownInput", `there is no input "${name}"; ${takes}`, { name });
    }
  }
}

/** @throws InputError `Shape` when the dims are no shape of the port's rank */
export function checkRank(
  port: Port,
  dims: readonly number[],
  named: readonly NamedDimension[],
): void {
  const takes = `the entry takes ${formatDimensions(port.shape, named)}`;
  const place = { name: port.name };
  if (
    !Array.isArray(dims) ||
    !dims.every((dim) => Number.isInteger(dim) && dim >= 0 && dim <= 0x7fffffff)
  ) {
    const message = `input "${port.name}" has dims ${String(dims)}, which must be integers from 0 to 2^31 − 1; ${takes}`;
    throw new InputError("Shape", message, place);
  }
  if (dims.length === port.shape.length) return;
  throw new InputError(
    "Shape",
    `input "${port.name}" has dims ${formatShape(dims)} of rank ${dims.length}, ${takes} of rank ${port.shape.length}; reshape it`,
    place,
  );
}

function checkDims(port: Port, value: HostValue, named: readonly NamedDimension[]): void {
  const elements = partOf(value);
  if (elements === undefined) {
    throw new InputError(
      "Value",
      `input "${port.name}" has neither reals nor integers; hand in { reals, dims } or { integers, dims }`,
      { name: port.name },
    );
  }
  checkRank(port, value.dims, named);
  const count = elementCount(value.dims);
  if (elements.length !== count) {
    throw new InputError(
      "Shape",
      `input "${port.name}" has ${elements.length} elements, dims ${formatShape(value.dims)} make ${count}`,
      { name: port.name },
    );
  }
}

function partOf(
  value: Partial<HostReals & HostIntegers> | null | undefined,
): ArrayLike<unknown> | undefined {
  const part: Partial<ArrayLike<unknown>> | undefined = value?.reals ?? value?.integers;
  return typeof part?.length === "number" ? (part as ArrayLike<unknown>) : undefined;
}

function quantizeFor(port: Port, { reals }: HostReals): ReturnType<typeof quantize> {
  if (port.scale !== undefined) {
    checkReals(port, reals);
    return quantize(reals, port.scale, port.dtype, port.name);
  }
  throw new InputError(
    "Value",
    `input "${port.name}" takes integers (${port.dtype}), reals were given; hand in { integers, dims }`,
    { name: port.name },
  );
}

/** Arithmetic on a bigint or a symbol would throw an error of the language. */
function checkReals(port: Port, reals: ArrayLike<unknown>): void {
  // The elements of a typed array are all of one kind.
  const length = ArrayBuffer.isView(reals) ? Math.min(reals.length, 1) : reals.length;
  for (let i = 0; i < length; i++) {
    if (typeof reals[i] === "number") continue;
    throw new InputError(
      "NotANumber",
      `element ${i} of input "${port.name}" is of type ${typeof reals[i]}; reals are numbers`,
      { name: port.name },
    );
  }
}

function readIntegers(
  port: Port,
  integers: HostIntegers["integers"],
  dims: readonly number[],
): RawTensor {
  const { dtype } = port;
  const own = newArray(dtype, 0);
  if (dtype !== "bool" && integers instanceof own.constructor) {
    return rawTensor(dtype, dims, integers as typeof own);
  }
  const result = newArray(dtype, integers.length);
  const { min, max } = DTYPE_INFO[dtype];
  for (let i = 0; i < integers.length; i++) {
    const given = integers[i]!;
    const value = typeof given === "boolean" ? Number(given) : given;
    const integer = typeof value === "bigint" || Number.isInteger(value);
    if (!integer || value < min || value > max) throw outside(port, dtype, i, given);
    result[i] = dtype === "i64" ? BigInt(value) : Number(value);
  }
  return rawTensor(dtype, dims, result);
}

function outside(
  port: Port,
  dtype: Dtype,
  index: number,
  value: number | bigint | boolean,
): InputError {
  const { min, max } = DTYPE_INFO[dtype];
  return new InputError(
    "Value",
    `element ${index} of input "${port.name}" is ${String(value)}; ${dtype} takes integers from ${min} to ${max}`,
    { name: port.name },
  );
}
