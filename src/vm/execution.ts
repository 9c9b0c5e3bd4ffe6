/** The interpreter: all state of one run, advanced instruction by instruction. */
import { AivmError, HostError, InternalError, Trap } from "../core/errors.js";
import type { TensorSpec, TensorType } from "../core/shape.js";
import { chargedCount } from "../core/shape.js";
import type { OpName } from "../opcodes/index.js";
import type { AnyImmediates } from "../opcodes/record.js";
import type { Backend, Tensor } from "../tensor/backend.js";
import type { Constants } from "./constants.js";
import type { Limits } from "./limits.js";
import type { RawTensor } from "./rawTensor.js";
import { chargedBytes } from "./rawTensor.js";

/**
 * Does one instruction, in the order of `spec/execution.md`: shapes, gas, limits, value checks,
 * effect. It moves the pc when the effect is done, so that a trap leaves all as it was.
 */
export type Handler = (x: Execution, step: Step) => void;

/** An instruction with all that is known before it runs. */
export interface Step {
  readonly op: OpName;
  readonly imm: AnyImmediates;
  readonly handler: Handler;
  /** Of instructions whose gas does not depend on operands. */
  readonly gas: bigint;
  /** Operands popped and results pushed; 0 and 0 for control. */
  readonly pops: number;
  readonly pushes: number;
  /** Of branches, as in `FunctionPlan`; −1 elsewhere. */
  readonly target: number;
  readonly arity: number;
  readonly height: number;
}

export interface LinkedFunction {
  readonly index: number;
  readonly params: readonly TensorType[];
  readonly results: readonly TensorType[];
  /** Types of all locals, parameters first. */
  readonly locals: readonly TensorType[];
  readonly code: readonly Step[];
}

interface Frame {
  readonly function: LinkedFunction;
  /** Of the instruction that runs next; of its `call` while the callee runs. */
  pc: number;
  /**
   * Those that are not at their initial values: entering and leaving a function costs what it has
   * used, not what it has declared.
   */
  readonly locals: Map<number, Tensor>;
  /** Height of the operand stack below this frame's operands. */
  readonly base: number;
}

/** Makes a tensor of an input. */
export type Upload = (input: RawTensor) => Tensor;

export interface ExecutionOptions {
  readonly functions: readonly LinkedFunction[];
  readonly entry: LinkedFunction;
  readonly backend: Backend;
  readonly constants: Constants;
  /** The backend's own unless said. */
  readonly upload?: Upload;
  readonly limits: Limits;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /**
   * What is wrong with the shapes of the results, or undefined: looked at before the entry's
   * function is left, where a complaint is a trap `ShapeMismatch`.
   */
  readonly checkResults: (results: readonly TensorSpec[]) => string | undefined;
}

/** How an execution ended. */
export type Outcome = "finished" | Trap;

/** A run on its way, however it is done. */
export interface Progress {
  readonly outcome: Outcome | undefined;
  readonly gasUsed: bigint;
  /** Instructions done. */
  readonly instructions: number;
  readonly peakBytes: number;
  advance(gas: bigint): void;
  /** Copies of the results, once the outcome is "finished". */
  outputs(): RawTensor[];
  dispose(): void;
}

const NO_TENSORS: readonly Tensor[] = [];

/**
 * One run. `step` and `advance` may be called until there is an `outcome`; between calls the
 * execution rests and costs nothing. `dispose` gives its tensors back, however it ended.
 */
export class Execution implements Progress {
  readonly backend: Backend;
  readonly constants: Constants;
  readonly limits: Limits;
  readonly seed: Uint8Array;
  readonly functions: readonly LinkedFunction[];
  readonly #checkResults: ExecutionOptions["checkResults"];
  /** Operands of all frames; the top is last. Each entry holds one reference. */
  readonly stack: Tensor[] = [];
  readonly #frames: Frame[] = [];
  #frame: Frame | undefined;
  #outcome: Outcome | undefined;
  /** Locals of all frames. */
  #locals = 0;
  #liveBytes = 0;
  #peakBytes = 0;
  #gasUsed = 0n;
  #instructions = 0;

  /**
   * Enters a function; what does not fit the limits is a trap at its first instruction.
   * @throws HostError when the host has no memory for the inputs
   */
  constructor(options: ExecutionOptions, inputs: readonly RawTensor[]) {
    this.backend = options.backend;
    this.constants = options.constants;
    this.limits = options.limits;
    this.seed = options.seed;
    this.functions = options.functions;
    this.#checkResults = options.checkResults;
    try {
      this.#begin(options, inputs);
    } catch (error) {
      this.#stop(error, { function: options.entry.index, pc: 0, op: options.entry.code[0]!.op });
    }
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Charged so far: of a trapped run, without the instruction that could not pay or whose shapes did not fit. */
  get gasUsed(): bigint {
    return this.#gasUsed;
  }

  /** Instructions done. */
  get instructions(): number {
    return this.#instructions;
  }

  /** The most bytes of live tensors that there were at once, as the limit counts them. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  get depth(): number {
    return this.#frames.length;
  }

  /** The instruction that runs next and where it is; undefined when there is an outcome. */
  get next(): { readonly function: number; readonly pc: number; readonly step: Step } | undefined {
    const frame = this.#frame;
    if (frame === undefined || this.#outcome !== undefined) return undefined;
    return { function: frame.function.index, pc: frame.pc, step: frame.function.code[frame.pc]! };
  }

  /** The results of the entry's function, once the outcome is "finished". */
  get results(): readonly Tensor[] {
    return this.#outcome === "finished" ? this.stack : NO_TENSORS;
  }

  outputs(): RawTensor[] {
    return this.results.map((result) => {
      const { dtype, shape } = result;
      return { dtype, shape, bytes: this.backend.download(result) };
    });
  }

  /**
   * Does one instruction.
   * @throws HostError when the host fails
   */
  step(): void {
    this.advance(0n);
  }

  /**
   * Does instructions until that much gas is charged, at least one.
   * @throws HostError when the host fails
   */
  advance(gas: bigint): void {
    if (this.#outcome !== undefined || this.#frame === undefined) return;
    const until = this.#gasUsed + gas;
    try {
      do {
        const frame = this.#frame!;
        const step = frame.function.code[frame.pc]!;
        step.handler(this, step);
        this.#instructions++;
      } while (this.#gasUsed < until && this.#outcome === undefined);
    } catch (error) {
      const { function: { index, code }, pc } = this.#frame!; // prettier-ignore
      this.#stop(error, { function: index, pc, op: code[pc]!.op });
    }
  }

  /** Gives all tensors back; the execution is not used afterwards. */
  dispose(): void {
    this.cut(0, 0);
    while (this.#frames.length > 0) this.#dropFrame();
  }

  // What handlers are made of.

  /** @throws Trap `OutOfGas`, and then nothing is charged */
  charge(gas: bigint): void {
    const used = this.#gasUsed + gas;
    if (used > this.limits.gas) {
      throw new Trap(
        "OutOfGas",
        `the instruction takes ${gas} gas, ${this.limits.gas - this.#gasUsed} of ${this.limits.gas} are left`,
      );
    }
    this.#gasUsed = used;
  }

  /** @throws Trap `StackLimit` when the stack and the locals would be more than the limit */
  reserve(slots: number): void {
    const total = this.stack.length + this.#locals + slots;
    if (total > this.limits.stackDepth) {
      throw new Trap(
        "StackLimit",
        `${total} operands and locals, the limit is ${this.limits.stackDepth}`,
      );
    }
  }

  /** @throws Trap `ElementLimit` or `MemoryLimit` when new tensors do not fit the limits */
  admit(elements: number, bytes: number): void {
    if (elements > this.limits.elements) {
      throw new Trap(
        "ElementLimit",
        `a tensor of ${elements} elements, the limit is ${this.limits.elements}`,
      );
    }
    const live = this.#liveBytes + bytes;
    if (live > this.limits.memoryBytes) {
      throw new Trap(
        "MemoryLimit",
        `${live} bytes of live tensors, the limit is ${this.limits.memoryBytes}`,
      );
    }
  }

  /** Pushes a new tensor, whose one reference the stack takes over. */
  pushNew(tensor: Tensor): void {
    this.stack.push(tensor);
    this.#liveBytes += chargedBytes(tensor);
    if (this.#liveBytes > this.#peakBytes) this.#peakBytes = this.#liveBytes;
  }

  /** Pushes a tensor that somebody else holds too. */
  push(tensor: Tensor): void {
    tensor.refs++;
    this.stack.push(tensor);
  }

  /** Gives up one reference. */
  release(tensor: Tensor): void {
    if (--tensor.refs > 0) return;
    this.#liveBytes -= chargedBytes(tensor);
    this.backend.release(tensor);
  }

  /** Goes on with the next instruction. */
  proceed(): void {
    this.#frame!.pc++;
  }

  /** Goes on at `pc`; the end of the code leaves the function with its results on top of the stack. */
  goTo(pc: number): void {
    const frame = this.#frame!;
    if (pc < frame.function.code.length) frame.pc = pc;
    else this.#leave(frame);
  }

  /** Goes on behind the instruction, which may be the last. */
  goOn(): void {
    this.goTo(this.#frame!.pc + 1);
  }

  /** The branch of a plan: carries operands, cuts the stack, jumps. */
  branch({ target, arity, height }: Step): void {
    const frame = this.#frame!;
    if (target === frame.function.code.length) this.#checkLast(arity);
    this.cut(frame.base + height, arity);
    this.goTo(target);
  }

  /** Releases what lies between height `to` and the `carried` operands on top, which move down. */
  cut(to: number, carried: number): void {
    const { stack } = this;
    const from = stack.length - carried;
    if (from <= to) return;
    for (let i = to; i < from; i++) this.release(stack[i]!);
    stack.copyWithin(to, from);
    stack.length = to + carried;
  }

  /**
   * Enters a function with its parameters on top of the stack.
   * @throws Trap `StackLimit` or `CallDepth`
   */
  call(callee: LinkedFunction): void {
    const { params, locals } = callee;
    this.reserve(locals.length - params.length);
    if (this.#frames.length >= this.limits.callDepth) {
      throw new Trap("CallDepth", `more than ${this.limits.callDepth} calls within one another`);
    }
    const base = this.stack.length - params.length;
    this.#locals += locals.length;
    this.#frame = {
      function: callee,
      pc: 0,
      locals: new Map(this.stack.splice(base).entries()),
      base,
    };
    this.#frames.push(this.#frame);
  }

  local(index: number): Tensor {
    const { locals, function: f } = this.#frame!;
    return locals.get(index) ?? this.constants.initial(f.locals[index]!);
  }

  /** Puts a value, whose reference it takes over, into a local; undefined is the initial value. */
  setLocal(index: number, value: Tensor | undefined): void {
    const { locals } = this.#frame!;
    const old = locals.get(index);
    if (value === undefined) locals.delete(index);
    else locals.set(index, value);
    if (old !== undefined) this.release(old);
  }

  #begin({ entry, upload }: ExecutionOptions, inputs: readonly RawTensor[]): void {
    this.reserve(entry.locals.length);
    let bytes = 0;
    for (const input of inputs)
      this.admit(chargedCount(input.shape), (bytes += chargedBytes(input)));
    for (const input of inputs) {
      const { dtype, shape, bytes: elements } = input;
      this.pushNew(upload?.(input) ?? this.backend.upload(dtype, shape, elements));
    }
    this.call(entry);
  }

  #leave(frame: Frame): void {
    this.#checkLast(frame.function.results.length);
    this.#dropFrame();
    if (this.#frame === undefined) this.#outcome = "finished";
    else this.#frame.pc++;
  }

  /** @throws Trap `ShapeMismatch` when the results of the entry's own frame do not fit its ports */
  #checkLast(results: number): void {
    if (this.#frames.length > 1) return;
    const problem = this.#checkResults(this.stack.slice(this.stack.length - results));
    if (problem !== undefined) throw new Trap("ShapeMismatch", problem);
  }

  #dropFrame(): void {
    const { locals, function: f } = this.#frames.pop()!;
    this.#locals -= f.locals.length;
    for (const local of locals.values()) this.release(local);
    this.#frame = this.#frames[this.#frames.length - 1];
  }

  #stop(error: unknown, place: { function: number; pc: number; op: string }): void {
    if (error instanceof Trap) {
      const { code, message, detail } = error;
      this.#outcome = new Trap(
        code,
        `${message} (function ${place.function}, instruction ${place.pc}: ${place.op})`,
        place,
        detail,
      );
      return;
    }
    this.dispose();
    if (error instanceof AivmError) throw error;
    if (error instanceof RangeError) {
      // Operands have been checked, so what is out of range is the memory of the host.
      throw new HostError("OutOfMemory", `the host has no memory for ${place.op}`, place, error);
    }
    throw new InternalError(
      `${this.backend.name} failed at ${place.op}: ${String(error)}`,
      place,
      error,
    );
  }
}
