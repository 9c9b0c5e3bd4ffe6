// Modules of one instruction on tensors, and what every instruction has vectors for: gas, limits,
// and each rule of validity and of form broken by itself.
import { DTYPE_INFO } from "../../dist/core/dtype.js";
import { OPS } from "../../dist/opcodes/index.js";
import { operandRulesOf, resultDtypesOf } from "../../dist/opcodes/signature.js";
import { Raw, longInt } from "./messagePack.mjs";
import { fileOf, moduleOf, recordsOf } from "./moduleBytes.mjs";
import { ALL } from "./tensors.mjs";

export const local = (index) => ({ op: "local.get", imm: { local: index } });
export const constant = (parameter) => ({ op: "const", imm: { parameter } });
export const ins = (op, imm = {}) => ({ op, imm });
export const END = ins("end");
export const typeOf = ({ dtype, shape }) => ({ dtype, rank: shape.length });

/**
 * Ports of types whose every dimension is open. `next` counts the names, which `dimensions` holds.
 */
export function openPorts(types, names, dimensions) {
  return types.map(({ dtype, rank }, i) => ({
    name: names[i],
    dtype,
    shape: Array.from({ length: rank }, () => {
      const dimension = dimensions.push({ name: `n${dimensions.length}`, maximum: 0x7fffffff }) - 1;
      return { dimension, multiplier: 1, offset: 0, divisor: 1 };
    }),
  }));
}

/** A module of one function, which is its entry, whose ports take any sizes. */
export function moduleOfBody(
  params,
  results,
  body,
  { locals = [], parameters = [], names, ...rest } = {},
) {
  const dimensions = [];
  const inputs = openPorts(params, names?.inputs ?? params.map((_, i) => `x${i}`), dimensions);
  const outputs = openPorts(results, names?.outputs ?? results.map((_, i) => `y${i}`), dimensions);
  return moduleOf({
    dimensions,
    entries: [{ name: "main", function: 0, inputs, outputs }],
    functions: [{ params, results, locals, body: [...body, END] }, ...(rest.more ?? [])],
    parameters,
  });
}

/** Ranks of the results by the rules of the record. */
function resultRanks(record, imm, rules, operands) {
  const rankOf = (name) => operands[rules.findIndex((rule) => rule.name === name)].shape.length;
  return record.results.map(({ rank }) => {
    if (typeof rank === "number") return rank;
    if ("lengthOf" in rank) return imm[rank.lengthOf].length;
    if ("maxLengthOf" in rank) return Math.max(imm[rank.maxLengthOf].length, rankOf(rank.and));
    if ("max" in rank) return Math.max(...rank.max.map(rankOf));
    return rank.sum.reduce((sum, name) => sum + rankOf(name), rank.plus);
  });
}

/** The module that puts its inputs through one instruction; `constants` are operands by position. */
export function singleModule(op, imm, operands, constants = []) {
  const record = OPS[op];
  const rules = operandRulesOf(record, imm);
  if (rules.length !== operands.length) throw new RangeError(`${op} pops ${rules.length}`);
  const ranks = resultRanks(record, imm, rules, operands);
  const results = resultDtypesOf(record, imm, rules, operands).map((dtype, i) => ({ dtype, rank: ranks[i] })); // prettier-ignore
  const inputs = operands.filter((_, i) => !constants.includes(i));
  const parameters = operands.filter((_, i) => constants.includes(i));
  const names = rules.map(({ name, repeat }, i) => (repeat === undefined ? name : `${name}${i}`));
  let [nextInput, nextParameter] = [0, 0];
  const body = operands.map((_, i) =>
    constants.includes(i) ? constant(nextParameter++) : local(nextInput++),
  );
  return moduleOfBody(inputs.map(typeOf), results, [...body, ins(op, imm)], {
    parameters,
    names: {
      inputs: names.filter((_, i) => !constants.includes(i)),
      outputs: record.results.map(({ name }) => name),
    },
  });
}

/** A vector of one instruction. */
export function single(
  file,
  op,
  name,
  imm,
  operands,
  { constants = [], clauses = ["#meaning", "#results"], ...rest } = {},
) {
  const module = singleModule(op, imm, operands, constants);
  const inputs = operands.filter((_, i) => !constants.includes(i));
  return file.run(name, clauses, module, inputs, rest);
}

const STEP = OPS.end.gas.base;

/**
 * Gas and limits of one case: at exactly what it takes, and one below.
 * @param what the dtypes, in names
 */
export function resources(file, op, what, imm, operands, options = {}) {
  const { gasUsed, peaks } = single(file, op, `gas/${what}`, imm, operands, { ...options, clauses: ["#gas"] }); // prettier-ignore
  const at = (name, limits, clause, more) =>
    single(file, op, `${name}/${what}`, imm, operands, { ...options, limits, clauses: [clause], ...more }); // prettier-ignore
  at("gas/exact", { gas: gasUsed }, "#gas", { gasUsed });
  // The last instruction is `end`; the one before is what is measured.
  at("gas/short-of-end", { gas: gasUsed - 1n }, "#gas", { trap: "OutOfGas" });
  at("gas/short", { gas: gasUsed - STEP - 1n }, "#gas", { trap: "OutOfGas" });
  at("limit/elements", { elements: peaks.elements }, "#traps");
  if (peaks.elements > 1n) {
    at("limit/elements/short", { elements: peaks.elements - 1n }, "#traps", { trap: "ElementLimit" }); // prettier-ignore
  }
  at("limit/memory", { memoryBytes: peaks.memoryBytes }, "#traps");
  if (peaks.memoryBytes > 0n) {
    at("limit/memory/short", { memoryBytes: peaks.memoryBytes - 1n }, "#traps", { trap: "MemoryLimit" }); // prettier-ignore
  }
  at("limit/stack", { stackDepth: peaks.stackDepth }, "#traps");
  at("limit/stack/short", { stackDepth: peaks.stackDepth - 1 }, "#traps", { trap: "StackLimit" });
}

/** Every rule of validity of an instruction, broken by itself. */
export function invalidities(file, op, imm, operands) {
  const record = OPS[op];
  const rules = operandRulesOf(record, imm);
  const results = resultDtypesOf(record, imm, rules, operands).map((dtype, i) => ({ dtype, rank: resultRanks(record, imm, rules, operands)[i] })); // prettier-ignore
  const refuse = (name, clause, code, params, body, parameters = []) =>
    file.refuse(`invalid/${name}`, [clause, "validation.md#instructions-on-tensors"], "invalid", code, moduleOfBody(params, results, body, { parameters })); // prettier-ignore
  const types = operands.map(typeOf);
  const loads = operands.map((_, i) => local(i));
  const withImm = (name, code, change, clause) =>
    refuse(name, clause, code, types, [...loads, ins(op, { ...imm, ...change })]);
  const withType = (name, i, type, code = "Type") =>
    refuse(name, "#operands", code, types.map((t, j) => (j === i ? { ...t, ...type } : t)), [...loads, ins(op, imm)]); // prettier-ignore
  const withTypes = (name, changed) =>
    refuse(name, VALIDITY, "Constraint", types.map((t, j) => ({ ...t, ...changed[j] })), [...loads, ins(op, imm)]); // prettier-ignore

  rules.forEach((rule, i) => {
    const missing = loads.filter((_, j) => j !== i);
    // One less on the stack: whichever it is, the first is not there.
    refuse(`missing-operand/${i}`, "#operands", "StackUnderflow", types, [...missing, ins(op, imm)]); // prettier-ignore
    // Operands that must have the dtype of this one, or this one theirs.
    const tied = rules.some(
      (other, j) =>
        j !== i &&
        (other.name === rule.name || ("same" in other.dtype && other.dtype.same === rule.name)),
    );
    for (const dtype of ALL.filter((dtype) => dtype !== types[i].dtype)) {
      if (tied || "same" in rule.dtype || !rule.dtype.includes(dtype)) {
        withType(`dtype/${rule.name}/${i}/${dtype}`, i, { dtype });
      }
    }
    if (rule.rank === "any") return;
    for (let rank = 0; rank <= 8; rank++) {
      const ok =
        typeof rule.rank === "number"
          ? rank === rule.rank
          : "same" in rule.rank
            ? rank === types[rules.findIndex(({ name }) => name === rule.rank.same)].rank
            : rank >= rule.rank.min && rank <= rule.rank.max;
      if (!ok) withType(`rank/${rule.name}/${i}/${rank}`, i, { rank });
    }
  });

  for (const [name, spec] of Object.entries(record.immediates)) {
    if (!("of" in spec)) continue;
    const rank = types[rules.findIndex((rule) => rule.name === spec.of)].rank;
    const value = imm[name];
    if (spec.kind === "axis" && rank < 8) withImm(`axis/${name}`, "Immediate", { [name]: rank }, "#immediates"); // prettier-ignore
    if (spec.kind === "axes" && rank < 8) withImm(`axes/${name}`, "Immediate", { [name]: [rank] }, "#immediates"); // prettier-ignore
    if (spec.kind === "perm") {
      withImm(`perm/${name}/long`, "Immediate", { [name]: [...value, value.length] }, "#immediates"); // prettier-ignore
      withImm(`perm/${name}/short`, "Immediate", { [name]: value.map((_, i) => i).slice(0, -1) }, "#immediates"); // prettier-ignore
    }
    if (spec.kind === "perAxis") {
      withImm(`perAxis/${name}/long`, "Immediate", { [name]: [...value, ...value.slice(0, spec.per)] }, "#immediates"); // prettier-ignore
      withImm(`perAxis/${name}/short`, "Immediate", { [name]: value.slice(spec.per) }, "#immediates"); // prettier-ignore
    }
  }
  for (const constraint of record.constraints) {
    brokenConstraint(constraint, imm, types, rules, withImm, withTypes);
  }
}

const VALIDITY = "#validity-beyond-kinds-and-types";

function brokenConstraint(constraint, imm, types, rules, withImm, withTypes) {
  const typeNamed = (name) => types[rules.findIndex((rule) => rule.name === name)];
  const refuse = (name, change, code = "Constraint") => withImm(`${constraint.rule}/${name}`, code, change, VALIDITY); // prettier-ignore
  switch (constraint.rule) {
    case "ordered":
      return refuse(constraint.low, { [constraint.low]: 1n, [constraint.high]: 0n });
    case "inDtype": {
      const dtype = "of" in constraint.dtype ? typeNamed(constraint.dtype.of).dtype : imm[constraint.dtype.immediate]; // prettier-ignore
      if (dtype === "i64") return;
      const { min, max } = DTYPE_INFO[dtype];
      refuse(`${constraint.immediate}/above`, { [constraint.immediate]: max + 1n });
      refuse(`${constraint.immediate}/below`, { [constraint.immediate]: min - 1n });
      return;
    }
    case "bitsOf": {
      const { bits } = DTYPE_INFO[typeNamed(constraint.operand).dtype];
      if (bits < 32) refuse(constraint.immediate, { [constraint.immediate]: bits + 1 });
      return;
    }
    case "inBits": {
      const { signed } = DTYPE_INFO[typeNamed(constraint.operand).dtype];
      const bits = BigInt(imm[constraint.bits]);
      const above = signed ? 1n << (bits - 1n) : 1n << bits;
      refuse(`${constraint.immediate}/above`, { [constraint.immediate]: above });
      refuse(`${constraint.immediate}/below`, { [constraint.immediate]: signed ? -above - 1n : -1n }); // prettier-ignore
      return;
    }
    case "nonZero":
      return refuse(constraint.immediate, { [constraint.immediate]: imm[constraint.immediate].map((v, i) => (i === 0 ? 0 : v)) }); // prettier-ignore
    case "noneIs":
      return refuse(constraint.immediate, { [constraint.immediate]: [constraint.value, ...imm[constraint.immediate].slice(1)] }); // prettier-ignore
    case "length":
      refuse(`${constraint.immediate}/long`, { [constraint.immediate]: [3, 3] });
      return refuse(`${constraint.immediate}/short`, { [constraint.immediate]: [] });
    case "atMostOne":
      return refuse(constraint.immediate, { [constraint.immediate]: [constraint.value, constraint.value] }); // prettier-ignore
    case "copiesAxis":
      return refuse(constraint.immediate, { [constraint.immediate]: [-3 - typeNamed(constraint.operand).rank] }); // prettier-ignore
    case "triple": {
      const [a, b] = constraint.operands.map((name) => rules.findIndex((rule) => rule.name === name)); // prettier-ignore
      const dtypes = ["u8", "i8", "i16", "i32"];
      for (const x of dtypes) {
        for (const y of dtypes) {
          const allowed = constraint.rows.some(([p, q, acc]) => p === x && q === y && acc === imm[constraint.immediate]); // prettier-ignore
          if (allowed) continue;
          withTypes(`triple/${x}-${y}-${imm[constraint.immediate]}`, { [a]: { dtype: x }, [b]: { dtype: y } }); // prettier-ignore
        }
      }
      return;
    }
    case "accumulator":
      return; // has vectors of its own, with a parameter
  }
}

/** Every immediate of an instruction out of its form: the bytes are no module. */
export function malformations(file, op, imm, params, results, loads) {
  const { code, immediates } = OPS[op];
  const refuse = (name, kind, record) => {
    const module = moduleOfBody(params, results, [...loads, record]);
    const bytes = fileOf(recordsOf(module));
    const clauses = ["#immediates", "module.md#functions"];
    file.refuse(`malformed/${name}`, clauses, "malformed", kind, bytes);
  };
  const plain = recordsOf(moduleOfBody(params, results, [...loads, ins(op, imm)])).code[0][3].at(-2); // prettier-ignore
  const withField = (i, value) => plain.map((old, j) => (j === i + 1 ? value : old));
  if (Object.keys(immediates).length > 0) refuse("immediate-missing", "Length", plain.slice(0, -1));
  refuse("immediate-too-many", "Length", [...plain, 0]);
  refuse("opcode-long", "NotCanonical", [longInt(code), ...plain.slice(1)]);
  Object.entries(immediates).forEach(([name, spec], i) => {
    const value = plain[i + 1];
    const list = Array.isArray(value);
    const field = (what, kind, broken) => refuse(`${name}/${what}`, kind, withField(i, broken));
    field("string", "UnexpectedType", "1");
    field("nil", "UnexpectedType", new Raw(0xc0));
    field("float", "UnexpectedType", new Raw(0xca, 0, 0, 0, 0));
    if (!list) {
      field("long", "NotCanonical", longInt(value));
      field("list", "UnexpectedType", [value]);
    }
    switch (spec.kind) {
      case "uint":
      case "int":
      case "count":
        field("below", "OutOfRange", spec.min - 1);
        field("above", "OutOfRange", spec.max + 1);
        return;
      case "i64":
        // As if it were unsigned: there is no such form.
        return field("uint64", "NotCanonical", new Raw(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0));
      case "dtype":
        field("unknown", "OutOfRange", 6);
        for (const dtype of ALL.filter((dtype) => !spec.among.includes(dtype)))
          field(dtype, "OutOfRange", DTYPE_INFO[dtype].code);
        return;
      case "axis":
        return field("above", "OutOfRange", 8);
      case "axes":
        field("above", "OutOfRange", [8]);
        field("twice", "Order", [0, 0]);
        return field("descending", "Order", [1, 0]);
      case "perm":
        field("above", "Order", [1]);
        field("twice", "Order", [0, 0]);
        return field("nine", "Length", [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      case "perAxis":
        if (spec.per === 2) field("odd", "Length", [spec.min]);
        field("below", "OutOfRange", new Array(spec.per).fill(spec.min - 1));
        field("above", "OutOfRange", new Array(spec.per).fill(spec.max + 1));
        return field("nine", "Length", new Array(spec.per * (8 - spec.skip) + 1).fill(1));
      case "dims":
        field("below", "OutOfRange", [spec.min - 1]);
        field("above", "OutOfRange", [spec.max + 1]);
        return field("nine", "Length", new Array(9).fill(1));
      case "label":
      case "function":
      case "local":
      case "parameter":
        field("negative", "OutOfRange", -1);
        return field("above", "OutOfRange", 0x80000000);
      case "type":
        field("short", "Length", [[]]);
        field("unknown-dtype", "OutOfRange", [[[6, 0]], []]);
        field("rank", "OutOfRange", [[[1, 9]], []]);
        field("no-pair", "Length", [[[1]], []]);
        return field("arity", "Length", [new Array(65).fill([1, 0]), []]);
    }
  });
}

/** Both, for an instruction on tensors. */
export function broken(file, op, imm, operands) {
  const rules = operandRulesOf(OPS[op], imm);
  const ranks = resultRanks(OPS[op], imm, rules, operands);
  const results = resultDtypesOf(OPS[op], imm, rules, operands).map((dtype, i) => ({ dtype, rank: ranks[i] })); // prettier-ignore
  invalidities(file, op, imm, operands);
  malformations(file, op, imm, operands.map(typeOf), results, operands.map((_, i) => local(i))); // prettier-ignore
}
