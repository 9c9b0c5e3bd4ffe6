import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/module/hex.js";
import {
  CHUNK_BYTES,
  chunkCount,
  chunkRoot,
  leafHash,
  merkleRoot,
  proveChunk,
  proveInclusion,
  verifyChunk,
  verifyInclusion,
} from "../../src/module/merkle.js";
import { sha256 } from "../../src/module/sha256.js";

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

/** The leaves that implementations of Certificate Transparency test with, and the roots of the first n. */
const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => leafHash(fromHex(hex)));
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

describe("Merkle trees", () => {
  it.each(ROOTS.map((root, count) => [count, root] as const))(
    "the first %i leaves of Certificate Transparency's test tree",
    (count, root) => {
      expect(toHex(merkleRoot(LEAVES.slice(0, count)))).toBe(root);
    },
  );

  it("give the published path of the first of eight leaves", () => {
    expect(proveInclusion(LEAVES, 0).map(toHex)).toEqual([
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
  });

  it("prove each leaf, at its index and in its tree only", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.uint8Array({ maxLength: 4 }), {
          minLength: 1,
          maxLength: 20,
          selector: String,
        }),
        fc.nat(),
        (contents, seed) => {
          const leaves = contents.map(leafHash);
          const count = leaves.length;
          const index = seed % count;
          const root = merkleRoot(leaves);
          const path = proveInclusion(leaves, index);
          const leaf = leaves[index]!;
          expect(verifyInclusion(root, count, index, leaf, path)).toBe(true);
          for (let other = 0; other < count; other++) {
            if (other !== index)
              expect(verifyInclusion(root, count, other, leaf, path)).toBe(false);
          }
          expect(verifyInclusion(root, count, index, sha256(leaf), path)).toBe(false);
          expect(verifyInclusion(root, count, index, leaf, [...path, leaf])).toBe(false);
          if (path.length > 0)
            expect(verifyInclusion(root, count, index, leaf, path.slice(1))).toBe(false);
        },
      ),
    );
  });

  it("do not take an inner node for a leaf", () => {
    const inner = proveInclusion(LEAVES, 7)[2]!;
    const path = [proveInclusion(LEAVES, 0)[2]!];
    expect(verifyInclusion(merkleRoot(LEAVES), 2, 0, inner, path)).toBe(true);
    // As data the two hashes that make up the node get the tag of a leaf.
    const [a, b] = [merkleRoot(LEAVES.slice(0, 2)), merkleRoot(LEAVES.slice(2, 4))];
    expect(leafHash(new Uint8Array([...a, ...b]))).not.toEqual(inner);
  });

  it.each([-1, 8, 0.5, Number.NaN, 2 ** 40])("refuse the index %d", (index) => {
    expect(
      verifyInclusion(merkleRoot(LEAVES), 8, index, LEAVES[0]!, proveInclusion(LEAVES, 0)),
    ).toBe(false);
  });
});

describe("a proof", () => {
  it("has siblings of 32 bytes: a byte moved over from one would prove another leaf", () => {
    const left = sha256(Uint8Array.of(7));
    const leaf = sha256(Uint8Array.of(8));
    const root = sha256(Uint8Array.of(1), left, leaf);
    expect(verifyInclusion(root, 2, 1, leaf, [left])).toBe(true);
    const longer = Uint8Array.of(left[31]!, ...leaf);
    expect(verifyInclusion(root, 2, 1, longer, [left.subarray(0, 31)])).toBe(false);
  });
});

describe("chunks", () => {
  const data = Uint8Array.from({ length: 2 * CHUNK_BYTES + 5 }, (_, i) => i % 251);
  const root = chunkRoot(data);

  it("count as many as they are", () => {
    expect([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1].map(chunkCount)).toEqual([0, 1, 1, 2]);
  });

  it("hash as leaves and nodes written out by hand", () => {
    const leaf = (from: number, to: number): Uint8Array =>
      sha256(Uint8Array.of(0), data.slice(from, to));
    const left = sha256(Uint8Array.of(1), leaf(0, CHUNK_BYTES), leaf(CHUNK_BYTES, 2 * CHUNK_BYTES));
    expect(root).toEqual(sha256(Uint8Array.of(1), left, leaf(2 * CHUNK_BYTES, data.length)));
  });

  it("can be checked one by one", () => {
    for (let index = 0; index < 3; index++) {
      const chunk = data.slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
      const path = proveChunk(data, index);
      expect(verifyChunk(root, data.length, index, chunk, path)).toBe(true);
      expect(verifyChunk(root, data.length + 1, index, chunk, path)).toBe(index < 2);
      expect(verifyChunk(root, data.length, index, chunk.slice(1), path)).toBe(false);
      chunk[0]! ^= 1;
      expect(verifyChunk(root, data.length, index, chunk, path)).toBe(false);
    }
  });

  it("are none where there is no data", () => {
    const empty = new Uint8Array();
    expect(toHex(chunkRoot(empty))).toBe(ROOTS[0]);
    expect(verifyChunk(chunkRoot(empty), 0, 0, empty, [])).toBe(false);
  });
});
