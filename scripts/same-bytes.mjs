// Compiles models from one calibration file each, in every profile, under several JavaScript
// engines, and fails unless all give the same bytes.
//   node scripts/same-bytes.mjs [--engine PATH]...
// The engines are this Node, Bun (JavaScriptCore) where npm has a binary of it for this platform,
// and those that are named. The models are the demo's and, where there is data, real ones.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findBun, nameOf } from "./engines.mjs";

/** Convolutions, a transformer, recurrence, gathers and long functions, a quantised model. */
const REAL_MODELS = [
  "mnist",
  "blazeface_front",
  "stories260K_seq64",
  "dtln_1",
  "magika",
  "mobilenet_v2_qdq",
];

const root = fileURLToPath(new URL("..", import.meta.url));
const digest = join(root, "scripts/compile-digest.mjs");
const { values: flags } = parseArgs({ options: { engine: { type: "string", multiple: true } } });

const engines = new Map([[nameOf(process.execPath), process.execPath]]);
const bun = findBun();
if (bun !== undefined) engines.set(nameOf(bun), bun);
else
  console.log(
    `Not run: Bun, of which npm installed no binary that runs on ${process.platform}-${process.arch}.`,
  );
for (const path of flags.engine ?? []) {
  const name = nameOf(path);
  if (name === undefined) {
    console.error(`${path} is no engine that runs here.`);
    process.exit(2);
  }
  engines.set(name, path);
}
if (engines.size < 2) {
  console.error("Nothing to compare: name another engine with --engine PATH.");
  process.exit(2);
}

const data = process.env.AIVM_DATA ?? join(root, "../shared/data");
const models = [join(root, "examples/models/digits.onnx")];
for (const name of REAL_MODELS) {
  const path = join(data, "models", `${name}.onnx`);
  if (existsSync(path)) models.push(path);
  else console.log(`Not run: ${name}, as there is no ${path}.`);
}

const folder = mkdtempSync(join(tmpdir(), "aivm-same-bytes-"));
let failed = false;
try {
  for (const model of models) {
    const calibration = join(folder, "calibration.json");
    execFileSync(process.execPath, [digest, "--calibrate", calibration, model]);
    const found = new Map(
      [...engines].map(([name, path]) => [
        name,
        execFileSync(path, [digest, model, calibration], { encoding: "utf8" }),
      ]),
    );
    const distinct = new Set(found.values());
    if (distinct.size === 1 && found.get([...engines.keys()][0]) !== "") {
      const profiles = [...distinct][0].trim().split("\n").length;
      console.log(
        `${basename(model)}: ${profiles} profiles, the same bytes under ${[...engines.keys()].join(", ")}`,
      );
      continue;
    }
    failed = true;
    console.error(`${basename(model)}: the bytes differ`);
    for (const [name, lines] of found) console.error(`under ${name}:\n${lines}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (failed) process.exit(1);
