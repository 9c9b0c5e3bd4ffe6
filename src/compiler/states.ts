/** Recurrent state: outputs that hosts feed into the next run as inputs. */
import { CompileError } from "../core/errors.js";
import { connections, isFloat } from "./graph.js";
import type { Connections, Dim, Graph, GraphNode, Shape } from "./graph.js";

/** Output names with the inputs that they are fed into. */
export type States = Readonly<Record<string, string>>;

/** Operators whose result holds elements of their first operand, or of all of them. */
const MOVERS: ReadonlySet<string> = new Set(
  "Concat Expand Gather Identity Reshape Slice Squeeze Transpose Unsqueeze".split(" "),
);
const RECURRENT: ReadonlySet<string> = new Set(["GRU", "LSTM", "RNN"]);

/**
 * The states of a model: those that are stated; those whose names say so (`state` and `stateN`, `h`
 * and `hn`, `past_0` and `present_0`, `hidden_in` and `hidden_out`); an output that sums products of
 * an input, as cell states are updated; and a pair that recurrent layers begin with and leave, where
 * it is the only one of its shape.
 *
 * @param stated by output; an empty input name says that the output is none
 * @throws CompileError `BadState` for names that are no input or output, or do not fit each other
 */
export function findStates(graph: Graph, stated: States = {}): States {
  const found = new Map<string, string>();
  for (const [output, input] of Object.entries(stated)) {
    checkState(graph, output, input);
    if (input !== "") found.set(output, input);
  }
  const free = (names: readonly string[], taken: Iterable<string>): string[] => {
    const used = new Set(taken);
    return names.filter((name) => !used.has(name));
  };
  const fits = (output: string, input: string): boolean =>
    isFloat(graph.values.get(output)?.elementType) && fit(graph, output, input);
  const outputs = (): string[] =>
    free(graph.outputs, [...found.keys(), ...Object.keys(stated), ...graph.inputs]);
  const inputs = (): string[] => free(graph.inputs, found.values());
  for (const output of outputs()) {
    const input = inputs().find((name) => saysSo(output, name) && fits(output, name));
    if (input !== undefined) found.set(output, input);
  }
  // A model of one input and output has no state beside what it computes.
  if (graph.inputs.length < 2 || graph.outputs.length < 2) return Object.fromEntries(found);
  const links = connections(graph);
  for (const output of outputs()) {
    const updated = inputs().filter((name) => fits(output, name) && updates(graph, output, name));
    if (updated.length === 1) found.set(output, updated[0]!);
  }
  const left = outputs().filter((name) => comesFromStates(links, name));
  const begun = inputs().filter((name) => becomesStates(graph, links, name));
  for (const output of left) {
    const candidates = begun.filter((name) => fits(output, name));
    const rivals = left.filter((name) => candidates.some((input) => fits(name, input)));
    if (candidates.length === 1 && rivals.length === 1) found.set(output, candidates[0]!);
  }
  return Object.fromEntries(found);
}

function checkState(graph: Graph, output: string, input: string): void {
  const bad = (message: string): CompileError =>
    new CompileError("BadState", message, { name: output });
  if (!graph.outputs.includes(output))
    throw bad(`the model has no output "${output}"; it has ${quoted(graph.outputs)}`);
  if (input === "") return;
  if (!graph.inputs.includes(input))
    throw bad(`the model has no input "${input}"; it has ${quoted(graph.inputs)}`);
  if (!fit(graph, output, input))
    throw bad(`output "${output}" and input "${input}" differ in type or shape`);
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

/** Whether what an output gives could be what an input takes; caches may grow along open axes. */
function fit(graph: Graph, output: string, input: string): boolean {
  const [from, to] = [graph.values.get(output), graph.values.get(input)];
  if (isFloat(from?.elementType) !== isFloat(to?.elementType)) return false;
  if (!isFloat(from?.elementType) && from?.elementType !== to?.elementType) return false;
  return sameSizes(from?.shape, to?.shape);
}

function sameSizes(a: Shape, b: Shape): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  return a.every(
    (dim: Dim, axis) => typeof dim === "string" || typeof b[axis] === "string" || dim === b[axis],
  );
}

const INPUT_WORDS = new Set([
  "past",
  "prev",
  "previous",
  "old",
  "last",
  "in",
  "input",
  "init",
  "initial",
]);
const OUTPUT_WORDS = new Set([
  "present",
  "new",
  "next",
  "updated",
  "out",
  "output",
  "cur",
  "current",
]);

/** Whether the names are those of one state before and after. */
function saysSo(output: string, input: string): boolean {
  const plain = input.toLowerCase();
  if ([`${plain}n`, `${plain}_n`, `${plain}.1`].includes(output.toLowerCase())) return true;
  const words = (name: string): string[] =>
    name
      .replace(/key_values/g, "")
      .replace(/([a-z])([A-Z])/g, "$1_$2")
      .toLowerCase()
      .split(/[_.\-/:]+/)
      .filter((word) => word !== "");
  const before = words(input);
  const after = words(output);
  const [a, b] = [
    before.filter((word) => !INPUT_WORDS.has(word)),
    after.filter((word) => !OUTPUT_WORDS.has(word)),
  ];
  // A number alone says nothing, unless past and present stood before it.
  const telling =
    a.some((word) => /[a-z]/.test(word)) || (before.includes("past") && after.includes("present"));
  return telling && before.join() !== after.join() && a.join() === b.join();
}

/** Whether a value is made by recurrent layers' last states, moved at most. */
function comesFromStates({ producers }: Connections, name: string): boolean {
  const node = producers.get(name);
  if (node === undefined || node.domain !== "") return false;
  if (RECURRENT.has(node.opType)) return node.outputs.indexOf(name) > 0;
  if (!MOVERS.has(node.opType)) return false;
  const moved = node.opType === "Concat" ? node.inputs : node.inputs.slice(0, 1);
  return moved.every((input) => comesFromStates({ producers, consumers: new Map() }, input));
}

/** Whether an output holds a sum of an input, or of a product of it, and something else. */
function updates(graph: Graph, output: string, input: string): boolean {
  const { producers } = connections(graph);
  const isPart = (name: string): boolean => movedInto(graph, name).has(input);
  return [...movedInto(graph, output)].some((name) => {
    const sum = producers.get(name);
    if (sum?.domain !== "" || !["Add", "Sub", "Sum"].includes(sum.opType)) return false;
    return sum.inputs.some((term) => {
      const product = producers.get(term);
      const factors = product?.domain === "" && product.opType === "Mul" ? product.inputs : [];
      return [term, ...factors].some(isPart);
    });
  });
}

/** Whether all that is done with a value is to begin recurrent layers with it. */
function becomesStates(graph: Graph, links: Connections, name: string): boolean {
  const readers = links.consumers.get(name) ?? [];
  if (readers.length === 0 || graph.outputs.includes(name)) return false;
  return readers.every((node) => {
    if (node.domain !== "") return false;
    if (RECURRENT.has(node.opType)) return node.inputs.indexOf(name) >= 5;
    return MOVERS.has(node.opType) && becomesStates(graph, links, node.outputs[0] ?? "");
  });
}

/** Operators that multiply and add: their operands need no more bits than weights have. */
const CONTRACTIONS: ReadonlySet<string> = new Set(
  "Attention Conv ConvTranspose Gemm Linear MatMul".split(" "),
);

/** Whether a state is a cache of what products read, which needs no more bits than they take. */
export function isCache(graph: Graph, input: string): boolean {
  const { consumers } = connections(graph);
  const seen = new Set<string>();
  const reads = (name: string): boolean => {
    if (seen.has(name)) return true;
    seen.add(name);
    return (consumers.get(name) ?? []).every(
      (node: GraphNode) =>
        CONTRACTIONS.has(node.opType) || (MOVERS.has(node.opType) && node.outputs.every(reads)),
    );
  };
  return reads(input);
}

/** Values of which a state is made by nothing but moving. */
export function movedInto(graph: Graph, output: string): Set<string> {
  const { producers } = connections(graph);
  const names = new Set<string>();
  const pending = [output];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || names.has(name)) continue;
    names.add(name);
    const node = producers.get(name);
    if (node === undefined || !MOVERS.has(node.opType)) continue;
    pending.push(...(node.opType === "Concat" ? node.inputs : node.inputs.slice(0, 1)));
  }
  return names;
}
