/** Models that say absurd things: typed errors that name the place, or an answer; never a crash. */
import { expect, test } from "vitest";
import { evaluateGraph } from "../../src/analysis/evaluateGraph.js";
import { tensorOf } from "../../src/analysis/hostTensors.js";
import { madeUpSamples } from "../../src/analysis/madeUpSamples.js";
import { fitSample } from "../../src/analysis/modelSample.js";
import { planSamples } from "../../src/analysis/samplePlan.js";
import { describeModel } from "../../src/compiler/describe.js";
import { importSupported } from "../../src/compiler/compile.js";
import { importModel } from "../../src/compiler/importModel.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import type { AttributeProto, NodeProto } from "../../src/compiler/onnx/schema.js";
import { decodeModel, encodeModel } from "../../src/compiler/onnx/wire.js";
import { optimise } from "../../src/compiler/optimise.js";
import { SHAPE_RULES } from "../../src/compiler/shapes/rules.js";
import { AivmError, InternalError } from "../../src/core/errors.js";
import { SeededRandom } from "../support/seededRandom.js";

const COUNT = 2000;
const OPERATORS = [...SHAPE_RULES.keys()];
const NUMBERS = [-1000, -1, 0, 1, 2, 3, 7, 65536, 2 ** 31 - 1, 2 ** 40, Number.MAX_SAFE_INTEGER];
const REALS = [NaN, Infinity, 1e30, -1, 0];

function models(): Uint8Array[] {
  const ones = (count: number): number[] => new Array<number>(count).fill(1);
  const pictures = new ModelBuilder()
    .input("x", "float32", ["n", 2, 6, 6])
    .constant("w", tensor("float32", [4, 2, 3, 3], ones(72)))
    .constant("shape", tensor("int64", [2], [0, -1]))
    .constant("pads", tensor("int64", [8], [0, 0, 1, 1, 0, 0, 1, 1]))
    .node("Pad", ["x", "pads"], ["padded"])
    .node("Conv", ["padded", "w"], ["c"], { strides: [1, 1], pads: [1, 1, 1, 1] })
    .node("MaxPool", ["c"], ["m"], { kernel_shape: [2, 2], strides: [2, 2] })
    .node("Reshape", ["m", "shape"], ["flat"])
    .node("Softmax", ["flat"], ["s"], { axis: 1 })
    .node("ReduceSum", ["s"], ["y"], { keepdims: 1 })
    .output("y", "float32", undefined);
  const words = new ModelBuilder()
    .input("i", "int64", ["n", 3])
    .input("v", "float32", ["n", 3, 2])
    .constant("table", tensor("float32", [5, 2], ones(10)))
    .constant("k", tensor("int64", [1], [1]))
    .constant("starts", tensor("int64", [1], [-2]))
    .constant("ends", tensor("int64", [1], [9]))
    .node("Gather", ["table", "i"], ["g"])
    .node("Add", ["g", "v"], ["sum"])
    .node("Slice", ["sum", "starts", "ends", "k"], ["part"])
    .node("Transpose", ["part"], ["t"], { perm: [0, 2, 1] })
    .node("MatMul", ["t", "part"], ["mm"])
    .node("TopK", ["mm", "k"], ["values", "places"], { axis: -1 })
    .node("Concat", ["values", "values"], ["y"], { axis: 0 })
    .output("y", "float32", undefined);
  return [pictures.encode(), words.encode()];
}

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
}

/** The model with one to three things changed in it. */
function broken(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const proto = decodeModel(bytes);
  const graph = proto.graph!;
  const nodes = graph.node!;
  const values = ["", "nowhere", ...nodes.flatMap((n) => n.output ?? [])];
  const steps: ((node: NodeProto) => void)[] = [
    ({ attribute }) => {
      if (attribute?.[0] !== undefined) breakAttribute(random, random.pick(attribute));
    },
    ({ input }) => replaceOne(random, input, values),
    ({ output }) => replaceOne(random, output, values),
    (node) => (node.opType = random.pick(OPERATORS)),
    () => {
      const { dim } = random.pick(graph.input!).type?.tensorType?.shape ?? {};
      replaceOne(random, dim, [{ dimValue: BigInt(random.pick(NUMBERS)) }, { dimParam: "q" }]);
    },
    () => replaceOne(random, random.pick(graph.initializer!).dims, NUMBERS.map(BigInt)),
    () => {
      const type = random.pick(graph.input!).type?.tensorType;
      if (type !== undefined) type.elemType = random.int(0, 23);
    },
  ];
  for (let i = 0; i <= random.int(0, 2); i++) random.pick(steps)(random.pick(nodes));
  return encodeModel(proto);
}

function attempt(bytes: Uint8Array): void {
  const graph = optimise(importModel(bytes));
  const plan = planSamples(bytes);
  const { inputs } = describeModel(bytes);
  const sizeOf = (dim: number | string): number =>
    typeof dim === "number" ? dim : (plan.dims[dim] ?? 1);
  const elements = inputs.map(({ dims = [] }) => dims.reduce<number>((p, d) => p * sizeOf(d), 1));
  if (elements.every((count) => count < 1e5)) {
    const [sample] = madeUpSamples(inputs, { ...plan, count: 1 });
    const feeds = [...fitSample(inputs, sample!, {})].map(
      ([name, array]) => [name, tensorOf(array, graph.values.get(name)?.elementType)] as const,
    );
    evaluateGraph(graph, new Map(feeds));
  }
  importSupported(bytes, {});
}

test("models that say absurd things: typed errors, or an answer", () => {
  const random = new SeededRandom(20);
  const bases = models();
  let [refused, answered] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const bytes = broken(random, random.pick(bases));
    try {
      attempt(bytes);
      answered++;
    } catch (error) {
      if (!(error instanceof AivmError) || error instanceof InternalError) throw error;
      expect(error.message.length).toBeGreaterThan(10);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(COUNT / 4);
  expect(answered).toBeGreaterThan(COUNT / 20);
}, 120_000);
