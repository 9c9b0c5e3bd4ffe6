import { defineConfig } from "vitest/config";
import { sharedData } from "./test/support/sharedData.js";

// The rows of the accuracy table: they need models and images that the project may not ship.
const present = sharedData("models") !== undefined;
if (!present) {
  console.log(
    "The real-model suites did not run: there is no ../shared/data, and AIVM_DATA names no other folder.",
  );
}

export default defineConfig({
  test: {
    include: present ? ["test/models/**/*.test.ts"] : [],
    passWithNoTests: !present,
    globalSetup: ["test/models/cacheFolder.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    allowOnly: false,
    // The figures are for whoever reads the log: without a heading for each line.
    disableConsoleIntercept: true,
  },
});
