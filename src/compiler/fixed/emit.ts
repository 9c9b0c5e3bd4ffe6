import type { TensorType } from "../../core/shape.js";
import type { ModuleFunction } from "../../module/module.js";
import type { Instruction } from "../../opcodes/index.js";
import type { FixedConstant, FixedNode, FixedValue } from "./fixedGraph.js";

/** A function body and the parameters it uses, in order of first use. */
export interface Emitted {
  readonly function: ModuleFunction;
  readonly parameters: readonly FixedConstant[];
  /** Name of the model node behind each instruction of the body ("" for none). */
  readonly origins: readonly string[];
}

const typeOf = (value: FixedValue): TensorType => ({
  dtype: value.dtype,
  rank: value.shape.length,
});

/**
 * Orders instructions and places values. A value that is read once stays on the stack from where
 * it is made to where it is read; one that is read more often goes to a local, and its last read
 * takes it out of there, so that its memory ends with it. Instructions run when their first
 * reader asks for them, which keeps few tensors alive.
 */
export function emitFunction(
  inputs: readonly FixedValue[],
  outputs: readonly FixedValue[],
): Emitted {
  const uses = countUses(outputs);
  const parameters: FixedConstant[] = [];
  const parameterIndex = new Map<FixedConstant, number>();
  const body: Instruction[] = [];
  const origins: string[] = [];
  const locals: TensorType[] = inputs.map(typeOf);
  const freeLocals = new Map<string, number[]>();
  const placed = new Map<FixedValue, { readonly local: number; reads: number }>();

  const push = (instruction: Instruction, origin: string): void => {
    body.push(instruction);
    origins.push(origin);
  };
  const allocate = (value: FixedValue): number => {
    const type = typeOf(value);
    const free = freeLocals.get(`${type.dtype}:${String(type.rank)}`)?.pop();
    if (free !== undefined) return free;
    locals.push(type);
    return locals.length - 1;
  };
  inputs.forEach((input, local) => placed.set(input, { local, reads: uses.get(input) ?? 0 }));

  const readLocal = (
    value: FixedValue,
    place: { local: number; reads: number },
    origin: string,
  ): void => {
    place.reads--;
    if (place.reads > 0) {
      push({ op: "local.get", imm: { local: place.local } }, origin);
      return;
    }
    push({ op: "local.take", imm: { local: place.local } }, origin);
    const key = `${value.dtype}:${String(value.shape.length)}`;
    freeLocals.set(key, [...(freeLocals.get(key) ?? []), place.local]);
  };

  const finish = (value: FixedValue, node: FixedNode): void => {
    push({ op: node.op, imm: node.imm } as Instruction, node.origin);
    if (node.results.length === 1) {
      const reads = uses.get(value)!;
      if (reads === 1) return;
      const local = allocate(value);
      placed.set(value, { local, reads: reads - 1 });
      push({ op: "local.tee", imm: { local } }, node.origin);
      return;
    }
    for (const result of [...node.results].reverse()) {
      const reads = uses.get(result) ?? 0;
      if (reads === 0) {
        push({ op: "drop", imm: {} }, node.origin);
        continue;
      }
      const local = allocate(result);
      placed.set(result, { local, reads });
      push({ op: "local.set", imm: { local } }, node.origin);
    }
    readLocal(value, placed.get(value)!, node.origin);
  };

  // Depth first with an explicit stack: models are thousands of nodes deep.
  type Task = { readonly value: FixedValue; readonly finish: boolean; readonly origin: string };
  const tasks: Task[] = [...outputs]
    .reverse()
    .map((value) => ({ value, finish: false, origin: "" }));
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    const { value, origin } = task;
    const place = placed.get(value);
    if (place !== undefined) {
      readLocal(value, place, origin);
    } else if (value.source.kind === "constant") {
      const { constant } = value.source;
      let parameter = parameterIndex.get(constant);
      if (parameter === undefined) {
        parameter = parameters.push(constant) - 1;
        parameterIndex.set(constant, parameter);
      }
      push({ op: "const", imm: { parameter } }, origin);
    } else if (value.source.kind === "scalar") {
      push({ op: "scalar", imm: { dtype: value.dtype, value: value.source.value } }, origin);
    } else if (value.source.kind === "node") {
      const { node } = value.source;
      if (task.finish) {
        finish(value, node);
      } else {
        tasks.push({ value, finish: true, origin });
        for (const operand of [...node.operands].reverse()) {
          tasks.push({ value: operand, finish: false, origin: node.origin });
        }
      }
    }
  }
  push({ op: "end", imm: {} }, "");
  return {
    function: {
      params: inputs.map(typeOf),
      results: outputs.map(typeOf),
      locals: locals.slice(inputs.length),
      body,
    },
    parameters,
    origins,
  };
}

/** How often each value is read, by instructions that run and by the outputs. */
function countUses(outputs: readonly FixedValue[]): Map<FixedValue, number> {
  const uses = new Map<FixedValue, number>();
  const seen = new Set<FixedNode>();
  const pending: FixedValue[] = [...outputs];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    uses.set(value, (uses.get(value) ?? 0) + 1);
    if (value.source.kind !== "node" || seen.has(value.source.node)) continue;
    seen.add(value.source.node);
    pending.push(...value.source.node.operands);
  }
  return uses;
}
