// Writes the conformance vectors, spec/vectors/**/*.json. Deterministic: what is random has a fixed
// seed. `--check` writes nothing and fails when a file is missing, stale or left over.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { vectorFiles } from "./vectors/vectorFiles.mjs";

const FOLDER = new URL("../spec/vectors/", import.meta.url);

const files = new Map();
let vectors = 0;
for await (const file of vectorFiles()) {
  files.set(`${file.name}.json`, file.toString());
  vectors += file.vectors.length;
}
const there = readdirSync(FOLDER, { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".json"));
const stale = [...files].filter(([name, text]) => read(name) !== text).map(([name]) => name);
const left = there.filter((name) => !files.has(name));

if (process.argv.includes("--check")) {
  for (const name of [...stale, ...left]) {
    console.error(`spec/vectors/${name} is stale: run npm run generate`);
  }
  process.exitCode = stale.length + left.length > 0 ? 1 : 0;
} else {
  for (const name of stale) {
    mkdirSync(dirname(fileURLToPath(new URL(name, FOLDER))), { recursive: true });
    writeFileSync(new URL(name, FOLDER), files.get(name));
  }
  for (const name of left) rmSync(new URL(name, FOLDER));
  const bytes = [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  console.log(
    `${vectors} vectors in ${files.size} files, ${(bytes / 1e6).toFixed(1)} MB; ${stale.length} written, ${left.length} removed`,
  );
}

function read(name) {
  try {
    return readFileSync(new URL(name, FOLDER), "utf8");
  } catch {
    return undefined;
  }
}
