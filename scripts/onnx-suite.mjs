// Runs the ONNX project's backend tests on compiled modules:
//   npm run test:onnx -- --suite DIR [--precision fx32] [--filter REGEX] [--json] [--table FILE]
// Each case is compiled with a calibration on its own inputs, run on the default engine, and its
// outputs compared with the expected ones: integers and booleans exactly, reals within the
// tolerance of the precision, relative to the output's greatest magnitude.
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSimdBackendSync } from "../dist/tensor/simd/index.js";
import { calibrate } from "../dist/analysis/calibrate.js";
import { hostValue } from "../dist/analysis/compare.js";
import { openFloatModel } from "../dist/analysis/floatModel.js";
import { compile, importSupported } from "../dist/compiler/compile.js";
import { describeModel } from "../dist/compiler/describe.js";
import { hostTypeOf } from "../dist/compiler/graph.js";
import { decodeTensor } from "../dist/compiler/onnx/tensor.js";
import { CompileError, InputError } from "../dist/core/errors.js";
import { instantiate } from "../dist/vm/instance.js";

/** Greatest error of reals, relative to the greatest magnitude of the output. */
const TOLERANCES = { fx32: 1e-3, fx16: 2e-2, fx16w8: 5e-2, fx8: 5e-2 };

const { values: flags } = parseArgs({
  options: {
    suite: { type: "string" },
    precision: { type: "string", multiple: true, default: ["fx32"] },
    filter: { type: "string", default: "" },
    table: { type: "string" },
    check: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const precisions = flags.precision;
if (flags.help || flags.suite === undefined || !precisions.every((p) => p in TOLERANCES)) {
  console.log(
    "usage: npm run test:onnx -- --suite DIR [--precision fx32|fx16|fx16w8|fx8 ...] [--filter REGEX]\n" +
      "                            [--table FILE.md] [--check FILE.md] [--json]\n" +
      "DIR holds one folder a test: model.onnx and test_data_set_0, as `pip install onnx` has them.\n" +
      "--table writes what passes and what is refused, --check compares that with a file.\n" +
      "The exit code is 1 when a result is wrong, something crashes or the file is stale.",
  );
  process.exit(flags.help ? 0 : 2);
}

/** The case's tensors as host arrays, in the order of the model's ports. */
function tensors(folder, kind, ports) {
  const found = [];
  for (let i = 0; ; i++) {
    const file = join(folder, "test_data_set_0", `${kind}_${String(i)}.pb`);
    if (!existsSync(file)) return found;
    const { elementType, dims, data } = decodeTensor(readFileSync(file)).tensor;
    if (elementType === "string") throw new InputError("Strings", "the case's data are strings");
    // The suite keeps the bits of a bfloat16 as a uint16.
    if (elementType === "uint16" && ports[i]?.elementType === "bfloat16") {
      const bits = Uint32Array.from(data, (half) => half << 16);
      found.push({ elementType: "float32", dims, data: new Float32Array(bits.buffer) });
      continue;
    }
    const type = hostTypeOf(elementType);
    const real = type === "float32" || type === "float16";
    found.push({ elementType: type, dims, data: real ? Float32Array.from(data) : data });
  }
}

const INTEGER = /^(u?int|bool)/;

/** Which inputs to pin, tried in order until the model compiles. */
function pinnings(ports, arrays) {
  const none = {};
  const pick = (test) =>
    Object.fromEntries(
      ports
        .map(({ name }, i) => [name, arrays[i]])
        .filter(([, a], i) => i > 0 && a !== undefined && test(a)),
    );
  const small = (a) => a.dims.length <= 1 && a.data.length <= 64;
  return [
    none,
    pick((a) => INTEGER.test(a.elementType) && small(a)),
    pick((a) => small(a)),
    pick((a) => INTEGER.test(a.elementType) || small(a)),
  ].filter((pins, i) => i === 0 || Object.keys(pins).length > 0);
}

/** What is wrong with an output, in words; undefined when nothing is. */
function differenceOf(name, expected, output, tolerance) {
  const { elementType, dims, data } = expected;
  if (output.shape.join() !== dims.join())
    return `output ${name} has shape [${output.shape.join()}], not [${dims.join()}]`;
  if (INTEGER.test(elementType)) {
    const got = output.integers;
    for (let i = 0; i < data.length; i++) {
      if (BigInt(data[i]) !== BigInt(got[i]))
        return `output ${name}[${String(i)}] is ${String(got[i])}, not ${String(data[i])}`;
    }
    return undefined;
  }
  const got = output.reals("float64");
  let greatest = 0;
  for (const x of data) if (Number.isFinite(x)) greatest = Math.max(greatest, Math.abs(x));
  let worst = 0;
  let at = 0;
  for (let i = 0; i < data.length; i++) {
    // What is not finite in floats is no number here: `hasNonFinite` tells such cases apart.
    const error = Number.isFinite(data[i]) ? Math.abs(data[i] - got[i]) : 0;
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  const relative = worst === 0 ? 0 : worst / greatest;
  if (relative <= tolerance) return undefined;
  return `output ${name}[${String(at)}] is ${String(got[at])}, not ${String(data[at])} (relative error ${relative.toExponential(1)})`;
}

/** How a case goes in each precision, with the first pinning that compiles. */
async function runCase(folder) {
  const model = readFileSync(join(folder, "model.onnx"));
  const ports = describeModel(model);
  const inputs = tensors(folder, "input", ports.inputs);
  const sample = new Map(ports.inputs.map(({ name }, i) => [name, inputs[i]]));
  const given = tensors(folder, "output", ports.outputs);
  const expected = new Map(ports.outputs.map(({ name }, i) => [name, given[i]]));
  let refusal;
  for (const pins of pinnings(ports.inputs, inputs)) {
    try {
      importSupported(model, { pins });
      const calibration = await calibrate(model, [sample], { pins });
      const outcomes = [];
      for (const precision of precisions) {
        const { bytes } = compile(model, { calibration, pins, precision });
        const tolerance = TOLERANCES[precision];
        const outputs = await run(bytes, sample, pins);
        let reason = outputs instanceof Error ? outputs.message : undefined;
        reason ??= firstDifference(expected, outputs, tolerance);
        if (reason === undefined && hasNonFinite(given))
          outcomes.push({
            precision,
            status: "notFinite",
            reason: "the model gives NaN or infinities",
          });
        else if (reason === undefined) outcomes.push({ precision, status: "pass" });
        else if (await agreesWithRuntime(model, sample, outputs, tolerance))
          outcomes.push({ precision, status: "disputed", reason: `as onnxruntime, but ${reason}` });
        else outcomes.push({ precision, status: "wrong", reason });
      }
      return { pins: Object.keys(pins), outcomes };
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

/** Whether floats are expected that no integer stands for; the others were compared. */
function hasNonFinite(tensors) {
  return tensors.some(
    ({ elementType, data }) => !INTEGER.test(elementType) && data.some((x) => !Number.isFinite(x)),
  );
}

/** The outputs by name; the trap where there is one. */
async function run(bytes, sample, pins) {
  const instance = instantiate(bytes, { backend: createSimdBackendSync(), ownsBackend: true });
  try {
    const free = [...sample].filter(([name]) => !Object.hasOwn(pins, name));
    const feeds = Object.fromEntries(free.map(([name, array]) => [name, hostValue(array)]));
    const { outputs, trap } = await instance.run({ inputs: feeds });
    return trap ?? outputs;
  } finally {
    instance.dispose();
  }
}

function firstDifference(expected, outputs, tolerance) {
  for (const [name, tensor] of expected) {
    if (tensor === undefined) continue;
    const difference = differenceOf(name, tensor, outputs[name], tolerance);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** Whether onnxruntime gives what we give: then it is the suite's expectation that stands alone. */
async function agreesWithRuntime(model, sample, outputs, tolerance) {
  try {
    const float = await openFloatModel(model);
    const results = await float.run(sample);
    await float.dispose();
    return firstDifference(results, outputs, tolerance) === undefined;
  } catch {
    return false;
  }
}

const results = [];
for (const name of readdirSync(flags.suite).sort()) {
  if (!new RegExp(flags.filter).test(name)) continue;
  const folder = join(flags.suite, name);
  if (!existsSync(join(folder, "model.onnx"))) continue;
  let result;
  try {
    result = await runCase(folder);
  } catch (error) {
    const refused = error instanceof CompileError || error instanceof InputError;
    const status = refused ? "refused" : "crash";
    const reason = refused ? error.message : String(error?.stack ?? error);
    result = { pins: [], outcomes: precisions.map((precision) => ({ precision, status, reason })) };
  }
  results.push({ name, ...result });
  if (flags.json) continue;
  for (const { precision, status, reason } of result.outcomes) {
    if (status !== "pass")
      console.log(`${precision} ${status.padEnd(8)} ${name}: ${reason.replaceAll("\n", " ")}`);
  }
}

const outcomes = results.flatMap(({ name, pins, outcomes: all }) =>
  all.map((outcome) => ({ name, pins, ...outcome })),
);
const summaries = precisions.map((precision) => {
  const own = outcomes.filter((outcome) => outcome.precision === precision);
  const count = (status) => own.filter((outcome) => outcome.status === status).length;
  const pinned = own.filter(({ status, pins }) => status === "pass" && pins.length > 0).length;
  const [pass, disputed, refused] = ["pass", "disputed", "refused"].map(count);
  const notFinite = count("notFinite");
  const [wrong, crash] = ["wrong", "crash"].map(count);
  return { precision, cases: own.length, pass, pinned, disputed, notFinite, refused, wrong, crash };
});
if (flags.json) console.log(JSON.stringify({ summaries, results }));
else for (const summary of summaries) console.log(JSON.stringify(summary));
if (summaries.some(({ wrong, crash }) => wrong + crash > 0)) process.exitCode = 1;

/** The table: numbers, then what does not pass, by reason. */
function table() {
  const lines = [
    "<!-- Generated by `npm run test:onnx -- --table`; do not edit. -->",
    "",
    "# ONNX backend tests",
    "",
    "The node tests of the ONNX project, release 1.17.0, compiled, run and compared: integers and",
    "booleans exactly, reals within a part of the greatest magnitude of the output. Each case is",
    "calibrated on its own inputs. _Pinned_: passed with inputs that say shapes, axes or sizes given",
    "when compiling (`--pin`). _Disputed_: the result is onnxruntime's, the suite's is another.",
    "_Not finite_: floats give NaN or infinities, which fixed point has not; the rest is right.",
    "",
    "| precision | tolerance | tests | passed | of these pinned | disputed | not finite | refused | wrong |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const s of summaries) {
    const tolerance = String(TOLERANCES[s.precision]);
    const bad = s.wrong + s.crash;
    const cells = [
      s.precision,
      tolerance,
      s.cases,
      s.pass,
      s.pinned,
      s.disputed,
      s.notFinite,
      s.refused,
      bad,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  const [first] = precisions;
  const passed = outcomes.filter((o) => o.precision === first && o.status === "pass");
  section(lines, `Passed at ${first}`, new Map([["", passed]]));
  for (const precision of precisions) {
    for (const [status, title] of [
      ["wrong", "Wrong"],
      ["disputed", "Disputed"],
      ["notFinite", "Not finite"],
    ]) {
      const own = outcomes.filter((o) => o.precision === precision && o.status === status);
      if (own.length > 0)
        section(
          lines,
          `${title} at ${precision}`,
          groupBy(own, ({ reason }) => reason),
        );
    }
  }
  const refused = outcomes.filter((o) => o.precision === first && o.status === "refused");
  section(lines, "Refused", groupBy(refused, reasonOf));
  return `${lines.join("\n")}\n`;
}

/** A refusal without the names that are the case's own. */
function reasonOf({ reason }) {
  return reason
    .replace("the model uses operators that cannot be compiled:", "")
    .split("\n")
    .map((line) => line.replace(/: "[^"]*"(, "[^"]*")*$/, "").trim())
    .filter((line) => line !== "")
    .join("; ")
    .replace(/"[^"]*"/g, "…");
}

function groupBy(list, keyOf) {
  const groups = new Map();
  for (const item of list) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function section(lines, title, groups) {
  lines.push("", `## ${title}`, "");
  for (const [reason, items] of groups) {
    const names = items.map(({ name, pins }) => {
      const short = name.replace(/^test_/, "");
      return pins.length > 0 ? `_${short}_` : short;
    });
    if (reason !== "")
      lines.push(`- ${reason.replaceAll("|", "\\|").replaceAll("<", "\\<")}: ${names.join(", ")}`);
    else lines.push(names.join(", "));
  }
}

if (flags.table !== undefined) writeFileSync(flags.table, table());
if (flags.check !== undefined && readFileSync(flags.check, "utf8") !== table()) {
  console.error(
    `${flags.check} is stale: run npm run test:onnx -- --suite DIR ${precisions.map((p) => `--precision ${p}`).join(" ")} --table ${flags.check}`,
  );
  process.exitCode = 1;
}
