import { sha256 as noble } from "@noble/hashes/sha2.js";

/** SHA-256 (FIPS 180-4) of the parts, one after the other: 32 bytes. */
export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array;

interface HostHash {
  update(bytes: Uint8Array): HostHash;
  digest(): Uint8Array;
}
interface Crypto {
  createHash?: (algorithm: "sha256") => HostHash;
  /** From Node 20.12 on. */
  hash?: (algorithm: "sha256", bytes: Uint8Array, output: "buffer") => Uint8Array;
}
interface Host {
  process?: { getBuiltinModule?: (id: "node:crypto") => Crypto | undefined };
}

/** Up to so many bytes, copying the parts together costs less than the host's hash object does. */
const SHORT_BYTES = 1024;

/** SHA-256 in plain JavaScript: about 210 MB/s. */
export const portableSha256: Sha256 = (...parts) => {
  const hash = noble.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The host's own SHA-256 (about 1,800 MB/s), or undefined in a browser. */
export const hostSha256: Sha256 | undefined = findHostSha256();

/** The fastest SHA-256 that this host has. */
export const sha256: Sha256 = hostSha256 ?? portableSha256;

/** Looked up rather than imported: a static `node:` import would not load in a browser. */
function findHostSha256(): Sha256 | undefined {
  const crypto = (globalThis as Host).process?.getBuiltinModule?.("node:crypto");
  const createHash = crypto?.createHash;
  if (createHash === undefined) return undefined;
  const streamed: Sha256 = (...parts) => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  };
  const oneShot = crypto?.hash;
  if (oneShot === undefined) return streamed;
  const joined = new Uint8Array(SHORT_BYTES);
  return (...parts) => {
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > SHORT_BYTES) return streamed(...parts);
    let end = 0;
    for (const part of parts) {
      joined.set(part, end);
      end += part.length;
    }
    return new Uint8Array(oneShot("sha256", joined.subarray(0, length), "buffer"));
  };
}
