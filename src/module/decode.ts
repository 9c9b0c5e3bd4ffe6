import { DTYPE_INFO } from "../core/dtype.js";
import { InputError, MalformedError } from "../core/errors.js";
import type { Shape } from "../core/shape.js";
import { chargedCount, formatShape, MAX_RANK } from "../core/shape.js";
import { ISA_VERSION } from "../opcodes/index.js";
import { readDtype, readInstruction, readTypes } from "./immediates.js";
import type { ByteSource } from "./byteSource.js";
import { toHex } from "./hex.js";
import * as limits from "./limits.js";
import type { ParameterStore } from "./parameterStore.js";
import { CHUNK_BYTES } from "./merkle.js";
import type {
  Configuration,
  Dimension,
  EntryPoint,
  Module,
  ModuleFunction,
  NamedDimension,
  ParameterInfo,
  Port,
  Provenance,
  RealScale,
} from "./module.js";
import { Reader } from "./reader.js";
import { compareUtf8 } from "./utf8.js";

/** Version of the container, the second element of every module. */
export const FORMAT_VERSION = 1;

/** How many instructions may still be read; shared by both code parts. */
interface Budget {
  instructions: number;
}

/**
 * Reads a module and checks all of its form: `encodeModule` of the result gives the same bytes.
 * Parameter data are views of `bytes`, not checked against their roots (`linkParameters`); code is
 * not checked beyond its form (`validateModule`).
 * @throws MalformedError when the bytes are not the canonical form of a module
 */
export function decodeModule(bytes: Uint8Array): Module {
  if (!(bytes instanceof Uint8Array)) {
    throw new InputError("NotBytes", "a module is decoded from a Uint8Array");
  }
  return decode(bytes, (reader) =>
    reader.bin(0, limits.MAX_PARAMETER_BYTES, "the data of a parameter"),
  );
}

/** The larger parameters of a module that is read by ranges: read again whenever they are asked for. */
export interface ParameterRanges extends ParameterStore {
  /** Whether a parameter with that root is in the file. */
  has(rootHex: string): boolean;
}

/**
 * As `decodeModule`, of a module that may be too large for one array. Parameters of more than one
 * chunk are left where they are: gaps in the module, which `parameters` fills when it is linked.
 * @throws MalformedError as `decodeModule` does
 * @throws HostError what the source throws
 */
export function decodeModuleFrom(source: ByteSource): {
  readonly module: Module;
  readonly parameters: ParameterRanges;
} {
  const ranges: { readonly start: number; readonly end: number; readonly index: number }[] = [];
  const module = decode(source, (reader, index) => {
    const start = reader.skipBin(0, limits.MAX_PARAMETER_BYTES, "the data of a parameter");
    const end = reader.offset;
    if (end - start <= CHUNK_BYTES) return source.read(start, end - start);
    ranges.push({ start, end, index });
    return undefined;
  });
  const byRoot = new Map(
    ranges.map((range) => [toHex(module.parameters[range.index]!.root), range]),
  );
  return {
    module,
    parameters: {
      has: (rootHex) => byRoot.has(rootHex),
      get(rootHex) {
        const range = byRoot.get(rootHex);
        return range && source.read(range.start, range.end - range.start);
      },
    },
  };
}

function decode(
  bytes: Uint8Array | ByteSource,
  data: (reader: Reader, index: number) => Uint8Array | undefined,
): Module {
  const reader = new Reader(bytes);
  readSignature(bytes, reader);
  const part = <T>(what: string, read: (inner: Reader) => T): T => {
    const start = reader.skipBin(1, 0xffffffff, what);
    const inner = new Reader(bytes, start, reader.offset);
    const value = read(inner);
    inner.end(what);
    return value;
  };
  const budget: Budget = { instructions: limits.MAX_INSTRUCTIONS };
  const configuration = part("the configuration", readConfiguration);
  const functions = part("the code", (inner) => readFunctions(inner, budget));
  const aggregation = part("the aggregation code", (inner) => readFunctions(inner, budget));
  const parameters = part("the manifest", readManifest);
  const count = parameters.length;
  const parameterData = reader.list(count, count, "the parameter data", (index) => {
    if (!reader.peekArray()) return data(reader, index);
    reader.array(0, 0, "absent parameter data");
    return undefined;
  });
  const provenance = readProvenance(reader);
  reader.end("the module");
  return { configuration, functions, aggregation, parameters, parameterData, provenance };
}

/** The header of the array of eight and the string "aivm". */
const SIGNATURE = Uint8Array.of(0x98, 0xa4, 0x61, 0x69, 0x76, 0x6d);

function readSignature(bytes: Uint8Array | ByteSource, reader: Reader): void {
  const length = Math.min(SIGNATURE.length, bytes.length);
  const found = bytes instanceof Uint8Array ? bytes : bytes.read(0, length);
  if (!SIGNATURE.every((byte, i) => byte === found[i])) {
    throw new MalformedError(
      "Signature",
      'these bytes are not an AIVM module: they do not begin with "aivm"',
      { offset: 0 },
    );
  }
  reader.array(8, 8, "the module");
  reader.str(4, 4, "the signature");
  const offset = reader.offset;
  const version = reader.int(0, 0xffffffff, "the format version");
  if (version !== FORMAT_VERSION) {
    throw new MalformedError(
      "FormatVersion",
      `the module has format version ${version}, this engine reads version ${FORMAT_VERSION}`,
      { offset },
    );
  }
}

function readConfiguration(reader: Reader): Configuration {
  reader.array(6, 6, "the configuration");
  const offset = reader.offset;
  const isaVersion = reader.int(0, 0xffffffff, "the ISA version");
  if (isaVersion !== ISA_VERSION) {
    throw new MalformedError(
      "IsaVersion",
      `the module is for version ${isaVersion} of the instruction set, this engine has version ${ISA_VERSION}`,
      { offset },
    );
  }
  const gasVersion = reader.int(0, 0xffffffff, "the gas version");
  const features = readNamed(reader, limits.MAX_FEATURES, "features", () => ({
    name: readName(reader, "the name of a feature"),
  })).map(({ name }) => name);
  const dimensions = readNamed(reader, limits.MAX_DIMENSIONS, "named dimensions", () =>
    readNamedDimension(reader),
  );
  let ports = 0;
  const entries = readNamed(reader, limits.MAX_ENTRIES, "entry points", () => {
    const at = reader.offset;
    const entry = readEntry(reader, dimensions);
    ports += entry.inputs.length + entry.outputs.length;
    if (ports > limits.MAX_ALL_PORTS) {
      throw new MalformedError(
        "Length",
        `with the ${entry.inputs.length + entry.outputs.length} ports of this entry point the module has more than ${limits.MAX_ALL_PORTS}`,
        { offset: at, name: entry.name },
      );
    }
    return entry;
  });
  let last = -1;
  const aggregations = reader.list(0, entries.length, "aggregations", () => {
    reader.array(2, 2, "an aggregation");
    const at = reader.offset;
    const entry = reader.int(0, entries.length - 1, "the entry of an aggregation");
    if (entry <= last) {
      throw new MalformedError(
        "Order",
        `aggregation of entry ${entry} comes after that of ${last}`,
        { offset: at },
      );
    }
    last = entry;
    return { entry, function: reader.int(0, limits.MAX_INDEX, "the function of an aggregation") };
  });
  return { isaVersion, gasVersion, features, dimensions, entries, aggregations };
}

function readName(reader: Reader, what: string): string {
  return reader.str(1, limits.MAX_NAME_BYTES, what);
}

/** A list whose elements have names that differ. */
function readNamed<T extends { readonly name: string }>(
  reader: Reader,
  max: number,
  what: string,
  element: () => T,
): T[] {
  const seen = new Set<string>();
  return reader.list(0, max, what, () => {
    const offset = reader.offset;
    const value = element();
    if (seen.has(value.name)) {
      throw new MalformedError(
        "DuplicateName",
        `two ${what} are called ${JSON.stringify(value.name)}`,
        {
          offset,
          name: value.name,
        },
      );
    }
    seen.add(value.name);
    return value;
  });
}

function readNamedDimension(reader: Reader): NamedDimension {
  reader.array(2, 2, "a named dimension");
  const name = readName(reader, "the name of a dimension");
  return { name, maximum: reader.int(1, limits.MAX_DIMENSION, "the maximum of a dimension") };
}

function readEntry(reader: Reader, dimensions: readonly NamedDimension[]): EntryPoint {
  reader.array(4, 4, "an entry point");
  const name = readName(reader, "the name of an entry point");
  const index = reader.int(0, limits.MAX_INDEX, "the function of an entry point");
  const ports = (what: string): Port[] =>
    readNamed(reader, limits.MAX_PORTS, what, () => readPort(reader, dimensions));
  const inputs = ports("inputs");
  return { name, function: index, inputs, outputs: ports("outputs") };
}

function readPort(reader: Reader, dimensions: readonly NamedDimension[]): Port {
  reader.array(4, 4, "a port");
  const name = readName(reader, "the name of a port");
  const dtype = readDtype(reader, "the dtype of a port");
  const shape = reader.list(0, MAX_RANK, "the shape of a port", () =>
    readDimension(reader, dimensions),
  );
  const offset = reader.offset;
  const length = reader.array(0, 3, "the scale of a port");
  if (length === 0) return { name, dtype, shape };
  if (length !== 3) {
    throw new MalformedError(
      "Length",
      `the scale of a port has 0 or 3 elements, here are ${length}`,
      { offset },
    );
  }
  const scale: RealScale = {
    mantissa: reader.int(1, 0x7fffffff, "the mantissa of a scale"),
    exponent: reader.int(-1074, 1023, "the exponent of a scale"),
    zeroPoint: reader.i64("the zero point of a scale"),
  };
  const { min, max } = DTYPE_INFO[dtype];
  if (scale.zeroPoint < min || scale.zeroPoint > max) {
    throw new MalformedError(
      "OutOfRange",
      `the zero point ${scale.zeroPoint} is not a value of ${dtype}`,
      {
        offset,
        name,
      },
    );
  }
  return { name, dtype, shape, scale };
}

function readDimension(reader: Reader, dimensions: readonly NamedDimension[]): Dimension {
  const offset = reader.offset;
  if (!reader.peekArray()) return reader.int(0, limits.MAX_DIMENSION, "a dimension");
  reader.array(4, 4, "a derived dimension");
  const dimension = reader.int(0, dimensions.length - 1, "the index of a named dimension");
  const multiplier = reader.int(1, 0x7fffffff, "the multiplier of a dimension");
  const constant = reader.int(-0x80000000, 0x7fffffff, "the offset of a dimension");
  const divisor = reader.int(1, 0x7fffffff, "the divisor of a dimension");
  // Below 2^53 every host computes it exactly in a double; it grows with the named dimension.
  const greatest = BigInt(dimensions[dimension]!.maximum) * BigInt(multiplier) + BigInt(constant);
  const result = greatest < 0n ? -1n : greatest / BigInt(divisor);
  if (
    greatest > BigInt(Number.MAX_SAFE_INTEGER) ||
    result < 0n ||
    result > BigInt(limits.MAX_DIMENSION)
  ) {
    throw new MalformedError(
      "DimensionRange",
      `at the maximum of ${JSON.stringify(dimensions[dimension]!.name)} a derived dimension is ⌊${greatest} / ${divisor}⌋: ` +
        "the numerator must lie in 0 … 2^53 − 1, the quotient below 2^31",
      { offset },
    );
  }
  return { dimension, multiplier, offset: constant, divisor };
}

function readFunctions(reader: Reader, budget: Budget): ModuleFunction[] {
  return reader.list(0, limits.MAX_FUNCTIONS, "the functions", (index) => {
    try {
      return readFunction(reader, budget);
    } catch (error) {
      throw error instanceof MalformedError ? inFunction(error, index) : error;
    }
  });
}

function inFunction(error: MalformedError, index: number): MalformedError {
  return new MalformedError(
    error.code,
    error.message,
    { ...error.place, function: index },
    error.cause,
  );
}

function readFunction(reader: Reader, budget: Budget): ModuleFunction {
  reader.array(4, 4, "a function");
  const params = readTypes(reader, limits.MAX_FUNCTION_ARITY, "the parameters of a function");
  const results = readTypes(reader, limits.MAX_FUNCTION_ARITY, "the results of a function");
  const locals = readTypes(reader, limits.MAX_LOCALS, "the locals of a function");
  const offset = reader.offset;
  const length = reader.array(1, 0xffffffff, "the body of a function");
  if (length > budget.instructions) {
    throw new MalformedError(
      "Length",
      `with the ${length} instructions of this function the module has more than ${limits.MAX_INSTRUCTIONS}`,
      { offset },
    );
  }
  budget.instructions -= length;
  const body = Array.from({ length }, () => readInstruction(reader));
  return { params, results, locals, body };
}

function readManifest(reader: Reader): ParameterInfo[] {
  return reader.list(0, limits.MAX_PARAMETERS, "the manifest", () => {
    const offset = reader.offset;
    reader.array(3, 3, "an entry of the manifest");
    const dtype = readDtype(reader, "the dtype of a parameter");
    const shape: Shape = reader.list(0, MAX_RANK, "the shape of a parameter", () =>
      reader.int(0, limits.MAX_DIMENSION, "a dimension of a parameter"),
    );
    if (chargedCount(shape) * DTYPE_INFO[dtype].bytes > limits.MAX_PARAMETER_BYTES) {
      throw new MalformedError(
        "TooLarge",
        `a parameter of shape ${formatShape(shape)} exceeds 4 GiB`,
        { offset },
      );
    }
    return { dtype, shape, root: reader.bin(32, 32, "the root of a parameter") };
  });
}

function readProvenance(reader: Reader): Provenance {
  let last: string | undefined;
  const pairs = reader.list(0, limits.MAX_PROVENANCE, "the provenance", () => {
    const offset = reader.offset;
    reader.array(2, 2, "an entry of the provenance");
    const key = readName(reader, "a key of the provenance");
    if (last !== undefined && compareUtf8(last, key) >= 0) {
      throw new MalformedError(
        "Order",
        `the key ${JSON.stringify(key)} of the provenance comes after ${JSON.stringify(last)}`,
        {
          offset,
          name: key,
        },
      );
    }
    last = key;
    return [key, reader.str(0, limits.MAX_PROVENANCE_BYTES, "a value of the provenance")] as const;
  });
  return Object.fromEntries(pairs);
}
