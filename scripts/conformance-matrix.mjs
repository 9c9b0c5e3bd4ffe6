// The conformance vectors, and whole models, on every JavaScript engine at hand: one table, and one
// digest or exit code 1.
//   node scripts/conformance-matrix.mjs [--only node,bun,...] [--shipped] [--json]
// Engines that are not there are named, and are a failure only where --only asks for them.
// --shipped leaves out the models of ../shared/data (AIVM_DATA names another place).
// Wants a built tree: `npm run conformance:matrix` builds it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadVectors, OWN_VECTORS } from "../dist/cli/conformance/loadVectors.js";
import { PLATFORMS, platforms } from "./matrix/configurations.mjs";
import { wholeModels } from "./matrix/wholeModels.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    shipped: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const unknown = flags.only?.split(",").filter((name) => !PLATFORMS.includes(name)) ?? [];
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(", ")}; --only takes ${PLATFORMS.join(", ")}.`);
  process.exit(2);
}
const begin = performance.now();
/** @type {string[]} */
const notes = [
  "Not run: relaxed SIMD on and off: relaxed SIMD is not used by any kernel (scripts/build-wasm.mjs does not enable it), so no configuration has it.",
];
const tell = (/** @type {string} */ line) => void notes.push(line);
const progress = (/** @type {string} */ line) => {
  if (!flags.json) console.log(line);
};

const folder = mkdtempSync(join(tmpdir(), "aivm-matrix-"));
const path = join(folder, "groups.json");
const only = flags.only?.split(",") ?? PLATFORMS;
const rows = [];
/** @type {{ name: string, why: string }[]} */
const notRun = [];
try {
  const data = process.env["AIVM_DATA"] ?? join(root, "../shared/data");
  const groups = {
    vectors: await loadVectors(OWN_VECTORS),
    models: await wholeModels(flags.shipped ? undefined : data, tell),
  };
  writeFileSync(path, JSON.stringify(groups));
  progress(
    `${seconds(performance.now() - begin)} to compile ${groups.models.length} models and run them on reference`,
  );
  for (const platform of platforms(path)) {
    if (only.includes(platform.name)) await runPlatform(platform);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function runPlatform({ name, jobs, open }) {
  const title = (job) =>
    `${name}, ${job.backend}${job.threads > 1 ? `, ${job.threads} threads` : ""}`;
  let host;
  try {
    host = await open();
  } catch (error) {
    host = { version: "?", run: () => Promise.reject(error) };
  }
  if (typeof host === "string") {
    notRun.push({ name, why: host });
    return;
  }
  for (const job of jobs) {
    const start = performance.now();
    const row = { name: title(job), version: host.version };
    try {
      const result = await host.run(job);
      if (result.notRun !== undefined) {
        notRun.push({ name: row.name, why: result.notRun });
        continue;
      }
      rows.push({ ...row, ...result, timeMs: performance.now() - start });
    } catch (error) {
      rows.push({ ...row, error: error.message, timeMs: performance.now() - start });
    }
    const last = rows.at(-1);
    progress(
      `${last.error === undefined ? "done" : "FAILED"}: ${row.name} (${row.version}), ${seconds(last.timeMs)}`,
    );
  }
  await host.close?.();
}

const digestsOf = (group) => [
  ...new Set(rows.flatMap(({ groups }) => (groups === undefined ? [] : [groups[group].digest]))),
];
const vectors = digestsOf("vectors");
const models = digestsOf("models");
const passed = ({ groups }) =>
  groups !== undefined &&
  Object.values(groups).every(({ passed, total }) => passed === total && total > 0);
// What is not installed is only named, unless it was asked for.
const missing = flags.only === undefined ? [] : notRun.filter(({ name }) => only.includes(name));
const ok =
  rows.length > 0 &&
  missing.length === 0 &&
  rows.every(passed) &&
  vectors.length === 1 &&
  models.length === 1;

if (flags.json) {
  console.log(JSON.stringify({ ok, digests: { vectors, models }, rows, notRun, notes }, null, 2));
} else {
  console.log(table());
  for (const { name, error, groups } of rows) {
    if (error !== undefined) console.log(`${name}: ${error}`);
    for (const { problems } of Object.values(groups ?? {})) {
      for (const problem of problems) console.log(`${name}: ${problem}`);
    }
  }
  for (const { name, why } of notRun) console.log(`Not run: ${name}: ${why}.`);
  for (const note of notes) console.log(note);
  console.log(
    `Digest of the vectors: ${vectors.join(", ")}\nDigest of the models:  ${models.join(", ")}`,
  );
  const verdict = ok
    ? `one answer on ${rows.length} configurations`
    : "THE ANSWERS DIFFER, or something did not run to its end";
  console.log(`${verdict}, in ${seconds(performance.now() - begin)}`);
}
process.exitCode = ok ? 0 : 1;

function table() {
  const cells = rows.map(({ name, version, groups, timeMs }) => [
    name,
    version,
    ...["vectors", "models"].flatMap((group) => {
      const { passed = 0, total = 0, digest = "-" } = groups?.[group] ?? {};
      return [
        `${passed.toLocaleString("en")} of ${total.toLocaleString("en")}`,
        digest.slice(0, 12),
      ];
    }),
    seconds(timeMs),
  ]);
  const lines = [
    ["configuration", "engine", "vectors passed", "digest", "models' runs", "digest", "time"],
    ...cells,
  ];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const text = lines.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
  return ["", ...text, ""].join("\n");
}

function seconds(/** @type {number} */ ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
