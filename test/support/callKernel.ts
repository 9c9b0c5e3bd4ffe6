import type { TensorOpName } from "../../src/opcodes/index.js";
import { tensorRecordOf } from "../../src/opcodes/index.js";
import type { AnyImmediates } from "../../src/opcodes/record.js";
import { operandRulesOf, resultDtypesOf, shapeOperandOf } from "../../src/opcodes/signature.js";
import type { Backend, Tensor } from "../../src/tensor/backend.js";
import { KERNEL_CALLS } from "../../src/vm/kernelCalls.js";
import { valuesOf } from "./exactBytes.js";

/** Runs the kernel of an instruction outside of the machine; the operands are taken to be valid. */
export function callKernel(
  backend: Backend,
  op: TensorOpName,
  imm: AnyImmediates,
  operands: readonly Tensor[],
): readonly Tensor[] {
  const record = tensorRecordOf(op);
  const rules = operandRulesOf(record, imm);
  const dims = operands[shapeOperandOf(rules)];
  const shapes = record.shape(
    imm as never,
    operands,
    dims === undefined ? [] : valuesOf(dims.dtype, backend.download(dims)),
  );
  const dtypes = resultDtypesOf(record, imm, rules, operands);
  const results = shapes.map((shape, i) => ({ dtype: dtypes[i]!, shape }));
  return [KERNEL_CALLS[op](backend, imm as never, operands, results)].flat();
}
