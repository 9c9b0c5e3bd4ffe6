import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPE_INFO, INTEGER_DTYPES } from "../../../src/core/dtype.js";
import { Trap } from "../../../src/core/errors.js";
import type { Shape, TensorSpec } from "../../../src/core/shape.js";
import { chargedCount } from "../../../src/core/shape.js";
import type { TensorOpName } from "../../../src/opcodes/index.js";
import { tensorRecordOf } from "../../../src/opcodes/index.js";
import type { AnyImmediates } from "../../../src/opcodes/record.js";
import { operandRulesOf, resultDtypesOf } from "../../../src/opcodes/signature.js";
import type { SeededRandom } from "../seededRandom.js";
import type { FunctionBuilder, ProgramBuilder } from "./programBuilder.js";
import { typeOf } from "./programBuilder.js";

export const MAX_ELEMENTS = 1_500;
/** Around the widths of vectors and of register tiles, and whatever is small. */
export const SIZES = [1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 8, 9, 12, 15, 16, 17, 24, 31, 33];

/** A value in a local. */
export interface Kept extends TensorSpec {
  readonly local: number;
}

/** Writes one function: every method leaves the value it returns on top of the stack. */
export class Writer {
  protected readonly program: ProgramBuilder;
  protected readonly random: SeededRandom;
  readonly code: FunctionBuilder;
  /** Locals that hold a value. */
  readonly kept: Kept[];
  /** Instructions of choice that are left. */
  protected fuel: number;
  protected nesting = 0;

  constructor(program: ProgramBuilder, code: FunctionBuilder, kept: Kept[], fuel: number) {
    this.program = program;
    this.random = program.random;
    this.code = code;
    this.kept = kept;
    this.fuel = fuel;
  }

  protected chance(percent: number): boolean {
    return this.random.int(1, 100) <= percent;
  }

  protected size(): number {
    return this.chance(2) ? 0 : this.random.pick(SIZES);
  }

  /** Specs of the results, or undefined where the instruction would trap or be large. */
  protected results(
    op: TensorOpName,
    imm: AnyImmediates,
    operands: readonly TensorSpec[],
    dims: readonly bigint[] = [],
  ): TensorSpec[] | undefined {
    const record = tensorRecordOf(op);
    try {
      const shapes = record.shape(imm as never, operands, dims);
      if (shapes.some((shape) => chargedCount(shape) > MAX_ELEMENTS)) return undefined;
      const dtypes = resultDtypesOf(record, imm, operandRulesOf(record, imm), operands);
      return shapes.map((shape, i) => ({ dtype: dtypes[i]!, shape }));
    } catch (error) {
      if (error instanceof Trap) return undefined;
      throw error;
    }
  }

  /** Applies an instruction to x on top of the stack, after what `push` puts above it. */
  protected apply(
    x: TensorSpec,
    op: TensorOpName,
    imm: AnyImmediates,
    others: readonly TensorSpec[] = [],
    push: () => void = () => {},
  ): TensorSpec | undefined {
    const results = this.results(op, imm, [x, ...others]);
    if (results?.length !== 1) return undefined;
    push();
    this.code.emit(op, imm);
    return results[0]!;
  }

  protected constant(dtype: Dtype, shape: Shape, lo?: bigint, hi?: bigint): TensorSpec {
    this.code.emit("const", { parameter: this.program.parameter(dtype, shape, lo, hi) });
    return { dtype, shape };
  }

  protected scalar(dtype: Dtype): void {
    const { min, max } = DTYPE_INFO[dtype];
    this.code.emit("scalar", { dtype, value: this.random.value(min, max) });
  }

  protected leaf(): TensorSpec {
    if (this.kept.length > 0 && this.chance(75)) return this.get(this.random.pick(this.kept));
    const shape = this.shape(this.random.pick([1, 2, 3, 4]));
    const dtype = this.random.pick(INTEGER_DTYPES);
    switch (this.random.int(0, 5)) {
      case 0: {
        const length = this.size();
        this.code.emit("iota", { dims: [length] });
        return { dtype: "i32", shape: [length] };
      }
      case 1: {
        this.scalar("i64");
        this.code.emit("random", { dtype, stream: this.random.int(0, 3), dims: shape });
        return { dtype, shape };
      }
      default:
        return this.constant(dtype, shape);
    }
  }

  protected get(kept: Kept): TensorSpec {
    // What is taken is gone; in a loop or a branch it might be needed again.
    if (this.nesting === 0 && this.chance(25)) {
      this.kept.splice(this.kept.indexOf(kept), 1);
      this.code.emit("local.take", { local: kept.local });
    } else this.code.emit("local.get", { local: kept.local });
    return kept;
  }

  protected shape(rank: number): number[] {
    for (;;) {
      const shape = Array.from({ length: rank }, () => this.size());
      if (chargedCount(shape) <= MAX_ELEMENTS / 2) return shape;
    }
  }

  protected keep(x: TensorSpec, op: "local.tee" | "local.set"): void {
    const local = this.code.local(typeOf(x));
    this.code.emit(op, { local });
    if (this.nesting === 0) this.kept.push({ ...x, local });
  }
}
