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

function matmulSums({ results: [y] }: Charged): bigint {
  return product(y!.shape.slice(0, -1)) * roundUp(last(y!.shape, 1), 8);
}

/** Has kernels of its own, over channels in place of sums. */
function isDepthwise({ imm, operands: [, b], results: [y] }: Charged): boolean {
  const groups = imm["groups"] as number;
  const { shape } = y!;
  return groups > 1 && last(b!.shape, 2) === 1 && last(shape, 1) === groups && shape.length <= 4;
}

const positionsOf = ({ results: [y] }: Charged): bigint => product(y!.shape.slice(0, -1));

function convSums(charged: Charged): bigint {
  if (isDepthwise(charged)) return 0n;
  const groups = charged.imm["groups"] as number;
  const outputs = last(charged.results[0]!.shape, 1) / groups;
  return positionsOf(charged) * roundUp(outputs, 8) * BigInt(groups);
}

function depthwiseSums(charged: Charged): bigint {
  if (!isDepthwise(charged)) return 0n;
  return positionsOf(charged) * roundUp(last(charged.results[0]!.shape, 1), 8);
}

function poolTaps({ imm, results: [y] }: Charged): bigint {
  return elements(y!.shape) * (product(imm["kernel"] as readonly number[]) + 4n);
}

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
  resultRow: {
    doc: "rows of the result: the product of all dimensions but the last",
    count: ({ results: [y] }) => product(y!.shape.slice(0, -1)),
  },
  steepElement: {
    doc: "elements of the result where multiplier < 0 or multiplier / 2^shift ≥ 1/2, else 0",
    count: ({ imm, results: [y] }) => {
      const multiplier = BigInt(imm["multiplier"] as number);
      const isSteep = multiplier < 0n || 2n * multiplier >= 1n << BigInt(imm["shift"] as number);
      return isSteep ? elements(y!.shape) : 0n;
    },
  },
  operand: { doc: "operands", count: ({ operands }) => BigInt(operands.length) },
  matmulMac: {
    doc: "matmulSum · K, of a product of […,M,K] by […,K,N]",
    count: (charged) => matmulSums(charged) * atLeastOne(last(charged.operands[0]!.shape, 1)),
  },
  matmulSum: {
    doc: "batch · M · (N rounded up to 8), of a product of […,M,K] by […,K,N]",
    count: matmulSums,
  },
  matrix: {
    doc: "matrices of the result: the product of all dimensions but the last two",
    count: ({ results: [y] }) => product(y!.shape.slice(0, -2)),
  },
  convMac: {
    doc: "convSum · taps · (C / groups)",
    count: (charged) => convSums(charged) * product(charged.operands[1]!.shape.slice(0, -1)),
  },
  convSum: {
    doc: "output positions · groups · (O / groups rounded up to 8); 0 where the convolution is depthwise",
    count: convSums,
  },
  convGroup: {
    doc: "output positions · groups where groups > 1; 0 where groups is 1 or the convolution is depthwise",
    count: (charged) => {
      const groups = charged.imm["groups"] as number;
      if (groups === 1 || isDepthwise(charged)) return 0n;
      return positionsOf(charged) * BigInt(groups);
    },
  },
  depthwiseMac: {
    doc: "depthwiseSum · taps",
    count: (charged) => depthwiseSums(charged) * product(charged.operands[1]!.shape.slice(0, -2)),
  },
  depthwiseSum: {
    doc: "output positions · (O rounded up to 8) where the convolution is depthwise: groups > 1, C / groups = 1, O = groups and at most two spatial axes; else 0",
    count: depthwiseSums,
  },
  image: {
    doc: "images of the result: its first dimension",
    count: ({ results: [y] }) => atLeastOne(y!.shape[0]!),
  },
  poolTap: { doc: "elements of the result · (taps of the window + 4)", count: poolTaps },
  volumeTap: {
    doc: "poolTap where x has three spatial axes, else 0",
    count: (charged) => (charged.results[0]!.shape.length === 5 ? poolTaps(charged) : 0n),
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
  return rate.rates[dtype] ?? rate.otherwise;
}
