import { DTYPE_INFO } from "../core/dtype.js";
import { MAX_RANK } from "../core/shape.js";
import type { TensorSpec } from "../core/shape.js";
import { encodeConfiguration, encodeFunctions, encodeParameter } from "./encode.js";
import { leafHash, merkleRoot } from "./merkle.js";
import type { Module } from "./module.js";
import { sha256 } from "./sha256.js";

const domain = (name: string): Uint8Array => new TextEncoder().encode(`aivm:${name}:v1\0`);
const TENSOR = domain("tensor");
const TENSORS = domain("tensors");
const MODULE = domain("module");

/**
 * Hash of a tensor: SHA-256("aivm:tensor:v1\0" ‖ dtype code u8 ‖ rank u8 ‖ dimensions as u64 ‖ bytes),
 * integers little-endian.
 * @param bytes row-major little-endian elements
 */
export function tensorHash({ dtype, shape }: TensorSpec, bytes: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(2 + 8 * MAX_RANK));
  header.setUint8(0, DTYPE_INFO[dtype].code);
  header.setUint8(1, shape.length);
  shape.forEach((dim, axis) => header.setBigUint64(2 + 8 * axis, BigInt(dim), true));
  return sha256(TENSOR, new Uint8Array(header.buffer, 0, 2 + 8 * shape.length), bytes);
}

/**
 * Hash of all inputs or of all outputs of a run: SHA-256("aivm:tensors:v1\0" ‖ count u32 ‖ tensor
 * hashes in the order of the ports).
 */
export function tensorsHash(hashes: readonly Uint8Array[]): Uint8Array {
  const count = new DataView(new ArrayBuffer(4));
  count.setUint32(0, hashes.length, true);
  return sha256(TENSORS, new Uint8Array(count.buffer), ...hashes);
}

/** Root over the entries of the manifest: what stands for all parameters in the module id. */
export function parameterRoot(parameters: Module["parameters"]): Uint8Array {
  return merkleRoot(parameters.map((parameter) => leafHash(encodeParameter(parameter))));
}

/**
 * The identity of a module: SHA-256("aivm:module:v1\0" ‖ H(configuration) ‖ H(code) ‖
 * H(aggregation) ‖ parameter root). Neither provenance nor the presence of data changes it.
 */
export function moduleId(module: Module): Uint8Array {
  return sha256(
    MODULE,
    sha256(encodeConfiguration(module.configuration)),
    sha256(encodeFunctions(module.functions)),
    sha256(encodeFunctions(module.aggregation)),
    parameterRoot(module.parameters),
  );
}
