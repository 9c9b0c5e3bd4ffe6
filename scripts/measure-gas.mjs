// How truly gas tells time: nanoseconds per gas of every instruction on the simd engine, one
// thread, over sizes, dtypes and adversarial shapes.
//   node scripts/measure-gas.mjs [--only OP] [--rounds 5] [--json FILE] [--worst 40]
// Prints, for each instruction, the dearest and the cheapest gas relative to the median.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createSimdBackendSync } from "../dist/tensor/simd/index.js";
import { gasCases } from "./gas/cases.mjs";
import { prepare } from "./gas/measure.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
    worst: { type: "string", default: "40" },
  },
});
/** Shorter ones are mostly interpreting, which the base pays. */
const LEAST_NANOSECONDS = 10_000;

const backend = createSimdBackendSync();
const rows = [];
const cases = gasCases().filter(({ op }) => values.only === undefined || op === values.only);
for (const [i, gasCase] of cases.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${cases.length} `);
  const label = labelOf(gasCase);
  try {
    const prepared = prepare(gasCase, backend);
    prepared.warmUp();
    const times = Array.from({ length: Number(values.rounds) }, prepared.time).sort(
      (a, b) => a - b,
    );
    prepared.dispose();
    const ns = times[times.length >> 1] ?? NaN;
    rows.push({ op: gasCase.op, label, ns, gas: prepared.gas, units: prepared.units });
  } catch (error) {
    console.error(`\n${label}: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
if (process.stderr.isTTY) process.stderr.write("\n");

const long = rows.filter(({ ns }) => ns >= LEAST_NANOSECONDS);
const perGas = (/** @type {typeof rows[number]} */ { ns, gas }) => (1000 * ns) / gas;
const sorted = long.map(perGas).sort((a, b) => a - b);
const median = sorted[sorted.length >> 1] ?? NaN;
console.log(
  `${long.length} of ${rows.length} cases take 10 µs or more; median ${median.toFixed(3)} ns per 1,000 gas`,
);
const dear = [...long].sort((a, b) => perGas(b) - perGas(a));
console.log(
  `dearer than twice the median: ${dear.filter((row) => perGas(row) > 2 * median).length}`,
);
for (const row of dear.slice(0, Number(values.worst))) {
  const relative = perGas(row) / median;
  console.log(
    `${relative.toFixed(2).padStart(8)}  ${(row.ns / 1000).toFixed(1).padStart(9)} µs  ${row.label}`,
  );
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rows, undefined, 1));

/** @returns {string} */
function labelOf(/** @type {import("./gas/cases.mjs").GasCase} */ { op, imm, operands }) {
  const shapes = operands.length > 4 ? operands.slice(0, 1) : operands;
  const specs = shapes.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join(" ");
  const list = Object.entries(imm)
    .filter(([name]) => !["lo", "hi", "zeroPoint", "value", "padValue"].includes(name))
    .map(
      ([name, value]) => `${name}=${Array.isArray(value) ? `[${value.join()}]` : String(value)}`,
    );
  return `${op} ${specs} ${list.join(" ")}`;
}
