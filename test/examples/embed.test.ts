import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("examples/embed.mjs runs and prints what its layer gives", () => {
  const script = fileURLToPath(new URL("../../examples/embed.mjs", import.meta.url));
  const printed = execFileSync(process.execPath, [script], { encoding: "utf8" });
  // relu([1, 2, 3] · W + b) and relu([−1, ½, 0] · W + b), by hand
  expect(printed).toContain("[ 8.125, 0, 0, 0.625 ]");
  expect(printed).toContain("status: 'finished'");
  expect(printed).toMatch(/receipt hash [0-9a-f]{64}/);
});
