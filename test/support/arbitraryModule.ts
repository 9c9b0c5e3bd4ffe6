/** Random modules of correct form: every instruction, every kind of immediate, all four parts. */
import fc from "fast-check";
import type { Dtype } from "../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO } from "../../src/core/dtype.js";
import type { TensorType } from "../../src/core/shape.js";
import { byteLength, MAX_RANK } from "../../src/core/shape.js";
import { chunkRoot } from "../../src/module/merkle.js";
import type {
  Configuration,
  Dimension,
  Module,
  ModuleFunction,
  NamedDimension,
  Port,
} from "../../src/module/module.js";
import type { Instruction, OpName } from "../../src/opcodes/index.js";
import { GAS_VERSION, ISA_VERSION, OPS, recordOf } from "../../src/opcodes/index.js";
import type { ImmediateSpec } from "../../src/opcodes/record.js";

export const arbitraryDtype = fc.constantFrom<Dtype>(...DTYPES);
export const arbitraryType: fc.Arbitrary<TensorType> = fc.record({
  dtype: arbitraryDtype,
  rank: fc.integer({ min: 0, max: MAX_RANK }),
});
const types = fc.array(arbitraryType, { maxLength: 3 });
const i64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .constantFrom(
      ...[7n, 8n, 15n, 16n, 31n, 32n, 63n].flatMap((bits) =>
        [-1n, 0n, 1n].flatMap((d) => [2n ** bits + d, -(2n ** bits) + d]),
      ),
    )
    .filter((value) => BigInt.asIntN(64, value) === value),
);
const name = fc
  .string({ minLength: 1, maxLength: 12, unit: "grapheme" })
  .filter((s) => /\S/.test(s));

/** Any value of an immediate that is of correct form. */
export function arbitraryImmediate(spec: ImmediateSpec): fc.Arbitrary<unknown> {
  switch (spec.kind) {
    case "uint":
    case "int":
    case "count":
      return fc.integer(spec);
    case "i64":
      return i64;
    case "dtype":
      return fc.constantFrom(...spec.among);
    case "axis":
      return fc.integer({ min: 0, max: MAX_RANK - 1 });
    case "axes":
      return fc
        .uniqueArray(fc.integer({ min: 0, max: MAX_RANK - 1 }), { maxLength: MAX_RANK })
        .map((axes) => axes.sort((a, b) => a - b));
    case "perm":
      return fc.integer({ min: 0, max: MAX_RANK }).chain((rank) => {
        const axes = Array.from({ length: rank }, (_, axis) => axis);
        return fc.shuffledSubarray(axes, { minLength: rank });
      });
    case "perAxis":
      return fc.integer({ min: 0, max: MAX_RANK - spec.skip }).chain((axes) => {
        const length = axes * spec.per;
        return fc.array(fc.integer(spec), { minLength: length, maxLength: length });
      });
    case "dims":
      return fc.array(fc.integer(spec), { maxLength: MAX_RANK });
    case "label":
    case "function":
    case "local":
    case "parameter":
      return fc.nat({ max: 0x7fffffff });
    case "type":
      return fc.record({ params: types, results: types });
  }
}

/** The instruction of that mnemonic with immediates of correct form. */
export function arbitraryInstructionOf(op: OpName): fc.Arbitrary<Instruction> {
  const specs = Object.entries(recordOf(op).immediates);
  return fc
    .record(Object.fromEntries(specs.map(([key, spec]) => [key, arbitraryImmediate(spec)])))
    .map((imm) => ({ op, imm: { ...imm } }) as Instruction);
}

export const arbitraryInstruction = fc.oneof(
  ...(Object.keys(OPS) as OpName[]).map(arbitraryInstructionOf),
);

export const arbitraryFunction: fc.Arbitrary<ModuleFunction> = fc.record({
  params: types,
  results: types,
  locals: types,
  body: fc
    .array(arbitraryInstruction, { maxLength: 20 })
    .map((body): Instruction[] => [...body, { op: "end", imm: {} }]),
});

function arbitraryDimension(dimensions: readonly NamedDimension[]): fc.Arbitrary<Dimension> {
  const fixed = fc.nat({ max: 0x7fffffff });
  if (dimensions.length === 0) return fixed;
  const derived = fc
    .record({
      dimension: fc.nat({ max: dimensions.length - 1 }),
      multiplier: fc.integer({ min: 1, max: 0x7fffffff }),
      offset: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
      divisor: fc.integer({ min: 1, max: 0x7fffffff }),
    })
    .filter(({ dimension, multiplier, offset, divisor }) => {
      const top = BigInt(dimensions[dimension]!.maximum) * BigInt(multiplier) + BigInt(offset);
      return top >= 0n && top < 2n ** 53n && top / BigInt(divisor) < 2n ** 31n;
    });
  return fc.oneof(fixed, derived);
}

function arbitraryPort(dimensions: readonly NamedDimension[]): fc.Arbitrary<Port> {
  return arbitraryDtype.chain((dtype) => {
    const { min, max } = DTYPE_INFO[dtype];
    const scale = fc.record({
      mantissa: fc.integer({ min: 1, max: 0x7fffffff }),
      exponent: fc.integer({ min: -1074, max: 1023 }),
      zeroPoint: fc.bigInt({ min, max }),
    });
    const shape = fc.array(arbitraryDimension(dimensions), { maxLength: MAX_RANK });
    return fc.record(
      { name, dtype: fc.constant(dtype), shape, scale },
      { requiredKeys: ["name", "dtype", "shape"] },
    );
  });
}

const named = <T extends { readonly name: string }>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.uniqueArray(element, { maxLength: 3, selector: (value) => value.name });

export const arbitraryConfiguration: fc.Arbitrary<Configuration> = named(
  fc.record({
    name,
    maximum: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 0x7fffffff })),
  }),
).chain((dimensions) => {
  const ports = named(arbitraryPort(dimensions));
  const entry = fc.record({ name, function: fc.nat(), inputs: ports, outputs: ports });
  return named(entry).chain((entries) =>
    fc.record({
      isaVersion: fc.constant(ISA_VERSION),
      gasVersion: fc.constant(GAS_VERSION),
      features: fc.uniqueArray(name, { maxLength: 2 }),
      dimensions: fc.constant(dimensions),
      entries: fc.constant(entries),
      aggregations: fc
        .subarray(entries.map((_, index) => index))
        .chain((chosen) =>
          fc.tuple(
            ...chosen.map((index) => fc.record({ entry: fc.constant(index), function: fc.nat() })),
          ),
        ),
    }),
  );
});

interface Parameter {
  readonly info: Module["parameters"][number];
  readonly data: Uint8Array;
}

export const arbitraryParameter: fc.Arbitrary<Parameter> = fc
  .record({ dtype: arbitraryDtype, shape: fc.array(fc.nat({ max: 5 }), { maxLength: 3 }) })
  .chain((spec) => {
    const length = byteLength(spec);
    return fc
      .uint8Array({ minLength: length, maxLength: length, max: spec.dtype === "bool" ? 1 : 255 })
      .map((data) => ({ info: { ...spec, root: chunkRoot(data) }, data }));
  });

/**
 * Modules that decode and link; their code seldom validates. Data of some parameters are absent
 * where `absent` is set.
 */
export function arbitraryModule({ absent = true } = {}): fc.Arbitrary<Module> {
  return fc
    .record({
      configuration: arbitraryConfiguration,
      functions: fc.array(arbitraryFunction, { maxLength: 3 }),
      aggregation: fc.array(arbitraryFunction, { maxLength: 2 }),
      held: fc.array(fc.tuple(arbitraryParameter, absent ? fc.boolean() : fc.constant(true)), {
        maxLength: 4,
      }),
      provenance: fc.dictionary(name, fc.string({ unit: "grapheme" }), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    })
    .map(({ held, ...rest }) => ({
      ...rest,
      parameters: held.map(([{ info }]) => info),
      parameterData: held.map(([{ data }, here]) => (here ? data : undefined)),
    }));
}
