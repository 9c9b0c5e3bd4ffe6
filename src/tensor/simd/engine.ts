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
import type { Mode, Resting, RunRecorder } from "./mode.js";
import { PackedCache } from "./packedCache.js";
import type { Pending } from "./tensor.js";
import { SimdTensor, operandsOf } from "./tensor.js";
import { Storage } from "./storage.js";
import type { ThreadPool } from "./threads/threadPool.js";

/** Work that is put off at once: what it holds on to (operands that nobody else has) stays bounded. */
const MAX_PENDING = 8;
const ARGUMENT_BYTES = 512;

/** Memory, kernels and the tensors between them: what the kernels of this backend are written on. */
export class Engine {
  readonly heap: Heap;
  readonly packed: PackedCache;
  /** For the structures that a kernel is called with; the next call overwrites them. */
  readonly arguments: Address;
  readonly argumentBytes = ARGUMENT_BYTES;
  /** What is made of numbers alone is kept with it. */
  readonly root: Storage;
  readonly recordings = new Set<Resting>();
  macs = 0;
  private mode: Mode;
  private kernels: Wasm | undefined;
  private readonly compute: (engine: Engine, pending: Pending, shape: Shape) => Storage;
  private readonly plainPending = new Set<SimdTensor>();
  private readonly pool: ThreadPool | undefined;
  scratchBlock: Storage | undefined;

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
    this.mode = { recorder: undefined, memory: heap, asideOf: undefined };
    heap.reclaim = () => this.packed.reclaim() || this.dropRecordings();
    this.arguments = heap.allocate(ARGUMENT_BYTES);
    this.root = new Storage(heap, 0);
    this.compute = compute;
    this.pool = pool;
  }

  /** Bytes of tensors and of what was made from them. */
  get residentBytes(): number {
    const own =
      ARGUMENT_BYTES +
      this.root.reservedBytes +
      this.packed.bytesOf(this.root) +
      (this.scratchBlock?.reservedBytes ?? 0);
    return this.kernels === undefined ? 0 : this.heap.usedBytes - own;
  }

  get wasm(): Wasm {
    return this.mode.recorder?.wasm ?? this.kernels!;
  }

  /** What records the work that is being done, if anything does. */
  get recorder(): RunRecorder | undefined {
    return this.mode.recorder;
  }

  /** Works in another mode: see `SimdRecorder`. */
  within<R>(mode: Mode, work: () => R): R {
    const before = this.mode;
    this.enter(mode);
    try {
      return work();
    } finally {
      this.enter(before);
    }
  }

  /** A choice that depends on the elements of tensors. */
  choose<V>(tensors: readonly (SimdTensor | undefined)[], choice: () => V): V {
    const { recorder } = this.mode;
    if (recorder === undefined) return choice();
    const own = tensors.some((x) => x !== undefined && recorder.isOwn(x));
    return own ? recorder.decide(choice) : recorder.aside(choice);
  }

  /** Work of the host on elements; what it makes, it makes only once. */
  perform(work: () => void): void {
    if (this.mode.recorder === undefined) work();
    else this.mode.recorder.perform(work);
  }

  block(bytes: number): Storage {
    return new Storage(this.mode.memory, bytes);
  }

  allocate(dtype: Dtype, shape: Shape): Storage {
    return this.block(elementCount(shape) * DTYPE_INFO[dtype].bytes);
  }

  /** A tensor of undefined contents. */
  make(dtype: Dtype, shape: Shape, bounds: Interval = DTYPE_INTERVAL[dtype]): SimdTensor {
    return new SimdTensor(dtype, shape, bounds, this.allocate(dtype, shape));
  }

  /** A tensor that is computed when it is read. */
  defer(dtype: Dtype, shape: Shape, bounds: Interval, pending: Pending): SimdTensor {
    for (const operand of operandsOf(pending)) operand.storage!.retain();
    const tensor = new SimdTensor(dtype, shape, bounds, pending);
    const { pending: all } = this.mode.recorder ?? { pending: this.plainPending };
    all.add(tensor);
    if (all.size > MAX_PENDING) {
      for (const oldest of all) {
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
    if (this.mode.asideOf?.isOwn(x) === true) this.mode.asideOf.fail();
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
    const address = this.addressOf(x);
    const view = (): HostTensor["data"] => this.heap.view(dtype, address, x.count);
    const { recorder } = this.mode;
    const data = recorder === undefined || recorder.isOwn(x) ? view() : recorder.aside(view);
    return { dtype, shape, refs: 1, data };
  }

  /** Copies the elements of a host tensor, which may be a view of this memory, into a stored one. */
  fill(x: SimdTensor, { data }: HostTensor): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.heap.u8.set(bytes, x.storage!.pointer);
  }

  release(x: SimdTensor): void {
    if (x.storage !== undefined) x.storage.release();
    else this.forget(x, x.pending!);
  }

  /** At least that many bytes, until the next call: one block serves all kernels. */
  scratch(bytes: number): Address {
    const owner = this.mode.recorder ?? this;
    if (owner.scratchBlock === undefined || owner.scratchBlock.bytes < bytes) {
      owner.scratchBlock?.release();
      owner.scratchBlock = undefined;
      owner.scratchBlock = new Storage(owner === this ? this.heap : this.mode.memory, bytes);
    }
    return owner.scratchBlock.pointer;
  }

  /** As `scratch`, that many bytes, rounded up, for each thread. */
  threadScratch(bytes: number): Address {
    return this.scratch(roundUp(bytes) * (this.pool?.threads ?? 1));
  }

  /** Lets go of the memory; nothing here is used afterwards. */
  dispose(): void {
    this.plainPending.clear();
    this.recordings.clear();
    this.kernels = undefined;
    this.scratchBlock = undefined;
    this.pool?.dispose();
    this.heap.dispose();
  }

  private forget(x: SimdTensor, pending: Pending): void {
    x.pending = undefined;
    this.plainPending.delete(x);
    this.mode.recorder?.pending.delete(x);
    for (const operand of operandsOf(pending)) operand.storage!.release();
  }

  private enter(mode: Mode): void {
    this.mode = mode;
    const { recorder } = mode;
    this.packed.recorder = recorder;
    this.heap.watch =
      recorder === undefined
        ? undefined
        : (pointer) => {
            const at = (pointer ?? -1) - this.arguments;
            if (at < 0 || at >= ARGUMENT_BYTES) recorder.fail();
          };
  }

  private dropRecordings(): boolean {
    let dropped = false;
    for (const recording of this.recordings) {
      if (recording.busy) continue;
      recording.dispose();
      dropped = true;
    }
    return dropped;
  }
}
