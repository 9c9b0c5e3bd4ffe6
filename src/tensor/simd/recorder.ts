import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { Shape } from "../../core/shape.js";
import { elementCount } from "../../core/shape.js";
import type { Recorder, Recording } from "../backend.js";
import { Arena } from "./arena.js";
import type { Engine } from "./engine.js";
import { DTYPE_INTERVAL } from "./interval.js";
import type { Kernels as Wasm } from "./kernels.js";
import type { Pinned, RunRecorder } from "./mode.js";
import { Storage } from "./storage.js";
import { SimdTensor } from "./tensor.js";

/** What these return depends on their arguments only, not on elements. */
const PURE: ReadonlySet<string> = new Set(["contractScratchBytes", "depthwiseScratchBytes"]);
/** Steps beyond which a run is not worth recording. */
const MAX_STEPS = 100_000;

/** Does a part of the run again; false when elements decide otherwise than they did. */
type Step = () => unknown;

/**
 * Records a run while it happens. What is recorded is the calls of the kernels, with their
 * arguments as they are in memory. That holds for other inputs of the same shapes because
 *
 * - the run has all its memory from an arena, which the recording keeps;
 * - choices that depend on elements go through `decide`, which makes them again, and so does what the
 *   machine reads: conditions, and shapes that were computed;
 * - work of the host on elements goes through `perform`;
 * - what is made from constants alone is made aside, once, and kept;
 * - any other look at the memory makes the recording fail, and then there is none.
 */
export class SimdRecorder implements Recorder<SimdTensor>, RunRecorder {
  readonly arena: Arena;
  /** Apart from the arena: what is written once must not lie where earlier steps write. */
  private readonly saved: Arena;
  readonly wasm: Wasm;
  /** Tensors of the run that await their work. */
  readonly pending = new Set<SimdTensor>();
  scratchBlock: Storage | undefined;
  private readonly engine: Engine;
  private readonly list: Step[] = [];
  private readonly inputs: SimdTensor[] = [];
  /** Constants and results: what would else be released. */
  private readonly kept = new Set<Storage>();
  private readonly pins = new Set<Pinned>();
  private macs = 0;
  private failed = false;

  constructor(engine: Engine) {
    this.engine = engine;
    this.arena = new Arena(engine.heap);
    this.saved = new Arena(engine.heap);
    this.wasm = this.recordingKernels(engine.wasm);
  }

  get steps(): number {
    return this.list.length;
  }

  input(dtype: Dtype, shape: Shape, bytes: Uint8Array): SimdTensor {
    const storage = new Storage(this.arena, elementCount(shape) * DTYPE_INFO[dtype].bytes);
    const tensor = new SimdTensor(dtype, shape, DTYPE_INTERVAL[dtype], storage);
    // Those of the next run are put here before it begins, so nothing else may come to lie here.
    this.inputs.push(tensor);
    storage.retain();
    this.engine.heap.u8.set(bytes, storage.pointer);
    return tensor;
  }

  during<R>(work: () => R): R {
    const { engine, arena } = this;
    const before = engine.macs;
    try {
      return engine.within({ recorder: this, memory: arena, asideOf: undefined }, work);
    } finally {
      this.macs += engine.macs - before;
    }
  }

  /** Work that does not look at elements of the run, and is done once. */
  aside<R>(work: () => R): R {
    const { engine } = this;
    return engine.within({ recorder: undefined, memory: engine.heap, asideOf: this }, work);
  }

  /** A tensor that is the same in every run. */
  constant(make: () => SimdTensor): SimdTensor {
    const tensor = this.aside(make);
    this.keep(tensor.storage!);
    return tensor;
  }

  /** Whether the elements of `x` may be others in another run. */
  isOwn(x: SimdTensor): boolean {
    return x.storage === undefined || x.storage.home === this.arena;
  }

  fail(): void {
    this.failed = true;
  }

  /** A choice that depends on elements: whoever plays the recording makes it again. */
  decide<V>(choice: () => V, same: (a: V, b: V) => boolean = Object.is): V {
    const made = this.unwatched(choice);
    this.add(() => same(choice(), made));
    return made;
  }

  /** Work of the host on elements. */
  perform(work: () => void): void {
    this.unwatched(work);
    this.add(work);
  }

  /** Keeps what was made of a constant. */
  pin(entry: Pinned): void {
    if (this.pins.has(entry)) return;
    this.pins.add(entry);
    entry.pins++;
  }

  finish(results: readonly SimdTensor[]): Recording | undefined {
    const { engine, list, inputs, macs } = this;
    this.during(() => {
      for (const result of results) engine.storageOf(result);
    });
    if (this.failed) return undefined;
    const outputs = results.map(({ bytes, storage }) => ({
      bytes,
      pointer: this.keep(storage!).pointer,
    }));
    const recording = {
      steps: list.length,
      busy: false,
      disposed: false,
      begin(bytes: readonly Uint8Array[]): void {
        recording.busy = true;
        bytes.forEach((own, i) => engine.heap.u8.set(own, inputs[i]!.storage!.pointer));
        engine.macs += macs;
      },
      play(from: number, to: number): boolean {
        for (let i = from; i < to; i++) if (list[i]!() === false) return false;
        return true;
      },
      result(index: number): Uint8Array {
        const { pointer, bytes } = outputs[index]!;
        return engine.heap.u8.slice(pointer, pointer + bytes);
      },
      end(): void {
        recording.busy = false;
      },
      dispose: (): void => {
        if (recording.disposed) return;
        recording.disposed = true;
        engine.recordings.delete(recording);
        this.discard();
      },
    };
    engine.recordings.add(recording);
    return recording;
  }

  discard(): void {
    for (const storage of this.kept) storage.release();
    for (const entry of this.pins) entry.pins--;
    this.kept.clear();
    this.pins.clear();
    this.list.length = 0;
    this.arena.dispose();
    this.saved.dispose();
  }

  private keep(storage: Storage): Storage {
    if (!this.kept.has(storage)) this.kept.add(storage.retain());
    return storage;
  }

  private add(step: Step): void {
    if (this.list.length < MAX_STEPS) this.list.push(step);
    else this.fail();
  }

  /** Calls kernels as they are, and looks where it likes. */
  private unwatched<R>(work: () => R): R {
    const mode = { recorder: undefined, memory: this.arena, asideOf: undefined };
    return this.engine.within(mode, work);
  }

  private recordingKernels(wasm: Wasm): Wasm {
    const kernels = wasm as unknown as Record<string, (...args: unknown[]) => unknown>;
    const record = (name: string): ((...args: unknown[]) => unknown) => {
      const kernel = kernels[name]!;
      if (PURE.has(name)) return kernel;
      return (...args) => {
        this.save(args);
        const result = kernel(...args);
        if (result !== undefined) this.fail();
        this.add(bindArguments(kernel, args));
        return result;
      };
    };
    return Object.fromEntries(Object.keys(kernels).map((name) => [name, record(name)])) as never;
  }

  /** Has the argument structures of a call, if it has any, put back before it. */
  private save(args: readonly unknown[]): void {
    const { arguments: at, argumentBytes, heap } = this.engine;
    const inside = (x: unknown): boolean =>
      typeof x === "number" && at <= x && x < at + argumentBytes;
    if (!args.some(inside)) return;
    const { pointer } = new Storage(this.saved, argumentBytes);
    this.unwatched(() => heap.u8.copyWithin(pointer, at, at + argumentBytes));
    this.add(() => void heap.u8.copyWithin(at, pointer, pointer + argumentBytes));
  }
}

/** A call with these arguments: spreading them each time would take longer than small kernels do. */
function bindArguments(f: (...args: never[]) => unknown, args: readonly unknown[]): Step {
  const [a, b, c, d, e, g, h, i, j, k, l, m] = args as never[];
  switch (args.length) {
    case 1:
      return () => f(a!);
    case 2:
      return () => f(a!, b!);
    case 3:
      return () => f(a!, b!, c!);
    case 4:
      return () => f(a!, b!, c!, d!);
    case 5:
      return () => f(a!, b!, c!, d!, e!);
    case 6:
      return () => f(a!, b!, c!, d!, e!, g!);
    case 7:
      return () => f(a!, b!, c!, d!, e!, g!, h!);
    case 8:
      return () => f(a!, b!, c!, d!, e!, g!, h!, i!);
    case 9:
      return () => f(a!, b!, c!, d!, e!, g!, h!, i!, j!);
    case 10:
      return () => f(a!, b!, c!, d!, e!, g!, h!, i!, j!, k!);
    case 11:
      return () => f(a!, b!, c!, d!, e!, g!, h!, i!, j!, k!, l!);
    case 12:
      return () => f(a!, b!, c!, d!, e!, g!, h!, i!, j!, k!, l!, m!);
    default:
      return () => f(...(args as never[]));
  }
}
