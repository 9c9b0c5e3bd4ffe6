/**
 * Random programs that are valid and nearly always finish: chains of what compilers emit
 * (contraction, bias, rescale, clamp, table) and of everything between, over small tensors, with
 * values kept in locals, branches, loops and calls. Every dimension is known while they are made.
 */
import type { TensorSpec } from "../../../src/core/shape.js";
import { elementCount, sameShape } from "../../../src/core/shape.js";
import type { Module, ModuleFunction } from "../../../src/module/module.js";
import type { SeededRandom } from "../seededRandom.js";
import { FunctionBuilder, ProgramBuilder, randomBytes, typeOf } from "./programBuilder.js";
import { StepWriter } from "./stepWriter.js";
import { MAX_ELEMENTS, SIZES } from "./writer.js";

/** A program and what to run it on. */
export interface RandomProgram {
  readonly module: Module;
  readonly inputs: readonly (TensorSpec & { readonly bytes: Uint8Array })[];
}

/** Writes a function with control flow. */
class FunctionWriter extends StepWriter {
  /** A value of some kind, and things done to it until the fuel is used. */
  run(): TensorSpec {
    let x = this.leaf();
    while (this.fuel-- > 0) x = this.step(x);
    return x;
  }

  private step(x: TensorSpec): TensorSpec {
    if (this.chance(8)) this.keep(x, "local.tee");
    if (this.chance(3)) {
      this.keep(x, "local.set");
      return this.leaf();
    }
    if (this.nesting < 2 && this.chance(5)) return this.control(x);
    const contractible = x.dtype !== "bool" && x.dtype !== "i64" && x.shape.length > 0;
    if (contractible && this.chance(35)) {
      const sums = this.contraction(x);
      if (sums !== undefined) return this.follow(sums);
    }
    return this.any(x) ?? x;
  }

  /** Code that makes tensors of these specs of their stacks of one; `votes` and `total` are dropped. */
  aggregate(outputs: readonly TensorSpec[]): void {
    this.nesting = 2;
    outputs.forEach(({ dtype, shape }, local) => {
      this.code.emit("local.get", { local });
      this.code.emit("reshape", { dims: [...shape] });
      this.same({ dtype, shape });
    });
  }

  // Control flow. Whatever is done inside ends in the type and shape that it began with.

  private control(x: TensorSpec): TensorSpec {
    this.nesting++;
    const fuel = this.fuel;
    const type = typeOf(x);
    const inner = { params: [type], results: [type] };
    switch (this.random.int(0, 3)) {
      case 0: {
        this.condition(x);
        this.code.emit("if", { type: inner });
        this.same(x);
        if (this.chance(70)) {
          this.code.emit("else");
          this.same(x);
        }
        this.code.emit("end");
        break;
      }
      case 1: {
        this.code.emit("block", { type: inner });
        this.same(x);
        if (this.chance(20)) {
          // Nobody comes by what follows.
          this.code.emit("br", { label: 0 });
          this.code.emit("trap", { detail: 1 });
        } else {
          this.condition(x);
          this.code.emit("br.if", { label: 0 });
          this.same(x);
        }
        this.code.emit("end");
        break;
      }
      case 2: {
        const counter = this.code.local({ dtype: "i32", rank: 0 });
        this.code.emit("scalar", { dtype: "i32", value: 0n });
        this.code.emit("local.set", { local: counter });
        this.code.emit("loop", { type: inner });
        this.same(x);
        this.code.emit("local.get", { local: counter });
        this.code.emit("scalar", { dtype: "i32", value: 1n });
        this.code.emit("add");
        this.code.emit("local.tee", { local: counter });
        this.code.emit("scalar", { dtype: "i32", value: BigInt(this.random.int(1, 4)) });
        this.code.emit("lt");
        this.code.emit("br.if", { label: 0 });
        this.code.emit("end");
        break;
      }
      default: {
        const index = this.program.functions.push(undefined) - 1;
        const code = new FunctionBuilder([type]);
        const writer = new FunctionWriter(this.program, code, [{ ...x, local: 0 }], 0);
        writer.nesting = this.nesting;
        writer.code.emit("local.get", { local: 0 });
        writer.same(x);
        if (this.chance(30)) code.emit("return");
        code.emit("end");
        const { params, locals, body } = code;
        this.program.functions[index] = { params, results: [type], locals, body };
        this.code.emit("call", { function: index });
      }
    }
    this.nesting--;
    this.fuel = fuel;
    return x;
  }

  /** Pushes a bool scalar that depends on x, which stays. */
  private condition(x: TensorSpec): void {
    const local = this.code.local(typeOf(x));
    this.code.emit("local.tee", { local });
    this.code.emit("local.get", { local });
    this.code.emit("cast", { dtype: "bool" });
    this.code.emit(this.chance(50) ? "reduce.max" : "reduce.min", {
      axes: x.shape.map((_, axis) => axis),
    });
    this.code.emit("reshape", { dims: [] });
  }

  /** Does things to x that end in its dtype and shape. */
  private same(x: TensorSpec): void {
    let y = x;
    for (let i = this.random.int(1, 3); i > 0; i--) {
      const next = this.sameShape(y, x);
      if (next !== undefined) y = next;
    }
    if (y.dtype !== x.dtype) this.code.emit("cast", { dtype: x.dtype });
  }

  private sameShape(y: TensorSpec, x: TensorSpec): TensorSpec | undefined {
    const shape = this.channelShape(x.shape);
    const fits = { dtype: y.dtype, shape };
    switch (this.random.int(0, 5)) {
      case 0:
        return this.narrowed(y);
      case 1:
        return this.looked(y);
      case 2:
        return this.rescaled(y);
      case 3: {
        const pair = this.pair(y);
        if (pair === undefined) return undefined;
        const b = { dtype: pair.b, shape };
        const product = this.apply(y, "mul.wide", { accumulator: pair.accumulator }, [b], () =>
          this.constant(b.dtype, shape),
        );
        return product && (this.rescaled(product) ?? product);
      }
      case 4: {
        const width = x.shape[x.shape.length - 1];
        const pair = this.pair(y);
        if (pair === undefined || width === undefined || x.shape.length < 2) return undefined;
        const b = { dtype: pair.b, shape: [width, width] };
        const bits = this.bits(y, pair, width);
        if (bits === undefined) return undefined;
        const imm = { ...bits, accumulator: pair.accumulator };
        const sums = this.apply(y, "matmul", imm, [b], () => this.weights(b, bits.bBits));
        return sums && (this.rescaled(sums) ?? sums);
      }
      default:
        if (y.dtype === "bool" || !sameShape(x.shape, y.shape)) return undefined;
        return this.apply(
          y,
          this.random.pick(["add", "sub", "max", "mul"] as const),
          {},
          [fits],
          () => this.constant(y.dtype, shape),
        );
    }
  }
}

/** Code that aggregates outputs of these specs. */
function aggregationOf(program: ProgramBuilder, outputs: readonly TensorSpec[]): ModuleFunction {
  const stacks = outputs.map(({ dtype, shape }) => ({ dtype, rank: shape.length + 1 }));
  const code = new FunctionBuilder([
    ...stacks,
    { dtype: "i64", rank: 1 },
    { dtype: "i64", rank: 0 },
  ]);
  new FunctionWriter(program, code, [], 0).aggregate(outputs);
  code.emit("end");
  const { params, locals, body } = code;
  return { params, results: outputs.map(typeOf), locals, body };
}

/**
 * A program and its inputs.
 * @param length how many things to do; a shorter program of the same seed begins alike
 */
export function randomProgram(random: SeededRandom, length: number): RandomProgram {
  const program = new ProgramBuilder(random);
  const inputs = Array.from({ length: random.int(1, 2) }, () => {
    const dtype = random.pick(["i8", "u8", "i16", "i16", "i32", "i64", "bool"] as const);
    const rank = random.pick([1, 2, 2, 3, 4, 4, 5]);
    let shape: number[];
    do shape = Array.from({ length: rank }, () => random.pick(SIZES));
    while (elementCount(shape) > MAX_ELEMENTS / 2);
    return { dtype, shape, bytes: randomBytes(random, { dtype, shape }) };
  });
  const code = new FunctionBuilder(inputs.map(typeOf));
  const kept = inputs.map((input, local) => ({ ...input, local }));
  program.functions.push(undefined);
  const writer = new FunctionWriter(program, code, kept, length);
  const outputs = [writer.run()];
  // Whatever else is still held is looked at too.
  for (const spec of writer.kept.slice(-6)) {
    code.emit("local.take", { local: spec.local });
    outputs.push({ dtype: spec.dtype, shape: spec.shape });
  }
  code.emit("end");
  const { params, locals, body } = code;
  program.functions[0] = { params, results: outputs.map(typeOf), locals, body };
  if (random.int(0, 7) === 0 && outputs.every(({ shape }) => shape.length < 8)) {
    program.aggregation = aggregationOf(program, outputs);
  }
  const specs = inputs.map(({ dtype, shape }) => ({ dtype, shape }));
  return { module: program.module(specs, outputs), inputs };
}
