/** What each instruction does to an execution. */
import { Trap } from "../core/errors.js";
import type { Dtype } from "../core/dtype.js";
import { MAX_RANK, chargedCount, elementCount } from "../core/shape.js";
import type { MachineOpName } from "../opcodes/index.js";
import type { AnyImmediates } from "../opcodes/record.js";
import type { Tensor } from "../tensor/backend.js";
import type { Execution, Handler } from "./execution.js";
import { KERNEL_CALLS } from "./kernelCalls.js";
import { chargedBytes } from "./rawTensor.js";
import { randomBytes } from "./random.js";
import type { Interval, TensorInstruction } from "./resolution.js";
import { Resolver, resolve } from "./resolution.js";

export const MACHINE_HANDLERS: Readonly<Record<MachineOpName, Handler>> = {
  trap(x, { gas, imm }) {
    x.charge(gas);
    const detail = imm["detail"] as number;
    throw new Trap("Unreachable", `the program stopped itself with ${detail}`, {}, detail);
  },
  block: pass,
  loop: pass,
  if(x, { gas, target }) {
    x.charge(gas);
    if (popCondition(x)) x.proceed();
    else x.goTo(target);
  },
  else(x, { gas, target }) {
    x.charge(gas);
    x.goTo(target);
  },
  end(x, { gas }) {
    x.charge(gas);
    x.goOn();
  },
  br(x, step) {
    x.charge(step.gas);
    x.branch(step);
  },
  "br.if"(x, step) {
    x.charge(step.gas);
    if (popCondition(x)) x.branch(step);
    else x.proceed();
  },
  return(x, step) {
    x.charge(step.gas);
    x.branch(step);
  },
  call(x, { gas, imm }) {
    x.charge(gas);
    x.call(x.functions[imm["function"] as number]!);
  },
  drop(x, { gas }) {
    x.charge(gas);
    x.release(x.stack.pop()!);
    x.proceed();
  },
  "local.get"(x, { gas, imm }) {
    x.charge(gas);
    x.reserve(1);
    x.push(x.local(imm["local"] as number));
    x.proceed();
  },
  "local.set"(x, { gas, imm }) {
    x.charge(gas);
    x.setLocal(imm["local"] as number, x.stack.pop());
    x.proceed();
  },
  "local.tee"(x, { gas, imm }) {
    x.charge(gas);
    const top = x.stack[x.stack.length - 1]!;
    top.refs++;
    x.setLocal(imm["local"] as number, top);
    x.proceed();
  },
  "local.take"(x, { gas, imm }) {
    x.charge(gas);
    x.reserve(1);
    const local = imm["local"] as number;
    x.push(x.local(local));
    x.setLocal(local, undefined);
    x.proceed();
  },
  const(x, { gas, imm }) {
    x.charge(gas);
    x.reserve(1);
    x.push(x.constants.parameter(imm["parameter"] as number));
    x.proceed();
  },
  scalar(x, { gas, imm }) {
    x.charge(gas);
    x.reserve(1);
    x.push(x.constants.scalar(imm["dtype"] as Dtype, imm["value"] as bigint));
    x.proceed();
  },
  random(x, { gas, imm }) {
    const result = { dtype: imm["dtype"] as Dtype, shape: imm["dims"] as readonly number[] };
    x.charge(gas);
    const bytes = chargedBytes(result);
    x.admit(chargedCount(result.shape), bytes);
    const length = elementCount(result.shape) === 0 ? 0 : bytes;
    const counter = bigintsOf(x, x.stack[x.stack.length - 1]!)[0]!;
    const drawn = randomBytes(x.seed, imm["stream"] as number, counter, length);
    const tensor = x.backend.upload(result.dtype, result.shape, drawn);
    x.release(x.stack.pop()!);
    x.pushNew(tensor);
    x.proceed();
  },
};

function pass(x: Execution, { gas }: { readonly gas: bigint }): void {
  x.charge(gas);
  x.proceed();
}

function popCondition(x: Execution): boolean {
  const condition = x.stack.pop()!;
  const holds = x.backend.download(condition)[0] !== 0;
  x.release(condition);
  return holds;
}

/** Values of an i64 tensor. */
function bigintsOf(x: Execution, tensor: Tensor): BigInt64Array {
  return new BigInt64Array(x.backend.download(tensor).slice().buffer);
}

/** The handler of one instruction on tensors; it remembers what its last shapes came to. */
export function tensorHandler(instruction: TensorInstruction): Handler {
  const { op, imm, rules, shapeOperand } = instruction;
  const resolver = new Resolver(instruction);
  const kernel = KERNEL_CALLS[op] as (
    backend: Execution["backend"],
    imm: AnyImmediates,
    ...rest: [readonly Tensor[], readonly unknown[]]
  ) => Tensor | readonly Tensor[];
  const pops = rules.length;
  const pushes = instruction.record.results.length;

  return (x) => {
    const { stack } = x;
    const operands = stack.slice(stack.length - pops);
    const resolution =
      shapeOperand < 0
        ? resolver.resolve(operands)
        : resolve(instruction, operands, readDims(x, operands[shapeOperand]!));
    x.charge(resolution.gas);
    x.reserve(pushes - pops);
    x.admit(resolution.elements, resolution.bytes);
    for (const interval of resolution.intervals) checkValues(x, instruction, operands, interval);

    const results = kernel(x.backend, imm, operands, resolution.results);
    stack.length -= pops;
    for (const operand of operands) x.release(operand);
    if ("refs" in results) x.pushNew(results);
    else for (const result of results) x.pushNew(result);
    x.proceed();
  };
}

/** A list of more entries than there are ranks fits no instruction, and may be too long to read. */
function readDims(x: Execution, operand: Tensor): readonly bigint[] {
  const entries = operand.shape[0]!;
  if (entries > MAX_RANK) {
    throw new Trap("ShapeMismatch", `the shape operand has ${entries} entries`);
  }
  return [...bigintsOf(x, operand)];
}

function checkValues(
  x: Execution,
  { op, rules }: TensorInstruction,
  operands: readonly Tensor[],
  { operand, lo, hi, trap }: Interval,
): void {
  if (x.constants.within(operands[operand]!, lo, hi)) return;
  throw new Trap(trap, `a value in ${rules[operand]!.name} of ${op} is outside [${lo}, ${hi}]`);
}
