import { DTYPES } from "../../dist/core/dtype.js";
import { OPS } from "../../dist/opcodes/index.js";

/** What a run of a fuzzer saw, for people: stages, ends, and which instructions ran on which dtypes. */
export function summary({ kind, first, done, finds, seconds, tally }) {
  const lines = [
    `${done} ${kind} from case ${first} in ${Math.round(seconds)} s, ${finds} finds`,
    ...section("stage", tally, done),
    ...section("end", tally, done),
  ];
  const ran = [...tally.keys()].some((what) => what.startsWith("ran "));
  return [...lines, ...(ran ? coverage(tally) : [])].join("\n");
}

function section(prefix, tally, done) {
  return [...tally]
    .filter(([what]) => what.startsWith(`${prefix} `))
    .sort(([, a], [, b]) => b - a)
    .map(([what, n]) => `  ${String(n).padStart(9)}  ${((100 * n) / done).toFixed(2)} %  ${what}`);
}

/** How often each instruction ran under a hook, by the dtype of its first operand or result. */
function coverage(tally) {
  const columns = [...DTYPES, "-"];
  const row = (name, cells) =>
    `${name.padEnd(16)}${cells.map((cell) => String(cell).padStart(9)).join("")}`;
  return [
    "instructions run under a hook, by the dtype of the first operand (- where there is none):",
    row("", columns),
    ...Object.keys(OPS).map((op) =>
      row(
        op,
        columns.map((dtype) => tally.get(`ran ${op} ${dtype}`) ?? "."),
      ),
    ),
  ];
}
