import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPE_INFO, newArray } from "../../../src/core/dtype.js";
import type { Shape, TensorSpec, TensorType } from "../../../src/core/shape.js";
import { elementCount } from "../../../src/core/shape.js";
import { chunkRoot } from "../../../src/module/merkle.js";
import type { Module, ModuleFunction, ParameterInfo, Port } from "../../../src/module/module.js";
import type { AnyImmediates } from "../../../src/opcodes/record.js";
import type { Instruction, OpName } from "../../../src/opcodes/index.js";
import { GAS_VERSION, ISA_VERSION } from "../../../src/opcodes/index.js";
import type { SeededRandom } from "../seededRandom.js";

/** A function in the making. */
export class FunctionBuilder {
  readonly params: readonly TensorType[];
  readonly locals: TensorType[] = [];
  readonly body: Instruction[] = [];

  constructor(params: readonly TensorType[]) {
    this.params = params;
  }

  emit(op: OpName, imm: AnyImmediates = {}): void {
    this.body.push({ op, imm } as unknown as Instruction);
  }

  /** Index of a new local. */
  local(type: TensorType): number {
    this.locals.push(type);
    return this.params.length + this.locals.length - 1;
  }
}

/** The parts of a module that all its functions write to. */
export class ProgramBuilder {
  readonly random: SeededRandom;
  readonly functions: (ModuleFunction | undefined)[] = [];
  /** Of the entry, where it has any. */
  aggregation: ModuleFunction | undefined;
  private readonly parameters: ParameterInfo[] = [];
  private readonly data: Uint8Array[] = [];

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** Index of a new parameter with values in [lo, hi]. */
  parameter(dtype: Dtype, shape: Shape, lo?: bigint, hi?: bigint): number {
    const bytes = randomBytes(this.random, { dtype, shape }, lo, hi);
    this.parameters.push({ dtype, shape, root: chunkRoot(bytes) });
    this.data.push(bytes);
    return this.parameters.length - 1;
  }

  /** The module whose entry is function 0. */
  module(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): Module {
    const ports = (name: string, specs: readonly TensorSpec[]): Port[] =>
      specs.map(({ dtype, shape }, i) => ({ name: `${name}${i}`, dtype, shape }));
    return {
      configuration: {
        isaVersion: ISA_VERSION,
        gasVersion: GAS_VERSION,
        features: [],
        dimensions: [],
        entries: [
          { name: "main", function: 0, inputs: ports("x", inputs), outputs: ports("y", outputs) },
        ],
        aggregations: this.aggregation === undefined ? [] : [{ entry: 0, function: 0 }],
      },
      functions: this.functions as ModuleFunction[],
      aggregation: this.aggregation === undefined ? [] : [this.aggregation],
      parameters: this.parameters,
      parameterData: this.data,
      provenance: {},
    };
  }
}

export function typeOf({ dtype, shape }: TensorSpec): TensorType {
  return { dtype, rank: shape.length };
}

/** Row-major bytes of values in [lo, hi]: often all there are, often few. */
export function randomBytes(
  random: SeededRandom,
  { dtype, shape }: TensorSpec,
  lo = DTYPE_INFO[dtype].min,
  hi = DTYPE_INFO[dtype].max,
): Uint8Array {
  const array = newArray(dtype, elementCount(shape));
  const bits = random.pick([64, 64, 64, 30, 15, 7, 3]);
  const inside = (v: bigint): bigint => (v < lo ? lo : v > hi ? hi : v);
  const [least, most] = [inside(-(1n << BigInt(bits))), inside(1n << BigInt(bits))];
  random.fill(array, dtype, least, most);
  return new Uint8Array(array.buffer);
}
