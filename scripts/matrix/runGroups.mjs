// What every engine of the matrix does, be it a process or a page: nothing in here is Node's.
import { vmEngine } from "../../dist/conformance/engine.js";
import { runVectors } from "../../dist/conformance/runVectors.js";
import { createReferenceBackend } from "../../dist/tensor/reference/index.js";
import { createSimdBackend } from "../../dist/tensor/simd/index.js";

/**
 * @typedef {object} Job
 * @property {"simd" | "reference"} backend
 * @property {number} threads
 *
 * @typedef {import("../../dist/conformance/runVectors.js").NamedVectors} NamedVectors
 *
 * @typedef {object} GroupResult
 * @property {number} total
 * @property {number} passed
 * @property {string} digest over how all ended, passed or not
 * @property {number} timeMs
 * @property {string[]} problems the first few that did not pass
 */

const SHOWN_PROBLEMS = 5;

/**
 * Runs each group of vectors on a backend.
 * @param {Record<string, NamedVectors[]>} groups
 * @param {Job} job
 * @returns {Promise<{ groups: Record<string, GroupResult> } | { notRun: string }>}
 */
export async function runGroups(groups, { backend: name, threads }) {
  // Vectors are small: unless everything is cut that can be, threads would not share any of them.
  const backend =
    name === "reference"
      ? createReferenceBackend()
      : await createSimdBackend({ threads, partNs: 0 });
  if (threads > 1 && backend.threads !== threads) {
    backend.dispose();
    return { notRun: `the host gave ${backend.threads} of ${threads} threads` };
  }
  const engine = vmEngine(backend);
  /** @type {Record<string, GroupResult>} */
  const done = {};
  for (const [group, files] of Object.entries(groups)) {
    const begin = performance.now();
    const { results, counts, digest } = await runVectors(files, engine);
    const timeMs = performance.now() - begin;
    const problems = results
      .filter(({ outcome }) => outcome !== "passed")
      .slice(0, SHOWN_PROBLEMS)
      .map(({ vector, outcome, problem }) => `${vector.name} ${outcome}: ${problem ?? ""}`);
    done[group] = { total: results.length, passed: counts.passed, digest, timeMs, problems };
  }
  engine.close();
  return { groups: done };
}
