import type { Dtype } from "../core/dtype.js";
import { DTYPE_INFO } from "../core/dtype.js";
import type { TensorType } from "../core/shape.js";
import type { Instruction, OpName } from "../opcodes/index.js";
import { OPS, recordOf } from "../opcodes/index.js";
import type { AnyImmediates, BlockType, ImmediateSpec } from "../opcodes/record.js";
import { chunkRoot } from "./merkle.js";
import type {
  DerivedDimension,
  Dimension,
  EntryPoint,
  Module,
  ModuleFunction,
  NamedDimension,
  ParameterInfo,
  Port,
} from "./module.js";
import { Line } from "./tokens.js";
import { checkImmediates } from "./typing.js";

/**
 * Reads a module from the text that `formatAssembly` writes, or that somebody wrote by hand: the
 * grammar is in `spec/assembly.md`. Time and memory are linear in the text. Immediates are checked
 * by their kinds; the rules of form across lines are those of `encodeModule`, validity is that of
 * `validateModule`.
 * @throws MalformedError `Syntax`, its message begins with `line <line>:<column>`
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { decodeModule, encodeModule, parseAssembly, validateModule } from "aivm/module";
 *
 * const module = parseAssembly(await readFile("examples/embed.aivmt", "utf8")); // relu(x · W + b)
 * const { configuration, functions } = decodeModule(encodeModule(module));
 * validateModule(module); // throws InvalidError where it is not valid
 * console.log(configuration.entries[0]?.name, functions[0]?.body.length); // main 7
 * ```
 */
export function parseAssembly(text: string): Module {
  const parser = new Parser();
  let number = 0;
  for (const line of text.split(/\r?\n/)) parser.line(new Line(line, ++number));
  return parser.finish(new Line("", number));
}

interface OpenParameter {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly root: Uint8Array | undefined;
  readonly absent: boolean;
  readonly pieces: Uint8Array[];
}

type Open<T> = { [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

class Parser {
  #versions: { readonly isaVersion: number; readonly gasVersion: number } | undefined;
  readonly #features: string[] = [];
  readonly #dimensions: NamedDimension[] = [];
  readonly #dimensionIndex = new Map<string, number>();
  readonly #entries: Open<EntryPoint>[] = [];
  readonly #entryIndex = new Map<string, number>();
  readonly #aggregations: { readonly entry: number; readonly function: number }[] = [];
  readonly #parameters: OpenParameter[] = [];
  readonly #functions: Open<ModuleFunction>[] = [];
  readonly #aggregation: Open<ModuleFunction>[] = [];
  readonly #provenance = new Map<string, string>();
  /** What the lines that belong to a declaration belong to. */
  #open: "entry" | "parameter" | "function" | "aggregation" | undefined;

  line(line: Line): void {
    if (line.empty) return;
    const word = line.word("a keyword or mnemonic");
    if (this.#versions === undefined && word !== "aivm") {
      line.back().fail("expected `aivm isa=… gas=…` first");
    }
    if (Object.hasOwn(OPS, word)) this.#instruction(line, word as OpName);
    else this.#declaration(line, word);
    line.end();
  }

  finish(end: Line): Module {
    if (this.#versions === undefined) return end.fail("expected `aivm isa=… gas=…`");
    const data = this.#parameters.map(({ absent, pieces }) =>
      absent ? undefined : concatenate(pieces),
    );
    return {
      configuration: {
        ...this.#versions,
        features: this.#features,
        dimensions: this.#dimensions,
        entries: this.#entries,
        aggregations: this.#aggregations,
      },
      functions: this.#functions,
      aggregation: this.#aggregation,
      parameters: this.#parameters.map(({ dtype, shape, root }, i): ParameterInfo => ({
        dtype,
        shape,
        root: root ?? chunkRoot(data[i]!),
      })),
      parameterData: data,
      provenance: Object.fromEntries(this.#provenance),
    };
  }

  #declaration(line: Line, keyword: string): void {
    switch (keyword) {
      case "aivm": {
        if (this.#versions !== undefined) line.back().fail("a second `aivm`");
        const isaVersion = keyed(line, "isa");
        this.#versions = { isaVersion, gasVersion: keyed(line, "gas") };
        return;
      }
      case "feature":
        this.#features.push(line.string("the name of a feature"));
        return;
      case "dimension": {
        const name = line.string("the name of a dimension");
        if (this.#dimensionIndex.has(name)) line.back().fail("a second dimension of that name");
        this.#dimensionIndex.set(name, this.#dimensions.length);
        this.#dimensions.push({ name, maximum: keyed(line, "maximum") });
        return;
      }
      case "entry": {
        const name = line.string("the name of an entry point");
        if (this.#entryIndex.has(name)) line.back().fail("a second entry point of that name");
        this.#entryIndex.set(name, this.#entries.length);
        this.#entries.push({ name, function: keyed(line, "function"), inputs: [], outputs: [] });
        this.#open = "entry";
        return;
      }
      case "input":
      case "output": {
        if (this.#open !== "entry") line.back().fail(`\`${keyword}\` belongs to an \`entry\``);
        const entry = this.#entries.at(-1)!;
        (keyword === "input" ? entry.inputs : entry.outputs).push(this.#port(line));
        return;
      }
      case "aggregate": {
        const entry = this.#entryIndex.get(line.string("the name of an entry point"));
        if (entry === undefined) return line.back().fail("no entry point above has that name");
        this.#aggregations.push({ entry, function: keyed(line, "function") });
        return;
      }
      case "parameter":
        return this.#parameter(line);
      case "data":
      case "values": {
        const parameter = this.#parameters.at(-1);
        if (this.#open !== "parameter" || parameter === undefined || parameter.absent) {
          return line.back().fail(`\`${keyword}\` belongs to a \`parameter\` that is not absent`);
        }
        const piece = keyword === "data" ? hex(line, "data") : values(line, parameter.dtype);
        parameter.pieces.push(piece);
        return;
      }
      case "function":
      case "aggregation": {
        const { params, results } = blockType(line);
        const functions = keyword === "function" ? this.#functions : this.#aggregation;
        functions.push({ params: [...params], results: [...results], locals: [], body: [] });
        this.#open = keyword;
        return;
      }
      case "locals":
        do this.#function(line).locals.push(tensorType(line));
        while (line.take(","));
        return;
      case "provenance": {
        const key = line.string("a key");
        if (this.#provenance.has(key)) line.back().fail("a second value of that key");
        this.#provenance.set(key, line.string("a value"));
        return;
      }
      default:
        line.back().fail("no keyword or instruction of that name");
    }
  }

  #function(line: Line): Open<ModuleFunction> {
    if (this.#open === "function") return this.#functions.at(-1)!;
    if (this.#open === "aggregation") return this.#aggregation.at(-1)!;
    return line.back().fail("this belongs to a `function` or `aggregation`");
  }

  #instruction(line: Line, op: OpName): void {
    const { body } = this.#function(line);
    const imm: Record<string, AnyImmediates[string]> = {};
    const specs = recordOf(op).immediates;
    for (const [name, spec] of Object.entries(specs)) {
      line.key(name);
      imm[name] = immediate(line, spec, name);
    }
    const fail = (_code: string, message: string): never => line.fail(message);
    checkImmediates(specs, imm, { spend: () => undefined, fail });
    body.push({ op, imm } as Instruction);
  }

  #port(line: Line): Port {
    const name = line.string("the name of a port");
    const dtype = line.dtype("the dtype of a port");
    const shape = line.list("[", "]", () => this.#dimension(line));
    if (line.empty) return { name, dtype, shape };
    const mantissa = keyed(line, "mantissa");
    const exponent = keyed(line, "exponent");
    line.key("zeroPoint");
    return {
      name,
      dtype,
      shape,
      scale: { mantissa, exponent, zeroPoint: line.bigint("zeroPoint") },
    };
  }

  /** `7`, `"N"` or `("N"*2+1)/3`. */
  #dimension(line: Line): Dimension {
    if (line.peekInteger()) return line.integer("a dimension");
    if (!line.take("(")) {
      return { dimension: this.#named(line), multiplier: 1, offset: 0, divisor: 1 };
    }
    const dimension = this.#named(line);
    line.expect("*");
    const multiplier = line.integer("a multiplier");
    line.take("+");
    const offset = line.integer("an offset");
    line.expect(")");
    line.expect("/");
    const divisor = line.integer("a divisor");
    return { dimension, multiplier, offset, divisor } satisfies DerivedDimension;
  }

  #named(line: Line): number {
    const index = this.#dimensionIndex.get(line.string("the name of a dimension"));
    return index ?? line.back().fail("no dimension above has that name");
  }

  #parameter(line: Line): void {
    const dtype = line.dtype("the dtype of a parameter");
    const shape = line.list("[", "]", () => line.integer("a dimension"));
    let root: Uint8Array | undefined;
    if (line.take("root")) {
      line.expect("=");
      root = hex(line, "root");
    }
    const absent = line.take("absent");
    if (absent && root === undefined) line.back().fail("a parameter that is absent needs a root");
    this.#parameters.push({ dtype, shape, root, absent, pieces: [] });
    this.#open = "parameter";
  }
}

/** `name=integer` */
function keyed(line: Line, name: string): number {
  line.key(name);
  return line.integer(name);
}

function hex(line: Line, what: string): Uint8Array {
  const text = line.string(what);
  if (text.length % 2 !== 0 || /[^0-9a-f]/.test(text)) {
    line.back().fail(`${what} must be pairs of lower-case hexadecimal digits`);
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
    Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
  );
}

/** Integers of the parameter's dtype, as data. */
function values(line: Line, dtype: Dtype): Uint8Array {
  const { bytes, min, max } = DTYPE_INFO[dtype];
  const read: bigint[] = [];
  while (!line.empty) {
    const value = line.bigint("a value");
    if (value < min || value > max) line.back().fail(`not a value of ${dtype}`);
    read.push(value);
  }
  const out = new Uint8Array(read.length * bytes);
  read.forEach((value, i) => {
    for (let b = 0; b < bytes; b++) out[i * bytes + b] = Number((value >> BigInt(8 * b)) & 255n);
  });
  return out;
}

function blockType(line: Line): BlockType {
  const params = line.list("(", ")", () => tensorType(line));
  line.expect("->");
  return { params, results: line.list("(", ")", () => tensorType(line)) };
}

/** `i16:4` */
function tensorType(line: Line): TensorType {
  const dtype = line.dtype("a dtype");
  line.expect(":");
  return { dtype, rank: line.integer("a rank") };
}

function immediate(line: Line, spec: ImmediateSpec, name: string): AnyImmediates[string] {
  switch (spec.kind) {
    case "i64":
      return line.bigint(name);
    case "dtype":
      return line.dtype(name);
    case "axes":
    case "perm":
    case "perAxis":
    case "dims":
      return line.list("[", "]", () => line.integer(name));
    case "type":
      return blockType(line);
    case "uint":
    case "int":
    case "count":
    case "axis":
    case "label":
    case "function":
    case "local":
    case "parameter":
      return line.integer(name);
  }
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
