// The files of vectors: one for each instruction, and those of other themes.
import { OPS } from "../../dist/opcodes/index.js";
import { elementwise } from "./cases/elementwise.mjs";
import { VectorFile } from "./vectorFile.mjs";

/** @returns {AsyncGenerator<VectorFile>} */
export async function* vectorFiles() {
  for (const op of Object.keys(OPS)) {
    const cases = elementwise(op);
    if (cases === undefined) continue;
    const file = new VectorFile(`instructions/${op}`, `\`${op}\``, `instructions/${op}.md`);
    cases(file);
    yield file;
  }
}
