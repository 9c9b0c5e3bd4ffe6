import { HostError, LinkError } from "../core/errors.js";
import { byteLength } from "../core/shape.js";
import { packDtype, packInstruction, packTypes } from "./immediates.js";
import { decodeModule, FORMAT_VERSION } from "./decode.js";
import type {
  Configuration,
  Dimension,
  Module,
  ModuleFunction,
  ParameterInfo,
  Port,
  Provenance,
} from "./module.js";
import { toHex } from "./hex.js";
import type { Packable } from "./pack.js";
import { pack, packArrayHeader, packBinHeader } from "./pack.js";
import type { ParameterStore } from "./parameterStore.js";
import { compareUtf8 } from "./utf8.js";

/**
 * The bytes of a module: the one canonical form of it.
 * @throws MalformedError when the module breaks a rule of form, the same that `decodeModule` would find
 * @throws HostError `OutOfMemory` when the host cannot hold the bytes
 */
export function encodeModule(module: Module): Uint8Array {
  const pieces: Uint8Array[] = [];
  writePieces(module, module.parameterData, (piece) => void pieces.push(piece));
  const bytes = concatenate(pieces);
  // One place knows the rules of form: what it would not read is not written.
  decodeModule(bytes);
  return bytes;
}

/**
 * Writes the bytes of a module piece by piece, in order, with the parameters that it lacks taken
 * from a store one at a time: the way for modules too large for one array.
 * @param write takes a piece, or copies it: it may not be kept
 * @throws MalformedError as `encodeModule` does
 * @throws LinkError `MissingParameter`, `ParameterLength` when the store has not what the manifest says
 */
export function writeModule(
  module: Module,
  write: (piece: Uint8Array) => void,
  store?: ParameterStore,
): void {
  encodeModule({ ...module, parameterData: module.parameters.map(() => undefined) });
  writePieces(module, filled(module, store), write);
}

function* filled(module: Module, store?: ParameterStore): Generator<Uint8Array | undefined> {
  for (const [index, parameter] of module.parameters.entries()) {
    const rootHex = toHex(parameter.root);
    const data = module.parameterData[index] ?? store?.get(rootHex);
    const name = `parameter ${index}`;
    if (data === undefined && store !== undefined) {
      const what = `${name} (root ${rootHex}) is neither in the module nor in the store`;
      throw new LinkError("MissingParameter", what, { name });
    }
    const expected = byteLength(parameter);
    if (data !== undefined && data.length !== expected) {
      const what = `${name} has ${data.length} bytes of data, its shape takes ${expected}`;
      throw new LinkError("ParameterLength", what, { name });
    }
    yield data;
  }
}

function writePieces(
  module: Module,
  parameterData: Iterable<Uint8Array | undefined>,
  write: (piece: Uint8Array) => void,
): void {
  const bin = (bytes: Uint8Array): void => {
    write(packBinHeader(bytes.length));
    write(bytes);
  };
  write(packArrayHeader(8));
  write(pack("aivm"));
  write(pack(FORMAT_VERSION));
  bin(encodeConfiguration(module.configuration));
  bin(encodeFunctions(module.functions));
  bin(encodeFunctions(module.aggregation));
  bin(pack(module.parameters.map(packParameter)));
  write(packArrayHeader(module.parameterData.length));
  for (const data of parameterData) {
    if (data === undefined) write(packArrayHeader(0));
    else bin(data);
  }
  write(pack(packProvenance(module.provenance)));
}

/** Bytes that a module has more when data of that length take the place of a gap. */
export function filledGapBytes(lengthBytes: number): number {
  return packBinHeader(lengthBytes).length + lengthBytes - packArrayHeader(0).length;
}

/** The configuration part, as the module id covers it. */
export function encodeConfiguration(c: Configuration): Uint8Array {
  return pack([
    c.isaVersion,
    c.gasVersion,
    c.features,
    c.dimensions.map(({ name, maximum }) => [name, maximum]),
    c.entries.map((entry) => [
      entry.name,
      entry.function,
      entry.inputs.map(packPort),
      entry.outputs.map(packPort),
    ]),
    c.aggregations.map((aggregation) => [aggregation.entry, aggregation.function]),
  ]);
}

/** The code part or the aggregation part, as the module id covers it. */
export function encodeFunctions(functions: readonly ModuleFunction[]): Uint8Array {
  return pack(
    functions.map(({ params, results, locals, body }) => [
      packTypes(params),
      packTypes(results),
      packTypes(locals),
      body.map(packInstruction),
    ]),
  );
}

/** An entry of the manifest: a leaf of the parameter root. */
export function encodeParameter(parameter: ParameterInfo): Uint8Array {
  return pack(packParameter(parameter));
}

function packParameter({ dtype, shape, root }: ParameterInfo): Packable {
  return [packDtype(dtype), shape, root];
}

function packPort({ name, dtype, shape, scale }: Port): Packable {
  return [
    name,
    packDtype(dtype),
    shape.map(packDimension),
    scale === undefined ? [] : [scale.mantissa, scale.exponent, scale.zeroPoint],
  ];
}

function packDimension(d: Dimension): Packable {
  return typeof d === "number" ? d : [d.dimension, d.multiplier, d.offset, d.divisor];
}

function packProvenance(provenance: Provenance): Packable {
  return Object.entries(provenance).sort(([a], [b]) => compareUtf8(a, b));
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(length);
  } catch (cause) {
    throw new HostError(
      "OutOfMemory",
      `this host cannot hold the ${length} bytes of the module`,
      {},
      cause,
    );
  }
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
