import type { TensorType } from "../../../src/core/shape.js";
import type { EntryPoint, Module, ModuleFunction, Port } from "../../../src/module/module.js";
import type { AnyImmediates } from "../../../src/opcodes/record.js";

/** An instruction whose immediates may be anything. */
export interface DraftInstruction {
  op: string;
  imm: AnyImmediates;
}

export interface DraftFunction {
  params: TensorType[];
  results: TensorType[];
  locals: TensorType[];
  body: DraftInstruction[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export type DraftEntry = Writable<Omit<EntryPoint, "inputs" | "outputs">> & {
  inputs: Writable<Port>[];
  outputs: Writable<Port>[];
};

/** A module that may be changed, and need not make sense. */
export interface Draft {
  configuration: Writable<Omit<Module["configuration"], "entries">> & { entries: DraftEntry[] };
  functions: DraftFunction[];
  aggregation: DraftFunction[];
  parameters: Writable<Module["parameters"][number]>[];
  parameterData: (Uint8Array | undefined)[];
  provenance: Record<string, string>;
}

export function draftOf(module: Module): Draft {
  return structuredClone(module) as unknown as Draft;
}

/** The draft as a module; what is wrong with it is for others to find. */
export function moduleOf(draft: Draft): Module {
  return draft as unknown as Module;
}

export function functionOf(draft: DraftFunction): ModuleFunction {
  return draft as unknown as ModuleFunction;
}
