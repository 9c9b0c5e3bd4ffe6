import type { ConstantTensor, ElementType, TensorData } from "../graph.js";

/**
 * Elements of all results that are computed ahead. A few bytes of a hostile model can ask for
 * gigabytes; beyond this, nodes stay.
 */
export const FOLDING_BUDGET = 1 << 27;

export type NumericData = Exclude<TensorData, readonly string[]>;

/** Zeros of the container that `ConstantTensor` prescribes; undefined for strings. */
export function zeros(elementType: ElementType, count: number): NumericData | undefined {
  switch (elementType) {
    case "float32":
    case "float64":
    case "float16":
    case "bfloat16":
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
      return new Float64Array(count);
    case "uint8":
    case "uint4":
    case "bool":
      return new Uint8Array(count);
    case "int8":
    case "int4":
      return new Int8Array(count);
    case "uint16":
      return new Uint16Array(count);
    case "int16":
      return new Int16Array(count);
    case "uint32":
      return new Uint32Array(count);
    case "int32":
      return new Int32Array(count);
    case "uint64":
      return new BigUint64Array(count);
    case "int64":
      return new BigInt64Array(count);
    case "string":
      return undefined;
  }
}

export function countOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Row-major strides. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--)
    strides[i] = (strides[i + 1] ?? 1) * (dims[i + 1] ?? 1);
  return strides;
}

/** Strides with which a tensor of shape `from` is read as if it had the broader shape `to`. */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(from);
  const offset = to.length - from.length;
  return to.map((_, i) => (i < offset || from[i - offset] === 1 ? 0 : (strides[i - offset] ?? 0)));
}

/**
 * Calls `visit` for every element of a tensor of shape `dims`, in order, with the element's index
 * and the offset `base + Σ strides·coordinate`.
 */
export function walk(
  dims: readonly number[],
  strides: readonly number[],
  base: number,
  visit: (index: number, offset: number) => void,
): void {
  const count = countOf(dims);
  const position = new Array<number>(dims.length).fill(0);
  let offset = base;
  for (let index = 0; index < count; index++) {
    visit(index, offset);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const next = (position[axis] ?? 0) + 1;
      offset += strides[axis] ?? 0;
      if (next < (dims[axis] ?? 1)) {
        position[axis] = next;
        break;
      }
      offset -= next * (strides[axis] ?? 0);
      position[axis] = 0;
    }
  }
}

/** Gathers a tensor of shape `dims` out of another's elements, by strides. */
export function strided(
  source: ConstantTensor,
  dims: readonly number[],
  strides: readonly number[],
  base = 0,
): ConstantTensor | undefined {
  const data = zeros(source.elementType, countOf(dims));
  if (data === undefined) return undefined;
  const from = source.data as ArrayLike<number>;
  walk(dims, strides, base, (index, offset) => {
    (data as Float64Array)[index] = from[offset] ?? 0;
  });
  return { elementType: source.elementType, dims, data };
}

/** The same elements under another shape. */
export function reshaped(source: ConstantTensor, dims: readonly number[]): ConstantTensor {
  return { ...source, dims };
}

export function transposed(
  source: ConstantTensor,
  perm: readonly number[],
): ConstantTensor | undefined {
  const strides = stridesOf(source.dims);
  return strided(
    source,
    perm.map((p) => source.dims[p] ?? 1),
    perm.map((p) => strides[p] ?? 0),
  );
}

export function broadcastTo(
  source: ConstantTensor,
  dims: readonly number[],
): ConstantTensor | undefined {
  return strided(source, dims, broadcastStrides(source.dims, dims));
}
