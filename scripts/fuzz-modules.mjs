// Runs mutated modules (test/property/mutants.test.ts) in numbers that CI has no time for:
//   npm run fuzz -- [--count 100000] [--seed 1]
// Without --count it goes on, batch after batch with a seed of its own, until something fails.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const BATCH = 10_000;
const USAGE = "usage: npm run fuzz -- [--count N] [--seed N], natural numbers";

/** @type {{ count?: string, seed?: string }} */
let values;
try {
  ({ values } = parseArgs({ options: { count: { type: "string" }, seed: { type: "string" } } }));
} catch {
  console.error(USAGE);
  process.exit(2);
}
let left = values.count === undefined ? Infinity : Number(values.count);
let seed = Number(values.seed ?? 1);
if (!(left > 0) || !Number.isSafeInteger(seed) || (left !== Infinity && !Number.isInteger(left))) {
  console.error(USAGE);
  process.exit(2);
}

const root = fileURLToPath(new URL("..", import.meta.url));
for (; left > 0; left -= BATCH, seed++) {
  const { status } = spawnSync(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", "test/property/mutants.test.ts"],
    {
      cwd: root,
      stdio: "inherit",
      env: {
        ...process.env,
        AIVM_FUZZ_COUNT: String(Math.min(left, BATCH)),
        AIVM_FUZZ_SEED: String(seed),
      },
    },
  );
  if (status !== 0) {
    console.error(`seed ${seed} found something`);
    process.exit(1);
  }
}
