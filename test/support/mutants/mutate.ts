import { DTYPES } from "../../../src/core/dtype.js";
import type { TensorType } from "../../../src/core/shape.js";
import { byteLength, elementCount } from "../../../src/core/shape.js";
import { chunkRoot } from "../../../src/module/merkle.js";
import type { Module } from "../../../src/module/module.js";
import type { OpName } from "../../../src/opcodes/index.js";
import { OPS, recordOf } from "../../../src/opcodes/index.js";
import type { SeededRandom } from "../seededRandom.js";
import { appendInstruction, declareOutputs } from "./append.js";
import type { Draft, DraftFunction, DraftInstruction } from "./draft.js";
import { draftOf, moduleOf } from "./draft.js";
import { integer, nudged, randomImmediate, randomType } from "./randomImmediates.js";

type Mutation = (draft: Draft, random: SeededRandom) => void;

const NAMES = Object.keys(OPS) as OpName[];

function anyFunction(draft: Draft, random: SeededRandom): DraftFunction | undefined {
  const all = [...draft.functions, ...draft.aggregation];
  return all.length === 0 ? undefined : random.pick(all);
}

/** A position in the body, its last `end` left out. */
const place = ({ body }: DraftFunction, random: SeededRandom): number =>
  random.int(0, Math.max(0, body.length - 2));

function randomInstruction(random: SeededRandom): DraftInstruction {
  const op = random.pick(NAMES);
  const specs = Object.entries(recordOf(op).immediates);
  return {
    op,
    imm: Object.fromEntries(specs.map(([key, spec]) => [key, randomImmediate(random, spec)])),
  };
}

function inFunction(mutate: (f: DraftFunction, random: SeededRandom) => void): Mutation {
  return (draft, random) => {
    const f = anyFunction(draft, random);
    if (f !== undefined && f.body.length > 0) mutate(f, random);
  };
}

/** Code that leaves the stack as it is. */
function neutral(f: DraftFunction, random: SeededRandom): DraftInstruction[] {
  const locals = f.params.length + f.locals.length;
  const type = { params: [], results: [] };
  const condition = { op: "scalar", imm: { dtype: "bool", value: BigInt(random.int(0, 1)) } };
  const end = { op: "end", imm: {} };
  switch (random.int(0, locals > 0 ? 7 : 4)) {
    case 0:
      return [condition, { op: "if", imm: { type } }, { op: "else", imm: {} }, end];
    case 1:
      return [{ op: "loop", imm: { type } }, condition, { op: "br.if", imm: { label: 0 } }, end];
    case 2:
      return [
        { op: "block", imm: { type } },
        { op: "br", imm: { label: 0 } },
        { op: "trap", imm: { detail: 7 } },
        end,
      ];
    case 3:
      return [condition, { op: "if", imm: { type } }, { op: "return", imm: {} }, end];
    case 4:
      return [condition, { op: "drop", imm: {} }];
    case 5: {
      const local = random.int(0, locals - 1);
      return [
        { op: "local.get", imm: { local } },
        { op: "local.set", imm: { local } },
      ];
    }
    case 6:
      return [
        { op: "local.take", imm: { local: random.int(0, locals - 1) } },
        { op: "drop", imm: {} },
      ];
    default:
      return [
        { op: "local.get", imm: { local: random.int(0, locals - 1) } },
        { op: "drop", imm: {} },
      ];
  }
}

const nudgeImmediate = inFunction((f, random) => {
  const candidates = f.body.filter(({ imm }) => Object.keys(imm).length > 0);
  if (candidates.length === 0) return;
  const instruction = random.pick(candidates);
  const key = random.pick(Object.keys(instruction.imm));
  const spec = recordOf(instruction.op as OpName).immediates[key]!;
  instruction.imm = { ...instruction.imm, [key]: nudged(random, spec, instruction.imm[key]!) };
});

/** Another instruction of the same immediates, operands and results, by their names. */
const changeOp = inFunction((f, random) => {
  const instruction = f.body[place(f, random)]!;
  const shape = (op: OpName): string => {
    const record = recordOf(op);
    const operands = record.kind === "tensor" ? record.operands.length : record.effect;
    return `${Object.keys(record.immediates).join()};${operands}`;
  };
  const like = NAMES.filter((name) => shape(name) === shape(instruction.op as OpName));
  instruction.op = random.pick(like);
});

const changeData: Mutation = ({ parameters, parameterData }, random) => {
  if (parameters.length === 0) return;
  const index = random.int(0, parameters.length - 1);
  const data = parameterData[index];
  if (data === undefined || data.length === 0) return;
  const copy = data.slice();
  const bool = parameters[index]!.dtype === "bool";
  for (let i = random.int(1, 8); i > 0; i--) {
    copy[random.int(0, copy.length - 1)] = bool
      ? random.int(0, 1)
      : random.pick([0, 1, 127, 128, 255]);
  }
  parameterData[index] = copy;
};

/** Other dimensions of a parameter, with data to match. */
const changeShape: Mutation = ({ parameters, parameterData }, random) => {
  if (parameters.length === 0) return;
  const index = random.int(0, parameters.length - 1);
  const { dtype, shape } = parameters[index]!;
  const dims = [...shape];
  if (dims.length > 0) dims[random.int(0, dims.length - 1)] = random.int(0, 5);
  if (elementCount(dims) > 10_000) return;
  const old = parameterData[index] ?? new Uint8Array();
  const length = byteLength({ dtype, shape: dims });
  parameters[index]!.shape = dims;
  parameterData[index] = Uint8Array.from({ length }, (_, i) => old[i % (old.length || 1)] ?? 0);
};

const changeInputs: Mutation = ({ configuration }, random) => {
  const ports = configuration.entries.flatMap(({ inputs }) => inputs);
  if (ports.length === 0) return;
  const port = random.pick(ports);
  const shape = [...port.shape];
  if (shape.length > 0) shape[random.int(0, shape.length - 1)] = random.pick([0, 1, 2, 3, 5, 7]);
  port.shape = shape;
};

const insertNeutral = inFunction((f, random) => {
  f.body.splice(place(f, random), 0, ...neutral(f, random));
});

/** Mutations after which most modules that were valid still are. */
const GENTLE: readonly Mutation[] = [
  (draft, random) => void appendInstruction(draft, random),
  (draft, random) => void appendInstruction(draft, random),
  (draft, random) => {
    for (let i = 0; i < 3; i++) appendInstruction(draft, random);
  },
  insertNeutral,
  nudgeImmediate,
  nudgeImmediate,
  changeOp,
  changeData,
  changeShape,
  changeInputs,
];

/** Mutations that break rules. */
const WILD: readonly Mutation[] = [
  inFunction((f, random) => void f.body.splice(place(f, random), 1)),
  inFunction((f, random) => {
    const at = place(f, random);
    f.body.splice(at, 0, structuredClone(f.body[at]!));
  }),
  inFunction((f, random) => {
    const [i, j] = [place(f, random), place(f, random)];
    [f.body[i], f.body[j]] = [f.body[j]!, f.body[i]!];
  }),
  inFunction((f, random) => {
    const [moved] = f.body.splice(place(f, random), 1);
    if (moved !== undefined) f.body.splice(place(f, random), 0, moved);
  }),
  inFunction((f, random) => void f.body.splice(place(f, random), 0, randomInstruction(random))),
  inFunction((f, random) => void (f.body[place(f, random)] = randomInstruction(random))),
  inFunction((f, random) => {
    const at = place(f, random);
    const { op, imm } = randomInstruction(random);
    // What the two have in common stays.
    const keys = Object.keys(imm).filter((key) => Object.hasOwn(f.body[at]!.imm, key));
    const kept = Object.fromEntries(keys.map((key) => [key, f.body[at]!.imm[key]!]));
    f.body[at] = { op, imm: { ...imm, ...kept } };
  }),
  inFunction((f, random) => void f.body.push(randomInstruction(random))),
  inFunction((f) => void f.body.pop()),
  inFunction((f, random) => {
    const types = random.pick([f.params, f.results, f.locals]);
    const at = random.int(0, types.length);
    const type: TensorType = randomType(random);
    if (random.int(0, 2) === 0) types.splice(at, 1);
    else types.splice(at, random.int(0, 1), type);
  }),
  nudgeImmediate,
  ({ functions }, random) => {
    if (functions.length > 0) functions.push(structuredClone(random.pick(functions)));
  },
  ({ functions }, random) => void functions.splice(random.int(0, functions.length), 1),
  ({ functions, aggregation }, random) => {
    if (functions.length > 0) aggregation.push(structuredClone(random.pick(functions)));
  },
  (draft) => declareOutputs(draft),
  ({ configuration }, random) => {
    const { entries } = configuration;
    if (entries.length === 0) return;
    const entry = random.pick(entries);
    const ports = random.pick([entry.inputs, entry.outputs]);
    const port = ports[0];
    switch (random.int(0, 6)) {
      case 0:
        entry.function += random.pick([-1, 1]);
        return;
      case 1:
        if (port !== undefined) port.dtype = random.pick(DTYPES);
        return;
      case 2:
        if (port !== undefined) port.shape = [...port.shape, random.int(0, 3)];
        return;
      case 3:
        if (port !== undefined) ports.push(structuredClone(port));
        return;
      case 4:
        ports.pop();
        return;
      case 5:
        if (port !== undefined) {
          port.scale = {
            mantissa: integer(random, 0, 0x7fffffff),
            exponent: integer(random, -1075, 1024),
            zeroPoint: BigInt(random.int(-200, 300)),
          };
        }
        return;
      default:
        entries.push(structuredClone(entry));
    }
  },
  ({ configuration }, random) => {
    const { dimensions } = configuration;
    configuration.dimensions = dimensions.map(({ name, maximum }) => ({
      name,
      maximum: random.pick([maximum, 0, 1, maximum + 1]),
    }));
  },
  ({ configuration }, random) => {
    configuration.aggregations = [
      ...configuration.aggregations,
      { entry: random.int(0, 1), function: random.int(0, 1) },
    ];
  },
  ({ configuration }, random) => {
    if (random.int(0, 1) === 0) configuration.isaVersion += 1;
    else configuration.features = [...configuration.features, "quantum"];
  },
  ({ parameters }, random) => {
    if (parameters.length > 0) random.pick(parameters).dtype = random.pick(DTYPES);
  },
  ({ parameters, parameterData }, random) => {
    if (parameters.length === 0) return;
    const at = random.int(0, parameters.length - 1);
    parameters.splice(at, 1);
    parameterData.splice(at, 1);
  },
  ({ parameterData }, random) => {
    if (parameterData.length > 0) {
      parameterData[random.int(0, parameterData.length - 1)] = undefined;
    }
  },
];

/** The module after one to three mutations, its parameters' hashes repaired; mostly. */
export function mutant(base: Module, random: SeededRandom): Module {
  const draft = draftOf(base);
  const among = random.int(0, 2) === 0 ? WILD : GENTLE;
  for (let i = random.int(1, 3); i > 0; i--) random.pick(among)(draft, random);
  draft.parameters.forEach((parameter, i) => {
    const data = draft.parameterData[i];
    if (data !== undefined) parameter.root = chunkRoot(data);
  });
  // A root that is not that of the data must be found too.
  if (random.int(0, 49) === 0 && draft.parameters.length > 0) {
    random.pick(draft.parameters).root = new Uint8Array(32);
  }
  return moduleOf(draft);
}
