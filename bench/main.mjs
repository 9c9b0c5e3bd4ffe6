// Speed beside the peers, measured in one run: by turns, one thread each, medians.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = `usage: npm run bench -- [--only FILTER] [--data FOLDER] [--quick] [--json]

  --only FILTER  only what has FILTER in its name: matmul, yolox_nano, light_resnet50, …
  --data FOLDER  where models/ and inputs/ are; else AIVM_DATA, else ../shared/data. Without them
                 the demo's model stands in.
  --quick        short rounds, for a first look
  --json         one JSON document instead of tables

AIVM_MODEL_CACHE names a folder where calibrations stay from run to run.`;

let values;
try {
  ({ values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      data: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  }));
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exit(2);
}
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const { only, quick, json } = values;
const data =
  values.data ??
  process.env["AIVM_DATA"] ??
  fileURLToPath(new URL("../../shared/data", import.meta.url));
// What test/support reads.
process.env["AIVM_DATA"] = data;

// Peers read the above, or take long to load.
const { benchGemm } = await import("./gemm.mjs");
const { benchModel, demoSubjects, realSubjects } = await import("./models.mjs");

/** For people, who are not waiting for a JSON document. */
const say = (/** @type {string} */ line) => void (json || console.log(line));
const ms = (/** @type {{ medianMs: number, lowMs: number, highMs: number }} */ t) =>
  `${t.medianMs.toFixed(2)} ms (${t.lowMs.toFixed(2)} … ${t.highMs.toFixed(2)})`;
const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const times = (/** @type {number} */ ratio, /** @type {number | undefined} */ bar) =>
  `${ratio.toFixed(2)}×${bar === undefined ? "" : ` (bar ${bar})`}`;

say(`Node ${process.version}; medians, and 10th to 90th percentile, of rounds taken by turns.`);

let gemm;
if ("matmul 512³".includes(only)) {
  gemm = await benchGemm({ quick });
  say(`\n${gemm.name}`);
  for (const row of gemm.rows) {
    const ratio = row === gemm.rows[0] ? "" : `  ${times(row.ratio, gemm.bar)}`;
    say(
      `  ${row.name.padEnd(34)} ${ms(row).padEnd(30)} ${row.gmacPerSecond.toFixed(1)} GMAC/s${ratio}`,
    );
  }
}

const present = existsSync(`${data}/models`) && existsSync(`${data}/inputs`);
if (!present) {
  say(`\nThere are no models at ${data}: the demo's stands in. --data or AIVM_DATA names others.`);
}
const cache = process.env["AIVM_MODEL_CACHE"];
const options = { quick, cache };
const subjects = present ? await realSubjects(options) : await demoSubjects();
const models = [];
for (const subject of subjects) {
  if (!`${subject.name} ${subject.precision}`.includes(only)) continue;
  say(`\n${subject.name} ${subject.precision}`);
  const row = await benchModel(subject, options);
  if (row === undefined) continue;
  models.push(row);
  say(`  module           ${row.moduleId.slice(0, 16)}…, ${megabytes(row.moduleBytes)}`);
  say(
    `  accuracy         ${row.sqnrDb === undefined ? "integers" : `${row.sqnrDb.toFixed(1)} dB on one sample`}`,
  );
  say(`  run on simd      ${ms(row.run)}, receipt and its hashes included`);
  say(`  of it hashing    ${ms(row.hashing)}`);
  say(`  onnxruntime-web  ${ms(row.float)}`);
  say(
    `  ratio            ${times(row.ratio, undefined)}; ${times(row.ratioWithoutHashing, row.bar)} without hashing`,
  );
  say(
    `  compile          ${row.compileMs.toFixed(0)} ms; load ${row.loadMs.toFixed(1)} ms; first run ${row.firstRunMs.toFixed(1)} ms`,
  );
  say(
    `  memory           ${megabytes(row.liveTensorBytes)} of live tensors at most; the backend holds ${megabytes(row.backendBytes)}`,
  );
}

if (json) {
  const document = { node: process.version, models, ...(gemm === undefined ? {} : { gemm }) };
  console.log(JSON.stringify(document, undefined, 2));
}
