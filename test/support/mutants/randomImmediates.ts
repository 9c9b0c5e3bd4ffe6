import type { Dtype } from "../../../src/core/dtype.js";
import { DTYPES, DTYPE_INFO } from "../../../src/core/dtype.js";
import type { TensorType } from "../../../src/core/shape.js";
import { MAX_RANK } from "../../../src/core/shape.js";
import { bitsInterval } from "../../../src/opcodes/contraction.js";
import type { AnyImmediates, ImmediateSpec, OpRecord } from "../../../src/opcodes/record.js";
import type { SeededRandom } from "../seededRandom.js";

type Value = AnyImmediates[string];

/** A number of the interval: near an end, near zero, or small; seldom anything. */
export function integer(random: SeededRandom, min: number, max: number): number {
  const inside = (x: number): number => Math.min(Math.max(x, min), max);
  switch (random.int(0, 9)) {
    case 0:
      return inside(min + random.int(0, 1));
    case 1:
      return inside(max - random.int(0, 1));
    case 2:
      return random.int(min, max);
    default:
      return inside(random.int(-1, 4));
  }
}

export function randomType(random: SeededRandom): TensorType {
  return { dtype: random.pick(DTYPES), rank: random.pick([0, 1, 1, 2, 2, 3, 4, 8]) };
}

/**
 * An immediate of its kind.
 * @param rankOf rank of the operand of that name, where it is known
 */
export function randomImmediate(
  random: SeededRandom,
  spec: ImmediateSpec,
  rankOf: (operand: string) => number = () => random.int(0, 4),
): Value {
  const list = (length: number, min: number, max: number): number[] =>
    Array.from({ length }, () => integer(random, min, max));
  switch (spec.kind) {
    case "uint":
    case "int":
    case "count":
      return integer(random, spec.min, spec.max);
    case "i64":
      return random.value(DTYPE_INFO.i64.min, DTYPE_INFO.i64.max);
    case "dtype":
      return random.pick(spec.among);
    case "axis":
      return random.int(0, Math.max(0, rankOf(spec.of) - 1));
    case "axes":
      return Array.from({ length: rankOf(spec.of) }, (_, axis) => axis).filter(
        () => random.int(0, 1) === 0,
      );
    case "perm": {
      const axes = Array.from({ length: rankOf(spec.of) }, (_, axis) => axis);
      for (let i = axes.length - 1; i > 0; i--) {
        const j = random.int(0, i);
        [axes[i], axes[j]] = [axes[j]!, axes[i]!];
      }
      return axes;
    }
    case "perAxis":
      return list(Math.max(0, rankOf(spec.of) - spec.skip) * spec.per, spec.min, spec.max);
    case "dims":
      return list(random.int(0, 4), spec.min, spec.max);
    case "label":
    case "function":
    case "local":
    case "parameter":
      return random.int(0, 3);
    case "type": {
      const types = (): TensorType[] =>
        Array.from({ length: random.int(0, 2) }, () => randomType(random));
      return { params: types(), results: types() };
    }
  }
}

/** Another value near `value`: one off, an end of its interval, or another of its kind. */
export function nudged(random: SeededRandom, spec: ImmediateSpec, value: Value): Value {
  if (random.int(0, 3) === 0) return randomImmediate(random, spec);
  if (typeof value === "bigint") return value + random.pick([-1n, 1n, 1n << 15n, -(1n << 31n)]);
  if (typeof value === "number") return value + random.pick([-2, -1, 1, 1, 2]);
  if (Array.isArray(value)) {
    const copy = [...(value as readonly number[])];
    const at = random.int(0, Math.max(0, copy.length - 1));
    switch (random.int(0, 5)) {
      case 0:
        copy.splice(at, 1);
        return copy;
      case 1:
        if (copy.length < MAX_RANK) copy.splice(at, 0, random.int(-1, 3));
        return copy;
      case 2:
        return copy.reverse();
      default:
        if (copy.length > 0) copy[at] = copy[at]! + random.pick([-1, 1, 1, 2]);
        return copy;
    }
  }
  return randomImmediate(random, spec);
}

/** Immediates for operands of these types, which mostly satisfy the constraints of the record. */
export function fittingImmediates(
  random: SeededRandom,
  record: OpRecord,
  types: ReadonlyMap<string, TensorType>,
): Record<string, Value> {
  const imm: Record<string, Value> = {};
  for (const [name, spec] of Object.entries(record.immediates)) {
    imm[name] = randomImmediate(random, spec, (operand) => types.get(operand)?.rank ?? 0);
  }
  if (record.kind === "machine") return imm;
  const bitsOf = (name: string): number => DTYPE_INFO[types.get(name)?.dtype ?? "i8"].bits;
  const dtypeOf = (of: { of: string } | { immediate: string }): Dtype =>
    "of" in of ? (types.get(of.of)?.dtype ?? "i8") : (imm[of.immediate] as Dtype);
  for (const c of record.constraints) {
    if (c.rule === "bitsOf") {
      const all = Math.min(bitsOf(c.operand), 32);
      imm[c.immediate] = random.int(0, 2) === 0 ? random.int(1, all) : all;
    } else if (c.rule === "inDtype") {
      const { min, max } = DTYPE_INFO[dtypeOf(c.dtype)];
      imm[c.immediate] = random.value(min, max);
    } else if (c.rule === "inBits") {
      const dtype = types.get(c.operand)?.dtype ?? "i8";
      const [lo, hi] = bitsInterval(dtype, imm[c.bits] as number);
      imm[c.immediate] = random.value(lo, hi);
    } else if (c.rule === "nonZero") {
      imm[c.immediate] = (imm[c.immediate] as number[]).map((x) => (x === 0 ? 1 : x));
    } else if (c.rule === "noneIs") {
      imm[c.immediate] = (imm[c.immediate] as number[]).map((x) => (x === c.value ? 1 : x));
    } else if (c.rule === "triple") {
      const [a, b] = c.operands.map((name) => types.get(name)?.dtype);
      const row = c.rows.filter((r) => r[0] === a && r[1] === b);
      if (row.length > 0) imm[c.immediate] = random.pick(row)[2];
    }
  }
  for (const c of record.constraints) {
    if (c.rule !== "ordered") continue;
    const [low, high] = [imm[c.low] as bigint, imm[c.high] as bigint];
    if (low > high) [imm[c.low], imm[c.high]] = [high, low];
  }
  return imm;
}
