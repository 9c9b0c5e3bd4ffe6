/**
 * @typedef {object} Timing
 * @property {number} medianMs
 * @property {number} lowMs the 10th percentile
 * @property {number} highMs the 90th percentile
 * @property {number} rounds
 */

/**
 * Times candidates by turns, so that the machine's drift hits them alike; the first round warms
 * them up and does not count.
 * @param {readonly (() => unknown)[]} candidates what they return is awaited
 * @param {number} seconds how long to go on, but at least five rounds
 * @returns {Promise<Timing[]>}
 */
export async function race(candidates, seconds) {
  const times = candidates.map(() => /** @type {number[]} */ ([]));
  for (const run of candidates) await run();
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; round < 5 || performance.now() < end; round++) {
    for (let turn = 0; turn < candidates.length; turn++) {
      // Nobody is always behind the same one.
      const i = (turn + round) % candidates.length;
      const start = performance.now();
      await candidates[i]?.();
      times[i]?.push(performance.now() - start);
    }
  }
  return times.map(timing);
}

/**
 * Times one thing.
 * @param {() => unknown} run
 * @param {number} rounds
 * @returns {Promise<Timing>}
 */
export async function time(run, rounds) {
  const times = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return timing(times);
}

/**
 * @param {readonly number[]} times
 * @returns {Timing}
 */
function timing(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  return { medianMs: at(0.5), lowMs: at(0.1), highMs: at(0.9), rounds: sorted.length };
}
