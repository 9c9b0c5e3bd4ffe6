import type { ConstantTensor, ElementType, TensorData } from "./graph.js";

/** Data of fewer bytes are decoded at once and kept. */
export const LAZY_BYTES = 2 ** 18;

/** Elements that are kept after they were asked for: 32 MiB of doubles. */
const KEPT_ELEMENTS = 2 ** 22;

/** The elements of the tensors of a model that were asked for last. */
export class RecentElements {
  readonly #kept = new Map<object, TensorData>();
  #count = 0;

  /** @param make the elements anew, where they are not kept: the same each time */
  of(tensor: object, make: () => TensorData): TensorData {
    const data = this.#kept.get(tensor) ?? make();
    if (!this.#kept.delete(tensor)) this.#count += data.length;
    this.#kept.set(tensor, data);
    for (const [oldest, { length }] of this.#kept) {
      if (this.#count <= KEPT_ELEMENTS || oldest === tensor) break;
      this.#kept.delete(oldest);
      this.#count -= length;
    }
    return data;
  }
}

/**
 * A constant whose elements are made when they are asked for, and let go some time after: no step
 * of compiling holds all weights of a model. A copy by spreading holds its elements.
 */
class LazyTensor implements ConstantTensor {
  readonly elementType: ElementType;
  readonly dims: readonly number[];
  declare readonly data: TensorData;
  readonly #recent: RecentElements;

  constructor(
    recent: RecentElements,
    elementType: ElementType,
    dims: readonly number[],
    make: () => TensorData,
  ) {
    this.#recent = recent;
    this.elementType = elementType;
    this.dims = dims;
    // A property of its own, or spreading would lose it.
    Object.defineProperty(this, "data", {
      enumerable: true,
      get: () => recent.of(this, make),
    });
  }

  derived(
    elementType: ElementType,
    dims: readonly number[],
    make: (source: ConstantTensor) => TensorData,
  ): ConstantTensor {
    return new LazyTensor(this.#recent, elementType, dims, () => make(realised(this)));
  }
}

export function lazyTensor(
  recent: RecentElements,
  elementType: ElementType,
  dims: readonly number[],
  make: () => TensorData,
): ConstantTensor {
  return new LazyTensor(recent, elementType, dims, make);
}

/**
 * What is computed from a constant: lazily where that is lazy. Nothing may change what `make`
 * reads.
 */
export function derivedTensor(
  source: ConstantTensor,
  elementType: ElementType,
  dims: readonly number[],
  make: (source: ConstantTensor) => TensorData,
): ConstantTensor {
  if (source instanceof LazyTensor) return source.derived(elementType, dims, make);
  return { elementType, dims, data: make(source) };
}

export function isLazy(tensor: ConstantTensor | undefined): boolean {
  return tensor instanceof LazyTensor;
}

/** The same with its elements at hand, for code that goes over them one by one. */
export function realised(tensor: ConstantTensor): ConstantTensor {
  if (!(tensor instanceof LazyTensor)) return tensor;
  const { elementType, dims, data } = tensor;
  return { elementType, dims, data };
}
