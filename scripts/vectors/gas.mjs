// Gas from the rates of the records and the units in their words (`isa.json`, gasUnits).
import { OPS } from "../../dist/opcodes/index.js";
import { chargedBytes, chargedCount } from "./tensors.mjs";

const one = (size) => BigInt(Math.max(size, 1));
const sum = (tensors, of) => tensors.reduce((total, tensor) => total + of(tensor), 0n);
const toEight = (n) => ((n + 7n) / 8n) * 8n;
const log2Up = (n) => (n <= 1 ? 0n : BigInt((n - 1).toString(2).length));

const sumsOf = (y) => chargedCount(y.shape.slice(0, -1)) * toEight(one(y.shape.at(-1)));

function convolution({ imm, operands: [, b], results: [y] }) {
  const positions = chargedCount(y.shape.slice(0, -1));
  const groups = BigInt(imm.groups);
  const outputs = b.shape.at(-1);
  const taps = chargedCount(b.shape.slice(0, -2));
  const perGroup = one(b.shape.at(-2));
  const none = { sums: 0n, products: 0n, depthwise: 0n, taps, perGroup };
  const alike = imm.groups > 1 && b.shape.at(-2) === 1 && outputs === imm.groups;
  if (alike && imm.strides.length < 3) {
    return { ...none, depthwise: positions * toEight(one(outputs)) };
  }
  const width = toEight(one(outputs / imm.groups));
  return {
    ...none,
    sums: positions * groups * width,
    products: groups > 1n ? positions * groups : 0n,
  };
}

const UNITS = {
  operandElement: ({ operands }) => sum(operands, ({ shape }) => chargedCount(shape)),
  resultElement: ({ results }) => sum(results, ({ shape }) => chargedCount(shape)),
  operandByte: ({ operands }) => sum(operands, chargedBytes),
  resultByte: ({ results }) => sum(results, chargedBytes),
  resultRow: ({ results: [y] }) => chargedCount(y.shape.slice(0, -1)),
  steepElement: ({ imm, results: [y] }) => {
    const twice = 2n * BigInt(imm.multiplier);
    return twice < 0n || twice >= 1n << BigInt(imm.shift) ? chargedCount(y.shape) : 0n;
  },
  operand: ({ operands }) => BigInt(operands.length),
  matmulMac: ({ operands: [a], results: [y] }) => sumsOf(y) * one(a.shape.at(-1)),
  matmulSum: ({ results: [y] }) => sumsOf(y),
  matrix: ({ results: [y] }) => chargedCount(y.shape.slice(0, -2)),
  convMac: (call) => convolution(call).sums * convolution(call).taps * convolution(call).perGroup,
  convSum: (call) => convolution(call).sums,
  convGroup: (call) => convolution(call).products,
  depthwiseMac: (call) => convolution(call).depthwise * convolution(call).taps,
  depthwiseSum: (call) => convolution(call).depthwise,
  image: ({ results: [y] }) => one(y.shape[0]),
  poolTap: ({ imm, results: [y] }) => chargedCount(y.shape) * (chargedCount(imm.kernel) + 4n),
  volumeTap: (call) => (call.imm.kernel.length === 3 ? UNITS.poolTap(call) : 0n),
  resizeTap: ({ results: [y] }) => chargedCount(y.shape) * (1n << BigInt(y.shape.length - 2)),
  sortStep: ({ imm, results: [y] }) =>
    chargedCount(y.shape) * (log2Up(Math.max(y.shape[imm.axis], 1)) + 4n),
};

/** @param operands those that are popped, in the order in which they were pushed */
export function gasOf(op, imm, operands, results) {
  const { gas, operands: rules = [] } = OPS[op];
  return gas.terms.reduce((total, { rate, per }) => {
    const units = UNITS[per]({ imm, operands, results });
    if (typeof rate === "bigint") return total + rate * units;
    const index = rules.findIndex(({ name }) => name === rate.by);
    const dtype = index >= 0 ? operands[index].dtype : imm[rate.by];
    return total + (rate.rates[dtype] ?? rate.otherwise) * units;
  }, gas.base);
}
