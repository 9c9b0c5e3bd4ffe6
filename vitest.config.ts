import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Slow, and in need of data that the project may not ship: `npm run test:models`.
    // Tests cut for mutants: `npm run test:mutation`.
    exclude: ["test/models/**", "test/mutation/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
  },
});
