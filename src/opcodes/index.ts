/** The instruction set of AIVM: one record an instruction. Opcode numbers are never reused. */
import { contraction } from "./contraction.js";
import { elementwise } from "./elementwise.js";
import { indexing } from "./indexing.js";
import { lut } from "./lut.js";
import { machine } from "./machine.js";
import { movement } from "./movement.js";
import type { ImmediateValues, Immediates, OpRecord, TensorOp } from "./record.js";
import { reductions } from "./reductions.js";
import { rescale } from "./rescale.js";

/** Version of the instruction set: what a module states and a receipt repeats. */
export const ISA_VERSION = 1;
export { GAS_VERSION } from "./gasSchedule.js";

export const TENSOR_OPS = {
  ...contraction,
  ...rescale,
  ...lut,
  ...elementwise,
  ...reductions,
  ...movement,
  ...indexing,
} as const;
export const MACHINE_OPS = machine;
/** Every instruction by its mnemonic. */
export const OPS = { ...MACHINE_OPS, ...TENSOR_OPS } as const;

export type TensorOpName = keyof typeof TENSOR_OPS;
export type MachineOpName = keyof typeof MACHINE_OPS;
export type OpName = keyof typeof OPS;

type ImmediatesOf<R> = R extends { readonly immediates: infer I extends Immediates }
  ? ImmediateValues<I>
  : never;

/** A decoded instruction: its mnemonic and its immediates by name. */
export type Instruction = {
  [K in OpName]: { readonly op: K; readonly imm: ImmediatesOf<(typeof OPS)[K]> };
}[OpName];
/** A decoded instruction of one mnemonic. */
export type InstructionOf<K extends OpName> = Extract<Instruction, { readonly op: K }>;

/** The record of an instruction. */
export function recordOf(op: OpName): OpRecord {
  return OPS[op];
}

export function isTensorOp(op: OpName): op is TensorOpName {
  return Object.hasOwn(TENSOR_OPS, op);
}

/** The record of an instruction on tensors. */
export function tensorRecordOf(op: TensorOpName): TensorOp {
  return TENSOR_OPS[op];
}

/** Mnemonics by opcode number. */
export const OP_BY_CODE: ReadonlyMap<number, OpName> = new Map(
  (Object.keys(OPS) as OpName[]).map((name) => [OPS[name].code, name]),
);
