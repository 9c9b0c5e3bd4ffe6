// Fits the rates of the gas schedule to a measurement.
//   node scripts/fit-gas.mjs [--measured scripts/gas/measured.json] [--limit 1.5] [--worst 20]
// For every kind of src/opcodes/gasSchedule.ts it prints the rates that it has and those that are
// proposed: for the least squares of logarithms of gas over time such that no case takes more than
// `limit` times as long as its gas says. Bases are not fitted; dtypes that share a rate keep
// sharing one. A person rounds, and writes the numbers into the schedule.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { DTYPES } from "../dist/core/dtype.js";
import { gasOf } from "../dist/opcodes/gas.js";
import { GAS_SCHEDULE } from "../dist/opcodes/gasSchedule.js";
import { OPS } from "../dist/opcodes/index.js";
import { chargeOf } from "./gas/measure.mjs";
import { dearest, measuredCases } from "./gas/residuals.mjs";

const { values } = parseArgs({
  options: {
    measured: { type: "string", default: "scripts/gas/measured.json" },
    limit: { type: "string", default: "1.4" },
    worst: { type: "string", default: "20" },
  },
});
const measured = JSON.parse(readFileSync(values.measured, "utf8"));
/** Long cases, for short ones are the base's. */
const rows = measuredCases(measured).filter(({ ns }) => ns >= 4000);

for (const [kind, formula] of Object.entries(GAS_SCHEDULE)) {
  const own = rows.filter(({ gasCase: { op } }) => OPS[op].gas === formula);
  if (own.length === 0 || formula.terms.length === 0) continue;
  const parts = formula.terms.flatMap(partsOf);
  const matrix = own.map(({ gasCase, ns }) =>
    parts.map(({ formula: one }) => chargedBy(one, gasCase) / (1000 * ns)),
  );
  const offsets = own.map(({ beside, ns }) => (Number(formula.base) + beside) / (1000 * ns));
  const rates = fit(matrix, offsets, Number(values.limit));
  console.log(`${kind} (${own.length} cases)`);
  for (const [i, { name, rate }] of parts.entries()) {
    console.log(
      `  ${name.padEnd(40)} ${String(rate).padStart(8)}  →  ${(rates[i] ?? 0).toPrecision(3)}`,
    );
  }
  const ratio = (/** @type {number[]} */ by) =>
    matrix.map((row, i) => 1 / row.reduce((sum, x, j) => sum + x * (by[j] ?? 0), offsets[i] ?? 0));
  for (const [name, by] of /** @type {const} */ ([
    ["has", parts.map(({ rate }) => Number(rate))],
    ["proposed", rates],
  ])) {
    const ratios = ratio(by).map((value, i) => ({ value, label: own[i]?.label }));
    ratios.sort((a, b) => a.value - b.value);
    const [first, middle, last] = [ratios[0], ratios[ratios.length >> 1], ratios.at(-1)];
    console.log(
      `  ${name}: time over gas from ${first?.value.toFixed(2)} by ${middle?.value.toFixed(2)} to ${last?.value.toFixed(2)} (${last?.label})`,
    );
  }
}
console.log(dearest(measured, Number(values.worst)));

/**
 * The rates of a term, each as a formula of its own.
 * @param {import("../dist/opcodes/record.js").GasFormula["terms"][number]} term
 */
function partsOf({ rate, per }) {
  if (typeof rate === "bigint") {
    return [{ name: per, rate, formula: { base: 0n, terms: [{ rate: 1n, per }] } }];
  }
  const rateOf = (/** @type {import("../dist/core/dtype.js").Dtype} */ dtype) =>
    rate.rates[dtype] ?? rate.otherwise;
  const values = [...new Set(DTYPES.map(rateOf))].filter((value) => value > 0n);
  return values.map((value) => {
    const dtypes = DTYPES.filter((dtype) => rateOf(dtype) === value);
    const rates = Object.fromEntries(dtypes.map((dtype) => [dtype, 1n]));
    return {
      name: `${per} by ${rate.by}: ${dtypes.join(" ")}`,
      rate: value,
      formula: { base: 0n, terms: [{ rate: { by: rate.by, rates, otherwise: 0n }, per }] },
    };
  });
}

/** Gas of a case by another formula than its own. */
function chargedBy(formula, gasCase) {
  const { rules, charged } = chargeOf(gasCase);
  return Number(gasOf(formula, rules, charged));
}

/**
 * Rates ≥ 0 for which every `matrix · rates + offsets`, gas over time, is near 1 and at least
 * 1 / limit: weighted least squares, solved coordinate by coordinate. Weights grow where gas is too
 * low for the limit and shrink where it is too high, for twice too high is no worse than twice too low.
 */
function fit(matrix, offsets, limit) {
  const rates = matrix[0].map(() => 0);
  const forced = offsets.map(() => 1);
  for (let round = 0; round < 400; round++) {
    const gas = matrix.map((row, i) => row.reduce((sum, x, j) => sum + x * rates[j], offsets[i]));
    const weights = gas.map((value, i) => forced[i] / Math.max(1, value) ** 2);
    for (let sweep = 0; sweep < 30; sweep++) {
      for (let j = 0; j < rates.length; j++) {
        let [above, below] = [0, 0];
        for (const [i, row] of matrix.entries()) {
          const x = row[j];
          if (x === 0) continue;
          above += weights[i] * x * (1 - gas[i] + x * rates[j]);
          below += weights[i] * x * x;
        }
        const next = below === 0 ? 0 : Math.max(0, above / below);
        for (const [i, row] of matrix.entries()) gas[i] += row[j] * (next - rates[j]);
        rates[j] = next;
      }
    }
    for (const [i, value] of gas.entries()) if (value < 1 / limit) forced[i] *= 1.2;
  }
  return rates;
}
