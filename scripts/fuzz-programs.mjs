// Runs random valid programs (test/property/programs.test.ts) in numbers that CI has no time for:
//   node scripts/fuzz-programs.mjs [COUNT [SEED]]
// It goes on in batches, each with a seed of its own, and stops where engines differ.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const BATCH = 10_000;
const count = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);
if (!(count > 0) || !Number.isSafeInteger(count) || !Number.isSafeInteger(first)) {
  console.error("usage: node scripts/fuzz-programs.mjs [COUNT [SEED]], natural numbers");
  process.exit(2);
}

for (let done = 0, seed = first; done < count; done += BATCH, seed++) {
  const { status } = spawnSync(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", "test/property/programs.test.ts"],
    {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      stdio: "inherit",
      env: {
        ...process.env,
        AIVM_FUZZ_COUNT: String(Math.min(count - done, BATCH)),
        AIVM_FUZZ_SEED: String(seed),
      },
    },
  );
  if (status !== 0) process.exit(1);
}
