// Limits that fall short at an instruction itself, not at what brings its operands.
import { EXAMPLES } from "../../../dist/opcodes/examples.js";
import { OPS } from "../../../dist/opcodes/index.js";
import { END, ins, moduleOfBody, single } from "../single.mjs";

export function bounds(file) {
  elements(file);
  const BLOCK = { type: { params: [], results: [] } };
  const short = (op, body, gas) =>
    file.run(`${op}/gas/short`, [`instructions/${op}.md#gas`], moduleOfBody([], [], body), [], { limits: { gas }, trap: "OutOfGas" }); // prettier-ignore
  short("loop", [ins("loop", BLOCK), END], OPS.loop.gas.base - 1n);
  const flag = ins("scalar", { dtype: "bool", value: 1n });
  short("if", [flag, ins("if", BLOCK), END], OPS.scalar.gas.base + OPS.if.gas.base - 1n);
}

/**
 * The limit on elements, at the results. The operands are parameters, which no limit counts: inputs
 * as large as the results would be stopped before anything runs.
 */
function elements(file) {
  for (const [op, { imm, operands, results }] of Object.entries(EXAMPLES)) {
    const constants = operands.map((_, i) => i);
    // The shape of nonzero's result depends on values: the largest that it can be counts.
    const tensors = op === "nonzero" ? [{ shape: [1, ...operands[0].shape] }] : results;
    const most = Math.max(
      ...tensors.map(({ shape }) => shape.reduce((n, d) => n * Math.max(d, 1), 1)),
    );
    const at = (name, limit, more) =>
      single(file, op, `${op}/elements/${name}`, imm, operands, {
        constants,
        clauses: [`instructions/${op}.md#traps`, "execution.md#limits-of-a-run"],
        limits: { elements: BigInt(limit) },
        ...more,
      });
    at("exact", most);
    at("short", most - 1, { trap: "ElementLimit" });
  }
}
