import type { AttributeProto, GraphProto, NodeProto } from "../../../src/compiler/onnx/schema.js";
import { decodeModel, encodeModel } from "../../../src/compiler/onnx/wire.js";
import { SHAPE_RULES } from "../../../src/compiler/shapes/rules.js";
import type { SeededRandom } from "../seededRandom.js";
import { damaged } from "./damaged.js";

const OPERATORS = [...SHAPE_RULES.keys()];
const NUMBERS = [-1000, -1, 0, 1, 2, 3, 7, 65536, 2 ** 31 - 1, 2 ** 40, Number.MAX_SAFE_INTEGER];
const REALS = [NaN, Infinity, 1e30, -1, 0, 0.5];
/** Tags and lengths of protobuf that promise much. */
const HEADERS = [0x00, 0x01, 0x08, 0x0a, 0x12, 0x3a, 0x7f, 0x80, 0xfa, 0xff];

type Step = (random: SeededRandom, graph: GraphProto, node: NodeProto) => void;

/** Puts one of `values` in the place of a random element. */
function replaceOne<T>(
  random: SeededRandom,
  list: ArrayLike<T> | undefined,
  values: readonly T[],
): void {
  if (list === undefined || list.length === 0) return;
  (list as T[])[random.int(0, list.length - 1)] = random.pick(values);
}

function breakAttribute(random: SeededRandom, a: AttributeProto): void {
  if (a.i !== undefined) a.i = BigInt(random.pick(NUMBERS));
  if (a.f !== undefined) a.f = random.pick(REALS);
  replaceOne(random, a.ints, NUMBERS.map(BigInt));
  if (random.int(0, 7) === 0) a.type = random.int(0, 14);
}

/** Names that a node may come to read or write: a cycle is one of the things that follow. */
function names(graph: GraphProto): string[] {
  return ["", "nowhere", ...(graph.node ?? []).flatMap((n) => n.output ?? [])];
}

const STEPS: readonly Step[] = [
  (random, _, { attribute }) => {
    if (attribute?.[0] !== undefined) breakAttribute(random, random.pick(attribute));
  },
  (random, graph, { input }) => replaceOne(random, input, names(graph)),
  (random, graph, { output }) => replaceOne(random, output, names(graph)),
  (random, _, node) => void (node.opType = random.pick(OPERATORS)),
  (random, graph) => {
    const { dim } = random.pick(graph.input!).type?.tensorType?.shape ?? {};
    replaceOne(random, dim, [{ dimValue: BigInt(random.pick(NUMBERS)) }, { dimParam: "q" }]);
  },
  (random, { initializer = [] }) => {
    if (initializer.length > 0) {
      replaceOne(random, random.pick(initializer).dims, NUMBERS.map(BigInt));
    }
  },
  (random, graph) => {
    const type = random.pick(graph.input!).type?.tensorType;
    if (type !== undefined) type.elemType = random.int(0, 23);
  },
];

const WILDER: readonly Step[] = [
  ...STEPS,
  ...STEPS,
  // In another order, twice, not at all.
  (_, graph) => void (graph.node as NodeProto[]).reverse(),
  (random, { node }) => void (node as NodeProto[]).push(structuredClone(random.pick(node!))),
  (random, { node }) => void (node as NodeProto[]).splice(random.int(0, node!.length - 1), 1),
  (random, _, { attribute }) => {
    if (attribute !== undefined)
      (attribute as AttributeProto[]).splice(random.int(0, attribute.length), 1);
  },
  (random, _, { input }) => void (input as string[] | undefined)?.splice(random.int(0, 3), 1),
  // Data that are shorter or longer than the dimensions say, or of another type.
  (random, { initializer = [] }) => {
    if (initializer.length === 0) return;
    const data = random.pick(initializer);
    if (data.rawData !== undefined) {
      data.rawData = data.rawData.slice(0, random.int(0, data.rawData.length));
    }
  },
  (random, { initializer = [] }) => {
    if (initializer.length > 0) random.pick(initializer).dataType = random.int(0, 23);
  },
  (random, { output = [] }) => {
    if (output.length > 0) (output as object[]).push(structuredClone(random.pick(output)));
  },
];

function stepped(random: SeededRandom, bytes: Uint8Array, steps: readonly Step[]): Uint8Array {
  const proto = decodeModel(bytes);
  const graph = proto.graph!;
  for (let i = random.int(0, 2); i >= 0; i--) {
    if (graph.node === undefined || graph.node.length === 0) break;
    random.pick(steps)(random, graph, random.pick(graph.node));
  }
  return encodeModel(proto);
}

/** The model with one to three things changed in it. */
export function brokenModel(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  return stepped(random, bytes, STEPS);
}

/** The file with bytes damaged, or the model with things changed, moved, removed or doubled. */
export function mutatedModel(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  if (random.int(0, 2) === 0) return damaged(bytes, random, HEADERS);
  return stepped(random, bytes, WILDER);
}
