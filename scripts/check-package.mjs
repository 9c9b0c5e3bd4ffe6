// What a consumer of the package sees: types resolve, exports are right, the public API is
// documented, bundles stay small. Wants a built tree: `npm run check:package` builds it.
import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Gzipped bytes of what a bundler makes of an import, minified, everything in it included. */
const BUDGETS = [
  { name: "aivm/vm + aivm/tensor/simd", source: ["aivm/vm", "aivm/tensor/simd"], kilobytes: 160 },
  { name: "aivm/vm", source: ["aivm/vm"], kilobytes: 60 },
  { name: "aivm/module", source: ["aivm/module"], kilobytes: 50 },
  { name: "aivm/compiler", source: ["aivm/compiler"], kilobytes: 250 },
];

/** @type {[string, string[]][]} */
const CHECKS = [
  ["publint", ["run", "--strict"]],
  ["attw", ["--pack", ".", "--profile", "esm-only", "--format", "ascii"]],
  ["typedoc", ["--emit", "none"]],
];

let failed = false;
for (const [tool, args] of CHECKS) {
  try {
    execFileSync("npx", ["--no-install", tool, ...args], { stdio: "pipe", encoding: "utf8" });
    console.log(`${tool}: clean`);
  } catch (error) {
    failed = true;
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error);
    console.error(`${tool} ${args.join(" ")}\n${stdout}${stderr}`);
  }
}

for (const { name, source, kilobytes } of BUDGETS) {
  const contents = source.map((entry, i) => `export * as e${i} from ${JSON.stringify(entry)};`);
  const { outputFiles } = await build({
    stdin: { contents: contents.join("\n"), resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    write: false,
  });
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length / 1000;
  const verdict = size <= kilobytes ? "within" : "OVER";
  if (size > kilobytes) failed = true;
  console.log(`${name}: ${size.toFixed(1)} kB gzipped, ${verdict} its ${kilobytes} kB`);
}
process.exitCode = failed ? 1 : 0;
