// Form, validity beyond single instructions, linking: modules that are refused before they run.
import { chunkRoot, hex } from "../hashes.mjs";
import { Raw, bigEndian, longInt, pack } from "../messagePack.mjs";
import { bytesOfModule, fileOf, moduleOf, recordsOf } from "../moduleBytes.mjs";
import { END, constant, ins, local, moduleOfBody } from "../single.mjs";
import { Random, bytesOf, tensor } from "../tensors.mjs";

const I8 = { dtype: "i8", rank: 1 };
const DIMENSION = { name: "N", maximum: 8 };
const N = { dimension: 0, multiplier: 1, offset: 0, divisor: 1 };
const port = (name, more = {}) => ({ name, dtype: "i8", shape: [N], ...more });

/** y = x + [1, −2, 3], with everything that a module can have. */
function whole(more = {}) {
  return moduleOf({
    dimensions: [DIMENSION],
    entries: [
      {
        name: "main",
        function: 0,
        inputs: [port("x", { scale: { mantissa: 1, exponent: -7, zeroPoint: 0n } })],
        outputs: [port("y")],
      },
    ],
    aggregations: [{ entry: 0, function: 0 }],
    functions: [
      { params: [I8], results: [I8], locals: [I8], body: [local(0), constant(0), ins("add"), END] },
    ],
    aggregation: [
      {
        params: [
          { dtype: "i8", rank: 2 },
          { dtype: "i64", rank: 1 },
          { dtype: "i64", rank: 0 },
        ],
        results: [I8],
        locals: [],
        body: [local(0), ins("reduce.max", { axes: [0] }), ins("reshape", { dims: [-1] }), END],
      },
    ],
    parameters: [tensor("i8", [1, -2, 3])],
    provenance: { compiler: "by hand", source: "" },
    ...more,
  });
}

const CODES = "module.md#malformed-bytes";

export function form(file) {
  const good = bytesOfModule(whole());
  const refuse = (name, code, bytes, clause = "module.md#encoding") => file.refuse(name, [clause, CODES, "README.md#phases-and-their-failures"], "malformed", code, bytes); // prettier-ignore
  // Every prefix, as a download that broke off would be.
  for (let length = 0; length < good.length; length += length < 60 ? 1 : 7) {
    refuse(`prefix/${length}`, length < 6 ? "Signature" : "Truncated", good.slice(0, length), "module.md#the-file"); // prettier-ignore
  }
  refuse("trailing/zero", "TrailingBytes", Uint8Array.from([...good, 0]), "module.md#the-file");
  refuse("trailing/twice", "TrailingBytes", Uint8Array.from([...good, ...good]), "module.md#the-file"); // prettier-ignore
  refuse("signature/other", "Signature", Uint8Array.from([...pack(["aivn"])]), "module.md#the-file"); // prettier-ignore
  refuse("signature/array-of-seven", "Signature", Uint8Array.from([0x97, ...good.slice(1)]), "module.md#the-file"); // prettier-ignore
  refuse("signature/long-array", "Signature", Uint8Array.from([0xdc, 0, 8, ...good.slice(1)]), "module.md#the-file"); // prettier-ignore
  refuse("version/0", "FormatVersion", Uint8Array.from([...good.slice(0, 6), 0, ...good.slice(7)]), "module.md#the-file"); // prettier-ignore
  refuse("version/2", "FormatVersion", Uint8Array.from([...good.slice(0, 6), 2, ...good.slice(7)]), "module.md#the-file"); // prettier-ignore

  /** Replaces a field of the records, and says where. */
  const at = (part, path, value) => {
    const records = structuredRecords();
    if (path.length === 0) records[part] = value;
    else {
      let record = records[part];
      for (const step of path.slice(0, -1)) record = record[step];
      record[path.at(-1)] = value;
    }
    return fileOf(records);
  };
  const get = (part, path) => path.reduce((record, step) => record[step], structuredRecords()[part]); // prettier-ignore
  const structuredRecords = () => {
    const { configuration, code, aggregation, manifest, data, provenance } = recordsOf(whole());
    const copy = (value) => (Array.isArray(value) ? value.map(copy) : value);
    return { configuration: copy(configuration), code: copy(code), aggregation: copy(aggregation), manifest: copy(manifest), data: copy(data), provenance: copy(provenance) }; // prettier-ignore
  };
  const CONFIGURATION = "module.md#configuration";
  const PLACES = [
    ["isa", "int", "configuration", [0], CONFIGURATION],
    ["gas-version", "int", "configuration", [1], CONFIGURATION],
    ["features", "array", "configuration", [2], CONFIGURATION],
    ["dimensions", "array", "configuration", [3], CONFIGURATION],
    ["dimension", "array", "configuration", [3, 0], CONFIGURATION],
    ["dimension-name", "str", "configuration", [3, 0, 0], CONFIGURATION],
    ["dimension-maximum", "int", "configuration", [3, 0, 1], CONFIGURATION],
    ["entries", "array", "configuration", [4], CONFIGURATION],
    ["entry", "array", "configuration", [4, 0], CONFIGURATION],
    ["entry-name", "str", "configuration", [4, 0, 0], CONFIGURATION],
    ["entry-function", "int", "configuration", [4, 0, 1], CONFIGURATION],
    ["inputs", "array", "configuration", [4, 0, 2], CONFIGURATION],
    ["port", "array", "configuration", [4, 0, 2, 0], CONFIGURATION],
    ["port-name", "str", "configuration", [4, 0, 2, 0, 0], CONFIGURATION],
    ["port-dtype", "int", "configuration", [4, 0, 2, 0, 1], CONFIGURATION],
    ["port-shape", "array", "configuration", [4, 0, 2, 0, 2], CONFIGURATION],
    ["size", "array", "configuration", [4, 0, 2, 0, 2, 0], CONFIGURATION],
    ["size-dimension", "int", "configuration", [4, 0, 2, 0, 2, 0, 0], CONFIGURATION],
    ["size-multiplier", "int", "configuration", [4, 0, 2, 0, 2, 0, 1], CONFIGURATION],
    ["size-offset", "int", "configuration", [4, 0, 2, 0, 2, 0, 2], CONFIGURATION],
    ["size-divisor", "int", "configuration", [4, 0, 2, 0, 2, 0, 3], CONFIGURATION],
    ["scale", "array", "configuration", [4, 0, 2, 0, 3], CONFIGURATION],
    ["mantissa", "int", "configuration", [4, 0, 2, 0, 3, 0], CONFIGURATION],
    ["exponent", "int", "configuration", [4, 0, 2, 0, 3, 1], CONFIGURATION],
    ["zero-point", "int", "configuration", [4, 0, 2, 0, 3, 2], CONFIGURATION],
    ["aggregations", "array", "configuration", [5], CONFIGURATION],
    ["aggregation-pair", "array", "configuration", [5, 0], CONFIGURATION],
    ["aggregation-entry", "int", "configuration", [5, 0, 0], CONFIGURATION],
    ["aggregation-function", "int", "configuration", [5, 0, 1], CONFIGURATION],
    ["code", "array", "code", [], "module.md#functions"],
    ["function", "array", "code", [0], "module.md#functions"],
    ["params", "array", "code", [0, 0], "module.md#functions"],
    ["type", "array", "code", [0, 0, 0], "module.md#functions"],
    ["type-dtype", "int", "code", [0, 0, 0, 0], "module.md#functions"],
    ["type-rank", "int", "code", [0, 0, 0, 1], "module.md#functions"],
    ["results", "array", "code", [0, 1], "module.md#functions"],
    ["locals", "array", "code", [0, 2], "module.md#functions"],
    ["body", "array", "code", [0, 3], "module.md#functions"],
    ["instruction", "array", "code", [0, 3, 0], "module.md#functions"],
    ["opcode", "int", "code", [0, 3, 0, 0], "module.md#functions"],
    ["immediate", "int", "code", [0, 3, 0, 1], "module.md#functions"],
    ["aggregation-code", "array", "aggregation", [], "module.md#functions"],
    ["aggregation-body", "array", "aggregation", [0, 3], "module.md#functions"],
    ["manifest", "array", "manifest", [], "module.md#parameters"],
    ["parameter", "array", "manifest", [0], "module.md#parameters"],
    ["parameter-dtype", "int", "manifest", [0, 0], "module.md#parameters"],
    ["parameter-shape", "array", "manifest", [0, 1], "module.md#parameters"],
    ["parameter-size", "int", "manifest", [0, 1, 0], "module.md#parameters"],
    ["parameter-root", "bin", "manifest", [0, 2], "module.md#parameters"],
    ["data-list", "array", "data", [], "module.md#the-file"],
    ["data", "bin", "data", [0], "module.md#the-file"],
    ["provenance", "array", "provenance", [], "module.md#the-file"],
    ["provenance-pair", "array", "provenance", [0], "module.md#the-file"],
    ["provenance-key", "str", "provenance", [0, 0], "module.md#the-file"],
    ["provenance-value", "str", "provenance", [0, 1], "module.md#the-file"],
  ];
  /** A value of each MessagePack type, but those that the place takes. */
  const OTHERS = [
    ["nil", [0xc0]],
    ["never-used", [0xc1]],
    ["false", [0xc2]],
    ["true", [0xc3]],
    ["float-32", [0xca, 0, 0, 0, 0]],
    ["float-64", [0xcb, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["map", [0x80]],
    ["map-16", [0xde, 0, 0]],
    ["map-32", [0xdf, 0, 0, 0, 0]],
    ["fixext", [0xd4, 0, 0]],
    ["ext-8", [0xc7, 1, 0, 0]],
    ["int", [0x01]],
    ["str", [0xa1, 0x61]],
    ["bin", [0xc4, 1, 0]],
    ["array", [0x91, 0x01]],
  ];
  for (const [name, type, part, path, clause] of PLACES) {
    const value = get(part, path);
    const put = (what, code, broken) => refuse(`${name}/${what}`, code, at(part, path, broken), clause); // prettier-ignore
    for (const [what, bytes] of OTHERS) {
      if (what === type) continue;
      // A size may be an int, and absent data are an empty list.
      if ((name === "size" && what === "int") || (name === "data" && what === "array")) continue;
      put(what, "UnexpectedType", new Raw(...bytes));
    }
    if (type === "int") put("long", "NotCanonical", longInt(value));
    if (type === "int") put("uint64", "NotCanonical", new Raw(0xcf, ...bigEndian(1, 8)));
    if (type === "array") {
      const packed = pack(value);
      put("long", "NotCanonical", new Raw(0xdc, 0, value.length, ...packed.slice(1)));
      put("long-32", "NotCanonical", new Raw(0xdd, 0, 0, 0, value.length, ...packed.slice(1)));
    }
    if (type === "str") {
      const text = new TextEncoder().encode(value);
      put("long", "NotCanonical", new Raw(0xd9, text.length, text));
      put("long-16", "NotCanonical", new Raw(0xda, 0, text.length, text));
      put("long-32", "NotCanonical", new Raw(0xdb, 0, 0, 0, text.length, text));
      put("utf8/half", "Utf8", new Raw(0xa1, 0xc3));
      put("utf8/overlong", "Utf8", new Raw(0xa2, 0xc0, 0x80));
      put("utf8/surrogate", "Utf8", new Raw(0xa3, 0xed, 0xa0, 0x80));
      put("utf8/beyond", "Utf8", new Raw(0xa4, 0xf4, 0x90, 0x80, 0x80));
      put("utf8/continuation", "Utf8", new Raw(0xa1, 0x80));
    }
    if (type === "bin") {
      put("long", "NotCanonical", new Raw(0xc5, 0, value.length, value));
      put("long-32", "NotCanonical", new Raw(0xc6, 0, 0, 0, value.length, value));
    }
    // Records of a fixed number of fields: one less, one more.
    const RECORDS = ["dimension", "entry", "port", "size", "scale", "aggregation-pair", "function", "type", "parameter", "data-list", "provenance-pair"]; // prettier-ignore
    if (RECORDS.includes(name)) {
      put("short", "Length", value.slice(0, -1));
      put("more", "Length", [...value, 0]);
    }
  }
  const range = (name, part, path, code, ...values) => values.forEach((value) => refuse(`${name}/${typeof value === "object" ? "list" : value}`, code, at(part, path, value), CONFIGURATION)); // prettier-ignore
  range("range/isa", "configuration", [0], "IsaVersion", 0, 2);
  range("range/isa-negative", "configuration", [0], "OutOfRange", -1);
  range("range/gas-negative", "configuration", [1], "OutOfRange", -1);
  range("range/maximum", "configuration", [3, 0, 1], "OutOfRange", 0, -1, 2n ** 31n);
  range("range/function", "configuration", [4, 0, 1], "OutOfRange", -1, 2n ** 31n);
  range("range/dtype", "configuration", [4, 0, 2, 0, 1], "OutOfRange", -1, 6);
  range("range/size", "configuration", [4, 0, 2, 0, 2, 0], "OutOfRange", -1, 2n ** 31n);
  range("range/size-dimension", "configuration", [4, 0, 2, 0, 2, 0, 0], "OutOfRange", -1, 1);
  range("range/multiplier", "configuration", [4, 0, 2, 0, 2, 0, 1], "OutOfRange", 0, 2n ** 31n);
  range("range/offset", "configuration", [4, 0, 2, 0, 2, 0, 2], "OutOfRange", 2n ** 31n, -(2n ** 31n) - 1n); // prettier-ignore
  range("range/divisor", "configuration", [4, 0, 2, 0, 2, 0, 3], "OutOfRange", 0, 2n ** 31n);
  range("range/derived-negative", "configuration", [4, 0, 2, 0, 2, 0], "DimensionRange", [0, 1, -9, 1]); // prettier-ignore
  range("range/derived-large", "configuration", [4, 0, 2, 0, 2, 0], "DimensionRange", [0, 0x7fffffff, 0, 1]); // prettier-ignore
  range("range/mantissa", "configuration", [4, 0, 2, 0, 3, 0], "OutOfRange", 0, -1, 2n ** 31n);
  range("range/exponent", "configuration", [4, 0, 2, 0, 3, 1], "OutOfRange", -1075, 1024);
  range("range/zero-point", "configuration", [4, 0, 2, 0, 3, 2], "OutOfRange", -129, 128, 2n ** 62n); // prettier-ignore
  range("range/aggregation-entry", "configuration", [5, 0, 0], "OutOfRange", -1, 1);
  range("range/aggregation-function", "configuration", [5, 0, 1], "OutOfRange", -1, 2n ** 31n);
  range("range/type-dtype", "code", [0, 0, 0, 0], "OutOfRange", -1, 6);
  range("range/type-rank", "code", [0, 0, 0, 1], "OutOfRange", -1, 9);
  range("range/opcode-negative", "code", [0, 3, 0, 0], "OutOfRange", -1, 256);
  range("range/parameter-dtype", "manifest", [0, 0], "OutOfRange", -1, 6);
  range("range/parameter-size", "manifest", [0, 1, 0], "OutOfRange", -1, 2n ** 31n);
  range("range/root", "manifest", [0, 2], "Length", new Uint8Array(31), new Uint8Array(33));
  range("range/parameter-rank", "manifest", [0, 1], "Length", [1, 1, 1, 1, 1, 1, 1, 1, 1]);
  range("range/port-rank", "configuration", [4, 0, 2, 0, 2], "Length", [1, 1, 1, 1, 1, 1, 1, 1, 1]);
  range("range/too-large", "manifest", [0, 1], "TooLarge", [65_536, 65_536], [0x7fffffff, 0, 3]);
  range("range/empty-body", "code", [0, 3], "Length", []);
  range("range/scale-of-two", "configuration", [4, 0, 2, 0, 3], "Length", [1, 2], [1]);
  for (const code of [0x0f, 0x13, 0x1f, 0x23, 0x2b, 0x44, 0x4a, 0x5a, 0x71, 0x7f, 0xff]) {
    refuse(`opcode/${code}`, "UnknownOpcode", at("code", [0, 3, 0], [code]), "module.md#functions");
  }
  for (const [name, part, path] of [
    ["dimension-name", "configuration", [3, 0, 0]],
    ["entry-name", "configuration", [4, 0, 0]],
    ["port-name", "configuration", [4, 0, 2, 0, 0]],
    ["provenance-key", "provenance", [0, 0]],
  ]) {
    refuse(`${name}/empty`, "Length", at(part, path, ""), CONFIGURATION);
    refuse(`${name}/1025`, "Length", at(part, path, "n".repeat(1025)), "module.md#limits");
  }
  refuse("feature/empty", "Length", at("configuration", [2], [""]), CONFIGURATION);
  const p = get("configuration", [4, 0, 2, 0]);
  const duplicate = (name, path, value) => refuse(`duplicate/${name}`, "DuplicateName", at("configuration", path, value), CONFIGURATION); // prettier-ignore
  duplicate("features", [2], ["a", "b", "a"]);
  duplicate(
    "dimensions",
    [3],
    [
      ["N", 8],
      ["N", 9],
    ],
  );
  duplicate(
    "entries",
    [4],
    [
      ["main", 0, [], []],
      ["main", 0, [], []],
    ],
  );
  duplicate("inputs", [4, 0, 2], [p, p]);
  duplicate("outputs", [4, 0, 3], [p, p]);
  const other = structuredRecords();
  other.configuration[4].push(["other", 0, ...other.configuration[4][0].slice(2)]);
  for (const [name, list] of [
    [
      "equal",
      [
        [0, 0],
        [0, 0],
      ],
    ],
    [
      "descending",
      [
        [1, 0],
        [0, 0],
      ],
    ],
  ]) {
    other.configuration[5] = list;
    refuse(`order/aggregations/${name}`, "Order", fileOf(other), CONFIGURATION);
  }
  refuse("aggregations-more-than-entries", "Length", at("configuration", [5], [[0, 0], [0, 0]]), CONFIGURATION); // prettier-ignore
  refuse("order/provenance", "Order", at("provenance", [], [["b", ""], ["a", ""]]), "module.md#the-file"); // prettier-ignore
  refuse("order/provenance/equal", "Order", at("provenance", [], [["a", ""], ["a", ""]]), "module.md#the-file"); // prettier-ignore
  // By UTF-8, U+FFFD is before U+10000; by UTF-16 it would be after.
  refuse("order/provenance/utf8", "Order", at("provenance", [], [["\u{10000}", ""], ["\ufffd", ""]]), "module.md#the-file"); // prettier-ignore
  refuse("data/none", "Length", at("data", [], []), "module.md#the-file");
  refuse("data/list-not-empty", "Length", at("data", [0], [1]), "module.md#the-file");
  // Bytes behind the record of a part.
  for (const part of ["configuration", "code", "aggregation", "manifest"]) {
    const inner = pack(structuredRecords()[part]);
    const records = structuredRecords();
    records[part] = new Raw(inner, 0);
    refuse(`trailing/${part}`, "TrailingBytes", fileOf(records), "module.md#encoding");
    records[part] = new Raw(inner.slice(0, -1));
    refuse(`truncated/${part}`, "Truncated", fileOf(records), "module.md#encoding");
    records[part] = new Raw();
    refuse(`empty/${part}`, "Length", fileOf(records), "module.md#encoding");
  }
  limits(file, refuse, at);
}

/** Each limit of form: at it the bytes are a module (which may be invalid), one beyond it not. */
function limits(file, refuse, at) {
  const LIMIT = "module.md#limits";
  const header = (count) => new Raw(0xdd, ...bigEndian(count, 4));
  const long = (count) => (count < 0x10000 ? new Raw(0xdc, ...bigEndian(count, 2)) : header(count));
  const type = [2, 1];
  const beyond = (name, part, path, count) => refuse(`limit/${name}`, "Length", at(part, path, long(count)), LIMIT); // prettier-ignore
  beyond("features", "configuration", [2], 65);
  beyond("dimensions", "configuration", [3], 257);
  beyond("entries", "configuration", [4], 257);
  beyond("inputs", "configuration", [4, 0, 2], 257);
  beyond("outputs", "configuration", [4, 0, 3], 257);
  beyond("functions", "code", [], 4097);
  beyond("aggregation-functions", "aggregation", [], 4097);
  beyond("params", "code", [0, 0], 257);
  beyond("results", "code", [0, 1], 257);
  beyond("locals", "code", [0, 2], 4097);
  beyond("parameters", "manifest", [], 65_537);
  beyond("provenance", "provenance", [], 257);
  beyond("length-is-a-lie", "configuration", [4], 0xffffffff);
  refuse("limit/instructions", "Length", at("code", [0, 3], new Array(65_537).fill([5])), LIMIT);
  // Together with the four of the aggregation: two parts share the limit.
  refuse("limit/instructions-of-both", "Length", at("code", [0, 3], new Array(65_533).fill([5])), LIMIT); // prettier-ignore
  refuse("limit/block-params", "Length", at("code", [0, 3, 0], [1, [new Array(65).fill(type), []]]), LIMIT); // prettier-ignore
  refuse("limit/block-results", "Length", at("code", [0, 3, 0], [1, [[], new Array(65).fill(type)]]), LIMIT); // prettier-ignore
  refuse("limit/provenance-value", "Length", at("provenance", [0, 1], "v".repeat(65_537)), LIMIT);
  // At the limit: well-formed, and it runs.
  const runs = (name, module, inputs = [], options = {}) => file.run(`at-limit/${name}`, [LIMIT], module, inputs, options); // prettier-ignore
  const plain = moduleOfBody([], [], []);
  const also = (configuration, more = {}) => ({ ...plain, configuration: { ...plain.configuration, ...configuration }, ...more }); // prettier-ignore
  const numbered = (count, of) => Array.from({ length: count }, (_, i) => of(i));
  runs("dimensions", also({ dimensions: numbered(256, (i) => ({ name: `d${i}`, maximum: 1 })) }));
  runs("entries", also({ entries: numbered(256, (i) => ({ name: `e${i}`, function: 0, inputs: [], outputs: [] })) })); // prettier-ignore
  runs("name", also({ entries: [{ name: "é".repeat(512), function: 0, inputs: [], outputs: [] }] })); // prettier-ignore
  runs("functions", { ...plain, functions: new Array(4096).fill(plain.functions[0]) });
  runs("locals", { ...plain, functions: [{ ...plain.functions[0], locals: new Array(4096).fill({ dtype: "i8", rank: 0 }) }] }); // prettier-ignore
  const scalars = new Array(256).fill({ dtype: "i8", rank: 0 });
  runs("ports", moduleOfBody(scalars, scalars, numbered(256, local)), numbered(256, (i) => tensor("i8", [i - 128], []))); // prettier-ignore
  runs("instructions", { ...plain, functions: [{ ...plain.functions[0], body: [...new Array(32_767).fill([ins("local.get", { local: 0 }), ins("drop")]).flat(), ins("local.get", { local: 0 }), END], results: [{ dtype: "i8", rank: 0 }], locals: [{ dtype: "i8", rank: 0 }] }], configuration: { ...plain.configuration, entries: [{ name: "main", function: 0, inputs: [], outputs: [{ name: "y", dtype: "i8", shape: [] }] }] } }); // prettier-ignore
  runs("provenance", { ...plain, provenance: { ...Object.fromEntries(numbered(255, (i) => [`k${i}`, ""])), z: "v".repeat(65_536) } }); // prettier-ignore
  const arity = new Array(64).fill({ dtype: "i8", rank: 0 });
  runs("block", moduleOfBody([], [], [...numbered(64, () => local(0)), ins("block", { type: { params: arity, results: arity } }), END, ...numbered(64, () => ins("drop"))], { locals: [{ dtype: "i8", rank: 0 }] })); // prettier-ignore
}

/** Identity: what the id covers, and what it does not. */
export function identity(file) {
  const IDENTITY = ["module.md#identity", "execution.md#receipts"];
  const x = tensor("i8", [100, -100, 5]);
  const y = { results: [tensor("i8", [101, -102, 8])] };
  const base = moduleOf({
    entries: [{ name: "main", function: 0, inputs: [port("x", { shape: [3] })], outputs: [port("y", { shape: [3] })] }], // prettier-ignore
    functions: [{ params: [I8], results: [I8], locals: [], body: [local(0), constant(0), ins("add"), END] }], // prettier-ignore
    parameters: [tensor("i8", [1, -2, 3])],
  });
  file.run("plain", IDENTITY, base, [x], y);
  file.run("provenance-is-not-covered", IDENTITY, { ...base, provenance: { a: "b" } }, [x], y);
  file.run("names-are-covered", IDENTITY, { ...base, configuration: { ...base.configuration, entries: [{ ...base.configuration.entries[0], name: "other" }] } }, [x], y); // prettier-ignore
  file.run("example-of-the-page", [...IDENTITY, "module.md#encoding"], exampleModule(), [tensor("i8", [1, 1, 1, 127, -128, 0], [2, 3])], { results: [tensor("i8", [2, -1, 4, 127, -128, 3], [2, 3])] }); // prettier-ignore
  const parameters = [1, 2, 3, 5, 8].map((n) => tensor("i16", new Array(n).fill(n)));
  for (let count = 0; count <= 5; count++) {
    const own = parameters.slice(0, count);
    const body = own.flatMap((_, i) => [constant(i), ins("reduce.sum", { axes: [0], dtype: "i32" })]); // prettier-ignore
    file.run(`parameter-root/${count}`, [...IDENTITY, "module.md#parameters"], moduleOfBody([], own.map(() => ({ dtype: "i32", rank: 1 })), body, { parameters: own }), [], { results: own.map(({ shape }) => tensor("i32", [shape[0] * shape[0]])) }); // prettier-ignore
  }
  const text = "ключ\u{1f511}";
  file.run("utf8-names", IDENTITY, { ...base, configuration: { ...base.configuration, entries: [{ ...base.configuration.entries[0], name: text }] } }, [x], y); // prettier-ignore
  file.run("entry-by-name", [...IDENTITY, "module.md#configuration"], { ...base, configuration: { ...base.configuration, entries: [{ ...base.configuration.entries[0], name: "first" }, { ...base.configuration.entries[0], name: "second" }] } }, [x], { ...y, entry: 1 }); // prettier-ignore
}

/** That of spec/module.md. */
function exampleModule() {
  const scale = { mantissa: 1, exponent: -7, zeroPoint: 0n };
  const matrix = { dtype: "i8", rank: 2 };
  return moduleOf({
    dimensions: [DIMENSION],
    entries: [{ name: "main", function: 0, inputs: [port("x", { shape: [N, 3], scale })], outputs: [port("y", { shape: [N, 3] })] }], // prettier-ignore
    functions: [{ params: [matrix], results: [matrix], locals: [], body: [local(0), constant(0), ins("add"), END] }], // prettier-ignore
    parameters: [tensor("i8", [1, -2, 3])],
    provenance: { compiler: "by hand" },
  });
}

/** Validity of modules, beyond functions. */
export function validity(file) {
  const MODULE = ["validation.md#module", "validation.md#errors", "README.md#phases-and-their-failures"]; // prettier-ignore
  const base = whole();
  const change = (configuration, more = {}) => ({ ...base, configuration: { ...base.configuration, ...configuration }, ...more }); // prettier-ignore
  const refuse = (name, code, module, clauses = MODULE) => file.refuse(name, clauses, "invalid", code, module); // prettier-ignore
  const [entry] = base.configuration.entries;
  const withEntry = (more) => change({ entries: [{ ...entry, ...more }], aggregations: [] });
  const VERSIONS = [...MODULE, "versioning.md#version-numbers"];
  refuse("gas-version/0", "Version", change({ gasVersion: 0 }), VERSIONS);
  refuse("gas-version/2", "Version", change({ gasVersion: 2 }), VERSIONS);
  refuse("feature", "Version", change({ features: ["teleport"] }), VERSIONS);
  refuse("entry/function", "Index", withEntry({ function: 1 }));
  refuse("entry/input-missing", "Signature", withEntry({ inputs: [] }));
  refuse("entry/input-more", "Signature", withEntry({ inputs: [port("x"), port("z")] }));
  refuse("entry/input-dtype", "Signature", withEntry({ inputs: [port("x", { dtype: "u8" })] }));
  refuse("entry/input-rank", "Signature", withEntry({ inputs: [port("x", { shape: [] })] }));
  refuse("entry/output-missing", "Signature", withEntry({ outputs: [] }));
  refuse("entry/output-dtype", "Signature", withEntry({ outputs: [port("y", { dtype: "i16" })] }));
  refuse("entry/output-rank", "Signature", withEntry({ outputs: [port("y", { shape: [N, 1] })] }));
  refuse("aggregation/function", "Index", change({ aggregations: [{ entry: 0, function: 1 }] }));
  const [aggregate] = base.aggregation;
  const withAggregate = (more) => ({ ...base, aggregation: [{ ...aggregate, ...more }] });
  const [stacked, votes, total] = aggregate.params;
  refuse("aggregation/rank", "Signature", withAggregate({ params: [I8, votes, total] }));
  refuse("aggregation/dtype", "Signature", withAggregate({ params: [{ dtype: "i16", rank: 2 }, votes, total] })); // prettier-ignore
  refuse("aggregation/votes", "Signature", withAggregate({ params: [stacked, { dtype: "i32", rank: 1 }, total] })); // prettier-ignore
  refuse("aggregation/total", "Signature", withAggregate({ params: [stacked, votes, { dtype: "i64", rank: 1 }] })); // prettier-ignore
  refuse("aggregation/no-total", "Signature", withAggregate({ params: [stacked, votes] }));
  refuse("aggregation/results", "Signature", withAggregate({ results: [] }));
  refuse("aggregation/body", "StackLeftover", withAggregate({ body: [local(0), local(0), ...aggregate.body.slice(1)] })); // prettier-ignore
  const wide = { dtype: "i8", rank: 8 };
  refuse("aggregation/rank-9", "Signature", { ...change({ entries: [{ ...entry, inputs: [port("x", { shape: new Array(8).fill(1) })], outputs: [port("y", { shape: new Array(8).fill(1) })] }] }), functions: [{ params: [wide], results: [wide], locals: [], body: [local(0), END] }] }); // prettier-ignore
  refuse("call-of-the-other-part", "Index", { ...base, functions: [...base.functions, ...base.functions], aggregation: [{ ...aggregate, body: [local(0), ins("call", { function: 1 }), ins("drop"), ...aggregate.body] }] }, ["validation.md#functions"]); // prettier-ignore
  // A function that no entry calls is validated, too.
  refuse("unused-function", "StackUnderflow", { ...base, functions: [...base.functions, { params: [], results: [I8], locals: [], body: [END] }] }); // prettier-ignore

  const FUNCTIONS = ["validation.md#functions", "validation.md#errors"];
  const i8 = { dtype: "i8", rank: 0 };
  const push = ins("scalar", { dtype: "i8", value: 1n });
  const repeat = (count, ...of) => new Array(count).fill(of).flat();
  file.run("stack-height/2048", FUNCTIONS, moduleOfBody([], [], [...repeat(2048, push), ...repeat(2048, ins("drop"))]), [], { results: [] }); // prettier-ignore
  refuse("stack-height/2049", "Limit", moduleOfBody([], [], [...repeat(2049, push), ...repeat(2049, ins("drop"))]), FUNCTIONS); // prettier-ignore
  refuse("no-last-end", "Structure", { ...base, functions: [{ ...base.functions[0], body: base.functions[0].body.slice(0, -1) }] }, FUNCTIONS); // prettier-ignore

  const UNREACHABLE = ["validation.md#functions", "validation.md#instructions-on-tensors"];
  const dead = (...body) => moduleOfBody([], [i8], [push, ins("return"), ...body]);
  const finds = (name, ...body) => file.run(`unreachable/${name}`, UNREACHABLE, dead(...body), [], { results: [tensor("i8", [1], [])] }); // prettier-ignore
  const refuses = (name, code, ...body) => refuse(`unreachable/${name}`, code, dead(...body), UNREACHABLE); // prettier-ignore
  finds("nothing");
  finds("unknown-operands", ins("add"), ins("drop"), push);
  finds("one-known", push, ins("add"));
  finds("unknown-result", ins("neg"));
  finds("unknown-dtype-of-clamp", ins("clamp", { lo: -5n, hi: 1000n }));
  finds("unknown-rank-of-transpose", ins("transpose", { perm: [1, 0] }), ins("drop"), push);
  finds("known-dtype-unknown-rank", ins("argmax", { axis: 3 }), ins("drop"), push);
  finds("concat-of-unknown", ins("concat", { count: 3, axis: 0 }), ins("drop"), push);
  finds("select-of-unknown", push, push, ins("select"));
  // What must have the dtype of an unknown operand may have any.
  finds(
    "tied-to-unknown",
    ins("scalar", { dtype: "bool", value: 1n }),
    ins("add"),
    ins("drop"),
    push,
  );
  finds("block", ins("block", { type: { params: [i8], results: [i8] } }), END);
  finds("after-br", ins("block", { type: { params: [], results: [] } }), ins("br", { label: 0 }), ins("add"), ins("drop"), END, push); // prettier-ignore
  refuses("known-operand-wrong", "Type", ins("scalar", { dtype: "bool", value: 1n }), ins("neg"));
  refuses("known-result-wrong", "Type", ins("shape"));
  refuses("dtypes-differ", "Type", push, ins("scalar", { dtype: "i16", value: 1n }), ins("add"));
  refuses("constraint-of-known", "Constraint", push, ins("clamp", { lo: -5n, hi: 1000n }));
  refuses("ordered", "Constraint", ins("clamp", { lo: 5n, hi: 4n }));
  refuses("rank-too-high", "Type", ins("reshape", { dims: new Array(8).fill(1) }), ins("scalar", { dtype: "i32", value: 0n }), ins("reshape", { dims: [1, 1] }), ins("gather", { axis: 0 }), ins("drop")); // prettier-ignore
  refuses("label", "Index", ins("br", { label: 1 }));
  refuses("local", "Index", local(0));
  refuses("leftover", "StackLeftover", push, push);
}

/** Parameters that are missing or not what their roots say. */
export function linking(file) {
  const LINK = ["module.md#parameters", "README.md#phases-and-their-failures"];
  const base64 = (bytes) => Buffer.from(bytes).toString("base64");
  const random = new Random("linking");
  const sumOf = (parameters, more = {}) => ({
    ...moduleOfBody([], [{ dtype: "i64", rank: 1 }], parameters.flatMap((_, i) => [constant(i), ...(parameters[i].dtype === "bool" ? [ins("cast", { dtype: "u8" })] : []), ins("reduce.sum", { axes: [0], dtype: "i64" }), ...(i > 0 ? [ins("add")] : [])]), { parameters }), // prettier-ignore
    ...more,
  });
  const total = (parameters) => tensor("i64", [parameters.flatMap(({ values }) => values).reduce((sum, v) => sum + v, 0n)]); // prettier-ignore
  // Around the size of a chunk, and of more chunks than one level of the tree.
  for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 3 * 65_536, 3 * 65_536 + 1]) {
    const data = { ...tensor("u8", [], [0]), shape: [length], values: Array.from({ length }, (_, i) => BigInt((i * 7 + (i >> 8)) % 251)) }; // prettier-ignore
    if (length > 140_000) {
      // The bytes themselves are short to say: they are all one.
      data.values = new Array(length).fill(1n);
    }
    file.run(`chunks/${length}`, LINK, sumOf([data]), [], { results: [total([data])] });
  }
  const [a, b] = [random.tensor("i16", [5]), random.tensor("i8", [3])];
  const roots = [a, b].map((x) => hex(chunkRoot(bytesOf(x))));
  const absent = (which) => {
    const module = sumOf([a, b]);
    return { ...module, parameterData: module.parameterData.map((data, i) => (which.includes(i) ? undefined : data)) }; // prettier-ignore
  };
  const store = (...of) => Object.fromEntries(of.map(([root, x]) => [root, base64(bytesOf(x))]));
  file.run("apart/all", LINK, absent([0, 1]), [], { results: [total([a, b])], parameters: store([roots[0], a], [roots[1], b]) }); // prettier-ignore
  file.run("apart/one", LINK, absent([0]), [], { results: [total([a, b])], parameters: store([roots[0], a]) }); // prettier-ignore
  const refuse = (name, code, module, parameters) => file.refuse(name, LINK, "link", code, module, parameters === undefined ? {} : { parameters }); // prettier-ignore
  refuse("missing/all", "MissingParameter", absent([0, 1]));
  refuse("missing/one", "MissingParameter", absent([0, 1]), store([roots[0], a]));
  refuse("missing/other-in-store", "MissingParameter", absent([0]), store([roots[1], b]));
  refuse("store/length", "ParameterLength", absent([1]), { [roots[1]]: base64(new Uint8Array(2)) });
  refuse("store/root", "ParameterRoot", absent([1]), { [roots[1]]: base64(new Uint8Array(3)) });
  const withData = (module, index, data) => ({ ...module, parameterData: module.parameterData.map((own, i) => (i === index ? data : own)) }); // prettier-ignore
  const good = sumOf([a, b]);
  const flipped = good.parameterData[0].map((byte, i) => (i === 9 ? byte ^ 1 : byte));
  refuse("file/root", "ParameterRoot", withData(good, 0, flipped));
  refuse("file/length/short", "ParameterLength", withData(good, 0, good.parameterData[0].slice(1)));
  refuse("file/length/long", "ParameterLength", withData(good, 1, new Uint8Array(4)));
  refuse("file/length/none", "ParameterLength", withData(good, 1, new Uint8Array(0)));
  refuse("file/exchanged-chunks", "ParameterRoot", (() => {
    const x = tensor("u8", Array.from({ length: 131_072 }, (_, i) => (i < 65_536 ? 1 : 2)));
    const module = sumOf([x]);
    const data = module.parameterData[0];
    return withData(module, 0, Uint8Array.from([...data.slice(65_536), ...data.slice(0, 65_536)]));
  })()); // prettier-ignore
  for (const byte of [2, 255]) {
    const data = Uint8Array.of(0, 1, byte);
    const module = sumOf([tensor("bool", [0, 1, 1])]);
    const root = chunkRoot(data);
    refuse(`bool/${byte}`, "ParameterBool", { ...module, parameterData: [data], parameters: [{ ...module.parameters[0], root }] }); // prettier-ignore
  }
  // Validation comes before linking, linking before inputs.
  const invalid = { ...absent([0, 1]), functions: [{ ...good.functions[0], body: [END] }] };
  file.refuse("after-validation", ["README.md#phases-and-their-failures"], "invalid", "StackUnderflow", invalid); // prettier-ignore
}
