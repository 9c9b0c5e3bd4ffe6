/** Code made ready to run, once for each instance. */
import type { Dtype } from "../core/dtype.js";
import { InputError } from "../core/errors.js";
import type { TensorSpec } from "../core/shape.js";
import { decodeModule } from "../module/decode.js";
import { moduleId } from "../module/hash.js";
import { toHex } from "../module/hex.js";
import type { LinkedModule } from "../module/link.js";
import { linkParameters } from "../module/link.js";
import type { ParameterStore } from "../module/parameterStore.js";
import type { Configuration, EntryPoint, Module, ModuleFunction } from "../module/module.js";
import type { FunctionPlan } from "../module/plan.js";
import { validateModule } from "../module/validate.js";
import { gasOf } from "../opcodes/gas.js";
import type { Instruction, MachineOpName } from "../opcodes/index.js";
import { isTensorOp, recordOf } from "../opcodes/index.js";
import type { AnyImmediates } from "../opcodes/record.js";
import type { Backend } from "../tensor/backend.js";
import { Constants } from "./constants.js";
import type { LinkedFunction, Step } from "./execution.js";
import { MACHINE_HANDLERS, tensorHandler } from "./handlers.js";
import { tensorInstruction } from "./resolution.js";

/** Operands and results of the instructions of the machine that move tensors; `call` has its own. */
const MACHINE_EFFECTS: Readonly<Partial<Record<MachineOpName, readonly [number, number]>>> = {
  if: [1, 0],
  "br.if": [1, 0],
  drop: [1, 0],
  "local.get": [0, 1],
  "local.set": [1, 0],
  "local.tee": [1, 1],
  "local.take": [0, 1],
  const: [0, 1],
  scalar: [0, 1],
  random: [1, 1],
};

/** Links the functions of one part of a module. */
export function linkFunctions(
  functions: readonly ModuleFunction[],
  plans: readonly FunctionPlan[],
): readonly LinkedFunction[] {
  return functions.map(({ params, results, locals, body }, index) => ({
    index,
    params,
    results,
    locals: [...params, ...locals],
    code: body.map((instruction, pc) => linkStep(instruction, plans[index]!, pc)),
  }));
}

function linkStep(instruction: Instruction, plan: FunctionPlan, pc: number): Step {
  const { op } = instruction;
  const imm = instruction.imm as AnyImmediates;
  const jump = { target: plan.target[pc]!, arity: plan.arity[pc]!, height: plan.height[pc]! };
  if (isTensorOp(op)) {
    const tensor = tensorInstruction(op, imm);
    const pops = tensor.rules.length;
    const pushes = tensor.record.results.length;
    return { op, imm, handler: tensorHandler(tensor), gas: 0n, pops, pushes, ...jump };
  }
  const [pops, pushes] = MACHINE_EFFECTS[op] ?? [0, 0];
  return {
    op,
    imm,
    handler: MACHINE_HANDLERS[op],
    gas: machineGas(op, imm),
    pops,
    pushes,
    ...jump,
  };
}

/** Gas of an instruction of the machine: it depends on immediates alone. */
export function machineGas(op: MachineOpName, imm: AnyImmediates): bigint {
  const results: TensorSpec[] =
    op === "random"
      ? [{ dtype: imm["dtype"] as Dtype, shape: imm["dims"] as readonly number[] }]
      : [];
  return gasOf(recordOf(op).gas, [], { imm, operands: [], results });
}

/** What all runs of an instance share. */
export interface Program {
  readonly module: LinkedModule;
  /** 64 lower-case hexadecimal digits. */
  readonly moduleId: string;
  readonly backend: Backend;
  readonly constants: Constants;
  readonly inference: readonly LinkedFunction[];
  readonly aggregation: readonly LinkedFunction[];
}

/**
 * Decodes (unless that has been done), validates and links a module for an engine.
 * @throws MalformedError, InvalidError, LinkError
 */
export function linkProgram(
  source: Uint8Array | Module,
  backend: Backend,
  parameters?: ParameterStore,
): Program {
  const decoded = source instanceof Uint8Array ? decodeModule(source) : source;
  const validated = validateModule(decoded);
  const module = linkParameters(decoded, parameters);
  return {
    module,
    moduleId: toHex(moduleId(module)),
    backend,
    constants: new Constants(backend, module),
    inference: linkFunctions(module.functions, validated.functions),
    aggregation: linkFunctions(module.aggregation, validated.aggregation),
  };
}

/**
 * The entry point of that name, or the first.
 * @throws InputError `Entry`
 */
export function findEntry({ entries }: Configuration, name: string | undefined): EntryPoint {
  const entry = name === undefined ? entries[0] : entries.find((e) => e.name === name);
  if (entry !== undefined) return entry;
  const names = entries.map((e) => `"${e.name}"`).join(", ");
  throw new InputError(
    "Entry",
    `the module has ${entries.length === 0 ? "no entries" : `no entry "${name}"; it has ${names}`}`,
    name === undefined ? {} : { name },
  );
}
