import type { Dtype } from "../core/dtype.js";
import { DTYPE_INFO } from "../core/dtype.js";
import { InvalidError } from "../core/errors.js";
import type { Shape, TensorType } from "../core/shape.js";
import type { Instruction, OpName, TensorOpName } from "../opcodes/index.js";
import { recordOf, tensorRecordOf } from "../opcodes/index.js";
import type { BlockType } from "../opcodes/record.js";
import { MAX_NESTING, MAX_STACK_HEIGHT } from "./limits.js";
import type { ModuleFunction, ParameterInfo } from "./module.js";
import type { FunctionPlan } from "./plan.js";
import type { InvalidCode, OperandType, TypingStack } from "./typing.js";
import { checkImmediates, formatType, typeTensorOp, UNKNOWN } from "./typing.js";

/** What a function may refer to. */
export interface FunctionContext {
  /** Functions of the same part of the module. */
  readonly functions: readonly ModuleFunction[];
  readonly parameters: readonly ParameterInfo[];
  /** For messages: `code` or `aggregation`. */
  readonly part: string;
}

const CONDITION: TensorType = { dtype: "bool", rank: 0 };
const COUNTER: TensorType = { dtype: "i64", rank: 0 };

/** A block that is open. */
interface Frame {
  readonly kind: "function" | "block" | "loop" | "if" | "else";
  readonly type: BlockType;
  /** Where it was opened; −1 for the function. */
  readonly pc: number;
  /** Height of the stack beneath its parameters. */
  readonly base: number;
  /** What follows cannot be reached: operands that are missing are of unknown type. */
  unreachable: boolean;
  /** Instructions that jump behind its `end`. */
  readonly exits: number[];
}

/**
 * Validates the body of one function by the algorithm of WebAssembly: one pass, a stack of types
 * and a stack of open blocks.
 * @throws InvalidError
 */
export function validateFunction(
  index: number,
  context: FunctionContext,
): { readonly plan: FunctionPlan; readonly steps: number } {
  return new FunctionValidator(index, context).run();
}

class FunctionValidator implements TypingStack {
  readonly #index: number;
  readonly #context: FunctionContext;
  readonly #function: ModuleFunction;
  readonly #locals: readonly TensorType[];
  readonly #stack: OperandType[] = [];
  readonly #frames: Frame[] = [];
  readonly #target: Int32Array;
  readonly #arity: Int32Array;
  readonly #height: Int32Array;
  #maxHeight = 0;
  #pc = 0;
  #steps = 0;

  constructor(index: number, context: FunctionContext) {
    this.#index = index;
    this.#context = context;
    this.#function = context.functions[index]!;
    this.#locals = [...this.#function.params, ...this.#function.locals];
    const { length } = this.#function.body;
    this.#target = new Int32Array(length).fill(-1);
    this.#arity = new Int32Array(length).fill(-1);
    this.#height = new Int32Array(length).fill(-1);
  }

  run(): { readonly plan: FunctionPlan; readonly steps: number } {
    const { params, results, body } = this.#function;
    this.#frames.push({
      kind: "function",
      type: { params, results },
      pc: -1,
      base: 0,
      unreachable: false,
      exits: [],
    });
    for (this.#pc = 0; this.#pc < body.length; this.#pc++) {
      if (this.#frames.length === 0) {
        this.fail("Structure", "an instruction behind the last `end` of the function");
      }
      this.#steps++;
      this.#step(body[this.#pc]!);
    }
    if (this.#frames.length > 0) {
      this.fail(
        "Structure",
        `${this.#frames.length} \`end\` are missing at the end of the function`,
      );
    }
    const plan = {
      maxHeight: this.#maxHeight,
      target: this.#target,
      arity: this.#arity,
      height: this.#height,
    };
    return { plan, steps: this.#steps };
  }

  #step(instruction: Instruction): void {
    switch (instruction.op) {
      case "trap":
        this.#checkImmediates(instruction);
        return this.#unreachable();
      case "block":
        return this.#open("block", instruction.imm.type);
      case "loop":
        return this.#open("loop", instruction.imm.type);
      case "if":
        this.#pop(CONDITION, "the condition");
        return this.#open("if", instruction.imm.type);
      case "else":
        return this.#else();
      case "end":
        return this.#end();
      case "br":
        this.#branch(instruction.imm.label);
        return this.#unreachable();
      case "br.if": {
        this.#pop(CONDITION, "the condition");
        const types = this.#branch(instruction.imm.label);
        return this.#pushAll(types);
      }
      case "return":
        this.#branch(this.#frames.length - 1);
        return this.#unreachable();
      case "call": {
        const { functions, part } = this.#context;
        const callee = this.#at(functions, instruction.imm.function, `function of the ${part}`);
        this.#popAll(callee.params, "argument");
        return this.#pushAll(callee.results);
      }
      case "drop":
        this.#popOne("the value");
        return;
      case "local.get":
      case "local.take":
        return this.push(this.#local(instruction.imm.local));
      case "local.set":
        return this.#pop(this.#local(instruction.imm.local), "the value");
      case "local.tee": {
        const type = this.#local(instruction.imm.local);
        this.#pop(type, "the value");
        return this.push(type);
      }
      case "const": {
        const { dtype, shape } = this.#parameter(instruction.imm.parameter);
        return this.push({ dtype, rank: shape.length });
      }
      case "scalar": {
        this.#checkImmediates(instruction);
        const { dtype, value } = instruction.imm;
        this.#checkValue(dtype, value);
        return this.push({ dtype, rank: 0 });
      }
      case "random":
        this.#checkImmediates(instruction);
        this.#pop(COUNTER, "the counter");
        return this.push({ dtype: instruction.imm.dtype, rank: instruction.imm.dims.length });
      default: {
        // A machine instruction without a case above is no TensorOpName: it does not compile.
        const op: TensorOpName = instruction.op;
        return typeTensorOp(tensorRecordOf(op), instruction.imm, this, this.#precedingShape());
      }
    }
  }

  /** Shape of the parameter that the instruction before pushes, if it is a `const`. */
  #precedingShape(): Shape | undefined {
    const before = this.#function.body[this.#pc - 1];
    return before?.op === "const" ? this.#parameter(before.imm.parameter).shape : undefined;
  }

  #open(kind: "block" | "loop" | "if", type: BlockType): void {
    if (this.#frames.length > MAX_NESTING) {
      this.fail("Limit", `blocks are nested deeper than ${MAX_NESTING}`);
    }
    this.#steps += type.params.length + type.results.length;
    this.#popAll(type.params, "parameter of the block");
    const base = this.#stack.length;
    this.#frames.push({ kind, type, pc: this.#pc, base, unreachable: false, exits: [] });
    this.#pushAll(type.params);
  }

  #else(): void {
    const frame = this.#frames.at(-1)!;
    if (frame.kind !== "if") this.fail("Structure", "`else` without an open `if`");
    this.#close(frame);
    this.#target[frame.pc] = this.#pc + 1;
    frame.exits.push(this.#pc);
    this.#frames.push({ ...frame, kind: "else", unreachable: false });
    this.#pushAll(frame.type.params);
  }

  #end(): void {
    const frame = this.#frames.at(-1)!;
    const { params, results } = frame.type;
    if (frame.kind === "if") {
      // The arm that is not there leaves the parameters as they are.
      if (!sameTypes(params, results)) {
        this.fail(
          "Type",
          "an `if` without `else` must have results of the types of its parameters",
        );
      }
      frame.exits.push(frame.pc);
    }
    this.#close(frame);
    for (const exit of frame.exits) this.#target[exit] = this.#pc + 1;
    if (frame.kind !== "function") this.#pushAll(results);
  }

  /** Takes the results of a block off the stack, which must then be as high as where it began. */
  #close(frame: Frame): void {
    this.#popAll(frame.type.results, "result of the block");
    const left = this.#stack.length - frame.base;
    if (left > 0) {
      this.fail("StackLeftover", `${left} operands are left over beneath the results; drop them`);
    }
    this.#frames.pop();
  }

  /** Pops what the label takes, and notes where the branch goes. */
  #branch(label: number): readonly TensorType[] {
    const depth = this.#frames.length;
    if (!(Number.isInteger(label) && label >= 0 && label < depth)) {
      this.fail("Index", `label ${label} names none of the ${depth} enclosing blocks`);
    }
    const frame = this.#frames[depth - 1 - label]!;
    const types = frame.kind === "loop" ? frame.type.params : frame.type.results;
    this.#popAll(types, "value carried to the label");
    this.#arity[this.#pc] = types.length;
    this.#height[this.#pc] = frame.base;
    if (frame.kind === "loop") this.#target[this.#pc] = frame.pc + 1;
    else frame.exits.push(this.#pc);
    return types;
  }

  #unreachable(): void {
    const frame = this.#frames.at(-1)!;
    this.#stack.length = frame.base;
    frame.unreachable = true;
  }

  #local(index: number): TensorType {
    return this.#at(this.#locals, index, "local");
  }

  #parameter(index: number): ParameterInfo {
    return this.#at(this.#context.parameters, index, "parameter");
  }

  #at<T>(space: readonly T[], index: number, what: string): T {
    const found = space[index];
    if (found === undefined) {
      this.fail("Index", `there is no ${what} ${index}; there are ${space.length}`);
    }
    return found;
  }

  #checkImmediates({ op, imm }: Instruction): void {
    checkImmediates(recordOf(op).immediates, imm, this);
  }

  #checkValue(dtype: Dtype, value: bigint): void {
    const { min, max } = DTYPE_INFO[dtype];
    if (value < min || value > max) {
      this.fail("Constraint", `value is ${value}, which is not a value of ${dtype}`);
    }
  }

  #popAll(types: readonly TensorType[], what: string): void {
    for (let i = types.length - 1; i >= 0; i--) this.#pop(types[i]!, what, i);
  }

  /** @param index for messages, where `what` is one of several */
  #pop(expected: TensorType, what: string, index?: number): void {
    const type = this.#popOne(what);
    const dtypeFits = type.dtype === undefined || type.dtype === expected.dtype;
    const rankFits = type.rank === undefined || type.rank === expected.rank;
    if (!dtypeFits || !rankFits) {
      const which = index === undefined ? what : `${what} ${index}`;
      this.fail("Type", `${which} is ${formatType(type)}; it must be ${formatType(expected)}`);
    }
  }

  #popOne(what: string): OperandType {
    this.#steps++;
    const { base, unreachable } = this.#frames[this.#frames.length - 1]!;
    if (this.#stack.length > base) return this.#stack.pop()!;
    if (!unreachable)
      this.fail("StackUnderflow", `${what} is missing: the block has no operands left`);
    return UNKNOWN;
  }

  #pushAll(types: readonly TensorType[]): void {
    for (const type of types) this.push(type);
  }

  popUpTo(count: number, what: string): readonly OperandType[] {
    const { base, unreachable } = this.#frames.at(-1)!;
    const there = Math.min(count, this.#stack.length - base);
    this.#steps += there;
    if (there < count && !unreachable) {
      this.fail("StackUnderflow", `${what}: ${count} popped, the block has ${there} on the stack`);
    }
    return this.#stack.splice(this.#stack.length - there, there);
  }

  push(type: OperandType): void {
    this.#steps++;
    if (this.#stack.length >= MAX_STACK_HEIGHT) {
      this.fail("Limit", `more than ${MAX_STACK_HEIGHT} operands on the stack`);
    }
    this.#stack.push(type);
    if (this.#stack.length > this.#maxHeight) this.#maxHeight = this.#stack.length;
  }

  spend(steps: number): void {
    this.#steps += steps;
  }

  fail(code: InvalidCode, message: string): never {
    const op: OpName | undefined = this.#function.body[this.#pc]?.op;
    const { part } = this.#context;
    const where = `${part} function ${this.#index}, instruction ${this.#pc}${op === undefined ? "" : ` (${op})`}`;
    throw new InvalidError(code, `${where}: ${message}`, {
      name: part,
      function: this.#index,
      pc: this.#pc,
      ...(op === undefined ? {} : { op }),
    });
  }
}

function sameTypes(a: readonly TensorType[], b: readonly TensorType[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ dtype, rank }, i) => dtype === b[i]!.dtype && rank === b[i]!.rank)
  );
}
