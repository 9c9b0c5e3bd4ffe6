/** Merkle trees as RFC 6962, section 2.1, has them: tagged leaves and nodes, no duplicated leaf. */
import { equalBytes } from "../core/bytes.js";
import { sha256 } from "./sha256.js";

/** Bytes of a chunk of parameter data; the last chunk may be shorter. */
export const CHUNK_BYTES = 65_536;

const LEAF = Uint8Array.of(0x00);
const NODE = Uint8Array.of(0x01);

/** Hash of a leaf that holds `data`. */
export function leafHash(data: Uint8Array): Uint8Array {
  return sha256(LEAF, data);
}

/** Root of the tree over leaves that are already hashed; SHA-256 of nothing when there are none. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return leaves.length === 0 ? sha256() : rootOf(leaves, 0, leaves.length);
}

/**
 * The hashes beside the way from leaf `index` up to the root, lowest first (RFC 6962, 2.1.1).
 * @param index 0 ≤ index < leaves.length
 */
export function proveInclusion(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  const path: Uint8Array[] = [];
  let [from, to] = [0, leaves.length];
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      path.push(rootOf(leaves, middle, to));
      to = middle;
    } else {
      path.push(rootOf(leaves, from, middle));
      from = middle;
    }
  }
  return path.reverse();
}

/** Whether `path` proves that `leaf` is leaf `index` of the tree of `count` leaves with that root. */
export function verifyInclusion(
  root: Uint8Array,
  count: number,
  index: number,
  leaf: Uint8Array,
  path: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) return false;
  const sides = leftSides(count, index);
  if (path.length !== sides.length) return false;
  let hash = leaf;
  for (const [step, siblingIsLeft] of sides.entries()) {
    const sibling = path[step]!;
    if (sibling.length !== 32) return false;
    hash = siblingIsLeft ? sha256(NODE, sibling, hash) : sha256(NODE, hash, sibling);
  }
  return equalBytes(hash, root);
}

/** Chunks that data of that many bytes has; 0 for no bytes. */
export function chunkCount(lengthBytes: number): number {
  return Math.ceil(lengthBytes / CHUNK_BYTES);
}

/** Root over the chunks of `data`: what a module says of a parameter. */
export function chunkRoot(data: Uint8Array): Uint8Array {
  return merkleRoot(chunkLeaves(data));
}

/** Proof that lets one chunk travel alone; `verifyChunk` takes it. */
export function proveChunk(data: Uint8Array, index: number): Uint8Array[] {
  return proveInclusion(chunkLeaves(data), index);
}

/**
 * Whether `chunk` is chunk `index` of the data of `lengthBytes` bytes with that root.
 * @param path what `proveChunk` gave
 */
export function verifyChunk(
  root: Uint8Array,
  lengthBytes: number,
  index: number,
  chunk: Uint8Array,
  path: readonly Uint8Array[],
): boolean {
  const expected = Math.min(CHUNK_BYTES, lengthBytes - index * CHUNK_BYTES);
  if (chunk.length !== expected) return false;
  return verifyInclusion(root, chunkCount(lengthBytes), index, leafHash(chunk), path);
}

function chunkLeaves(data: Uint8Array): Uint8Array[] {
  return Array.from({ length: chunkCount(data.length) }, (_, i) =>
    leafHash(data.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)),
  );
}

/** The largest power of two below `count`, which is at least 2. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

function rootOf(leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  if (to - from === 1) return leaves[from]!;
  const middle = from + splitOf(to - from);
  return sha256(NODE, rootOf(leaves, from, middle), rootOf(leaves, middle, to));
}

/** For each step from leaf `index` up to the root: whether the other subtree is on the left. */
function leftSides(count: number, index: number): boolean[] {
  const sides: boolean[] = [];
  let [from, to] = [0, count];
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    const right = index >= middle;
    sides.push(right);
    if (right) from = middle;
    else to = middle;
  }
  return sides.reverse();
}
