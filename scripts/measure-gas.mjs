// Nanoseconds of every instruction on the simd engine, one thread, over sizes, dtypes and
// adversarial shapes, held against the gas schedule.
//   node scripts/measure-gas.mjs [--only OP] [--rounds 5] [--json FILE [--again]] [--worst 40]
// `--again` keeps the least of the file's times and these. The JSON is what `npm run fit:gas` reads: the measurement that the schedule was fitted to is
// scripts/gas/measured.json.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createSimdBackendSync } from "../dist/tensor/simd/index.js";
import { gasCases } from "./gas/cases.mjs";
import { labelOf, prepare } from "./gas/measure.mjs";
import { gasPrograms } from "./gas/programs.mjs";
import { dearest } from "./gas/residuals.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
    again: { type: "boolean", default: false },
    worst: { type: "string", default: "40" },
  },
});

const backend = createSimdBackendSync();
/** @type {Record<string, number>} */
const nanoseconds = {};
const cases = gasCases().filter(({ op }) => values.only === undefined || op === values.only);
for (const [i, gasCase] of cases.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${cases.length} `);
  const label = labelOf(gasCase);
  try {
    const prepared = prepare(gasCase, backend);
    prepared.warmUp();
    // The least: what else the machine does only adds to it.
    const least = Math.min(...Array.from({ length: Number(values.rounds) }, prepared.time));
    prepared.dispose();
    nanoseconds[label] = Number(least.toPrecision(3));
  } catch (error) {
    console.error(`\n${label}: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
if (process.stderr.isTTY) process.stderr.write("\n");

/** @type {Record<string, { first: number, later: number }>} */
const programs = {};
if (values.only === undefined) {
  for (const { name, time } of gasPrograms(backend)) programs[name] = time(Number(values.rounds));
}
if (values.again && values.json !== undefined) {
  /** @type {import("./gas/residuals.mjs").Measured} */
  const before = JSON.parse(readFileSync(values.json, "utf8"));
  for (const [label, ns] of Object.entries(before.nanoseconds)) {
    if (label in nanoseconds) nanoseconds[label] = Math.min(ns, nanoseconds[label] ?? ns);
  }
}
const measured = { node: process.version, cpu: cpus()[0]?.model ?? "", nanoseconds, programs };
console.log(dearest(measured, Number(values.worst)));
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify(measured, undefined, 1)}\n`);
