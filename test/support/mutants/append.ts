import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO } from "../../../src/core/dtype.js";
import type { TensorType } from "../../../src/core/shape.js";
import type { OperandType } from "../../../src/module/typing.js";
import { typeTensorOp } from "../../../src/module/typing.js";
import { InvalidError } from "../../../src/core/errors.js";
import type { TensorOpName } from "../../../src/opcodes/index.js";
import { TENSOR_OPS, tensorRecordOf } from "../../../src/opcodes/index.js";
import type { OperandRule, TensorOp } from "../../../src/opcodes/record.js";
import type { SeededRandom } from "../seededRandom.js";
import type { Draft, DraftInstruction } from "./draft.js";
import { fittingImmediates } from "./randomImmediates.js";

const OPS = Object.keys(TENSOR_OPS) as TensorOpName[];
/** What comes after contractions in compiled code, and is fused with them by engines that fuse. */
const CHAIN: readonly TensorOpName[] = [
  "add",
  "rescale",
  "rescale.by",
  "lut.interpolate",
  "lut",
  "clamp",
  "cast",
  "conv",
  "matmul",
];

/**
 * Makes the first function go on: its last result becomes an operand of one more instruction, the
 * others are random tensors or made of the same one. Mostly what comes out validates.
 */
export function appendInstruction(draft: Draft, random: SeededRandom): boolean {
  const f = draft.functions[0];
  const last = f?.results.at(-1);
  if (f === undefined || last === undefined || f.body.at(-1)?.op !== "end") return false;
  for (let attempt = 0; attempt < 8; attempt++) {
    const op = random.int(0, 1) === 0 ? random.pick(CHAIN) : random.pick(OPS);
    const chosen = choose(tensorRecordOf(op), last, random);
    if (chosen === undefined) continue;
    const { imm, operands, results } = chosen;
    const local = f.params.length + f.locals.length;
    f.locals.push(last);
    const uses = operands.filter(({ old }) => old).length;
    const keep = random.int(0, 3) === 0;
    const code: DraftInstruction[] = [{ op: "local.set", imm: { local } }];
    let used = 0;
    for (const { type, old } of operands) {
      if (!old) code.push(...randomTensor(type, random));
      // The last use takes the tensor, so that it may be fused; unless it is kept as a result.
      else code.push({ op: ++used === uses && !keep ? "local.take" : "local.get", imm: { local } });
    }
    code.push({ op, imm });
    // Kept: beneath the new results, by way of fresh locals.
    if (keep) {
      const first = f.params.length + f.locals.length;
      f.locals.push(...results);
      for (let i = results.length - 1; i >= 0; i--) {
        code.push({ op: "local.set", imm: { local: first + i } });
      }
      code.push({ op: "local.take", imm: { local } });
      results.forEach((_, i) => code.push({ op: "local.take", imm: { local: first + i } }));
    }
    f.body.splice(-1, 0, ...code);
    f.results.splice(-1, 1, ...(keep ? [last] : []), ...results);
    declareOutputs(draft);
    return true;
  }
  return false;
}

interface Chosen {
  readonly imm: DraftInstruction["imm"];
  readonly operands: readonly { readonly type: TensorType; readonly old: boolean }[];
  readonly results: TensorType[];
}

/** Operand types for an instruction, one of them `last`; undefined where it fits none. */
function choose(record: TensorOp, last: TensorType, random: SeededRandom): Chosen | undefined {
  const types = new Map<string, TensorType>();
  const old = new Set<string>();
  const triple = record.constraints.find((c) => c.rule === "triple");
  const row =
    triple === undefined
      ? undefined
      : random.pick(triple.rows.filter((r) => r.includes(last.dtype)).concat([triple.rows[0]!]));
  for (const [i, rule] of record.operands.entries()) {
    const dtype = triple === undefined ? dtypeOf(rule, types, last, random) : row![i]!;
    const rank = rankOf(rule, types, last, random);
    types.set(rule.name, { dtype, rank });
    if (dtype === last.dtype && rank === last.rank && (old.size === 0 || random.int(0, 3) === 0)) {
      old.add(rule.name);
    }
  }
  if (old.size === 0) return undefined;
  const imm = fittingImmediates(random, record, types);
  const operands = record.operands.flatMap((rule) => {
    const operand = { type: types.get(rule.name)!, old: old.has(rule.name) };
    if (rule.when !== undefined) {
      const list = imm[rule.when.immediate] as readonly number[];
      return list.includes(rule.when.holds) ? [operand] : [];
    }
    const count = rule.repeat === undefined ? 1 : Math.min(4, imm[rule.repeat] as number);
    if (rule.repeat !== undefined) imm[rule.repeat] = count;
    return Array.from({ length: count }, () => operand);
  });
  const results = typed(
    record,
    imm,
    operands.map(({ type }) => type),
  );
  return results === undefined ? undefined : { imm, operands, results };
}

function dtypeOf(
  { dtype }: OperandRule,
  types: ReadonlyMap<string, TensorType>,
  last: TensorType,
  random: SeededRandom,
): Dtype {
  if ("same" in dtype) return types.get(dtype.same)!.dtype;
  const among: readonly Dtype[] = dtype;
  return among.includes(last.dtype) && random.int(0, 3) > 0 ? last.dtype : random.pick(among);
}

function rankOf(
  { rank }: OperandRule,
  types: ReadonlyMap<string, TensorType>,
  last: TensorType,
  random: SeededRandom,
): number {
  if (typeof rank === "number") return rank;
  if (rank === "any") return random.int(0, 2) === 0 ? random.int(0, 3) : last.rank;
  if ("same" in rank) return types.get(rank.same)!.rank;
  const fits = last.rank >= rank.min && last.rank <= rank.max;
  return fits ? last.rank : random.int(rank.min, Math.min(rank.max, 5));
}

/** Types of the results by the typing rules; undefined where they say no. */
function typed(
  record: TensorOp,
  imm: DraftInstruction["imm"],
  operands: readonly TensorType[],
): TensorType[] | undefined {
  const results: TensorType[] = [];
  const stack = [...operands];
  try {
    typeTensorOp(
      record,
      imm,
      {
        popUpTo: (count) => stack.splice(Math.max(0, stack.length - count)),
        push: ({ dtype, rank }: OperandType) => results.push({ dtype: dtype!, rank: rank! }),
        spend: () => undefined,
        fail: (code, message) => {
          throw new InvalidError(code, message);
        },
      },
      undefined,
    );
  } catch (error) {
    if (error instanceof InvalidError) return undefined;
    throw error;
  }
  return results;
}

/** Pushes a tensor of that type: random bits, or small ones, so that range checks may pass. */
function randomTensor({ dtype, rank }: TensorType, random: SeededRandom): DraftInstruction[] {
  if (rank === 0 && random.int(0, 1) === 0) {
    const { min, max } = DTYPE_INFO[dtype];
    return [{ op: "scalar", imm: { dtype, value: random.value(min, max) } }];
  }
  const dims = Array.from({ length: rank }, () => random.pick([1, 1, 2, 3, 4]));
  if (rank === 1 && random.int(0, 3) === 0) dims[0] = random.pick([0, 8, 65, 129, 256]);
  const code: DraftInstruction[] = [
    { op: "scalar", imm: { dtype: "i64", value: BigInt(random.int(0, 99)) } },
    { op: "random", imm: { dtype, stream: random.int(0, 3), dims } },
  ];
  if (dtype !== "bool" && random.int(0, 3) > 0) {
    const [lo, hi] = interval(dtype, random);
    code.push({ op: "clamp", imm: { lo, hi } });
  }
  return code;
}

/** Values of a dtype: few, as indices have them, of so many bits or one more, or any two. */
function interval(dtype: Dtype, random: SeededRandom): readonly [bigint, bigint] {
  const { min, max, bits, signed } = DTYPE_INFO[dtype];
  const inside = (x: bigint): bigint => (x < min ? min : x > max ? max : x);
  const one = BigInt(random.int(0, 1));
  switch (random.int(0, 2)) {
    case 0:
      return [inside(BigInt(random.int(-1, 0))), BigInt(random.int(0, 4))];
    case 1: {
      const top = 1n << BigInt(random.int(1, Math.min(bits, 32)) - 1);
      return [inside(signed ? -top : 0n), inside(top - one)];
    }
    default: {
      const [a, b] = [random.value(min, max), random.value(min, max)];
      return a < b ? [a, b] : [b, a];
    }
  }
}

/** Makes the outputs of the first entry fit the results of its function, of any shape. */
export function declareOutputs(draft: Draft): void {
  const { entries, dimensions } = draft.configuration;
  const [entry] = entries;
  if (entry === undefined) return;
  // A derived dimension whose name never stands alone may be anything.
  let free = dimensions.findIndex(({ name }) => name === "any");
  if (free < 0) {
    free = dimensions.length;
    draft.configuration.dimensions = [...dimensions, { name: "any", maximum: 1 }];
  }
  const dimension = { dimension: free, multiplier: 2, offset: 0, divisor: 1 };
  const results = draft.functions[entry.function]?.results ?? [];
  entry.outputs = results.map(({ dtype, rank }, i) => ({
    name: `y${i}`,
    dtype: DTYPES.includes(dtype) ? dtype : "i8",
    shape: new Array<typeof dimension>(rank).fill(dimension),
  }));
}
