import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/module/hex.js";
import { hostSha256, portableSha256 } from "../../src/module/sha256.js";

/** FIPS 180-4 examples of NIST. */
const VECTORS: readonly (readonly [string, string])[] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
  ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
];

describe.each([
  ["portable", portableSha256],
  ["the host's", hostSha256!],
])("SHA-256, %s", (_name, sha256) => {
  it.each(VECTORS)("%.60s", (message, digest) => {
    expect(toHex(sha256(new TextEncoder().encode(message)))).toBe(digest);
  });

  it("takes its message in parts", () => {
    const bytes = new TextEncoder().encode("abc");
    const parts = [bytes.subarray(0, 1), new Uint8Array(), bytes.subarray(1)];
    expect(sha256(...parts)).toEqual(sha256(bytes));
  });

  it("is the same however long the message and its parts are", () => {
    const bytes = Uint8Array.from({ length: 2100 }, (_, i) => (i * i) >> 3);
    for (const length of [55, 56, 63, 64, 1022, 1023, 1024, 1025, 2100]) {
      const expected = createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
      for (const cut of [0, 1, 33, length]) {
        expect(toHex(sha256(bytes.subarray(0, cut), bytes.subarray(cut, length)))).toBe(expected);
      }
    }
  });

  it("gives plain bytes that are the caller's own", () => {
    const digest = sha256();
    expect(digest.constructor).toBe(Uint8Array);
    expect(digest.byteLength).toBe(32);
  });
});
