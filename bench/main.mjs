// Speed beside the peers, measured in one run: by turns, one thread each, medians.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = `usage: npm run bench -- [options]

  --only FILTER       only what has FILTER in its name: matmul, yolox_nano, fx8, …
  --data FOLDER       where models/ and inputs/ are; else AIVM_DATA, else ../shared/data. Without
                      them the demo's model stands in.
  --model FILE        this ONNX model instead, on made-up inputs
  --dim NAME=N        with --model: size of an open dimension; repeatable
  --range NAME=LO..HI with --model: values of an integer input; repeatable
  --calibration FILE  with --model: a calibration of it
  --growth            time against size instead: batch, sequence, image side, layers
  --decode            decoding and validating hostile modules instead: time, memory
  --quick             short rounds, for a first look
  --json              one JSON document instead of tables

AIVM_MODEL_CACHE names a folder where calibrations stay from run to run. onnxruntime-node joins in
where it is installed.`;

/** @type {Record<string, any>} */
let values;
try {
  ({ values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      data: { type: "string" },
      model: { type: "string" },
      dim: { type: "string", multiple: true, default: [] },
      range: { type: "string", multiple: true, default: [] },
      calibration: { type: "string" },
      growth: { type: "boolean", default: false },
      decode: { type: "boolean", default: false },
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
const { benchGrowth } = await import("./growth.mjs");
const { benchDecode, decodeTable } = await import("./decode.mjs");
const { benchModel, summaries } = await import("./models.mjs");
const { demoSubjects, fileSubjects, realSubjects } = await import("./subjects.mjs");

/** For people, who are not waiting for a JSON document. */
const say = (/** @type {string} */ line) => void (json || console.log(line));
const ms = (/** @type {{ medianMs: number, lowMs: number, highMs: number }} */ t) =>
  `${t.medianMs.toFixed(2)} ms (${t.lowMs.toFixed(2)} … ${t.highMs.toFixed(2)})`;
const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const times = (/** @type {number} */ ratio, /** @type {number | undefined} */ bar) =>
  `${ratio.toFixed(2)}×${bar === undefined ? "" : ` (bar ${bar})`}`;
const pairs = (/** @type {string[]} */ list) =>
  list.map((pair) => {
    const at = pair.lastIndexOf("=");
    return /** @type {const} */ ([pair.slice(0, at), pair.slice(at + 1)]);
  });

/** @type {Record<string, unknown>} */
const document = { node: process.version };
say(`Node ${process.version}; medians, and 10th to 90th percentile, of rounds taken by turns.`);
if (values.growth) await growth();
else if (values.decode) {
  const series = await benchDecode(only);
  document["decode"] = series;
  say(`\n${decodeTable(series)}`);
} else {
  if (values.model === undefined && "matmul 512³".includes(only)) await gemm();
  await models();
}
if (json) console.log(JSON.stringify(document, undefined, 2));

async function growth() {
  const series = await benchGrowth(quick ? 1 : 5);
  document["growth"] = series;
  for (const { name, sizes, ms: times, exponent, gasExponent } of series) {
    say(`\n${name}`);
    sizes.forEach((size, i) => say(`  ${String(size).padStart(6)}  ${times[i]?.toFixed(4)} ms`));
    say(`  time grows as size^${exponent.toFixed(2)}, gas as size^${gasExponent.toFixed(2)}`);
  }
}

async function gemm() {
  const result = await benchGemm({ quick });
  document["gemm"] = result;
  say(`\n${result.name}`);
  for (const row of result.rows) {
    const { tfjs, onnxruntime } = row.peer ? {} : result.bars;
    const ratio = `  ${times(row.overTfjs, tfjs)} tfjs, ${times(row.overOnnxruntime, onnxruntime)} onnxruntime-web`;
    say(
      `  ${row.name.padEnd(34)} ${ms(row).padEnd(30)} ${row.gmacPerSecond.toFixed(1)} GMAC/s${ratio}`,
    );
  }
}

async function subjects() {
  if (values.model !== undefined) {
    const ranges = pairs(values.range).map(([name, range]) => [
      name,
      range.split("..").map(Number),
    ]);
    return fileSubjects(values.model, {
      dims: Object.fromEntries(pairs(values.dim).map(([name, size]) => [name, Number(size)])),
      ranges: Object.fromEntries(ranges),
      calibration: values.calibration,
    });
  }
  if (existsSync(`${data}/models`) && existsSync(`${data}/inputs`)) {
    return realSubjects(process.env["AIVM_MODEL_CACHE"]);
  }
  say(`\nThere are no models at ${data}: the demo's stands in. --data or AIVM_DATA names others.`);
  return demoSubjects();
}

async function models() {
  const rows = [];
  for (const subject of await subjects()) {
    if (!`${subject.name} ${subject.precision}`.includes(only)) continue;
    say(`\n${subject.name} ${subject.precision}`);
    const row = await benchModel(subject, quick ? 2 : 10);
    rows.push(row);
    const accuracy = row.sqnrDb === undefined ? "integers" : `${row.sqnrDb.toFixed(1)} dB`;
    const lines = {
      module: `${row.moduleId.slice(0, 16)}…, ${megabytes(row.moduleBytes)}, ${row.instructions} instructions`,
      accuracy: `${accuracy} on one sample`,
      "run on simd": `${ms(row.run)}, receipt and its hashes included`,
      "of it hashing": ms(row.hashing),
      "onnxruntime-web": ms(row.float),
      ...(row.native === undefined ? {} : { "onnxruntime-node": ms(row.native) }),
      ratio: `${times(row.ratio, undefined)}; ${times(row.ratioWithoutHashing, row.bar)} without hashing`,
      load: `${ms(row.load)}; onnxruntime-web ${ms(row.session)}`,
      others: `compile ${row.compileMs.toFixed(0)} ms; first run ${row.firstRunMs.toFixed(1)} ms`,
      memory: `${megabytes(row.liveTensorBytes)} of live tensors at most; the backend holds ${megabytes(row.backendBytes)}`,
    };
    for (const [label, text] of Object.entries(lines)) say(`  ${label.padEnd(16)} ${text}`);
  }
  const means = summaries(rows);
  document["models"] = rows;
  document["summaries"] = means;
  if (rows.length > 0) say("");
  for (const row of rows) {
    const accuracy = row.sqnrDb === undefined ? "integers" : `${row.sqnrDb.toFixed(1)} dB`;
    say(
      `${row.name.padEnd(20)} ${row.precision.padEnd(6)} ${row.ratioWithoutHashing.toFixed(2).padStart(5)}× ${row.run.medianMs.toFixed(3).padStart(9)} ms  ort-web ${row.float.medianMs.toFixed(3).padStart(9)} ms  ${accuracy}`,
    );
  }
  for (const { group, models: count, geometricMean, least } of means) {
    say(
      `${group}: geometric mean of ${count} ${geometricMean.toFixed(2)}×, least ${least.ratio.toFixed(2)}× (${least.name})`,
    );
  }
}
