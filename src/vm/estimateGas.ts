/** Gas of a run without running: the code is followed over shapes, and over values where these are few and known. */
import type { Dtype } from "../core/dtype.js";
import { Trap } from "../core/errors.js";
import type { TrapCode } from "../core/errors.js";
import type { TensorSpec } from "../core/shape.js";
import { byteLength, elementCount } from "../core/shape.js";
import { decodeModule } from "../module/decode.js";
import type { Module, ParameterInfo } from "../module/module.js";
import { validateModule } from "../module/validate.js";
import { evaluateExact } from "../opcodes/evaluate.js";
import type { MachineOpName } from "../opcodes/index.js";
import { isTensorOp } from "../opcodes/index.js";
import type { LinkedFunction, Step } from "./execution.js";
import { bindInputs, checkNames, checkRank } from "./hostValues.js";
import { findEntry, linkFunctions } from "./program.js";
import { integersOf } from "./rawTensor.js";
import { resolve, tensorInstruction } from "./resolution.js";

/**
 * Gas of a run that neither limits nor values stop before its end.
 * - `exact`: the control flow and the shapes follow from the shapes of the inputs.
 * - `upperBound`: the greatest of all ways through the code that values could choose.
 * - `unknown`: a shape depends on values, or there are too many ways to follow.
 */
export type GasEstimate =
  | {
      readonly kind: "exact" | "upperBound";
      readonly gas: bigint;
      /** Where shapes stop every run on the way with the most gas. */
      readonly trap?: TrapCode;
      /** Gas of each instruction of the entry's function on that way, calls with what they call. */
      readonly byInstruction?: readonly bigint[];
    }
  | { readonly kind: "unknown"; readonly reason: string };

/** Tensors of at most that many elements are followed with their values. */
const MAX_VALUES = 64;
const MAX_STEPS = 1_000_000;
const MAX_PATHS = 1_000;

/** A tensor as far as it is known. */
interface Abstract extends TensorSpec {
  readonly values?: readonly bigint[] | undefined;
  /** Whether the shape depends on values: that here is the largest it can be. */
  readonly open?: boolean;
}

interface Frame {
  readonly function: LinkedFunction;
  pc: number;
  readonly locals: (Abstract | undefined)[];
  readonly base: number;
}

/** One way through the code, so far. */
interface Path {
  readonly stack: Abstract[];
  readonly frames: Frame[];
  gas: bigint;
  /** By instruction of the first frame; undefined when nobody asked. */
  readonly spent: bigint[] | undefined;
}

/** Why a path cannot be followed. */
class Unknown {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/**
 * Gas of a run of an entry point on inputs of these shapes. No weights are needed.
 * @param source the bytes of a module, or a decoded one
 * @param shapes by the names of the entry's inputs
 * @throws MalformedError, InvalidError; InputError when the shapes do not fit the entry
 */
export function estimateGas(
  source: Uint8Array | Module,
  shapes: Readonly<Record<string, readonly number[]>>,
  options: { readonly entry?: string | undefined; readonly byInstruction?: boolean } = {},
): GasEstimate {
  const module = source instanceof Uint8Array ? decodeModule(source) : source;
  const inference = linkFunctions(module.functions, validateModule(module).functions);
  return estimateProgramGas({ module, inference }, options.entry, shapes, options.byInstruction);
}

/** `estimateGas` of a module that has been validated. */
export function estimateProgramGas(
  code: { readonly module: Module; readonly inference: readonly LinkedFunction[] },
  entryName: string | undefined,
  shapes: Readonly<Record<string, readonly number[]>>,
  byInstruction = false,
): GasEstimate {
  const { configuration } = code.module;
  const entry = findEntry(configuration, entryName);
  checkNames(entry, shapes);
  const given = entry.inputs.map((port) => {
    checkRank(port, shapes[port.name]!, configuration.dimensions);
    return [...shapes[port.name]!];
  });
  bindInputs(entry, configuration.dimensions, given);

  const inputs = entry.inputs.map(({ dtype }, i) => ({ dtype, shape: given[i]! }));
  const main = code.inference[entry.function]!;
  const spent = byInstruction ? main.code.map(() => 0n) : undefined;
  const start: Path = { stack: inputs, frames: [], gas: 0n, spent };
  call(start, main);
  try {
    return new Estimator(code.module, code.inference).follow(start);
  } catch (error) {
    if (error instanceof Unknown) return { kind: "unknown", reason: error.reason };
    throw error;
  }
}

class Estimator {
  readonly #module: Module;
  readonly #functions: readonly LinkedFunction[];
  readonly #pending: Path[] = [];
  #paths = 1;

  constructor(module: Module, functions: readonly LinkedFunction[]) {
    this.#module = module;
    this.#functions = functions;
  }

  follow(start: Path): GasEstimate {
    let most: { gas: bigint; trap?: TrapCode; byInstruction?: readonly bigint[] } | undefined;
    let steps = 0;
    this.#pending.push(start);
    for (let path = this.#pending.pop(); path !== undefined; path = this.#pending.pop()) {
      let trap: TrapCode | undefined;
      while (path.frames.length > 0 && trap === undefined) {
        if (++steps > MAX_STEPS) throw new Unknown(`more than ${MAX_STEPS} instructions to follow`);
        trap = this.#step(path);
      }
      if (most === undefined || path.gas > most.gas) {
        most = {
          gas: path.gas,
          ...(trap === undefined ? {} : { trap }),
          ...(path.spent === undefined ? {} : { byInstruction: path.spent }),
        };
      }
    }
    return { kind: this.#paths === 1 ? "exact" : "upperBound", ...most! };
  }

  #step(path: Path): TrapCode | undefined {
    const frame = path.frames[path.frames.length - 1]!;
    const step = frame.function.code[frame.pc]!;
    try {
      if (isTensorOp(step.op)) this.#tensorStep(path, frame, step);
      else {
        charge(path, step.gas);
        this.#machineStep(step.op, path, frame, step);
      }
      return undefined;
    } catch (error) {
      if (error instanceof Trap) return error.code;
      throw error;
    }
  }

  #tensorStep(path: Path, frame: Frame, { op, imm }: Step): void {
    if (!isTensorOp(op)) return;
    const { stack } = path;
    const instruction = tensorInstruction(op, imm);
    const { rules, shapeOperand, record } = instruction;
    const operands = stack.slice(stack.length - rules.length);
    const open = operands.findIndex((operand) => operand.open);
    if (open >= 0) {
      throw new Unknown(
        `function ${frame.function.index}, instruction ${frame.pc}: the shape of ${rules[open]!.name} of ${op} depends on values`,
      );
    }
    const dims = shapeOperand < 0 ? [] : operands[shapeOperand]!.values;
    if (dims === undefined) {
      throw new Unknown(
        `function ${frame.function.index}, instruction ${frame.pc}: ${op} takes its shape from values`,
      );
    }
    const { results, gas } = resolve(instruction, operands, dims);
    charge(path, gas);
    stack.length -= rules.length;
    // A window may have more taps than its operand has elements.
    const follow =
      record.class !== "pool" && results.every(({ shape }) => elementCount(shape) <= MAX_VALUES);
    if (op === "shape") {
      stack.push({ ...results[0]!, values: operands[0]!.shape.map(BigInt) });
    } else if (follow && operands.every(isKnown)) {
      stack.push(...evaluateExact(op, imm, operands));
    } else {
      const own = record.valueShape === undefined ? {} : { open: true };
      stack.push(...results.map((result) => ({ ...result, ...own })));
    }
    frame.pc++;
  }

  #machineStep(op: MachineOpName, path: Path, frame: Frame, step: Step): void {
    const { stack } = path;
    const { imm } = step;
    switch (op) {
      case "trap":
        throw new Trap("Unreachable", "");
      case "block":
      case "loop":
        break;
      case "end":
        return goTo(path, frame, frame.pc + 1);
      case "else":
        return goTo(path, frame, step.target);
      case "br":
      case "return":
        return branch(path, frame, step);
      case "if":
      case "br.if": {
        const condition = stack.pop()!.values?.[0];
        if (condition === undefined) this.#fork(path);
        // Where the condition is open, this path goes on and the one that was put by jumps.
        if (condition === undefined) {
          const other = this.#pending[this.#pending.length - 1]!;
          jump(op, other, other.frames[other.frames.length - 1]!, step);
        } else if ((condition === 1n) === (op === "br.if")) {
          return jump(op, path, frame, step);
        }
        break;
      }
      case "call":
        return call(path, this.#functions[imm["function"] as number]!);
      case "drop":
        stack.pop();
        break;
      case "local.get":
        stack.push(local(frame, imm["local"] as number));
        break;
      case "local.set":
        frame.locals[imm["local"] as number] = stack.pop();
        break;
      case "local.tee":
        frame.locals[imm["local"] as number] = stack[stack.length - 1];
        break;
      case "local.take":
        stack.push(local(frame, imm["local"] as number));
        frame.locals[imm["local"] as number] = undefined;
        break;
      case "const": {
        const index = imm["parameter"] as number;
        stack.push(known(this.#module.parameters[index]!, this.#module.parameterData[index]));
        break;
      }
      case "scalar":
        stack.push({ dtype: imm["dtype"] as Dtype, shape: [], values: [imm["value"] as bigint] });
        break;
      case "random":
        stack.pop();
        stack.push({ dtype: imm["dtype"] as Dtype, shape: imm["dims"] as readonly number[] });
        break;
    }
    frame.pc++;
  }

  #fork(path: Path): void {
    if (++this.#paths > MAX_PATHS) {
      throw new Unknown(`values choose between more than ${MAX_PATHS} ways through the code`);
    }
    this.#pending.push({
      stack: [...path.stack],
      frames: path.frames.map((frame) => ({ ...frame, locals: [...frame.locals] })),
      gas: path.gas,
      spent: path.spent && [...path.spent],
    });
  }
}

function charge(path: Path, gas: bigint): void {
  path.gas += gas;
  if (path.spent !== undefined) path.spent[path.frames[0]!.pc]! += gas;
}

function jump(op: "if" | "br.if", path: Path, frame: Frame, step: Step): void {
  if (op === "if") goTo(path, frame, step.target);
  else branch(path, frame, step);
}

function branch(path: Path, frame: Frame, { target, arity, height }: Step): void {
  const from = path.stack.length - arity;
  path.stack.splice(frame.base + height, from - frame.base - height);
  goTo(path, frame, target);
}

function goTo(path: Path, frame: Frame, pc: number): void {
  if (pc < frame.function.code.length) {
    frame.pc = pc;
    return;
  }
  path.frames.pop();
  const caller = path.frames[path.frames.length - 1];
  if (caller !== undefined) caller.pc++;
}

function call(path: Path, callee: LinkedFunction): void {
  const base = path.stack.length - callee.params.length;
  const locals: (Abstract | undefined)[] = path.stack.splice(base);
  path.frames.push({ function: callee, pc: 0, locals, base });
}

function local(frame: Frame, index: number): Abstract {
  const value = frame.locals[index];
  if (value !== undefined) return value;
  const { dtype, rank } = frame.function.locals[index]!;
  return { dtype, shape: new Array<number>(rank).fill(0), values: rank === 0 ? [0n] : [] };
}

function isKnown(x: Abstract): x is Abstract & { readonly values: readonly bigint[] } {
  return x.values !== undefined;
}

function known({ dtype, shape }: ParameterInfo, bytes: Uint8Array | undefined): Abstract {
  if (elementCount(shape) > MAX_VALUES || bytes?.length !== byteLength({ dtype, shape })) {
    return { dtype, shape };
  }
  return { dtype, shape, values: Array.from(integersOf({ dtype, shape, bytes }), BigInt) };
}
