// How well the schedule holds for what was measured.
import { gasCases } from "./cases.mjs";
import { chargeOf, gasBeside, labelOf } from "./measure.mjs";
import { gasPrograms } from "./programs.mjs";

/** @typedef {{ node: string, cpu: string, nanoseconds: Record<string, number>, programs: Record<string, { first: number, later: number }> }} Measured */

/** Shorter ones are mostly interpreting, which the base pays. */
export const LEAST_NANOSECONDS = 10_000;

/** Every measured case with its time and its gas. @param {Measured} measured */
export function measuredCases({ nanoseconds }) {
  return gasCases().flatMap((gasCase) => {
    const label = labelOf(gasCase);
    const ns = nanoseconds[label];
    if (ns === undefined) return [];
    const beside = gasBeside(gasCase);
    return [{ gasCase, label, ns, beside, gas: chargeOf(gasCase).gas + beside }];
  });
}

/** Programs that were measured, with their gas. @param {Measured} measured */
export function measuredPrograms({ programs }) {
  return gasPrograms(undefined).flatMap(({ name, gas }) => {
    const times = programs[name];
    return times === undefined ? [] : [{ name, gas, ...times }];
  });
}

/** Picoseconds for a unit of gas. */
export const perGas = (/** @type {{ ns: number, gas: number }} */ { ns, gas }) => (1000 * ns) / gas;

export function medianOf(/** @type {readonly number[]} */ values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** A summary, and the dearest cases. @param {Measured} measured */
export function dearest(measured, count = 40) {
  const all = measuredCases(measured);
  const long = all.filter(({ ns }) => ns >= LEAST_NANOSECONDS);
  const median = medianOf(long.map(perGas));
  const relative = (/** @type {(typeof all)[number]} */ row) => perGas(row) / median;
  const line = (/** @type {(typeof all)[number]} */ row) =>
    `${relative(row).toFixed(2).padStart(8)}  ${(row.ns / 1000).toFixed(1).padStart(9)} µs  ${row.label}`;
  const by = (/** @type {typeof all} */ rows) =>
    [...rows]
      .sort((a, b) => relative(b) - relative(a))
      .slice(0, count)
      .map(line);
  const programs = measuredPrograms(measured).map(
    ({ name, gas, first, later }) =>
      `${((1000 * later) / gas / median).toFixed(2).padStart(8)}  ${((1000 * first) / gas / median).toFixed(2).padStart(8)} the first time  ${name}`,
  );
  return [
    `${long.length} of ${all.length} cases take 10 µs or more; median ${median.toFixed(3)} ps a unit of gas`,
    `dearer than twice the median: ${long.filter((row) => relative(row) > 2).length}`,
    ...by(long),
    "shorter ones:",
    ...by(all.filter(({ ns }) => ns < LEAST_NANOSECONDS)).slice(0, 30),
    ...(programs.length > 0 ? ["programs:", ...programs] : []),
  ].join("\n");
}
