/** Gas of an instruction: an integer formula of operand shapes and immediates. */
import type { Dtype } from "../core/dtype.js";
import { DTYPE_INFO } from "../core/dtype.js";
import type { Shape, TensorSpec } from "../core/shape.js";
import { chargedCount } from "../core/shape.js";
import type { AnyImmediates, GasFormula, GasRate, GasUnit, OperandRule } from "./record.js";

interface Charged {
  readonly imm: AnyImmediates;
  readonly operands: readonly TensorSpec[];
  readonly results: readonly TensorSpec[];
}

const roundUp = (n: number, multiple: number): bigint =>
  BigInt(Math.ceil(Math.max(n, 1) / multiple) * multiple);
const atLeastOne = (n: number): bigint => BigInt(Math.max(n, 1));
const last = (shape: Shape, back: number): number => shape[shape.length - back]!;
const product = (values: readonly number[]): bigint =>
  values.reduce((acc, value) => acc * atLeastOne(value), 1n);
/** Exact also where a result is so large that only the element limit will refuse it. */
function elements(shape: Shape): bigint {
  const count = chargedCount(shape);
  return Number.isSafeInteger(count) ? BigInt(count) : product(shape);
}

/** Sums that are long enough hide the cost of starting one; short ones are charged as this many more. */
const START_OF_SUM = 16n;

/** What each unit counts. Dimensions of 0 count as 1. */
export const GAS_UNITS: Readonly<
  Record<GasUnit, { readonly doc: string; readonly count: (c: Charged) => bigint }>
> = {
  operandElement: {
    doc: "elements of all operands",
    count: ({ operands }) => operands.reduce((sum, { shape }) => sum + elements(shape), 0n),
  },
  resultElement: {
    doc: "elements of all results",
    count: ({ results }) => results.reduce((sum, { shape }) => sum + elements(shape), 0n),
  },
  operandByte: {
    doc: "bytes of all operands",
    count: ({ operands }) => operands.reduce((sum, x) => sum + bytes(x), 0n),
  },
  resultByte: {
    doc: "bytes of all results",
    count: ({ results }) => results.reduce((sum, x) => sum + bytes(x), 0n),
  },
  matmulMac: {
    doc: "batch · M · (N rounded up to 8) · (K + 16) of a product of […,M,K] by […,K,N]",
    count: ({ operands: [a], results: [y] }) =>
      product(y!.shape.slice(0, -1)) *
      roundUp(last(y!.shape, 1), 8) *
      (atLeastOne(last(a!.shape, 1)) + START_OF_SUM),
  },
  convMac: {
    doc: "output positions · (O / groups rounded up to 8) · groups · (taps · C / groups + 16); where C / groups is 1 (depthwise; a dimension of 0 is not), output positions · O · (taps + 16)",
    count: ({ imm, operands: [, b], results: [y] }) => {
      const groups = BigInt(imm["groups"] as number);
      const outputs = last(y!.shape, 1);
      const k = product(b!.shape.slice(0, -1)) + START_OF_SUM;
      const positions = product(y!.shape.slice(0, -1));
      if (last(b!.shape, 2) === 1) return positions * atLeastOne(outputs) * k;
      return positions * roundUp(outputs / Number(groups), 8) * groups * k;
    },
  },
  poolTap: {
    doc: "elements of the result · (taps of the window + 4)",
    count: ({ imm, results: [y] }) =>
      elements(y!.shape) * (product(imm["kernel"] as readonly number[]) + 4n),
  },
  resizeTap: {
    doc: "elements of the result · 2^(spatial axes)",
    count: ({ results: [y] }) => elements(y!.shape) << BigInt(y!.shape.length - 2),
  },
  sortStep: {
    doc: "elements of the result · (⌈log2(length of the axis)⌉ + 4)",
    count: ({ imm, results: [y] }) => {
      const length = Math.max(y!.shape[imm["axis"] as number]!, 1);
      return elements(y!.shape) * BigInt(32 - Math.clz32(length - 1) + 4);
    },
  },
};

function bytes(x: TensorSpec): bigint {
  return elements(x.shape) * BigInt(DTYPE_INFO[x.dtype].bytes);
}

/**
 * Gas of one execution of an instruction.
 * @param rules the operand rules of its record, by which rates find the dtype they depend on
 */
export function gasOf(
  formula: GasFormula,
  rules: readonly OperandRule[],
  charged: Charged,
): bigint {
  let gas = formula.base;
  for (const { rate, per } of formula.terms) {
    gas += rateOf(rate, rules, charged) * GAS_UNITS[per].count(charged);
  }
  return gas;
}

function rateOf(rate: GasRate, rules: readonly OperandRule[], { imm, operands }: Charged): bigint {
  if (typeof rate === "bigint") return rate;
  const index = rules.findIndex((rule) => rule.name === rate.by);
  const dtype = index >= 0 ? operands[index]!.dtype : (imm[rate.by] as Dtype);
  return rate.rates[dtype] ?? 0n;
}
