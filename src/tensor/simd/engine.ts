import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { HostTensor } from "../reference/hostTensor.js";
import { roundUp } from "./allocator.js";
import type { Heap } from "./heap.js";
import type { Interval } from "./interval.js";
import { DTYPE_INTERVAL } from "./interval.js";
import type { Address, Kernels as Wasm } from "./kernels.js";
import { PackedCache } from "./packedCache.js";
import type { Pending } from "./tensor.js";
import { SimdTensor, operandsOf } from "./tensor.js";
import { Storage } from "./storage.js";
import type { ThreadPool } from "./threads/threadPool.js";

/** Work that is put off at once: what it holds on to (operands that nobody else has) stays bounded. */
const MAX_PENDING = 8;
const ARGUMENT_BYTES = 1024;

/** Memory, kernels and the tensors between them: what the kernels of this backend are written on. */
export class Engine {
  readonly heap: Heap;
  readonly packed: PackedCache;
  /** For the structures that a kernel is called with; the next call overwrites them. */
  readonly arguments: Address;
  macs = 0;
  private kernels: Wasm | undefined;
  private readonly compute: (engine: Engine, pending: Pending, shape: Shape) => Storage;
  private readonly pending = new Set<SimdTensor>();
  private readonly pool: ThreadPool | undefined;
  private scratchBlock: Storage | undefined;

  /**
   * @param compute does pending work; given here so that this file need not know it
   * @param pool the threads that `wasm` uses besides this one
   */
  constructor(
    heap: Heap,
    wasm: Wasm,
    packedBytes: number,
    compute: (engine: Engine, pending: Pending, shape: Shape) => Storage,
    pool?: ThreadPool,
  ) {
    this.heap = heap;
    this.kernels = wasm;
    this.packed = new PackedCache(packedBytes);
    heap.reclaim = () => this.packed.reclaim();
    this.arguments = heap.allocate(ARGUMENT_BYTES);
    this.compute = compute;
    this.pool = pool;
  }

  /** Bytes of tensors and of what was made from them. */
  get residentBytes(): number {
    const own = ARGUMENT_BYTES + (this.scratchBlock?.reservedBytes ?? 0);
    return this.kernels === undefined ? 0 : this.heap.usedBytes - own;
  }

  get wasm(): Wasm {
    return this.kernels!;
  }

  allocate(dtype: Dtype, shape: Shape): Storage {
    return new Storage(this.heap, elementCount(shape) * DTYPE_INFO[dtype].bytes);
  }

  /** A tensor of undefined contents. */
  make(dtype: Dtype, shape: Shape, bounds: Interval = DTYPE_INTERVAL[dtype]): SimdTensor {
    return new SimdTensor(dtype, shape, bounds, this.allocate(dtype, shape));
  }

  /** A tensor that is computed when it is read. */
  defer(dtype: Dtype, shape: Shape, bounds: Interval, pending: Pending): SimdTensor {
    for (const operand of operandsOf(pending)) operand.storage!.retain();
    const tensor = new SimdTensor(dtype, shape, bounds, pending);
    this.pending.add(tensor);
    if (this.pending.size > MAX_PENDING) {
      for (const oldest of this.pending) {
        this.storageOf(oldest);
        break;
      }
    }
    return tensor;
  }

  /** A tensor of the same elements under another shape. */
  alias(x: SimdTensor, shape: Shape): SimdTensor {
    const storage = this.storageOf(x).retain();
    const alias = new SimdTensor(x.dtype, shape, x.interval, storage);
    alias.scanned = x.scanned;
    return alias;
  }

  /** Where the elements of `x` are; computes them if need be. */
  storageOf(x: SimdTensor): Storage {
    if (x.storage !== undefined) return x.storage;
    const pending = x.pending!;
    x.storage = this.compute(this, pending, x.shape);
    this.forget(x, pending);
    return x.storage;
  }

  addressOf(x: SimdTensor): Address {
    return this.storageOf(x).pointer;
  }

  /** The elements, as a view that lasts until the memory grows. */
  hostView(x: SimdTensor): HostTensor {
    const { dtype, shape } = x;
    return { dtype, shape, refs: 1, data: this.heap.view(dtype, this.addressOf(x), x.count) };
  }

  /** Takes in a host tensor, which may be a view of this memory. */
  fromHost({ dtype, shape, data }: HostTensor): SimdTensor {
    const own = data.buffer === this.heap.u8.buffer ? data.slice() : data;
    const bytes = new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
    const tensor = this.make(dtype, shape);
    this.heap.u8.set(bytes, tensor.storage!.pointer);
    return tensor;
  }

  release(x: SimdTensor): void {
    if (x.storage !== undefined) x.storage.release();
    else this.forget(x, x.pending!);
  }

  /** At least that many bytes, until the next call: one block serves all kernels. */
  scratch(bytes: number): Address {
    if (this.scratchBlock === undefined || this.scratchBlock.bytes < bytes) {
      this.scratchBlock?.release();
      this.scratchBlock = undefined;
      this.scratchBlock = new Storage(this.heap, bytes);
    }
    return this.scratchBlock.pointer;
  }

  /** As `scratch`, that many bytes, rounded up, for each thread. */
  threadScratch(bytes: number): Address {
    return this.scratch(roundUp(bytes) * (this.pool?.threads ?? 1));
  }

  /** Lets go of the memory; nothing here is used afterwards. */
  dispose(): void {
    this.pending.clear();
    this.kernels = undefined;
    this.scratchBlock = undefined;
    this.pool?.dispose();
    this.heap.dispose();
  }

  private forget(x: SimdTensor, pending: Pending): void {
    x.pending = undefined;
    this.pending.delete(x);
    for (const operand of operandsOf(pending)) operand.storage!.release();
  }
}
