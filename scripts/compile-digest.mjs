// Shows that compiling is a pure function: prints the SHA-256 of the bytes that models compile to.
//   node scripts/compile-digest.mjs --calibrate c.json [MODEL.onnx]
//     measures a model (the demo's unless said) on made-up samples and writes the calibration
//   node scripts/compile-digest.mjs [--precision fx16] [MODEL.onnx CALIBRATION.json]...
//     compiles each model from its calibration; all engines (node, bun, …) print the same
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseCalibration } from "../dist/analysis/calibrationFile.js";
import { compile } from "../dist/compiler/compile.js";
import { toHex } from "../dist/module/hex.js";
import { sha256 } from "../dist/module/sha256.js";

const DEMO = fileURLToPath(new URL("../examples/models/digits.onnx", import.meta.url));

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibrate: { type: "string" },
    precision: { type: "string", multiple: true, default: ["fx8", "fx16w8", "fx16", "fx32"] },
  },
});

if (flags.calibrate !== undefined) {
  const { calibrate } = await import("../dist/analysis/calibrate.js");
  const { formatCalibration } = await import("../dist/analysis/calibrationFile.js");
  const { madeUpSamples } = await import("../dist/analysis/madeUpSamples.js");
  const { planSamples } = await import("../dist/analysis/samplePlan.js");
  const { describeModel } = await import("../dist/compiler/describe.js");
  const model = readFileSync(positionals[0] ?? DEMO);
  const samples = madeUpSamples(describeModel(model).inputs, planSamples(model));
  const calibration = await calibrate(model, samples, { madeUp: true });
  writeFileSync(flags.calibrate, formatCalibration(calibration));
} else {
  if (positionals.length === 0 || positionals.length % 2 !== 0) {
    console.error("usage: compile-digest.mjs [--precision P] MODEL.onnx CALIBRATION.json ...");
    process.exit(2);
  }
  for (let i = 0; i < positionals.length; i += 2) {
    const [path, file] = positionals.slice(i, i + 2);
    const model = readFileSync(path);
    const calibration = parseCalibration(readFileSync(file, "utf8"), file);
    for (const precision of flags.precision) {
      const { bytes } = compile(model, { calibration, precision });
      console.log(`${toHex(sha256(bytes))} ${basename(path)} ${precision}`);
    }
  }
}
