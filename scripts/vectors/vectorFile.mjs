// One file of vectors: cases go in, expectations are worked out and held against what the case says.
import { bytesOfModule, idOf } from "./moduleBytes.mjs";
import { bindDimensions, execute } from "./exactMachine.mjs";
import { fromHex, hex, receiptHash, tensorsHash } from "./hashes.mjs";
import { bytesOf } from "./tensors.mjs";

/** Of every vector that does not say otherwise: what the level `small` honours. */
export const LIMITS = {
  gas: "1000000000000000",
  memoryBytes: 67_108_864,
  stackDepth: 4096,
  callDepth: 64,
  elements: 16_777_216,
};
const ZEROS = "00".repeat(32);
const LIMIT_TRAPS = ["MemoryLimit", "StackLimit", "CallDepth", "ElementLimit"];

const base64 = (bytes) => Buffer.from(bytes).toString("base64");

export class VectorFile {
  modules = [];
  vectors = [];
  #indices = new Map();
  #names = new Map();

  /**
   * @param name of the file, without `.json`
   * @param page that clauses are on which begin with #
   */
  constructor(name, about, page) {
    this.name = name;
    this.about = about;
    this.page = page;
  }

  /**
   * A run of a module. The expectation comes from the exact machine; `trap`, `results` (tensors)
   * and `gasUsed` are what the case says by construction or by hand, and must be the same.
   * @param module as `moduleOf` gives it
   * @param inputs tensors in the order of the ports
   */
  run(
    name,
    clauses,
    module,
    inputs,
    { entry = 0, limits = {}, seed, trap, results, gasUsed, reals, given, ...rest } = {},
  ) {
    const point = module.configuration.entries[entry];
    const bindings = [];
    const shapes = inputs.map(({ shape }) => shape);
    if (!bindDimensions(module, point.inputs, shapes, bindings)) {
      throw new RangeError(`${name}: the inputs do not fit the entry`);
    }
    const target = { module, functions: module.functions, function: point.function, inputs, outputs: point.outputs, bindings }; // prettier-ignore
    const part = { part: "inference", entry: point.name };
    const { expect, kind, ...ran } = expectation(name, module, target, part, { limits, seed, trap, results, gasUsed }); // prettier-ignore
    const named = inputs.map((tensor, i) => wire(point.inputs[i].name, tensor));
    this.#add({
      name,
      clauses,
      kind,
      module: this.#module(module),
      ...(entry === 0 ? {} : { entry: point.name }),
      inputs: named.map((tensor, i) => ({ ...tensor, ...given?.[i] })),
      ...(seed === undefined ? {} : { seed }),
      ...(Object.keys(limits).length === 0 ? {} : { limits: jsonLimits(limits) }),
      ...rest,
      expect: { ...expect, ...withReals(expect.outputs, reals) },
    });
    return ran;
  }

  /** Aggregation code on runs; `args` are the arguments that the specification makes of them. */
  aggregate(
    name,
    clauses,
    module,
    runs,
    args,
    { bindings = [], limits = {}, seed, trap, results, gasUsed } = {},
  ) {
    const { entries, aggregations } = module.configuration;
    const [{ entry, function: index }] = aggregations;
    const point = entries[entry];
    const target = { module, functions: module.aggregation, function: index, inputs: args, outputs: point.outputs, bindings }; // prettier-ignore
    const part = { part: "aggregation", entry: point.name };
    const { expect, kind } = expectation(name, module, target, part, { limits, seed, trap, results, gasUsed }); // prettier-ignore
    this.#add({
      name,
      clauses,
      kind,
      module: this.#module(module),
      ...(entry === 0 ? {} : { entry: point.name }),
      runs,
      ...(seed === undefined ? {} : { seed }),
      ...(Object.keys(limits).length === 0 ? {} : { limits: jsonLimits(limits) }),
      expect,
    });
  }

  /** What is refused before it runs. `module` is a module or bytes. */
  refuse(name, clauses, kind, code, module, rest = {}) {
    const index = module instanceof Uint8Array ? this.#bytes(module) : this.#module(module);
    this.#add({ name, clauses, kind, module: index, ...rest, expect: { code } });
  }

  #add({ name, clauses, ...vector }) {
    const times = this.#names.get(name) ?? 0;
    this.#names.set(name, times + 1);
    this.vectors.push({
      name: `${this.name}/${name}${times === 0 ? "" : `/${times + 1}`}`,
      clauses: clauses.map((clause) => (clause.startsWith("#") ? `${this.page}${clause}` : clause)),
      ...vector,
    });
  }

  #module(module) {
    return this.#bytes(bytesOfModule(module), () => idOf(module));
  }

  #bytes(bytes, id) {
    const text = base64(bytes);
    const found = this.#indices.get(text);
    if (found !== undefined) return found;
    this.#indices.set(text, this.modules.length);
    return this.modules.push({ ...(id === undefined ? {} : { id: id() }), bytes: text }) - 1;
  }

  /** The text of the file: a module and a vector a line. */
  toString() {
    const list = (items) => items.map((item) => `\n${JSON.stringify(item)}`).join(",");
    return `{"format":1,"about":${JSON.stringify(this.about)},
"limits":${JSON.stringify(LIMITS)},
"modules":[${list(this.modules)}
],
"vectors":[${list(this.vectors)}
]}
`;
  }
}

export const wire = (name, tensor) => ({
  name,
  dtype: tensor.dtype,
  shape: tensor.shape,
  data: base64(bytesOf(tensor)),
});

function jsonLimits(limits) {
  return Object.fromEntries(
    Object.entries(limits).map(([name, value]) => [
      name,
      name === "gas" ? String(value) : Number(value),
    ]),
  );
}

function withReals(outputs, reals) {
  if (reals === undefined) return {};
  return { outputs: outputs.map((output, i) => ({ ...output, ...reals[i] })) };
}

/** Runs the exact machine and makes the receipt. */
function expectation(
  name,
  module,
  target,
  { part, entry },
  { limits, seed = ZEROS, trap, results, gasUsed },
) {
  const all = { ...LIMITS, ...jsonLimits(limits) };
  const outcome = execute(target, {
    limits: Object.fromEntries(Object.entries(all).map(([key, value]) => [key, BigInt(value)])),
    seed: fromHex(seed),
  });
  const said = { trap, results: results?.map(show), gasUsed };
  const found = { trap: outcome.trap?.code, results: outcome.results?.map(show), gasUsed: outcome.gasUsed }; // prettier-ignore
  for (const key of Object.keys(said)) {
    // A case that says nothing of a trap expects none.
    if (said[key] === undefined && key !== "trap") continue;
    if (String(said[key]) !== String(found[key])) {
      throw new RangeError(`${name}: ${key} is ${found[key]}, the case says ${said[key]}`);
    }
  }
  const hashes = {
    inputHash: hex(tensorsHash(target.inputs)),
    ...(outcome.trap === undefined ? { outputHash: hex(tensorsHash(outcome.results)) } : {}),
  };
  const { code, ...place } = outcome.trap ?? {};
  const receipt = {
    moduleId: idOf(module),
    entry,
    part,
    seed,
    limits: all,
    status: outcome.trap === undefined ? "finished" : { trap: code, ...place },
    ...hashes,
    gasUsed: String(outcome.gasUsed),
    isaVersion: 1,
    gasVersion: 1,
  };
  const expect = {
    ...(outcome.trap === undefined
      ? { outputs: outcome.results.map((tensor, i) => wire(target.outputs[i].name, tensor)) }
      : { trap: outcome.trap }),
    gasUsed: String(outcome.gasUsed),
    receiptHash: hex(receiptHash(receipt)),
  };
  return { expect, kind: kindOf(code), ...outcome, receipt };
}

function kindOf(code) {
  if (code === undefined) return "return";
  if (code === "OutOfGas") return "out-of-gas";
  return LIMIT_TRAPS.includes(code) ? "limit" : "trap";
}

const show = ({ dtype, shape, values }) => `${dtype}[${shape}] ${values}`;
