// Several runs' outputs into one, step by step as spec/execution.md has it.
import { bindDimensions } from "../exactMachine.mjs";
import { hex, sha256, tensorsHash } from "../hashes.mjs";
import { idOf, moduleOf } from "../moduleBytes.mjs";
import { END, ins, local } from "../single.mjs";
import { LIMITS, wire } from "../vectorFile.mjs";
import { scalar, tensor } from "../tensors.mjs";

const AGGREGATION = ["execution.md#aggregation", "execution.md#receipts"];
const NAME = { dimension: 0, multiplier: 1, offset: 0, divisor: 1 };
const vector = { dtype: "i16", rank: 1 };

/** An entry from one open vector to two, and aggregation code that makes these of the candidates. */
function moduleWith(body, port = [NAME]) {
  const named = (name, shape) => ({ name, dtype: "i16", shape });
  return moduleOf({
    dimensions: [{ name: "N", maximum: 5 }],
    entries: [{ name: "main", function: 0, inputs: [named("x", [NAME])], outputs: [named("y", port), named("z", [1])] }], // prettier-ignore
    aggregations: [{ entry: 0, function: 0 }],
    functions: [{ params: [vector], results: [vector, vector], locals: [], body: [local(0), local(0), ins("reduce.max", { axes: [0] }), END] }], // prettier-ignore
    aggregation: [{ params: [{ dtype: "i16", rank: 2 }, { dtype: "i16", rank: 2 }, { dtype: "i64", rank: 1 }, { dtype: "i64", rank: 0 }], results: [vector, vector], locals: [], body: [...body, END] }], // prettier-ignore
  });
}

/** Of each output that of the candidate with the most votes. */
const MOST = [0, 1].flatMap((output) => [
  local(output),
  local(2),
  ins("argmax", { axis: 0 }),
  ins("gather", { axis: 0 }),
  ins("reshape", { dims: [-4] }),
]);
/** The sum over candidates weighed by votes, and all runs. */
const WEIGHED = [
  local(0),
  ins("cast", { dtype: "i64" }),
  local(2),
  ins("reshape", { dims: [-3, 1] }),
  ins("mul"),
  ins("reduce.sum", { axes: [0], dtype: "i64" }),
  ins("cast", { dtype: "i16" }),
  ins("reshape", { dims: [-4] }),
  local(3),
  ins("cast", { dtype: "i16" }),
  ins("reshape", { dims: [1] }),
];

const X = tensor("i16", [1, 2, 3]);
const SEED = hex(sha256("aggregation"));

/** A run that finished with these outputs, or trapped where there are none. */
function runOf(module, outputs, more = {}) {
  const status = outputs === undefined ? { trap: "OutOfGas", function: 0, pc: 1 } : "finished";
  return {
    receipt: {
      moduleId: idOf(module),
      entry: "main",
      part: "inference",
      seed: SEED,
      limits: LIMITS,
      inputHash: hex(tensorsHash([X])),
      status,
      ...(outputs === undefined ? {} : { outputHash: hex(tensorsHash(outputs)) }),
      gasUsed: "1000",
      isaVersion: 1,
      gasVersion: 1,
      ...more,
    },
    ...(outputs === undefined ? {} : { outputs: [wire("y", outputs[0]), wire("z", outputs[1])] }),
  };
}

/** The arguments of the aggregation function: steps 1 to 4. */
function argumentsOf(all) {
  const candidates = new Map();
  for (const outputs of all.filter((outputs) => outputs !== undefined)) {
    const hash = hex(tensorsHash(outputs));
    const candidate = candidates.get(hash) ?? { hash, outputs, votes: 0 };
    candidate.votes++;
    candidates.set(hash, candidate);
  }
  const sorted = [...candidates.values()].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const most = Math.max(...sorted.map(({ votes }) => votes));
  const leader = sorted.find(({ votes }) => votes === most);
  const shapes = ({ outputs }) => JSON.stringify(outputs.map(({ shape }) => shape));
  const kept = sorted.filter((candidate) => shapes(candidate) === shapes(leader));
  const stacked = [0, 1].map((i) => ({
    dtype: "i16",
    shape: [kept.length, ...leader.outputs[i].shape],
    values: kept.flatMap(({ outputs }) => outputs[i].values),
  }));
  const votes = tensor("i64", kept.map((candidate) => candidate.votes)); // prettier-ignore
  return { args: [...stacked, votes, scalar("i64", all.length)], leader };
}

export function aggregation(file) {
  const pair = (first, second) => [tensor("i16", first), tensor("i16", [second])];
  const [a, b, c] = [pair([1, 2, 3], 3), pair([1, 2, 4], 4), pair([9, 9, 9], 9)];
  const [short, shorter] = [pair([1, 2], 2), pair([7], 7)];
  const CASES = [
    ["one", [a]],
    ["all-agree", [a, a, a]],
    ["majority", [a, b, a]],
    ["majority-last", [b, a, c, a]],
    ["tie", [a, b]],
    ["tie-exchanged", [b, a]],
    ["three-ways", [c, b, a]],
    ["trapped-count-in-total", [a, undefined, undefined, b]],
    ["other-shape-left-out", [a, short, a, b]],
    ["shape-of-the-leader", [short, a, short, shorter]],
    ["leader-by-votes-not-hash", [shorter, short, short, a, b]],
  ];
  for (const [how, body] of [
    ["most", MOST],
    ["weighed", WEIGHED],
  ]) {
    const module = moduleWith(body);
    for (const [name, all] of CASES) {
      const { args, leader } = argumentsOf(all);
      const bindings = [];
      const [entry] = module.configuration.entries;
      if (!bindDimensions(module, entry.outputs, leader.outputs.map(({ shape }) => shape), bindings)) throw new RangeError(name); // prettier-ignore
      file.aggregate(`${how}/${name}`, AGGREGATION, module, all.map((outputs) => runOf(module, outputs)), args, { bindings, seed: SEED }); // prettier-ignore
    }
  }
  const module = moduleWith(MOST);
  const { args } = argumentsOf([a, b]);
  const two = [runOf(module, a), runOf(module, b)];
  const bound = () => [3];
  file.aggregate("gas/short", AGGREGATION, module, two, args, { bindings: bound(), limits: { gas: 200_000n }, trap: "OutOfGas" }); // prettier-ignore
  file.aggregate("limit/elements", AGGREGATION, module, two, args, { bindings: bound(), limits: { elements: 5n }, trap: "ElementLimit" }); // prettier-ignore
  // The runs may have had other limits, and used other gas.
  file.aggregate("other-limits", AGGREGATION, module, [two[0], runOf(module, a, { limits: { ...LIMITS, gas: "77" }, gasUsed: "76" })], argumentsOf([a, a]).args, { bindings: bound() }); // prettier-ignore
  // Its results are outputs of the entry: dimensions are those of the leader's.
  const wrong = moduleWith([...MOST.slice(0, 4), ins("reshape", { dims: [-1] }), ins("slice", { starts: [0], ends: [2], steps: [1] }), ...MOST.slice(5)]); // prettier-ignore
  file.aggregate("results-of-other-shape", AGGREGATION, wrong, [runOf(wrong, a)], argumentsOf([a]).args, { bindings: bound(), trap: "ShapeMismatch" }); // prettier-ignore

  const refuse = (name, code, runs, target = module) => file.refuse(name, AGGREGATION, "input", code, target, { runs }); // prettier-ignore
  refuse("none", "NoFinishedRun", []);
  refuse("none-finished", "NoFinishedRun", [runOf(module, undefined)]);
  const differs = (name, more) => refuse(`differs/${name}`, "Receipt", [two[0], runOf(module, b, more)]); // prettier-ignore
  differs("module", { moduleId: "ab".repeat(32) });
  differs("seed", { seed: "00".repeat(32) });
  differs("input", { inputHash: "cd".repeat(32) });
  differs("entry", { entry: "other" });
  differs("part", { part: "aggregation" });
  refuse("outputs/missing", "Outputs", [{ receipt: two[0].receipt }]);
  refuse("outputs/other-than-hash", "Outputs", [{ ...two[0], outputs: two[1].outputs }]);
  const plain = { ...module, aggregation: [], configuration: { ...module.configuration, aggregations: [] } }; // prettier-ignore
  refuse("no-aggregation", "NoAggregation", [runOf(plain, a)], plain);
}
