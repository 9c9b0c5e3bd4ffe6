// Gas from the rates of the records and the units in their words (`isa.json`, gasUnits).
import { OPS } from "../../dist/opcodes/index.js";
import { chargedBytes, chargedCount } from "./tensors.mjs";

const one = (size) => BigInt(Math.max(size, 1));
const sum = (tensors, of) => tensors.reduce((total, tensor) => total + of(tensor), 0n);
const toEight = (n) => ((n + 7n) / 8n) * 8n;
const log2Up = (n) => (n <= 1 ? 0n : BigInt((n - 1).toString(2).length));

const UNITS = {
  operandElement: ({ operands }) => sum(operands, ({ shape }) => chargedCount(shape)),
  resultElement: ({ results }) => sum(results, ({ shape }) => chargedCount(shape)),
  operandByte: ({ operands }) => sum(operands, chargedBytes),
  resultByte: ({ results }) => sum(results, chargedBytes),
  // batch · M · (N rounded up to 8) · (K + 16)
  matmulMac: ({ operands: [a], results: [y] }) =>
    chargedCount(y.shape.slice(0, -1)) * toEight(one(y.shape.at(-1))) * (one(a.shape.at(-1)) + 16n),
  // output positions · (O / groups rounded up to 8) · groups · (taps · C / groups + 16); depthwise:
  // output positions · O · (taps + 16)
  convMac: ({ imm, operands: [, b], results: [y] }) => {
    const positions = chargedCount(y.shape.slice(0, -1));
    const taps = chargedCount(b.shape.slice(0, -2));
    const perGroup = b.shape.at(-2);
    const outputs = b.shape.at(-1);
    const groups = BigInt(imm.groups);
    if (perGroup === 1) return positions * one(outputs) * (taps + 16n);
    const width = toEight(one(outputs / imm.groups));
    return positions * width * groups * (taps * one(perGroup) + 16n);
  },
  poolTap: ({ imm, results: [y] }) => chargedCount(y.shape) * (chargedCount(imm.kernel) + 4n),
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
    return total + rate.rates[dtype] * units;
  }, gas.base);
}
