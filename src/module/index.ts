/** `aivm/module`: modules as files, as text and as values; their identity and their validity. */
export type { TensorType } from "../core/shape.js";
export { AivmError, InputError, InvalidError, LinkError, MalformedError } from "../core/errors.js";
export type { Instruction } from "../opcodes/index.js";
export { parseAssembly } from "./assemble.js";
export { decodeModule, FORMAT_VERSION } from "./decode.js";
export { formatAssembly } from "./disassemble.js";
export { encodeModule } from "./encode.js";
export { moduleId, parameterRoot, tensorHash, tensorsHash, toHex } from "./hash.js";
export type { LinkedModule, ParameterStore } from "./link.js";
export { linkParameters } from "./link.js";
export { CHUNK_BYTES, chunkCount, chunkRoot, proveChunk, verifyChunk } from "./merkle.js";
export type * from "./module.js";
export type { FunctionPlan, ValidatedModule } from "./plan.js";
export type { InvalidCode } from "./typing.js";
export { validateModule } from "./validate.js";
