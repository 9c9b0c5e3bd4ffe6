import { defineConfig } from "vitest/config";

/** The tests that Stryker runs: those of what it changes. */
export default defineConfig({
  test: {
    include: ["test/{opcodes,module,vm,conformance}/**/*.test.ts", "test/tensor/reference.test.ts"],
    pool: "forks",
    testTimeout: 60_000,
  },
});
