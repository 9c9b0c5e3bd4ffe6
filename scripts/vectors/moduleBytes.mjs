// The bytes and the identity of a module, from spec/module.md. A module has the fields of `Module`
// in src/module/module.ts; any of them, and any immediate, may hold a `Raw`.
import { DTYPES } from "../../dist/core/dtype.js";
import { OPS } from "../../dist/opcodes/index.js";
import { chunkRoot, hex, merkleRoot, sha256 } from "./hashes.mjs";
import { Raw, pack } from "./messagePack.mjs";
import { bytesOf } from "./tensors.mjs";

/** What a module holds beside its functions, unless it is said. */
const PLAIN = { isaVersion: 1, gasVersion: 1, features: [], dimensions: [], entries: [], aggregations: [] }; // prettier-ignore

/** A whole module of the parts that matter. Parameters are tensors. */
export function moduleOf({
  functions = [],
  aggregation = [],
  parameters = [],
  absent = [],
  provenance = {},
  ...configuration
}) {
  return {
    configuration: { ...PLAIN, ...configuration },
    functions,
    aggregation,
    tensors: parameters,
    parameters: parameters.map((tensor) => ({
      dtype: tensor.dtype,
      shape: tensor.shape,
      root: chunkRoot(bytesOf(tensor)),
    })),
    parameterData: parameters.map((tensor, i) =>
      absent.includes(i) ? undefined : bytesOf(tensor),
    ),
    provenance,
  };
}

const dtypeCode = (dtype) => (dtype instanceof Raw ? dtype : DTYPES.indexOf(dtype));
const types = (list) =>
  list instanceof Raw
    ? list
    : list.map((type) => (type instanceof Raw ? type : [dtypeCode(type.dtype), type.rank]));

/** The records of a module as nested arrays, so that one field can be broken. */
export function recordsOf(module) {
  const c = module.configuration;
  return {
    configuration: [
      c.isaVersion,
      c.gasVersion,
      c.features,
      c.dimensions.map(({ name, maximum }) => [name, maximum]),
      c.entries.map((entry) => [
        entry.name,
        entry.function,
        entry.inputs.map(portRecord),
        entry.outputs.map(portRecord),
      ]),
      c.aggregations.map((aggregation) => [aggregation.entry, aggregation.function]),
    ],
    code: module.functions.map(functionRecord),
    aggregation: module.aggregation.map(functionRecord),
    manifest: module.parameters.map(({ dtype, shape, root }) => [dtypeCode(dtype), shape, root]),
    data: module.parameterData.map((data) => data ?? []),
    provenance: Object.entries(module.provenance).sort(([a], [b]) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    ),
  };
}

function portRecord({ name, dtype, shape, scale }) {
  return [
    name,
    dtypeCode(dtype),
    shape.map((size) =>
      typeof size === "number" || size instanceof Raw
        ? size
        : [size.dimension, size.multiplier, size.offset, size.divisor],
    ),
    scale === undefined ? [] : [scale.mantissa, scale.exponent, scale.zeroPoint],
  ];
}

function functionRecord({ params, results, locals, body }) {
  return [types(params), types(results), types(locals), body.map(instructionRecord)];
}

/** `[opcode, immediates…]` in the order of the record. */
export function instructionRecord(instruction) {
  if (instruction instanceof Raw || Array.isArray(instruction)) return instruction;
  const { op, imm } = instruction;
  const { code, immediates } = OPS[op];
  return [
    code,
    ...Object.entries(immediates).map(([name, { kind }]) => {
      const value = imm[name];
      if (value === undefined) throw new RangeError(`${op} lacks ${name}`);
      if (value instanceof Raw) return value;
      if (kind === "dtype") return dtypeCode(value);
      return kind === "type" ? [types(value.params), types(value.results)] : value;
    }),
  ];
}

/** The bytes of the records, each part in a bin. */
export function fileOf({ configuration, code, aggregation, manifest, data, provenance }) {
  const part = (record) => pack(record);
  return pack([
    "aivm",
    1,
    part(configuration),
    part(code),
    part(aggregation),
    part(manifest),
    data,
    provenance,
  ]);
}

export function bytesOfModule(module) {
  return fileOf(recordsOf(module));
}

/** 64 hexadecimal digits. */
export function idOf(module) {
  const { configuration, code, aggregation, manifest } = recordsOf(module);
  return hex(
    sha256(
      "aivm:module:v1\0",
      sha256(pack(configuration)),
      sha256(pack(code)),
      sha256(pack(aggregation)),
      merkleRoot(manifest.map((entry) => pack(entry))),
    ),
  );
}
