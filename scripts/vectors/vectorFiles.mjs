// The files of vectors: one for each instruction, and those of other themes.
import { OPS } from "../../dist/opcodes/index.js";
import { aggregation } from "./cases/aggregation.mjs";
import { bounds } from "./cases/bounds.mjs";
import { conv, matmul, mulWide } from "./cases/contraction.mjs";
import { control } from "./cases/control.mjs";
import { elementwise } from "./cases/elementwise.mjs";
import { lut, lutInterpolate, rescale, rescaleAdd, rescaleBy } from "./cases/rescaling.mjs";
import { dimensions, inputs, limits, order, reals } from "./cases/execution.mjs";
import { form, identity, linking, validity } from "./cases/module.mjs";
import { attention, chains, convolutional, digits, recurrent } from "./cases/models.mjs";
import { argsort, movement, nonzero, scatter } from "./cases/movement.mjs";
import { cumsum, extreme, pool, reduce } from "./cases/reduction.mjs";
import { ALL, INTEGERS } from "./tensors.mjs";
import { VectorFile } from "./vectorFile.mjs";

const CASES = {
  ...control,
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

/** Themes that instructions share: name of the file, what it is about, cases. */
const THEMES = [
  ["module/form", "bytes that are no module, and limits of form", form],
  ["module/identity", "the identity of modules", identity],
  ["module/validity", "validity beyond single instructions", validity],
  ["module/linking", "parameters and their roots", linking],
  ["execution/order", "the order of the steps of an instruction", order],
  ["execution/limits", "what limits count", limits],
  ["execution/bounds", "limits that fall short at an instruction itself", bounds],
  ["execution/dimensions", "named and derived dimensions", dimensions],
  ["execution/inputs", "what the caller hands in", inputs],
  ["execution/reals", "reals at the boundary", reals],
  ["execution/aggregation", "several runs' outputs into one", aggregation],
  ["models/digits", "the demo's classifier of digits", digits],
  ["models/convolutional", "small convolutional nets", convolutional],
  ["models/recurrent", "gated recurrences over time", recurrent],
  ["models/attention", "attention with a mask", attention],
  ["models/chains", "chains that tempt an engine to fuse", chains],
];

function each(ops, cases) {
  return Object.fromEntries(ops.map((op) => [op, (file) => cases(file, op)]));
}

/** @returns {AsyncGenerator<VectorFile>} */
export async function* vectorFiles() {
  for (const op of Object.keys(OPS)) {
    const cases = CASES[op] ?? elementwise(op);
    if (cases === undefined) throw new RangeError(`no cases of ${op}: see CONTRIBUTING.md`);
    const file = new VectorFile(`instructions/${op}`, `\`${op}\``, `instructions/${op}.md`);
    cases(file);
    yield file;
  }
  for (const [name, about, cases] of THEMES) {
    const file = new VectorFile(name, about);
    await cases(file);
    yield file;
  }
}
