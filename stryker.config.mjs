// Tests the tests: changes what everything stands on, a little at a time, and expects a test to
// fail. `npm run test:mutation -- --mutate 'src/core/**/*.ts'` takes a part of it.
import { fileURLToPath } from "node:url";

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export const options = {
  plugins: [fileURLToPath(new URL("scripts/mutation/runner.mjs", import.meta.url))],
  testRunner: "bundled",
  mutate: ["src/{core,opcodes,module,vm}/**/*.ts", "src/tensor/reference/**/*.ts"],
  // esbuild only takes the types away.
  disableTypeChecks: false,
  ignorePatterns: ["coverage", "dist", "docs"],
  coverageAnalysis: "perTest",
  // What a file computes when it is loaded belongs to every test; `npm run check:generated` and
  // the vectors hold the records.
  ignoreStatic: true,
  // Messages are for people: tests hold codes and places, not wording.
  mutator: { excludedMutations: ["StringLiteral"] },
  reporters: ["clear-text", "html", "json", "progress"],
  htmlReporter: { fileName: "coverage/mutation.html" },
  jsonReporter: { fileName: "coverage/mutation.json" },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 90, low: 85, break: 85 },
  concurrency: 2,
  timeoutMS: 20_000,
  dryRunTimeoutMinutes: 20,
  tempDirName: "coverage/stryker",
  incremental: true,
  incrementalFile: "coverage/stryker-incremental.json",
};
export default options;
