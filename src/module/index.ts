/** `aivm/module`: the module file, read, written, linked and identified. */
export { decodeModule, FORMAT_VERSION } from "./decode.js";
export { encodeModule } from "./encode.js";
export { moduleId, parameterRoot, tensorHash, tensorsHash, toHex } from "./hash.js";
export type { LinkedModule, ParameterStore } from "./link.js";
export { linkParameters } from "./link.js";
export { CHUNK_BYTES, chunkCount, chunkRoot, proveChunk, verifyChunk } from "./merkle.js";
export type * from "./module.js";
