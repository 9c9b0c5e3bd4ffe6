import { InternalError } from "../../core/errors.js";
import type { TensorType } from "../../core/shape.js";
import type { ModuleFunction } from "../../module/module.js";
import type { Instruction } from "../../opcodes/index.js";
import { capturedBy, countUses, homeOf } from "./captures.js";
import type { FixedConstant, FixedNode, FixedRegion, FixedValue } from "./fixedGraph.js";

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
 *
 * What the body of an `if` or `loop` reads of what is around it is in locals before it begins, and
 * stays there until it has ended.
 */
export function emitFunction(
  inputs: readonly FixedValue[],
  outputs: readonly FixedValue[],
): Emitted {
  const emitter = new Emitter(inputs);
  emitter.region(inputs, undefined, outputs);
  emitter.push({ op: "end", imm: {} }, "");
  return {
    function: {
      params: inputs.map(typeOf),
      results: outputs.map(typeOf),
      locals: emitter.locals.slice(inputs.length),
      body: emitter.body,
    },
    parameters: emitter.parameters,
    origins: emitter.origins,
  };
}

interface Place {
  readonly local: number;
  /** Reads to come, in the region where the value was made. */
  reads: number;
}

type Task =
  /** Puts a value onto the stack; or, with `hold`, into a local where it is not in one yet. */
  | { readonly kind: "value"; readonly value: FixedValue; readonly hold: boolean; origin: string }
  /** Its operands are there: the instruction itself. */
  | { readonly kind: "node"; readonly value: FixedValue; readonly hold: boolean };

class Emitter {
  readonly body: Instruction[] = [];
  readonly origins: string[] = [];
  readonly parameters: FixedConstant[] = [];
  readonly locals: TensorType[];
  readonly #parameterIndex = new Map<FixedConstant, number>();
  readonly #freeLocals = new Map<string, number[]>();
  readonly #places = new Map<FixedValue, Place>();

  constructor(inputs: readonly FixedValue[]) {
    this.locals = inputs.map(typeOf);
  }

  push(instruction: Instruction, origin: string): void {
    this.body.push(instruction);
    this.origins.push(origin);
  }

  /**
   * The instructions of a region, after which its results are on the stack.
   * @param parameters already in locals for the function, whose first locals they are
   */
  region(
    parameters: readonly FixedValue[],
    region: FixedRegion | undefined,
    results: readonly FixedValue[],
  ): void {
    const uses = countUses(region, results);
    parameters.forEach((value, local) => {
      if (region === undefined) this.#places.set(value, { local, reads: uses.get(value) ?? 0 });
    });
    if (region !== undefined) this.#store(parameters, uses, "");
    // Depth first with an explicit stack: models are thousands of nodes deep.
    const tasks: Task[] = [];
    const ask = (values: readonly FixedValue[], origin: string, hold = false): void => {
      for (const value of [...values].reverse()) tasks.push({ kind: "value", value, hold, origin });
    };
    ask(results, "");
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
      const { value, hold } = task;
      if (task.kind === "node") {
        this.#finish(value, (value.source as { readonly node: FixedNode }).node, hold, uses);
        continue;
      }
      const place = this.#places.get(value);
      if (place !== undefined) {
        if (!hold) this.#read(value, place, region, task.origin);
        continue;
      }
      switch (value.source.kind) {
        case "constant":
          this.#constant(value.source.constant, task.origin);
          break;
        case "scalar": {
          const imm = { dtype: value.dtype, value: value.source.value };
          this.push({ op: "scalar", imm }, task.origin);
          break;
        }
        case "node": {
          const { node } = value.source;
          if (node.region !== region) throw new InternalError("a value is read outside its region");
          tasks.push({ kind: "node", value, hold });
          ask(node.operands, node.origin);
          for (const inner of node.bodies) ask(capturedBy(inner), node.origin, true);
          break;
        }
        default:
          throw new InternalError("a parameter is read outside its region");
      }
    }
  }

  #constant(constant: FixedConstant, origin: string): void {
    let parameter = this.#parameterIndex.get(constant);
    if (parameter === undefined) {
      parameter = this.parameters.push(constant) - 1;
      this.#parameterIndex.set(constant, parameter);
    }
    this.push({ op: "const", imm: { parameter } }, origin);
  }

  #allocate(value: FixedValue): number {
    const type = typeOf(value);
    const free = this.#freeLocals.get(`${type.dtype}:${String(type.rank)}`)?.pop();
    if (free !== undefined) return free;
    this.locals.push(type);
    return this.locals.length - 1;
  }

  #read(value: FixedValue, place: Place, region: FixedRegion | undefined, origin: string): void {
    // A body may run again: what it reads of what is around it stays.
    if (homeOf(value) !== region || place.reads > 1) {
      if (homeOf(value) === region) place.reads--;
      this.push({ op: "local.get", imm: { local: place.local } }, origin);
      return;
    }
    this.#take(value, place, origin);
  }

  #take(value: FixedValue, place: Place, origin: string): void {
    place.reads = 0;
    this.push({ op: "local.take", imm: { local: place.local } }, origin);
    const key = `${value.dtype}:${String(value.shape.length)}`;
    this.#freeLocals.set(key, [...(this.#freeLocals.get(key) ?? []), place.local]);
  }

  /** Moves values, the last on top of the stack, into locals; drops those that nobody reads. */
  #store(
    values: readonly FixedValue[],
    uses: ReadonlyMap<FixedValue, number>,
    origin: string,
  ): void {
    for (const value of [...values].reverse()) {
      const reads = uses.get(value) ?? 0;
      if (reads === 0) {
        this.push({ op: "drop", imm: {} }, origin);
        continue;
      }
      const local = this.#allocate(value);
      this.#places.set(value, { local, reads });
      this.push({ op: "local.set", imm: { local } }, origin);
    }
  }

  #finish(
    value: FixedValue,
    node: FixedNode,
    hold: boolean,
    uses: ReadonlyMap<FixedValue, number>,
  ): void {
    const { origin } = node;
    if (node.bodies.length > 0) this.#bodies(node);
    else this.push({ op: node.op, imm: node.imm } as Instruction, origin);
    if (node.results.length === 1 && !hold) {
      const reads = uses.get(value)!;
      if (reads === 1) return;
      const local = this.#allocate(value);
      this.#places.set(value, { local, reads: reads - 1 });
      this.push({ op: "local.tee", imm: { local } }, origin);
      return;
    }
    this.#store(node.results, uses, origin);
    if (!hold) this.#read(value, this.#places.get(value)!, node.region, origin);
  }

  #arm(region: FixedRegion, origin: string): void {
    if (region.trap === undefined) this.region([], region, region.results);
    else this.push({ op: "trap", imm: { detail: region.trap } }, origin);
  }

  #bodies(node: FixedNode): void {
    const { origin, results } = node;
    const [first, second] = node.bodies as [FixedRegion, FixedRegion | undefined];
    const params = first.parameters.map(typeOf);
    const imm = { type: { params, results: results.map(typeOf) } };
    this.push({ op: node.op, imm } as Instruction, origin);
    if (second === undefined) {
      const [again, ...carried] = first.results as [FixedValue, ...FixedValue[]];
      this.region(first.parameters, first, [...carried, again]);
      this.push({ op: "br.if", imm: { label: 0 } }, origin);
    } else {
      this.#arm(first, origin);
      this.push({ op: "else", imm: {} }, origin);
      this.#arm(second, origin);
    }
    this.push({ op: "end", imm: {} }, origin);
    for (const body of node.bodies) {
      for (const value of capturedBy(body)) {
        const place = this.#places.get(value)!;
        if (homeOf(value) !== node.region || --place.reads > 0) continue;
        this.#take(value, place, origin);
        this.push({ op: "drop", imm: {} }, origin);
      }
    }
  }
}
