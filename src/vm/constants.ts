import type { Dtype } from "../core/dtype.js";
import { newArray } from "../core/dtype.js";
import type { TensorType } from "../core/shape.js";
import type { LinkedModule } from "../module/link.js";
import type { Backend, Tensor } from "../tensor/backend.js";

/** An interval that all elements of a tensor are known to lie in. */
interface Known {
  lo: bigint;
  hi: bigint;
}

/**
 * The tensors that an instance holds for all its runs: parameters, scalars and initial values of
 * locals, each uploaded when it is first used. None of them counts in a run's memory.
 */
export class Constants {
  readonly #backend: Backend;
  readonly #module: LinkedModule;
  readonly #parameters: (Tensor | undefined)[] = [];
  readonly #scalars = new Map<Dtype, Map<bigint, Tensor>>();
  readonly #empties = new Map<Dtype, (Tensor | undefined)[]>();
  /** Of the tensors held here that a value check has read. */
  readonly #known = new Map<Tensor, Known | undefined>();

  constructor(backend: Backend, module: LinkedModule) {
    this.#backend = backend;
    this.#module = module;
  }

  /** @throws HostError when the host has no memory for it, LinkError when the store has lost it */
  parameter(index: number): Tensor {
    return (this.#parameters[index] ??= this.#hold(
      this.#module.parameters[index]!.dtype,
      this.#module.parameters[index]!.shape,
      this.#module.parameter(index),
      () => this.#module.parameter(index),
    ));
  }

  scalar(dtype: Dtype, value: bigint): Tensor {
    let ofDtype = this.#scalars.get(dtype);
    if (ofDtype === undefined) this.#scalars.set(dtype, (ofDtype = new Map()));
    let tensor = ofDtype.get(value);
    if (tensor === undefined) {
      const element = newArray(dtype, 1);
      element[0] = dtype === "i64" ? value : Number(value);
      tensor = this.#hold(dtype, [], new Uint8Array(element.buffer));
      ofDtype.set(value, tensor);
    }
    return tensor;
  }

  /** What a local holds before anything is put into it: no elements, or a zero of rank 0. */
  initial({ dtype, rank }: TensorType): Tensor {
    if (rank === 0) return this.scalar(dtype, 0n);
    let ofDtype = this.#empties.get(dtype);
    if (ofDtype === undefined) this.#empties.set(dtype, (ofDtype = []));
    return (ofDtype[rank] ??= this.#hold(dtype, new Array<number>(rank).fill(0), new Uint8Array()));
  }

  /** `backend.within`, which reads a tensor that is held here only once for each interval. */
  within(x: Tensor, lo: bigint, hi: bigint): boolean {
    if (!this.#known.has(x)) return this.#backend.within(x, lo, hi);
    const known = this.#known.get(x);
    if (known !== undefined && lo <= known.lo && known.hi <= hi) return true;
    if (!this.#backend.within(x, lo, hi)) return false;
    this.#known.set(x, { lo, hi });
    return true;
  }

  dispose(): void {
    for (const tensor of this.#known.keys()) {
      if (--tensor.refs === 0) this.#backend.release(tensor);
    }
    this.#known.clear();
    this.#parameters.length = 0;
    this.#scalars.clear();
    this.#empties.clear();
  }

  #hold(
    dtype: Dtype,
    shape: readonly number[],
    bytes: Uint8Array,
    again?: () => Uint8Array,
  ): Tensor {
    const tensor = this.#backend.upload(dtype, shape, bytes, again);
    this.#known.set(tensor, undefined);
    return tensor;
  }
}
