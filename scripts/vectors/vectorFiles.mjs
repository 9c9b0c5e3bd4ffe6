// The files of vectors: one for each instruction, and those of other themes.
import { OPS } from "../../dist/opcodes/index.js";
import { conv, matmul, mulWide } from "./cases/contraction.mjs";
import { elementwise } from "./cases/elementwise.mjs";
import { lut, lutInterpolate, rescale, rescaleAdd, rescaleBy } from "./cases/rescaling.mjs";
import { VectorFile } from "./vectorFile.mjs";

const CASES = {
  matmul,
  conv,
  "mul.wide": mulWide,
  rescale,
  "rescale.by": rescaleBy,
  "rescale.add": rescaleAdd,
  lut,
  "lut.interpolate": lutInterpolate,
};

/** @returns {AsyncGenerator<VectorFile>} */
export async function* vectorFiles() {
  for (const op of Object.keys(OPS)) {
    const cases = CASES[op] ?? elementwise(op);
    if (cases === undefined) continue;
    const file = new VectorFile(`instructions/${op}`, `\`${op}\``, `instructions/${op}.md`);
    cases(file);
    yield file;
  }
}
