/** How types and immediates are written and read, driven by the records of the instructions. */
import type { Dtype } from "../core/dtype.js";
import { DTYPES, DTYPE_INFO } from "../core/dtype.js";
import { MalformedError } from "../core/errors.js";
import type { TensorType } from "../core/shape.js";
import { MAX_RANK } from "../core/shape.js";
import type { Instruction } from "../opcodes/index.js";
import { OPS, OP_BY_CODE, recordOf } from "../opcodes/index.js";
import type { AnyImmediates, BlockType, ImmediateSpec } from "../opcodes/record.js";
import { MAX_BLOCK_ARITY, MAX_INDEX } from "./limits.js";
import type { Packable } from "./pack.js";
import type { Reader } from "./reader.js";

type ImmediateAny = AnyImmediates[string];

/** Types and instructions without immediates are values: one object each serves all modules. */
const TYPES = DTYPES.map((dtype) =>
  Array.from({ length: MAX_RANK + 1 }, (_, rank): TensorType => Object.freeze({ dtype, rank })),
);
const PLAIN = new Map(
  [...OP_BY_CODE]
    .filter(([, op]) => Object.keys(recordOf(op).immediates).length === 0)
    .map(([code, op]) => [code, Object.freeze({ op, imm: Object.freeze({}) }) as Instruction]),
);
const MOST_IMMEDIATES = Math.max(
  ...Object.values(OPS).map((record) => Object.keys(record.immediates).length),
);

/**
 * An object for the immediates of each instruction, of no larger than they need: what grows by
 * assignment keeps room for three more, half a hundred bytes for each `conv` that is decoded.
 */
const BLANKS = new Map(
  Object.entries(OPS).map(([op, { immediates }]) => {
    const blank = Object.fromEntries(Object.keys(immediates).map((name) => [name, 0]));
    return [op, JSON.parse(JSON.stringify(blank)) as Record<string, ImmediateAny>];
  }),
);

export function packDtype(dtype: Dtype): Packable {
  return DTYPE_INFO[dtype].code;
}

export function readDtype(reader: Reader, what: string): Dtype {
  return DTYPES[reader.int(0, DTYPES.length - 1, what)]!;
}

export function packTypes(types: readonly TensorType[]): Packable {
  return types.map(({ dtype, rank }) => [packDtype(dtype), rank]);
}

export function readTypes(reader: Reader, max: number, what: string): TensorType[] {
  return reader.list(0, max, what, () => {
    reader.array(2, 2, what);
    const dtype = readDtype(reader, what);
    return TYPES[DTYPE_INFO[dtype].code]![reader.int(0, MAX_RANK, what)]!;
  });
}

/** `[opcode, immediates…]` in the order of the record. */
export function packInstruction({ op, imm }: Instruction): Packable {
  const record = recordOf(op);
  const values = imm as AnyImmediates;
  return [
    record.code,
    ...Object.entries(record.immediates).map(([name, spec]) => packImmediate(spec, values[name]!)),
  ];
}

export function readInstruction(reader: Reader): Instruction {
  const offset = reader.offset;
  const length = reader.array(1, 1 + MOST_IMMEDIATES, "an instruction");
  const codeOffset = reader.offset;
  const code = reader.int(0, 0xff, "an opcode");
  const op = OP_BY_CODE.get(code);
  if (op === undefined) {
    const hex = `0x${code.toString(16).padStart(2, "0")}`;
    throw new MalformedError("UnknownOpcode", `no instruction has the opcode ${hex}`, {
      offset: codeOffset,
    });
  }
  const specs = recordOf(op).immediates;
  const wanted = Object.keys(specs).length;
  if (length !== 1 + wanted) {
    throw new MalformedError("Length", `${op} takes ${wanted} immediates, here are ${length - 1}`, {
      offset,
      op,
    });
  }
  const plain = PLAIN.get(code);
  if (plain !== undefined) return plain;
  const imm: Record<string, ImmediateAny> = { ...BLANKS.get(op) };
  for (const name in specs) imm[name] = readImmediate(reader, specs[name]!, name);
  return { op, imm } as Instruction;
}

function packImmediate(spec: ImmediateSpec, value: ImmediateAny): Packable {
  switch (spec.kind) {
    case "dtype":
      return packDtype(value as Dtype);
    case "type": {
      const { params, results } = value as BlockType;
      return [packTypes(params), packTypes(results)];
    }
    case "uint":
    case "int":
    case "count":
    case "i64":
    case "axis":
    case "axes":
    case "perm":
    case "perAxis":
    case "dims":
    case "label":
    case "function":
    case "local":
    case "parameter":
      return value as number | bigint | readonly number[];
  }
}

function readImmediate(reader: Reader, spec: ImmediateSpec, name: string): ImmediateAny {
  const offset = reader.offset;
  switch (spec.kind) {
    case "uint":
    case "int":
    case "count":
      return reader.int(spec.min, spec.max, name);
    case "i64":
      return reader.i64(name);
    case "dtype": {
      const dtype = readDtype(reader, name);
      if (!spec.among.includes(dtype)) {
        throw new MalformedError(
          "OutOfRange",
          `${name} is ${dtype}, it must be one of ${spec.among.join(", ")}`,
          {
            offset,
          },
        );
      }
      return dtype;
    }
    case "axis":
      return reader.int(0, MAX_RANK - 1, name);
    case "axes": {
      const axes = numbers(reader, MAX_RANK, 0, MAX_RANK - 1, name);
      if (!axes.every((axis, i) => i === 0 || axis > axes[i - 1]!)) {
        throw new MalformedError("Order", `${name} [${axes.join(",")}] must ascend`, { offset });
      }
      return axes;
    }
    case "perm": {
      const perm = numbers(reader, MAX_RANK, 0, MAX_RANK - 1, name);
      if (new Set(perm).size !== perm.length || perm.some((axis) => axis >= perm.length)) {
        throw new MalformedError("Order", `${name} [${perm.join(",")}] must hold each axis once`, {
          offset,
        });
      }
      return perm;
    }
    case "perAxis": {
      const values = numbers(reader, spec.per * (MAX_RANK - spec.skip), spec.min, spec.max, name);
      if (values.length % spec.per !== 0) {
        throw new MalformedError(
          "Length",
          `${name} has ${values.length} entries, not ${spec.per} for each axis`,
          {
            offset,
          },
        );
      }
      return values;
    }
    case "dims":
      return numbers(reader, MAX_RANK, spec.min, spec.max, name);
    case "label":
    case "function":
    case "local":
    case "parameter":
      return reader.int(0, MAX_INDEX, name);
    case "type": {
      reader.array(2, 2, name);
      const params = readTypes(reader, MAX_BLOCK_ARITY, "parameters of a block");
      return { params, results: readTypes(reader, MAX_BLOCK_ARITY, "results of a block") };
    }
  }
}

function numbers(
  reader: Reader,
  maxLength: number,
  min: number,
  max: number,
  what: string,
): number[] {
  return reader.list(0, maxLength, what, () => reader.int(min, max, what));
}
