/** Smaller modules that still fail, and how they are written down. */
import { formatAssembly } from "../../../src/module/disassemble.js";
import { decodeModule } from "../../../src/module/decode.js";
import { encodeModule } from "../../../src/module/encode.js";
import { chunkRoot } from "../../../src/module/merkle.js";
import type { Module, ModuleFunction, ParameterInfo } from "../../../src/module/module.js";
import { isTensorOp } from "../../../src/opcodes/index.js";
import type { Instruction } from "../../../src/opcodes/index.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { RawTensor } from "../../../src/vm/rawTensor.js";
import type { Inputs, Manner } from "./agreement.js";
import { agree } from "./agreement.js";
import type { Engines } from "./engines.js";
import type { Evidence } from "./fuzzer.js";

export interface ModuleCase {
  readonly module: Module;
  readonly inputs: Inputs;
}

/** The files of a case that fails, its module made as small as goes without mending it. */
export function moduleEvidence(found: ModuleCase, engines: Engines, manner: Manner): Evidence {
  const { inputs } = found;
  const fails = (module: Module): string | undefined =>
    failureOf({ module, inputs }, engines, manner);
  const failure = fails(found.module);
  // What cannot be made again here is written down as it is.
  const module =
    failure === undefined
      ? found.module
      : shrunk(found.module, inputs, engines, manner, (m) => fails(m) === failure);
  const values = Object.entries(inputs).map(([name, value]) => [
    name,
    { dims: value.dims, integers: Array.from("integers" in value ? value.integers : [], String) },
  ]);
  const inputText = `${JSON.stringify(Object.fromEntries(values))}\n`;
  let text: Record<string, string | Uint8Array>;
  try {
    // Decoded, so that immediates are in the order of their records, as the assembler wants them.
    text = { ".aivmt": formatAssembly(decodeModule(encodeModule(module))) };
  } catch {
    text = { ".aivm": encodeModule(module) };
  }
  return { files: { ...text, ".json": inputText } };
}

/** Name and code of what a case fails with. */
function failureOf(
  { module, inputs }: ModuleCase,
  engines: Engines,
  manner: Manner,
): string | undefined {
  let bytes: Uint8Array;
  try {
    bytes = encodeModule(module);
  } catch {
    return undefined;
  }
  try {
    // As the engines that look at some cases only look at this one.
    agree(bytes, inputs, engines, manner, new Map());
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.name : "thrown";
  }
}

/**
 * Puts constants in the place of instructions of the entry's function, from the last one up, as
 * long as the module goes on failing: what does not matter disappears, with all that fed it.
 */
function shrunk(
  start: Module,
  inputs: Inputs,
  engines: Engines,
  manner: Manner,
  stillFails: (module: Module) => boolean,
): Module {
  let module = start;
  const index = module.configuration.entries[0]?.function ?? 0;
  for (let pc = (module.functions[index]?.body.length ?? 0) - 1; pc >= 0; pc--) {
    const at = module.functions[index]!.body[pc];
    if (at === undefined || !isTensorOp(at.op)) continue;
    const values = resultsAt(module, inputs, engines, manner, index, pc);
    if (values === undefined) continue;
    const candidate = withoutUnused(replaced(module, index, pc, values), index);
    if (stillFails(candidate)) module = candidate;
    pc = Math.min(pc, module.functions[index]!.body.length);
  }
  return module;
}

interface StepValues {
  readonly operands: number;
  readonly results: readonly RawTensor[];
}

/** What the reference made there when it first came by. */
function resultsAt(
  module: Module,
  inputs: Inputs,
  { reference }: Engines,
  { limits }: Manner,
  index: number,
  pc: number,
): StepValues | undefined {
  let found: StepValues | undefined;
  try {
    const instance = instantiate(module, { backend: reference });
    try {
      instance.runSync({
        inputs,
        limits,
        onStep(event) {
          if (found !== undefined || event.function !== index || event.pc !== pc) return;
          const results = event.results.map((_, i) => event.read(i));
          found = { operands: event.operands.length, results };
        },
      });
    } finally {
      instance.dispose();
    }
  } catch {
    return undefined;
  }
  return found;
}

function instruction(op: string, imm: object = {}): Instruction {
  return { op, imm } as unknown as Instruction;
}

function replaced(module: Module, index: number, pc: number, values: StepValues): Module {
  const parameters: ParameterInfo[] = [...module.parameters];
  const parameterData = [...module.parameterData];
  const code: Instruction[] = Array.from({ length: values.operands }, () => instruction("drop"));
  for (const { dtype, shape, bytes } of values.results) {
    parameters.push({ dtype, shape, root: chunkRoot(bytes) });
    parameterData.push(bytes);
    code.push(instruction("const", { parameter: parameters.length - 1 }));
  }
  const body = module.functions[index]!.body.toSpliced(pc, 1, ...code);
  return withBody({ ...module, parameters, parameterData }, index, body);
}

function withBody(module: Module, index: number, body: readonly Instruction[]): Module {
  const functions: ModuleFunction[] = [...module.functions];
  functions[index] = { ...functions[index]!, body };
  return { ...module, functions };
}

const PUSHES = ["const", "scalar", "local.get", "local.take"];

/** Without what is pushed only to be dropped, locals that nobody reads, parameters without use. */
function withoutUnused(module: Module, index: number): Module {
  const body = [...module.functions[index]!.body];
  const localOf = (i: Instruction): unknown => (i.imm as { local?: unknown }).local;
  for (let changed = true; changed;) {
    changed = false;
    const read = new Set(
      body.filter(({ op }) => op === "local.get" || op === "local.take").map(localOf),
    );
    for (let i = 0; i < body.length; i++) {
      const { op } = body[i]!;
      const dropped = body[i + 1]?.op === "drop";
      if (dropped && PUSHES.includes(op)) body.splice(i, 2);
      else if (op === "local.set" && !read.has(localOf(body[i]!))) body[i] = instruction("drop");
      else if (op === "local.tee" && !read.has(localOf(body[i]!))) body.splice(i, 1);
      else continue;
      changed = true;
    }
  }
  const slim = withBody(module, index, body);
  const all = [...slim.functions, ...slim.aggregation];
  const used = new Set<number>();
  const parameterOf = (i: Instruction): number | undefined =>
    i.op === "const" ? i.imm.parameter : undefined;
  for (const { body: code } of all) {
    for (const i of code) {
      const parameter = parameterOf(i);
      if (parameter !== undefined) used.add(parameter);
    }
  }
  const kept = [...used].sort((a, b) => a - b);
  const renumbered = (f: ModuleFunction): ModuleFunction => ({
    ...f,
    body: f.body.map((i) => {
      const parameter = parameterOf(i);
      return parameter === undefined
        ? i
        : instruction("const", { parameter: kept.indexOf(parameter) });
    }),
  });
  return {
    ...slim,
    functions: slim.functions.map(renumbered),
    aggregation: slim.aggregation.map(renumbered),
    parameters: kept.map((i) => slim.parameters[i]!),
    parameterData: kept.map((i) => slim.parameterData[i]),
  };
}
