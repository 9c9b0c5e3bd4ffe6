/**
 * The typing rules of instructions on tensors, read off their records. `spec/validation.md` states
 * the rules in words; a rule that mentions something unknown (only possible in unreachable code)
 * holds, and what depends on it is unknown in turn.
 */
import type { Dtype } from "../core/dtype.js";
import { DTYPE_INFO } from "../core/dtype.js";
import type { Shape } from "../core/shape.js";
import { MAX_RANK } from "../core/shape.js";
import { accumulatorHolds, bitsInterval } from "../opcodes/contraction.js";
import type {
  AnyImmediates,
  ImmediateConstraint,
  ImmediateSpec,
  Immediates,
  OperandRule,
  RankRule,
  ResultRule,
  TensorOp,
} from "../opcodes/record.js";

/** A type on the stack; a field is undefined where unreachable code leaves it open. */
export interface OperandType {
  readonly dtype: Dtype | undefined;
  readonly rank: number | undefined;
}

export const UNKNOWN: OperandType = { dtype: undefined, rank: undefined };

/** What typing needs of the validator of a function. */
export interface TypingStack {
  /** Pops `count` types; fewer, those on top, where unreachable code has no more. First pushed first. */
  popUpTo(count: number, what: string): readonly OperandType[];
  push(type: OperandType): void;
  /** Counts steps of work. */
  spend(steps: number): void;
  /** @throws InvalidError */
  fail(code: InvalidCode, message: string): never;
}

/** Why a module does not validate. Stable: match on them. */
export type InvalidCode =
  /** The module states an ISA or gas version, or a feature, that is not supported. */
  | "Version"
  /** An entry point or aggregation does not fit its function. */
  | "Signature"
  /** `else` without `if`, a missing `end`, or instructions behind the last one. */
  | "Structure"
  /** Nesting, arity, locals or stack exceed a limit of validity. */
  | "Limit"
  /** An index of a label, local, parameter or function names nothing. */
  | "Index"
  /** An immediate is not what its kind allows. */
  | "Immediate"
  /** Immediates contradict each other or the types of the operands. */
  | "Constraint"
  /** An operand is missing. */
  | "StackUnderflow"
  /** Operands are left over at the end of a block. */
  | "StackLeftover"
  /** An operand has the wrong dtype or rank. */
  | "Type"
  /** A contraction by a parameter can exceed its accumulator. */
  | "AccumulatorBound";

export function formatType({ dtype, rank }: OperandType): string {
  return `${dtype ?? "unknown dtype"} of ${rank === undefined ? "unknown rank" : `rank ${rank}`}`;
}

/** The operands that an instruction has popped, by name. */
type Popped = ReadonlyMap<string, OperandType>;

/**
 * Types one instruction on tensors: its immediates, the operands on the stack, its constraints; then
 * pushes its results.
 * @param preceding shape of the parameter, where the instruction before is a `const`
 */
export function typeTensorOp(
  record: TensorOp,
  imm: AnyImmediates,
  stack: TypingStack,
  preceding: Shape | undefined,
): void {
  checkImmediates(record.immediates, imm, stack);
  const popped = popOperands(record, imm, stack);
  checkAxes(record.immediates, imm, popped, stack);
  for (const constraint of record.constraints) {
    const problem = violation(constraint, imm, popped, preceding);
    if (problem !== undefined) {
      stack.fail(constraint.rule === "accumulator" ? "AccumulatorBound" : "Constraint", problem);
    }
  }
  for (const rule of record.results) {
    const rank = resultRank(rule.rank, imm, popped);
    if (rank !== undefined && rank > MAX_RANK) {
      stack.fail("Type", `${rule.name} would have rank ${rank}; the highest rank is ${MAX_RANK}`);
    }
    stack.push({ dtype: resultDtype(rule.dtype, imm, popped), rank });
  }
}

/** Checks each immediate by its kind, without the operands that it refers to. */
export function checkImmediates(
  specs: Immediates,
  imm: AnyImmediates,
  stack: Pick<TypingStack, "spend" | "fail">,
): void {
  for (const [name, spec] of Object.entries(specs)) {
    const value = imm[name]!;
    if (Array.isArray(value)) {
      const most = spec.kind === "perAxis" ? MAX_RANK * spec.per : MAX_RANK;
      if (value.length > most) {
        stack.fail(
          "Immediate",
          `${name} has ${value.length} entries, at most ${most} are possible`,
        );
      }
      stack.spend(value.length);
    }
    const problem = immediateProblem(spec, value);
    if (problem !== undefined) stack.fail("Immediate", `${name} ${problem}`);
  }
}

function immediateProblem(spec: ImmediateSpec, value: AnyImmediates[string]): string | undefined {
  switch (spec.kind) {
    case "uint":
    case "int":
    case "count":
      return inRange(value as number, spec.min, spec.max);
    case "i64": {
      const { min, max } = DTYPE_INFO.i64;
      const v = value as bigint;
      return v < min || v > max ? `is ${v}, which is not a value of i64` : undefined;
    }
    case "dtype":
      return spec.among.includes(value as Dtype)
        ? undefined
        : `is ${value as Dtype}; it can be ${spec.among.join(", ")}`;
    case "axis":
      return inRange(value as number, 0, MAX_RANK - 1);
    case "axes":
      return firstProblem(value as readonly number[], (axis, i, axes) =>
        i > 0 && axis <= axes[i - 1]!
          ? "is not strictly ascending"
          : inRange(axis, 0, MAX_RANK - 1),
      );
    case "perm": {
      const seen = new Set<number>();
      return firstProblem(value as readonly number[], (axis, _i, perm) =>
        seen.has(axis) || !seen.add(axis)
          ? `names axis ${axis} twice`
          : inRange(axis, 0, perm.length - 1),
      );
    }
    case "perAxis":
    case "dims":
      return firstProblem(value as readonly number[], (v) => inRange(v, spec.min, spec.max));
    case "label":
    case "function":
    case "local":
    case "parameter":
    case "type":
      return undefined; // the validator knows these spaces
  }
}

function inRange(value: number, min: number, max: number): string | undefined {
  return Number.isInteger(value) && value >= min && value <= max
    ? undefined
    : `holds ${value}, which is outside [${min}, ${max}]`;
}

function firstProblem(
  list: readonly number[],
  problemOf: (value: number, i: number, list: readonly number[]) => string | undefined,
): string | undefined {
  for (let i = 0; i < list.length; i++) {
    const problem = problemOf(list[i]!, i, list);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Checks the immediates that are measured by the rank of an operand. */
function checkAxes(
  specs: Immediates,
  imm: AnyImmediates,
  popped: Popped,
  stack: TypingStack,
): void {
  for (const [name, spec] of Object.entries(specs)) {
    if (!("of" in spec)) continue;
    const rank = popped.get(spec.of)!.rank;
    if (rank === undefined) continue;
    const fail = (problem: string): never =>
      stack.fail("Immediate", `${name} ${problem}; ${spec.of} has rank ${rank}`);
    switch (spec.kind) {
      case "axis":
        if ((imm[name] as number) >= rank) fail(`is axis ${imm[name] as number}`);
        break;
      case "axes": {
        const greatest = (imm[name] as readonly number[]).at(-1);
        if (greatest !== undefined && greatest >= rank) fail(`names axis ${greatest}`);
        break;
      }
      case "perm": {
        const { length } = imm[name] as readonly number[];
        if (length !== rank) fail(`has ${length} axes`);
        break;
      }
      case "perAxis": {
        const { length } = imm[name] as readonly number[];
        const needed = spec.per * (rank - spec.skip);
        if (length !== needed) fail(`has ${length} entries, it needs ${needed}`);
        break;
      }
    }
  }
}

/** Pops the operands, last first, and checks each against its rule. */
function popOperands(record: TensorOp, imm: AnyImmediates, stack: TypingStack): Popped {
  const groups: (readonly OperandType[] | undefined)[] = [];
  const firsts = new Map<string, OperandType>();
  for (let i = record.operands.length - 1; i >= 0; i--) {
    const { name, repeat, when } = record.operands[i]!;
    if (when !== undefined && !(imm[when.immediate] as readonly number[]).includes(when.holds)) {
      continue;
    }
    const count = repeat === undefined ? 1 : (imm[repeat] as number);
    const types = stack.popUpTo(count, name);
    groups[i] = types;
    firsts.set(name, types.length === count ? types[0]! : UNKNOWN);
  }
  record.operands.forEach((rule, i) => {
    for (const type of groups[i] ?? []) checkOperand(rule, type, firsts, stack);
  });
  return firsts;
}

function checkOperand(
  rule: OperandRule,
  type: OperandType,
  firsts: Popped,
  stack: TypingStack,
): void {
  const first = firsts.get(rule.name)!;
  const dtypeFits =
    type.dtype === undefined ||
    (("same" in rule.dtype
      ? sameOrUnknown(type.dtype, firsts.get(rule.dtype.same)!.dtype)
      : rule.dtype.includes(type.dtype)) &&
      sameOrUnknown(type.dtype, first.dtype));
  if (!dtypeFits) {
    const wanted = "same" in rule.dtype ? firsts.get(rule.dtype.same)! : first;
    const allowed =
      "same" in rule.dtype || sameOrUnknown(type.dtype, first.dtype) === false
        ? `${wanted.dtype}, as its fellow operand`
        : rule.dtype.join(", ");
    stack.fail("Type", `${rule.name} is ${formatType(type)}; its dtype must be ${allowed}`);
  }
  const rankFits =
    type.rank === undefined ||
    (rankAllowed(rule.rank, type.rank, firsts) && sameOrUnknown(type.rank, first.rank));
  if (!rankFits) {
    stack.fail(
      "Type",
      `${rule.name} is ${formatType(type)}; its rank must be ${formatRank(rule, firsts)}`,
    );
  }
}

function sameOrUnknown<T>(a: T, b: T | undefined): boolean {
  return b === undefined || a === b;
}

function rankAllowed(rule: RankRule, rank: number, firsts: Popped): boolean {
  if (rule === "any") return true;
  if (typeof rule === "number") return rank === rule;
  if ("same" in rule) return sameOrUnknown(rank, firsts.get(rule.same)!.rank);
  return rank >= rule.min && rank <= rule.max;
}

function formatRank(rule: OperandRule, firsts: Popped): string {
  const { rank } = rule;
  if (rule.repeat !== undefined) return `that of the first, ${firsts.get(rule.name)!.rank}`;
  if (typeof rank === "number") return String(rank);
  if (typeof rank === "string") return rank;
  if ("same" in rank) return `that of ${rank.same}, ${firsts.get(rank.same)!.rank}`;
  return `${rank.min} to ${rank.max}`;
}

/** What is wrong with the immediates by a constraint, or undefined. */
function violation(
  constraint: ImmediateConstraint,
  imm: AnyImmediates,
  popped: Popped,
  preceding: Shape | undefined,
): string | undefined {
  switch (constraint.rule) {
    case "ordered": {
      const { low, high } = constraint;
      return (imm[low] as bigint) <= (imm[high] as bigint)
        ? undefined
        : `${low} is ${imm[low] as bigint}, which is more than ${high}, ${imm[high] as bigint}`;
    }
    case "inDtype": {
      const dtype =
        "of" in constraint.dtype
          ? popped.get(constraint.dtype.of)!.dtype
          : (imm[constraint.dtype.immediate] as Dtype);
      if (dtype === undefined) return undefined;
      const { min, max } = DTYPE_INFO[dtype];
      const value = imm[constraint.immediate] as bigint;
      return value >= min && value <= max
        ? undefined
        : `${constraint.immediate} is ${value}, which is not a value of ${dtype}`;
    }
    case "bitsOf": {
      const dtype = popped.get(constraint.operand)!.dtype;
      const bits = imm[constraint.immediate] as number;
      return dtype === undefined || bits <= DTYPE_INFO[dtype].bits
        ? undefined
        : `${constraint.immediate} is ${bits}; ${constraint.operand} is ${dtype}, which has ${DTYPE_INFO[dtype].bits} bits`;
    }
    case "inBits": {
      const dtype = popped.get(constraint.operand)!.dtype;
      if (dtype === undefined) return undefined;
      const [lo, hi] = bitsInterval(dtype, imm[constraint.bits] as number);
      const value = imm[constraint.immediate] as bigint;
      return value >= lo && value <= hi
        ? undefined
        : `${constraint.immediate} is ${value}; a value of ${imm[constraint.bits] as number} bits of ${dtype} lies in [${lo}, ${hi}]`;
    }
    case "nonZero":
      return noEntryIs(imm, constraint.immediate, 0);
    case "noneIs":
      return noEntryIs(imm, constraint.immediate, constraint.value);
    case "length": {
      const { length } = imm[constraint.immediate] as readonly number[];
      return length === constraint.value
        ? undefined
        : `${constraint.immediate} has ${length} entries, it must have ${constraint.value}`;
    }
    case "atMostOne": {
      const list = imm[constraint.immediate] as readonly number[];
      return list.indexOf(constraint.value) === list.lastIndexOf(constraint.value)
        ? undefined
        : `${constraint.immediate} holds ${constraint.value} more than once`;
    }
    case "triple": {
      const [a, b] = constraint.operands.map((name) => popped.get(name)!.dtype);
      if (a === undefined || b === undefined) return undefined;
      const accumulator = imm[constraint.immediate] as Dtype;
      return constraint.rows.some(([x, y, z]) => x === a && y === b && z === accumulator)
        ? undefined
        : `${a} by ${b} into ${accumulator} is not defined; there are ${constraint.rows.map((row) => row.join("·")).join(", ")}`;
    }
    case "accumulator": {
      const [a, b] = constraint.operands.map((name) => popped.get(name)!.dtype);
      if (preceding === undefined || a === undefined || b === undefined) return undefined;
      const factors =
        constraint.terms === "rows" ? preceding.slice(-2, -1) : preceding.slice(0, -1);
      const k = factors.reduce((product, dim) => product * BigInt(dim), 1n);
      const [aBits, bBits] = constraint.bits.map((name) => imm[name] as number) as [number, number];
      const accumulator = imm[constraint.immediate] as Dtype;
      return accumulatorHolds(k, { dtype: a, bits: aBits }, { dtype: b, bits: bBits }, accumulator)
        ? undefined
        : `a sum of ${k} products of ${aBits} by ${bBits} bits can exceed ${accumulator}; use i64 or fewer bits`;
    }
    case "copiesAxis": {
      const { rank } = popped.get(constraint.operand)!;
      const missing = (imm[constraint.immediate] as readonly number[]).find(
        (dim) => rank !== undefined && -3 - dim >= rank,
      );
      return missing === undefined
        ? undefined
        : `${constraint.immediate} copies axis ${-3 - missing} of ${constraint.operand}, which has rank ${rank}`;
    }
  }
}

function noEntryIs(imm: AnyImmediates, name: string, value: number): string | undefined {
  return (imm[name] as readonly number[]).includes(value) ? `${name} holds ${value}` : undefined;
}

function resultDtype(
  rule: ResultRule["dtype"],
  imm: AnyImmediates,
  popped: Popped,
): Dtype | undefined {
  if (typeof rule === "string") return rule;
  return "of" in rule ? popped.get(rule.of)!.dtype : (imm[rule.immediate] as Dtype);
}

function resultRank(
  rule: ResultRule["rank"],
  imm: AnyImmediates,
  popped: Popped,
): number | undefined {
  if (typeof rule === "number") return rule;
  if ("lengthOf" in rule) return (imm[rule.lengthOf] as readonly number[]).length;
  const names = "max" in rule ? rule.max : "sum" in rule ? rule.sum : [rule.and];
  const ranks: number[] = [];
  for (const name of names) {
    const { rank } = popped.get(name)!;
    if (rank === undefined) return undefined;
    ranks.push(rank);
  }
  if ("max" in rule) return Math.max(...ranks);
  if ("sum" in rule) return ranks.reduce((sum, rank) => sum + rank, rule.plus);
  return Math.max((imm[rule.maxLengthOf] as readonly number[]).length, ...ranks);
}
