// Runs the ONNX project's backend tests on compiled modules:
//   npm run test:onnx -- --suite DIR [--precision fx32] [--filter REGEX] [--json] [--table FILE]
// Each case is compiled with a calibration on its own inputs, run on the default engine, and its
// outputs compared with the expected ones: integers and booleans exactly, reals within the
// tolerance of the precision, relative to the output's greatest magnitude.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSimdBackendSync } from "../dist/tensor/simd/index.js";
import { calibrate } from "../dist/analysis/calibrate.js";
import { hostValue } from "../dist/analysis/compare.js";
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
    precision: { type: "string", default: "fx32" },
    filter: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const tolerance = TOLERANCES[flags.precision];
if (flags.help || flags.suite === undefined || tolerance === undefined) {
  console.log(
    "usage: npm run test:onnx -- --suite DIR [--precision fx32|fx16|fx16w8|fx8] [--filter REGEX] [--json]\n" +
      "DIR holds one folder a test: model.onnx and test_data_set_0, as the package libonnx-testdata or `pip install onnx` have them",
  );
  process.exit(flags.help ? 0 : 2);
}

/** The case's tensors as host arrays, in the order of the model's ports. */
function tensors(folder, kind) {
  const found = [];
  for (let i = 0; ; i++) {
    const file = join(folder, "test_data_set_0", `${kind}_${String(i)}.pb`);
    if (!existsSync(file)) return found;
    const { elementType, dims, data } = decodeTensor(readFileSync(file)).tensor;
    if (elementType === "string") throw new InputError("Strings", "the case's data are strings");
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

function differenceOf(name, expected, output) {
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
    const error = Number.isFinite(data[i]) ? Math.abs(data[i] - got[i]) : Infinity;
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  const relative = worst === 0 ? 0 : worst / greatest;
  if (relative <= tolerance) return undefined;
  return `output ${name}[${String(at)}] is ${String(got[at])}, not ${String(data[at])} (relative error ${relative.toExponential(1)})`;
}

async function runCase(folder) {
  const model = readFileSync(join(folder, "model.onnx"));
  const ports = describeModel(model);
  const inputs = tensors(folder, "input");
  const expected = tensors(folder, "output");
  let refusal;
  for (const pins of pinnings(ports.inputs, inputs)) {
    try {
      importSupported(model, { pins });
      const sample = new Map(ports.inputs.map(({ name }, i) => [name, inputs[i]]));
      const calibration = await calibrate(model, [sample], { pins });
      const { bytes } = compile(model, { calibration, pins, precision: flags.precision });
      const backend = createSimdBackendSync();
      const instance = instantiate(bytes, { backend, ownsBackend: true });
      try {
        const feeds = {};
        for (const [name, array] of sample)
          if (!Object.hasOwn(pins, name)) feeds[name] = hostValue(array);
        const { outputs, trap } = await instance.run({ inputs: feeds });
        if (trap !== undefined) return { status: "wrong", reason: `trap: ${trap.message}` };
        for (const [i, { name }] of ports.outputs.entries()) {
          if (expected[i] === undefined) continue;
          const difference = differenceOf(name, expected[i], outputs[name]);
          if (difference !== undefined)
            return { status: "wrong", reason: difference, pins: Object.keys(pins) };
        }
        return { status: "pass", pins: Object.keys(pins) };
      } finally {
        instance.dispose();
      }
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
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
    if (error instanceof CompileError || error instanceof InputError)
      result = { status: "refused", reason: `${error.code}: ${error.message}` };
    else result = { status: "crash", reason: String(error?.stack ?? error) };
  }
  results.push({ name, ...result });
  if (!flags.json && result.status !== "pass")
    console.log(`${result.status.padEnd(8)} ${name}: ${result.reason.replaceAll("\n", " ")}`);
}

const count = (status) => results.filter((result) => result.status === status).length;
const summary = {
  precision: flags.precision,
  cases: results.length,
  pass: count("pass"),
  passWithPins: results.filter(({ status, pins }) => status === "pass" && pins.length > 0).length,
  refused: count("refused"),
  wrong: count("wrong"),
  crash: count("crash"),
};
if (flags.json) console.log(JSON.stringify({ summary, results }));
else console.log(JSON.stringify(summary));
if (summary.wrong + summary.crash > 0) process.exitCode = 1;
