// A run, read off spec/execution.md as it stands: slow, without regard to memory, and apart from
// src/vm. Instructions on tensors are computed by the exact meanings of their records.
import { evaluateExact } from "../../dist/opcodes/evaluate.js";
import { OPS } from "../../dist/opcodes/index.js";
import { operandRulesOf, resultDtypesOf } from "../../dist/opcodes/signature.js";
import { gasOf } from "./gas.mjs";
import { littleEndian, sha256 } from "./hashes.mjs";
import { chargedBytes, chargedCount, count, info, valuesOf } from "./tensors.mjs";

/** What ends a run early. */
class Trapped extends Error {
  constructor(code, detail) {
    super(code);
    this.trap = { code, ...(detail === undefined ? {} : { detail }) };
  }
}

/**
 * @param target `{ module, functions, function, inputs, outputs (ports), bindings }`: functions of
 *   one part, and the sizes that named dimensions have from the inputs
 * @param options `{ limits, seed }`; limits as bigints
 * @returns `{ results } | { trap }` with `gasUsed` and the peaks of what limits count
 */
export function execute(target, { limits, seed }) {
  const machine = new Machine(target, limits, seed);
  try {
    machine.begin(target.inputs);
    while (machine.frames.length > 0) machine.step();
  } catch (error) {
    // A trap of a record is known by its code.
    const code = error.trap?.code ?? (error.name === "Trap" ? error.code : undefined);
    if (code === undefined) throw error;
    const { fn, pc } = machine.frames.at(-1) ?? { fn: target.function, pc: 0 };
    const trap = { code, function: fn, pc, ...error.trap };
    return { trap, gasUsed: machine.gasUsed, peaks: machine.peaks };
  }
  return { results: machine.stack, gasUsed: machine.gasUsed, peaks: machine.peaks };
}

class Machine {
  stack = [];
  frames = [];
  gasUsed = 0n;
  peaks = { stackDepth: 0, callDepth: 1, memoryBytes: 0n, elements: 0n };

  constructor({ module, functions, function: entry, outputs, bindings }, limits, seed) {
    this.module = module;
    this.functions = functions;
    this.entry = entry;
    this.outputs = outputs;
    this.bindings = bindings;
    this.limits = limits;
    this.seed = seed;
  }

  /** The inputs against the limits, before the first instruction. */
  begin(inputs) {
    const { params, locals } = this.functions[this.entry];
    this.checkStack(params.length + locals.length);
    inputs.forEach((input, i) => {
      this.checkElements([input]);
      this.checkBytes(inputs.slice(0, i + 1).reduce((sum, x) => sum + chargedBytes(x), 0n));
    });
    this.enter(
      this.entry,
      inputs.map((input) => ({ ...input })),
    );
  }

  enter(fn, args) {
    const initial = ({ dtype, rank }) => ({
      dtype,
      shape: new Array(rank).fill(0),
      values: rank === 0 ? [0n] : [],
      free: true,
    });
    const { locals, results } = this.functions[fn];
    this.frames.push({
      fn,
      pc: 0,
      locals: [...args, ...locals.map(initial)],
      base: this.stack.length,
      // Open blocks; the first is that of the function.
      labels: [{ loop: false, arity: results.length, height: 0, end: Infinity }],
    });
    this.peaks.callDepth = Math.max(this.peaks.callDepth, this.frames.length);
  }

  charge(gas) {
    if (this.gasUsed + gas > this.limits.gas) throw new Trapped("OutOfGas");
    this.gasUsed += gas;
  }

  slots() {
    return this.frames.reduce((sum, { locals }) => sum + locals.length, this.stack.length);
  }

  checkStack(slots) {
    if (BigInt(slots) > this.limits.stackDepth) throw new Trapped("StackLimit");
    this.peaks.stackDepth = Math.max(this.peaks.stackDepth, slots);
  }

  checkElements(results) {
    const most = results.reduce((max, { shape }) => {
      const elements = chargedCount(shape);
      return elements > max ? elements : max;
    }, 0n);
    if (most > this.limits.elements) throw new Trapped("ElementLimit");
    if (most > this.peaks.elements) this.peaks.elements = most;
  }

  checkBytes(bytes) {
    if (bytes > this.limits.memoryBytes) throw new Trapped("MemoryLimit");
    if (bytes > this.peaks.memoryBytes) this.peaks.memoryBytes = bytes;
  }

  /** Step 3 for new tensors: elements, then the bytes of all distinct tensors that are alive. */
  checkTensors(results) {
    this.checkElements(results);
    const alive = new Set([...this.stack, ...this.frames.flatMap(({ locals }) => locals)]);
    const bytes = [...alive].filter(({ free }) => !free).reduce((sum, x) => sum + chargedBytes(x), 0n); // prettier-ignore
    this.checkBytes(results.reduce((sum, x) => sum + chargedBytes(x), bytes));
  }

  step() {
    const frame = this.frames.at(-1);
    const { op, imm } = this.functions[frame.fn].body[frame.pc];
    if (OPS[op].kind === "tensor") this.tensorStep(frame, op, imm);
    else this.machineStep(frame, op, imm);
  }

  tensorStep(frame, op, imm) {
    const record = OPS[op];
    const rules = operandRulesOf(record, imm);
    const operands = this.stack.slice(this.stack.length - rules.length);
    const shapeOperand = rules.findIndex(({ when }) => when !== undefined);
    const shapes = record.shape(imm, operands, operands[shapeOperand]?.values ?? []);
    const dtypes = resultDtypesOf(record, imm, rules, operands);
    const largest = shapes.map((shape, i) => ({ dtype: dtypes[i], shape }));
    this.charge(gasOf(op, imm, operands, largest));
    this.checkStack(this.slots() - operands.length + largest.length);
    this.checkTensors(largest);
    const results = evaluateExact(op, imm, operands);
    this.stack.splice(this.stack.length - rules.length, rules.length, ...results);
    frame.pc++;
  }

  machineStep(frame, op, imm) {
    const { stack } = this;
    const { body } = this.functions[frame.fn];
    const condition = () => stack.pop().values[0] === 1n;
    if (op !== "random") this.charge(OPS[op].gas.base);
    switch (op) {
      case "trap":
        throw new Trapped("Unreachable", imm.detail);
      case "block":
      case "loop":
      case "if": {
        const { params, results } = imm.type;
        const taken = op !== "if" || condition();
        const { otherwise, end } = arms(body, frame.pc);
        frame.labels.push({
          loop: op === "loop",
          start: frame.pc + 1,
          end,
          arity: op === "loop" ? params.length : results.length,
          height: stack.length - frame.base - params.length,
        });
        if (taken) frame.pc++;
        else if (otherwise !== undefined) frame.pc = otherwise + 1;
        else this.leaveBlock(frame, end);
        return;
      }
      case "else":
        return this.leaveBlock(frame, frame.labels.at(-1).end);
      case "end":
        if (frame.labels.length > 1) return this.leaveBlock(frame, frame.pc);
        return this.leave(frame);
      case "br":
        return this.branch(frame, imm.label);
      case "br.if":
        if (condition()) this.branch(frame, imm.label);
        else frame.pc++;
        return;
      case "return":
        return this.branch(frame, frame.labels.length - 1);
      case "call": {
        const { params, locals } = this.functions[imm.function];
        this.checkStack(this.slots() + locals.length);
        if (BigInt(this.frames.length + 1) > this.limits.callDepth) throw new Trapped("CallDepth");
        this.enter(imm.function, stack.splice(stack.length - params.length));
        return;
      }
      case "drop":
        stack.pop();
        break;
      case "local.get":
        this.push(frame.locals[imm.local]);
        break;
      case "local.set":
        frame.locals[imm.local] = stack.pop();
        break;
      case "local.tee":
        frame.locals[imm.local] = stack.at(-1);
        break;
      case "local.take": {
        this.push(frame.locals[imm.local]);
        const { params, locals } = this.functions[frame.fn];
        const { dtype, rank } = [...params, ...locals][imm.local];
        const values = rank === 0 ? [0n] : [];
        frame.locals[imm.local] = { dtype, shape: new Array(rank).fill(0), values, free: true };
        break;
      }
      case "const":
        this.push(this.parameter(imm.parameter));
        break;
      case "scalar":
        this.push({ dtype: imm.dtype, shape: [], values: [imm.value], free: true });
        break;
      case "random": {
        const result = { dtype: imm.dtype, shape: imm.dims };
        this.charge(gasOf(op, imm, [], [result]));
        this.checkTensors([result]);
        const counter = stack.pop().values[0];
        stack.push({ ...result, values: randomValues(this.seed, imm, counter) });
        break;
      }
      default:
        throw new RangeError(`no meaning of ${op}`);
    }
    frame.pc++;
  }

  push(tensor) {
    this.checkStack(this.slots() + 1);
    this.stack.push(tensor);
  }

  /** One tensor however often it is pushed. */
  parameter(index) {
    this.parameters ??= [];
    this.parameters[index] ??= { ...this.module.tensors[index], free: true };
    return this.parameters[index];
  }

  leaveBlock(frame, end) {
    frame.labels.pop();
    frame.pc = end + 1;
  }

  branch(frame, label) {
    const at = frame.labels.length - 1 - label;
    const { loop, arity, height, start, end } = frame.labels[at];
    if (at === 0) return this.leave(frame);
    const carried = this.stack.splice(this.stack.length - arity);
    this.stack.length = frame.base + height;
    this.stack.push(...carried);
    frame.labels.length = loop ? at + 1 : at;
    frame.pc = loop ? start : end + 1;
  }

  leave(frame) {
    const { results } = this.functions[frame.fn];
    const carried = this.stack.slice(this.stack.length - results.length);
    if (this.frames.length === 1) {
      const shapes = carried.map(({ shape }) => shape);
      if (!bindDimensions(this.module, this.outputs, shapes, this.bindings))
        throw new Trapped("ShapeMismatch");
    }
    this.stack.length = frame.base;
    this.stack.push(...carried);
    this.frames.pop();
    if (this.frames.length > 0) this.frames.at(-1).pc++;
  }
}

/** Where the `else` and the `end` of the block are that opens at `pc`. */
function arms(code, pc) {
  let depth = 0;
  let otherwise;
  for (let at = pc; ; at++) {
    const { op } = code[at];
    if (["block", "loop", "if"].includes(op)) depth++;
    if (op === "else" && depth === 1) otherwise = at;
    if (op === "end" && --depth === 0) return { otherwise, end: at };
  }
}

function randomValues(seed, { dtype, stream, dims }, counter) {
  const length = count(dims) * info(dtype).bytes;
  const bytes = new Uint8Array(Math.ceil(length / 32) * 32);
  for (let n = 0; n * 32 < length; n++) {
    const block = sha256(seed, littleEndian(stream, 4), littleEndian(counter, 8), littleEndian(n, 8)); // prettier-ignore
    bytes.set(block, n * 32);
  }
  return valuesOf(dtype, bytes.subarray(0, length));
}

/**
 * Whether shapes are those of ports. `bindings` has the sizes of names that are known, and takes in
 * those that become known.
 */
export function bindDimensions({ configuration: { dimensions } }, ports, shapes, bindings) {
  const all = ports.flatMap(({ shape }, i) => shape.map((size, axis) => [size, shapes[i][axis]]));
  const alone = (size) => size.multiplier === 1 && size.offset === 0 && size.divisor === 1;
  const derived = all.filter(([size]) => typeof size === "object" && !alone(size));
  for (const [size, actual] of all) {
    if (typeof size === "number") {
      if (size !== actual) return false;
    } else if (alone(size)) {
      const { maximum } = dimensions[size.dimension];
      bindings[size.dimension] ??= actual;
      if (bindings[size.dimension] !== actual || actual > maximum) return false;
    }
  }
  return derived.every(([{ dimension, multiplier, offset, divisor }, actual]) => {
    const value = bindings[dimension];
    if (value === undefined) return true;
    const exact = BigInt(value) * BigInt(multiplier) + BigInt(offset);
    const quotient = exact / BigInt(divisor);
    const floor = exact < 0n && exact % BigInt(divisor) !== 0n ? quotient - 1n : quotient;
    return floor === BigInt(actual);
  });
}
