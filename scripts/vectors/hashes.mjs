// Hashes and receipts as spec/module.md and spec/execution.md lay them out, on Node's own SHA-256.
import { createHash } from "node:crypto";
import { DTYPES } from "../../dist/core/dtype.js";
import { bytesOf } from "./tensors.mjs";

/** @param {...(Uint8Array | string)} pieces */
export function sha256(...pieces) {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return new Uint8Array(hash.digest());
}

/** @returns {Uint8Array} `size` bytes, little-endian */
export function littleEndian(value, size) {
  const bits = BigInt.asUintN(8 * size, BigInt(value));
  return Uint8Array.from({ length: size }, (_, i) => Number((bits >> BigInt(8 * i)) & 255n));
}

export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const fromHex = (text) => Uint8Array.from(Buffer.from(text, "hex"));

export function tensorsHash(tensors) {
  const hashes = tensors.map((tensor) =>
    sha256(
      "aivm:tensor:v1\0",
      Uint8Array.of(DTYPES.indexOf(tensor.dtype), tensor.shape.length),
      ...tensor.shape.map((size) => littleEndian(size, 8)),
      bytesOf(tensor),
    ),
  );
  return sha256("aivm:tensors:v1\0", littleEndian(hashes.length, 4), ...hashes);
}

/** Root over chunks of 65,536 bytes. */
export function chunkRoot(data) {
  const leaves = [];
  for (let at = 0; at < data.length; at += 65_536) leaves.push(data.subarray(at, at + 65_536));
  return merkleRoot(leaves);
}

/** RFC 6962, 2.1. */
export function merkleRoot(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0]);
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  return sha256(
    Uint8Array.of(1),
    merkleRoot(leaves.slice(0, left)),
    merkleRoot(leaves.slice(left)),
  );
}

const TRAPS = [
  "",
  "Unreachable",
  "ShapeMismatch",
  "OperandRange",
  "AccumulatorBound",
  "IndexOutOfRange",
  "OutOfGas",
  "MemoryLimit",
  "StackLimit",
  "CallDepth",
  "ElementLimit",
];

/** @param {*} receipt in its JSON form */
export function receiptHash({ status, limits, ...receipt }) {
  const entry = new TextEncoder().encode(receipt.entry);
  const trap = status === "finished" ? { trap: "", function: 0, pc: 0 } : status;
  return sha256(
    "aivm:receipt:v1\0",
    fromHex(receipt.moduleId),
    littleEndian(entry.length, 4),
    entry,
    Uint8Array.of(receipt.part === "inference" ? 0 : 1),
    fromHex(receipt.seed),
    ...["gas", "memoryBytes", "stackDepth", "callDepth", "elements"].map((name) =>
      littleEndian(limits[name], 8),
    ),
    fromHex(receipt.inputHash),
    Uint8Array.of(TRAPS.indexOf(trap.trap)),
    littleEndian(trap.detail ?? 0, 4),
    littleEndian(trap.function, 4),
    littleEndian(trap.pc, 4),
    receipt.outputHash === undefined ? new Uint8Array(32) : fromHex(receipt.outputHash),
    littleEndian(receipt.gasUsed, 8),
    littleEndian(receipt.isaVersion, 4),
    littleEndian(receipt.gasVersion, 4),
  );
}
