// The files of vectors: one for each instruction, and those of other themes.
import { OPS } from "../../dist/opcodes/index.js";
import { conv, matmul, mulWide } from "./cases/contraction.mjs";
import { elementwise } from "./cases/elementwise.mjs";
import { lut, lutInterpolate, rescale, rescaleAdd, rescaleBy } from "./cases/rescaling.mjs";
import { argsort, movement, nonzero, scatter } from "./cases/movement.mjs";
import { cumsum, extreme, pool, reduce } from "./cases/reduction.mjs";
import { ALL, INTEGERS } from "./tensors.mjs";
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
  ...each(["reduce.sum", "reduce.prod", "reduce.max", "reduce.min"], reduce),
  ...each(["argmax", "argmin"], extreme),
  ...each(["pool.max", "pool.sum"], pool),
  cumsum,
  ...movement,
  ...each(["scatter", "scatter.max", "scatter.min"], (file, op) => scatter(file, op, ALL)),
  ...each(["scatter.add", "scatter.mul"], (file, op) => scatter(file, op, INTEGERS)),
  argsort,
  nonzero,
};

function each(ops, cases) {
  return Object.fromEntries(ops.map((op) => [op, (file) => cases(file, op)]));
}

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
